//! Each layer holds by itself: a probe is refused in the ordinary build and gets through, or further,
//! in the build that leaves out that one layer and no other.
//!
//! Where a second layer stops the usual attack as well, the probe is one that only this layer stops,
//! and the test says what the other one is.
//!
//! Not for: the attacks in their breadth (`attacks`).

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::{Child, Daemon, Jail, PATIENCE, binary};

/// What a probe's daemon is made of: all layers, or all but one.
fn ordinary_and_without(layer: &'static str) -> (Daemon, Daemon) {
    (Daemon::ephemeral(), Daemon::without(layer))
}

/// Runs one script in the jails of both; gives what each printed.
#[track_caller]
fn both(layer: &'static str, adapt: impl Fn(Jail) -> Jail, script: &str) -> (String, String) {
    let (whole, lacking) = ordinary_and_without(layer);
    let run = |daemon: &Daemon| {
        let tools = "import ctypes, errno, os, signal, struct, sys\nLIBC = ctypes.CDLL(None, use_errno=True)\n\
            def syscall(*numbers):\n    ctypes.set_errno(0)\n    wide = [ctypes.c_long(n) if isinstance(n, int) else n for n in numbers]\n    \
            return 'ok' if LIBC.syscall(*wide) != -1 else errno.errorcode[ctypes.get_errno()]\n";
        adapt(Jail::on(daemon)).run(&["/usr/bin/python3", "-c", &format!("{tools}{script}")])
    };
    (run(&whole).ok().text(), run(&lacking).ok().text())
}

fn same(jail: Jail) -> Jail {
    jail
}

/// Runs a tool of the host against the first process of a waiting jail, in both.
#[track_caller]
fn both_from_outside(layer: &'static str, probe: impl Fn(&str) -> String) -> (String, String) {
    let (whole, lacking) = ordinary_and_without(layer);
    let run = |daemon: &Daemon| {
        let jail = Jail::on(daemon);
        let mut child = jail.start(&["/bin/sh", "-c", "echo ready; read -r line; exit 0"]);
        child.await_text("ready", PATIENCE);
        let said = probe(&init_of(daemon));
        child.close_input();
        assert_eq!(child.wait(PATIENCE).code(), 0);
        said
    };
    (run(&whole), run(&lacking))
}

/// The first process of the daemon's only jail, as the host numbers it.
fn init_of(daemon: &Daemon) -> String {
    let warden = daemon.process().pid();
    let children = fs::read_to_string(format!("/proc/{warden}/task/{warden}/children")).unwrap();
    let is_init = |pid: &&str| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
        comm.is_ok_and(|comm| comm.trim() == "sheriff-init")
    };
    children
        .split_whitespace()
        .find(is_init)
        .unwrap()
        .to_owned()
}

fn host(argv: &[&str]) -> String {
    let child = Child::start(Command::new(argv[0]).args(&argv[1..]).stdin(Stdio::null()));
    let state = child.wait(PATIENCE);
    String::from_utf8_lossy(&[state.stdout, state.stderr].concat())
        .trim()
        .to_owned()
}

#[test]
fn seccomp_alone_stops_system_calls_that_need_no_privilege() {
    let script = "
os.chdir('/workspace'); open('f', 'w').close()
print(syscall(425, 1, ctypes.create_string_buffer(120)), syscall(90, b'f', 0o4755), syscall(41, 17 if False else 38, 5, 0))";
    let (whole, lacking) = both("seccomp", Jail::scratch, script);
    assert_eq!(whole, "ENOSYS EPERM EAFNOSUPPORT");
    let words: Vec<_> = lacking.split(' ').collect();
    assert_ne!(words[0], "ENOSYS", "io_uring: {lacking}");
    assert_eq!(words[1], "ok", "set-user-ID bit: {lacking}");
}

#[test]
fn landlock_alone_stops_opening_a_descriptor_of_the_host_once_more_for_writing() {
    use std::os::unix::fs::PermissionsExt;
    // Its operator passed it on for reading; whose file it is would not stop anybody.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o666)).unwrap();
    let script = "if (echo planted >/proc/self/fd/0) 2>/dev/null; then echo wrote; else echo refused; fi; \
                  if cat /.landlock-canary 2>/dev/null; then echo read; else echo refused; fi";
    let (whole, lacking) = ordinary_and_without("landlock");
    let run = |daemon: &Daemon| {
        let input = fs::File::open(file.path()).unwrap();
        let mut command = Command::new(binary("sheriff"));
        command.arg("--socket-dir").arg(daemon.runtime());
        command.args(["run", "--", "/bin/sh", "-c", script]);
        let state = Child::start(command.stdin(Stdio::from(input))).wait(PATIENCE);
        assert_eq!(state.code(), 0, "{state}");
        String::from_utf8_lossy(&state.stdout).trim().to_owned()
    };
    assert_eq!(run(&whole), "refused\nrefused");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "");
    assert_eq!(run(&lacking), "wrote\nread");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "planted\n");
}

#[test]
fn masks_alone_hide_what_the_kernel_shows_of_the_host() {
    let script = "
names = ['interrupts', 'kallsyms']
print([bool(open('/proc/' + n, 'rb').read(100)) for n in names])
print(bool(os.statvfs('/proc/sys').f_flag & os.ST_RDONLY))";
    let (whole, lacking) = both("masks", same, script);
    assert_eq!(whole, "[False, False]\nTrue");
    assert_eq!(lacking, "[True, True]\nFalse");
}

#[test]
fn no_new_privileges_is_there_and_nothing_else_sets_it() {
    // Set-user-ID programs are stopped by nosuid mounts as well, so what is asked is the mark itself,
    // and what the kernel ties to it: only a marked process may add a filter to itself.
    let script = "
class Filter(ctypes.Structure): _fields_ = [('code', ctypes.c_uint16), ('jt', ctypes.c_uint8), ('jf', ctypes.c_uint8), ('k', ctypes.c_uint32)]
class Program(ctypes.Structure): _fields_ = [('length', ctypes.c_uint16), ('filter', ctypes.POINTER(Filter))]
allow = Program(1, ctypes.pointer(Filter(6, 0, 0, 0x7fff0000)))
print(LIBC.prctl(39, 0, 0, 0, 0), syscall(317, 1, 0, ctypes.byref(allow)))";
    let (whole, lacking) = both("nnp", same, script);
    assert_eq!((whole.as_str(), lacking.as_str()), ("1 ok", "0 EACCES"));
}

#[test]
fn capabilities_are_taken_out_of_reach_for_good() {
    // The change of user clears the effective set in any case, and no_new_privs stops file
    // capabilities; the bounding set is emptied by this layer alone.
    let script = "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('CapBnd')), LIBC.prctl(23, 21))";
    let (whole, lacking) = both("caps", same, script);
    assert_eq!(whole, "0000000000000000 0");
    assert!(
        !lacking.starts_with("0000000000000000") && lacking.ends_with(" 1"),
        "{lacking}"
    );
}

#[test]
fn the_user_namespace_alone_separates_the_jails_root_from_the_hosts() {
    let script = "print(os.readlink('/proc/self/ns/user'), open('/proc/self/uid_map').read().split()[-1], os.stat('/').st_uid)";
    let (whole, lacking) = both("userns", same, script);
    let own = fs::read_link("/proc/self/ns/user")
        .unwrap()
        .display()
        .to_string();
    assert!(
        !whole.contains(&own) && whole.ends_with(" 65534"),
        "{whole}"
    );
    assert!(
        lacking.contains(&own) && lacking.ends_with(" 4294967295 0"),
        "{lacking}"
    );
}

#[test]
fn namespace_limits_alone_stop_nested_namespaces_once_seccomp_is_out_of_the_way() {
    // Inside, seccomp refuses the call first. A process that enters the jail's user namespace from
    // outside brings no filter along, and full capabilities there: only the limits stop it.
    let (whole, lacking) = both_from_outside("nslimits", |init| {
        let script = format!("import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(answer): return 'ok' if answer == 0 else errno.errorcode[ctypes.get_errno()]
print(call(libc.setns(os.open('/proc/{init}/ns/user', os.O_RDONLY), 0)), call(libc.unshare(0x40000000)))");
        host(&["python3", "-c", &script])
    });
    assert_eq!((whole.as_str(), lacking.as_str()), ("ok ENOSPC", "ok ok"));
}

#[test]
fn pivot_root_alone_takes_the_hosts_root_out_of_the_jails_mounts() {
    // Inside, getting out of a mere chroot needs calls and capabilities that others stop. Whoever may
    // change the jail's mounts tries to lift its root off what lies below: there the host's files are,
    // or nothing is.
    let secret = tempfile::Builder::new()
        .prefix("sheriff-secret-")
        .tempfile_in("/var/tmp")
        .unwrap();
    let look = format!(
        "test -e {} && echo there || echo not there",
        secret.path().display()
    );
    let (whole, lacking) = both_from_outside("pivot", |init| {
        let enter = |script: &str| {
            host(&[
                "nsenter", "--target", init, "--mount", "/bin/sh", "-c", script,
            ])
        };
        assert_eq!(enter(&look), "not there");
        let lift = "import ctypes; ctypes.CDLL(None).umount2(b'/', 2)";
        enter(&format!("/usr/bin/python3 -c \"{lift}\""));
        enter(&look)
    });
    assert_ne!(whole, "there");
    assert_eq!(lacking, "there");
}

#[test]
fn the_memory_limit_alone_stops_a_memory_bomb() {
    let (whole, lacking) = ordinary_and_without("memory");
    let run = |daemon: &Daemon| {
        let script = "x = b'x' * (200 << 20); print('had', len(x) >> 20)";
        Jail::on(daemon)
            .limit("memory=64MiB")
            .run(&["/usr/bin/python3", "-c", script])
    };
    let stopped = run(&whole).ended_with(137);
    assert_eq!(stopped.report["exit"]["reason"], "memory", "{stopped}");
    assert_eq!(run(&lacking).ok().text(), "had 200");
}

#[test]
fn the_process_limit_alone_stops_a_fork_bomb() {
    let script = "
made = 0
try:
    while made < 100:
        if os.fork() == 0: signal.pause()
        made += 1
except OSError as error: print(errno.errorcode[error.errno], end=' ')
print(made < 40, flush=True)
os.kill(0, signal.SIGTERM) if False else None";
    let (whole, lacking) = both("pids", |jail| jail.limit("pids=40"), script);
    assert_eq!((whole.as_str(), lacking.as_str()), ("EAGAIN True", "False"));
}

#[test]
fn the_processor_limit_alone_throttles_a_busy_jail() {
    let script = "import time
begun = time.monotonic()
while time.process_time() < 0.5: pass
print(time.monotonic() - begun > 3.5)";
    // Half a second of work takes five under a tenth of a processor; a busy host is far from that.
    let (whole, lacking) = both("cpu", |jail| jail.limit("cpu=0.1"), script);
    assert_eq!((whole.as_str(), lacking.as_str()), ("True", "False"));
}

#[test]
fn the_core_limit_alone_stops_a_crash_from_reaching_the_core_handler() {
    // What a crash leaves depends on the host's handler; the limit that decides does not.
    let script = "
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
try: resource.setrlimit(resource.RLIMIT_CORE, (1024, hard)); print('raised')
except (ValueError, OSError): print('refused')";
    let (whole, lacking) = both("core", same, script);
    assert_eq!((whole.as_str(), lacking.as_str()), ("refused", "raised"));
}

#[test]
fn the_cell_alone_keeps_the_jail_out_of_the_hosts_network() {
    let service = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let script = format!(
        "import socket
try: socket.create_connection(('127.0.0.1', {port}), 5); print('reached')
except OSError as e: print(errno.errorcode[e.errno])"
    );
    let (whole, lacking) = both("net", same, &script);
    assert_eq!(
        (whole.as_str(), lacking.as_str()),
        ("ECONNREFUSED", "reached")
    );
}

#[test]
fn the_ipc_namespace_alone_keeps_the_hosts_shared_memory_out_of_sight() {
    let made = host(&["ipcmk", "-M", "4096"]);
    let id = made.rsplit(' ').next().unwrap().to_owned();
    let script = "print(len(open('/proc/sysvipc/shm').readlines()) - 1)";
    let (whole, lacking) = both("ipc", same, script);
    host(&["ipcrm", "-m", &id]);
    assert_eq!(whole, "0");
    assert_ne!(lacking, "0", "the segment {id} was the host's");
}

#[test]
fn the_uts_namespace_alone_gives_the_jail_a_name_of_its_own() {
    let name = host(&["uname", "-n"]);
    let (whole, lacking) = both("uts", same, "print(os.uname().nodename)");
    assert_ne!(whole, name);
    assert_eq!(lacking, name);
    assert_eq!(host(&["uname", "-n"]), name, "the host was renamed");
}

#[test]
fn the_cgroup_namespace_alone_hides_where_the_jail_stands_among_others() {
    let script = "print(any(line.rstrip()[-1] != '/' for line in open('/proc/self/cgroup')))";
    let (whole, lacking) = both("cgroupns", same, script);
    assert_eq!((whole.as_str(), lacking.as_str()), ("False", "True"));
}

#[test]
fn the_limits_of_a_process_alone_bound_its_files() {
    let limit =
        |name: &str| format!("import resource; print(resource.getrlimit(resource.{name})[1])");
    let (whole, lacking) = both("files", same, &limit("RLIMIT_NOFILE"));
    assert_ne!(whole, lacking);
    assert!(whole.parse::<u32>().unwrap() <= 16384, "{whole}");
    // Its size: a jail may write so much into one file, and the next byte is an error.
    let write = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open('/tmp/big', 'wb') as file:
    try: os.ftruncate(file.fileno(), (1 << 20) + 1); print('grown')
    except OSError as e: print(errno.errorcode[e.errno])";
    let small = |jail: Jail| jail.options(["--limit", "file_size=1MiB"]);
    let (whole, lacking) = both("fsize", small, write);
    assert_eq!((whole.as_str(), lacking.as_str()), ("EFBIG", "grown"));
}

#[test]
fn the_sweep_alone_takes_the_wardens_descriptors_from_the_jail() {
    let (whole, lacking) = both_from_outside("fds", |init| {
        let entries = fs::read_dir(format!("/proc/{init}/fd")).unwrap().flatten();
        let targets = entries.map(|entry| fs::read_link(entry.path()).unwrap_or_default());
        let of_host = |path: &std::path::PathBuf| {
            let text = path.display().to_string();
            text.contains("cgroup")
                || text.contains("net:")
                || text.contains("/tmp/sheriff-test-")
                || text.contains("/run/sheriff-")
        };
        let (all, host): (Vec<_>, Vec<_>) = (vec![()], targets.filter(of_host).collect());
        drop(all);
        if host.is_empty() {
            "none".to_owned()
        } else {
            format!("{} of the host: {host:?}", host.len())
        }
    });
    assert_eq!(whole, "none");
    assert!(lacking.contains("of the host"), "{lacking}");
}
