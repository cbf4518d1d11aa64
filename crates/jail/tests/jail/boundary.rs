//! What must not work in a jail, each with a control that shows the probe itself works.

use std::fs;
use std::process;

use model::{ByteSize, ExitRecord};

use crate::support::in_a_yard;

/// What a script prints on the host, without a jail: the positive control of a probe.
fn on_host(script: &str) -> String {
    let output = process::Command::new("sh")
        .args(["-c", script])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_agent_has_no_privileges_left() {
    in_a_yard(|yard| {
        let script = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp):?' /proc/self/status \
                  | tr '\\t' ' ' | tr -s ' '; grep -E '^Cap' /proc/self/status | cut -f2";
        let (output, _) = yard.run(script);
        for line in [
            "Uid: 1000 1000 1000 1000",
            "Gid: 1000 1000 1000 1000",
            "NoNewPrivs: 1",
            "Seccomp: 2",
        ] {
            assert!(output.contains(line), "{line} is not in {output}");
        }
        assert_eq!(output.matches("\n0000000000000000").count(), 5, "{output}");
        assert!(!on_host(script).contains("NoNewPrivs: 1"));
    });
}

#[test]
fn the_hosts_files_are_not_there() {
    in_a_yard(|yard| {
        let script = "for f in /etc/shadow /root /etc/ssh /sys/kernel /proc/1/root /proc/1/exe \
                  /home/agent; do test -r $f && echo $f; done";
        assert!(on_host(script).contains("/etc/shadow\n/root\n"));
        assert_eq!(yard.run(script).0, "/home/agent\n");
    });
}

#[test]
fn nothing_of_the_view_can_be_changed() {
    in_a_yard(|yard| {
        let script = "for f in / /usr /usr/bin /etc /etc/passwd /dev /proc/sys/kernel/hostname \
                  /run/sheriff /run/sheriff/token /var /workspace /tmp /home/agent /dev/shm; do
                  { test -d $f && true > $f/probe || { test -f $f && true >> $f; }; } 2>/dev/null \
                  && echo $f; done";
        assert_eq!(
            yard.run(script).0,
            "/workspace\n/tmp\n/home/agent\n/dev/shm\n"
        );
    });
}

#[test]
fn a_read_only_workspace_cannot_be_written() {
    in_a_yard(|yard| {
        fs::write(yard.workspace().join("given"), "text").unwrap();
        let script = "cat given; echo more > given || echo refused";
        let change = |spec: &mut jail::Spec| match &mut spec.furniture.workspace {
            jail::Workspace::Bound { read_only, .. } => *read_only = true,
            jail::Workspace::Scratch { .. } => {}
        };
        let (output, _) = yard.run_spec(change, script);
        assert!(
            output.starts_with("text") && output.ends_with("refused\n"),
            "{output}"
        );
    });
}

#[test]
fn proc_says_nothing_of_the_host() {
    in_a_yard(|yard| {
        let script = "for f in kcore keys kallsyms kmsg timer_list interrupts config.gz; do \
                  test -e /proc/$f && timeout 1 head -c 1 /proc/$f 2>/dev/null | wc -c; done | sort -u";
        assert_eq!(yard.run(script).0, "0\n");
        let script = "head -c 1 /proc/kallsyms | wc -c";
        assert_eq!(on_host(script), "1\n");
        let (output, _) =
            yard.run("tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/environ; ls /proc/1/fd");
        assert!(output.starts_with("sheriff-init"), "{output}");
        assert_eq!(output.matches("ermission denied").count(), 2, "{output}");
    });
}

#[test]
fn no_namespace_and_no_mount_can_be_made() {
    in_a_yard(|yard| {
        for kind in ["-U", "-Ur", "-m", "-n", "-p", "-i", "-u", "-C", "-T"] {
            let script = format!("unshare {kind} true 2>/dev/null && echo made");
            assert_eq!(yard.run(&script).0, "", "{kind}");
            assert_eq!(on_host(&script), "made\n", "{kind}");
        }
        let script = "mount -t tmpfs none /tmp; umount /proc; test -e /proc/self || echo gone
                  grep ' /tmp .* /tmp ' /proc/self/mountinfo; hostname other; hostname";
        let (output, _) = yard.run(script);
        assert!(output.ends_with("jail-under-test\n"), "{output}");
        assert!(!output.contains("gone"), "{output}");
    });
}

#[test]
fn only_the_standard_descriptors_are_open() {
    in_a_yard(|yard| {
        let _open: Vec<_> = (0..50).map(|_| fs::File::open("/").unwrap()).collect();
        let (output, _) = yard.run("exec ls /proc/self/fd");
        // The fourth is the listed folder itself.
        assert_eq!(output, "0\n1\n2\n3\n");
    });
}

#[test]
fn signals_do_not_reach_pid_1_and_no_other_process_is_visible() {
    in_a_yard(|yard| {
        let (output, record) = yard.run("kill -9 1; kill -TERM 1; set -- /proc/[0-9]*; echo $#");
        // Itself and PID 1.
        assert!(
            output.ends_with(
                "
2
"
            ),
            "{output}"
        );
        assert_eq!(record, ExitRecord::exited(0));
    });
}

#[test]
fn sized_folders_fill_up() {
    in_a_yard(|yard| {
        let change = |spec: &mut jail::Spec| {
            spec.site.view.tmpfs = vec![jail::Tmpfs {
                at: "/tmp".into(),
                size: ByteSize(1 << 20),
            }];
        };
        let script = "head -c 1000000 /dev/zero > /tmp/a && echo fits; \
                  head -c 1000000 /dev/zero > /tmp/b 2>/dev/null || echo full";
        assert_eq!(yard.run_spec(change, script).0, "fits\nfull\n");
    });
}

#[test]
fn a_set_user_id_program_gains_nothing() {
    in_a_yard(|yard| {
        let copied = yard.workspace().join("id");
        fs::copy("/usr/bin/id", &copied).unwrap();
        std::os::unix::fs::chown(&copied, Some(0), Some(0)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
        fs::set_permissions(&copied, mode).unwrap();
        assert_eq!(yard.run("./id -u; ./id -ru").0, "1000\n1000\n");
    });
}

#[test]
fn a_view_that_the_agent_could_undermine_is_refused() {
    in_a_yard(|yard| {
        for path in [
            "/workspace/usr",
            "/proc/x",
            "relative",
            "/a/../b",
            "/usr",
            "/no/such/path",
        ] {
            let (stdio, _output) = crate::support::captured();
            let mut spec = yard.spec("true", stdio);
            spec.site.view.read_only = vec![path.into()];
            let error = jail::launch(spec, yard.cgroups()).map(drop).unwrap_err();
            assert!(
                matches!(error.step, jail::Step::Plan | jail::Step::Bind),
                "{path}: {error}"
            );
        }
        let change = |spec: &mut jail::Spec| spec.site.view.read_only = vec!["/opt".into()];
        assert_eq!(
            yard.run_spec(change, "test -d /opt && echo there").0,
            "there\n"
        );
    });
}

#[test]
fn a_jail_may_have_fewer_descriptors_than_its_warden_holds() {
    in_a_yard(|yard| {
        let _open: Vec<_> = (0..100).map(|_| fs::File::open("/").unwrap()).collect();
        let change = |spec: &mut jail::Spec| spec.furniture.limits.open_files = 20;
        let (output, record) = yard.run_spec(change, "ulimit -Sn; ulimit -Hn");
        assert_eq!((output.as_str(), record.code), ("20\n20\n", 0));
    });
}
