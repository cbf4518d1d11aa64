//! What works in a jail.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;

use jail::{Command, JailEvent, Stdio};
use model::{ExitReason, ExitRecord};

use crate::support::{captured, in_a_yard, shell, until, until_over};

#[test]
fn a_command_runs_and_its_exit_code_comes_back() {
    in_a_yard(|yard| {
        assert_eq!(yard.run("exec true").1, ExitRecord::exited(0));
        let (output, record) = yard.run("echo hello; exit 42");
        assert_eq!(
            (output.as_str(), record),
            ("hello\n", ExitRecord::exited(42))
        );
        assert_eq!(yard.run("kill -TERM $$").1, ExitRecord::signalled(15));
    });
}

#[test]
fn files_of_the_workspace_belong_to_its_owner_on_disk_and_to_the_agent_inside() {
    in_a_yard(|yard| {
        fs::write(yard.workspace().join("given"), "x").unwrap();
        std::os::unix::fs::chown(yard.workspace().join("given"), Some(4321), Some(4322)).unwrap();
        let (output, _) = yard.run("echo made > made; stat -c %u:%g given made; pwd");
        assert_eq!(output, "1000:1000\n1000:1000\n/workspace\n");
        let made = fs::metadata(yard.workspace().join("made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (4321, 4322));
    });
}

#[test]
fn ordinary_tools_find_what_they_need() {
    in_a_yard(|yard| {
        let (output, record) = yard.run(
            "set -e; id -un; hostname; cat /etc/resolv.conf; cat /run/sheriff/token; echo
         echo x > /tmp/a; echo y > /home/agent/b; echo z > /dev/shm/c; echo > /dev/null
         test -c /dev/full; head -c 4 /dev/urandom | wc -c; ls / | tr '\\n' ' '; echo
         date -r /etc/passwd +%Z; cat /proc/sys/kernel/hostname; ps -e | wc -l > /dev/null
         umask; ulimit -c; ulimit -n",
        );
        let expected = "agent\njail-under-test\nnameserver 10.77.0.1\nsecret-token\n4\n";
        assert!(output.starts_with(expected), "{output}");
        assert!(
            output.ends_with("UTC\njail-under-test\n0022\n0\n256\n"),
            "{output}"
        );
        assert_eq!(record, ExitRecord::exited(0));
    });
}

#[test]
fn git_python_and_node_work() {
    in_a_yard(|yard| {
        let scripts = [
            (
                "/usr/bin/git",
                "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x \
             && git log --oneline | wc -l",
                "1\n",
            ),
            (
                "/usr/bin/python3",
                "python3 -c 'import subprocess,threading,tempfile,ssl,pty,multiprocessing as m
t=threading.Thread(target=print,args=(\"thread\",),name=\"n\");t.start();t.join()
print(subprocess.check_output([\"echo\",\"sub\"]).decode(),end=\"\")
with m.Pool(2) as p: print(sum(p.map(abs,[1,-2])))'",
                "thread\nsub\n3\n",
            ),
            (
                "/usr/bin/node",
                "node -e 'const c=require(\"child_process\");console.log(c.execSync(\"echo n\")+\
             require(\"os\").cpus().length.toString().replace(/.*/,\"\"))'",
                "n\n\n",
            ),
        ];
        for (program, script, expected) in scripts {
            if fs::metadata(program).is_err() {
                eprintln!("{program} is not on this host");
                continue;
            }
            assert_eq!(yard.run(script).0, expected, "{program}");
        }
    });
}

#[test]
fn says_what_is_missing_when_exec_fails() {
    in_a_yard(|yard| {
        fs::write(yard.workspace().join("script"), "#!/no/such/interpreter\n").unwrap();
        fs::write(yard.workspace().join("data"), "data").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(yard.workspace().join("script"), mode).unwrap();
        let cases = [
            ("no-such-program", ExitReason::NotFound, "not found"),
            (
                "/workspace/script",
                ExitReason::NotFound,
                "/no/such/interpreter",
            ),
            (
                "/workspace/data",
                ExitReason::NotExecutable,
                "not executable",
            ),
            ("/dev/null", ExitReason::NotExecutable, "noexec"),
        ];
        for (program, reason, wording) in cases {
            let (stdio, _output) = captured();
            let mut spec = yard.spec("", stdio);
            spec.furniture.command.argv = vec![std::ffi::CString::new(program).unwrap()];
            let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
            jail.commit().unwrap();
            let (record, message) = until(&mut jail, |event| match event {
                JailEvent::ExecFailed {
                    record, message, ..
                } => Some((record, message)),
                _ => None,
            });
            assert_eq!(record, ExitRecord::ended(reason), "{message}");
            assert!(message.contains(wording), "{program}: {message}");
            assert_eq!(until_over(&mut jail), record);
        }
    });
}

#[test]
fn a_terminal_is_the_commands_own() {
    in_a_yard(|yard| {
        let spec = yard.spec(
            "tty; stty size; test -t 1 && read line < /dev/tty && echo \"got $line\"",
            Stdio::Terminal { rows: 7, cols: 33 },
        );
        let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
        let mut master = fs::File::from(jail.take_terminal().unwrap());
        jail.commit().unwrap();
        master.write_all(b"hello\n").unwrap();
        assert_eq!(until_over(&mut jail), ExitRecord::exited(0));
        let mut output = Vec::new();
        // The end of the last slave reads as EIO.
        drop(master.read_to_end(&mut output));
        let output = String::from_utf8_lossy(&output);
        let words = ["/dev/pts/0\r\n", "7 33\r\n", "got hello\r\n"];
        assert!(words.iter().all(|word| output.contains(word)), "{output}");
    });
}

#[test]
fn more_programs_run_in_the_same_jail_and_can_be_signalled() {
    in_a_yard(|yard| {
        let (stdio, _output) = captured();
        let mut jail = jail::launch(yard.spec("sleep 1000", stdio), yard.cgroups()).unwrap();
        jail.commit().unwrap();
        let (stdio, mut output) = captured();
        jail.exec(7, shell("echo $$ $(id -u); exit 3", stdio))
            .unwrap();
        let (process, record) = until(&mut jail, |event| match event {
            JailEvent::Exited { process, record } => Some((process, record)),
            _ => None,
        });
        assert_eq!((process, record), (7, ExitRecord::exited(3)));
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        assert!(text.ends_with(" 1000\n"), "{text}");

        let terminal = Stdio::Terminal { rows: 24, cols: 80 };
        let command: Command = shell("tty; sleep 1000", terminal);
        jail.exec(8, command).unwrap();
        let master = until(&mut jail, |event| match event {
            JailEvent::Started {
                process: 8,
                terminal,
            } => terminal,
            _ => None,
        });
        let mut line = [0; 11];
        fs::File::from(master.try_clone().unwrap())
            .read_exact(&mut line)
            .unwrap();
        assert_eq!(&line, b"/dev/pts/0\r");
        jail.signal(8, 15).unwrap();
        let ended = until(&mut jail, |event| match event {
            JailEvent::Exited { process: 8, record } => Some(record),
            _ => None,
        });
        assert_eq!(ended, ExitRecord::signalled(15));
        jail.signal(0, 9).unwrap();
        assert_eq!(until_over(&mut jail), ExitRecord::signalled(9));
    });
}
