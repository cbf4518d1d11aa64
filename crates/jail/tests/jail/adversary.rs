//! What a jailed program tries against its seccomp program and against PID 1, past every library.
//!
//! Not for: calls that are plainly refused (`denials`).

use std::ffi::CString;
use std::io::Read;
use std::sync::Arc;

use jail::{Filter, Jail, JailEvent, Spec};
use model::ExitRecord;
use seccomp::{Arch, Profile, Purpose, syscalls};

use crate::support::{Yard, captured, in_a_yard, shell, until, until_over};

/// What every script may call: a call's error by name, `ok` for none.
const PRELUDE: &str = "
import ctypes, errno, os, resource, signal, sys, threading, time
LIBC = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    ctypes.set_errno(0)
    done = LIBC.syscall(*[ctypes.c_ulong(n) for n in numbers])
    return 'ok' if done != -1 else errno.errorcode[ctypes.get_errno()]
";

fn number(name: &str) -> u32 {
    syscalls::number(Arch::native().unwrap(), name).unwrap()
}

/// A shipped profile's programs, with reports.
fn shipped(name: &str) -> Arc<Filter> {
    let profile = Profile::parse(name, seccomp::shipped(name).unwrap()).unwrap();
    let compiled = |purpose| seccomp::compile_for(&profile, Arch::native().unwrap(), purpose);
    let report = compiled(Purpose::Report).unwrap();
    Arc::new(Filter::new(
        compiled(Purpose::Enforce).unwrap(),
        Some(report),
    ))
}

fn python(spec: &mut Spec, script: &str) {
    let script = CString::new(format!("{PRELUDE}{script}")).unwrap();
    spec.furniture.command.argv = vec![c"python3".into(), c"-c".into(), script];
}

fn run(yard: &Yard, profile: &str, script: &str) -> (String, ExitRecord) {
    yard.run_spec(
        |spec| {
            python(spec, script);
            spec.site.program = shipped(profile);
            spec.furniture.limits.open_files = 1024;
        },
        "",
    )
}

/// Starts a script and waits until it has said `up`.
fn running(yard: &Yard, profile: &str, script: &str) -> Jail {
    let (stdio, mut output) = captured();
    let mut spec = yard.spec("", stdio);
    python(&mut spec, script);
    spec.site.program = shipped(profile);
    let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
    jail.commit().unwrap();
    output.read_exact(&mut [0; 3]).unwrap();
    jail
}

/// Runs a shell script in a living jail; its output, or why it did not start.
fn exec(jail: &mut Jail, tag: u32, script: &str) -> Result<String, String> {
    let (stdio, mut output) = captured();
    jail.exec(tag, shell(script, stdio)).unwrap();
    until(jail, |event| match event {
        JailEvent::Exited { process, .. } if process == tag => Some(Ok(())),
        JailEvent::ExecFailed {
            process, message, ..
        } if process == tag => Some(Err(message)),
        _ => None,
    })?;
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    Ok(text)
}

/// `execveat(2)`: "If pathname is absolute, then dirfd is ignored", also where `AT_EMPTY_PATH` is set
/// and nothing is open at the number.
#[test]
fn under_strict_the_number_of_the_program_lends_itself_to_no_path() {
    in_a_yard(|yard| {
        let script = "
path = ctypes.create_string_buffer(b'/bin/echo')
argv = (ctypes.c_char_p * 3)(b'echo', b'ran', None)
for fd in (16384, 16384 | 1 << 32, 3):
    child = os.fork()
    if child == 0:
        print(call(EXECVEAT, fd, ctypes.addressof(path), ctypes.addressof(argv), 0, 0x1000), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
# The one address that the profile knows, and the attempts to put something there.
print(call(EXECVEAT, 16384, 1, ctypes.addressof(argv), 0, 0x1000))
private = call(MMAP, 0, 4096, 3, 0x100032, -1, 0), call(MMAP, 0, 4096, 3, 0x32, -1, 0)
place = LIBC.mmap
place.restype = ctypes.c_ulong
there = place(None, ctypes.c_ulong(4096), 3, 0x22, -1, ctypes.c_ulong(0))
print(private, call(MREMAP, there, 4096, 4096, 3, 0))"
            .replace("EXECVEAT", &number("execveat").to_string())
            .replace("MREMAP", &number("mremap").to_string())
            .replace("MMAP", &number("mmap").to_string());
        let nowhere = "EFAULT\n('EPERM', 'EPERM') EPERM\n";
        let (output, record) = run(yard, "strict", &script);
        assert_eq!(
            (output, record),
            (
                format!("EPERM\nEPERM\nEPERM\n{nowhere}"),
                ExitRecord::exited(0)
            )
        );
        let (output, _) = run(yard, "agent", &script);
        assert_eq!(output, format!("ran\nran\nran\n{nowhere}"));
    });
}

/// Limits of a process with the same user id can be set at any time (`prlimit(2)`), also between its
/// change of user and its exec, where a program to be started has a higher hard limit.
#[test]
fn under_strict_no_limit_of_a_program_that_is_being_started_can_be_raised() {
    in_a_yard(|yard| {
        let script = "
limit = (ctypes.c_uint64 * 2)(16385, 16385)
prlimit, where = LIBC.prlimit, ctypes.addressof(limit)
print('up', flush=True)
while True:
    for pid in range(os.getpid() + 1, os.getpid() + 8):
        prlimit(pid, 7, ctypes.c_void_p(where), None)
        prlimit(pid + 8, 7, ctypes.c_void_p(where), None)
        prlimit(pid + 16, 7, ctypes.c_void_p(where), None)";
        let mut jail = running(yard, "strict", script);
        let mut seen = Vec::new();
        for tag in 1..18 {
            let text = exec(&mut jail, tag, "ulimit -Hn; ulimit -Sn");
            seen.push(text.unwrap_or_default());
        }
        let raised = seen.iter().filter(|text| text.as_str() != "256\n256\n");
        assert_eq!(raised.collect::<Vec<_>>(), Vec::<&String>::new());
        jail.kill(model::ExitReason::Killed).unwrap();
        until_over(&mut jail);
    });
}

/// Has PID 1 say something that is not its own, in the way of its connection to the warden: number 3.
fn say_as_init(jail: &Jail, bytes: &str) {
    let script = "
import ctypes, os, socket, sys
pid, libc = os.pidfd_open(int(sys.argv[1])), ctypes.CDLL(None)
fd = libc.syscall(438, pid, 3, 0)
socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=fd).send(bytes.fromhex(sys.argv[2]))";
    let pid = jail.pid().to_string();
    let mut command = std::process::Command::new("python3");
    let said = command.args(["-c", script, &pid, bytes]).status().unwrap();
    assert!(said.success());
}

/// The answer of the handle once PID 1 was heard.
fn heard(jail: &mut Jail) -> Result<Vec<JailEvent>, jail::JailError> {
    let fds = jail.poll_fds();
    sys::readiness::wait_readable(&fds, Some(std::time::Duration::from_secs(10))).unwrap();
    jail.pump()
}

#[test]
fn an_init_that_tells_of_ends_that_can_not_be_is_not_listened_to() {
    in_a_yard(|yard| {
        // That process 9 exited with 0, and that it did not start, when its end was told already.
        for bytes in ["07090000000000", "0609000000020000000000000000"] {
            let script = "print('up', flush=True)\ntime.sleep(1000)";
            let mut jail = running(yard, "agent", script);
            until(&mut jail, |event| {
                matches!(event, JailEvent::Started { process: 0, .. }).then_some(())
            });
            // What it says in order is heard, and so is a start that was told before.
            assert_eq!(exec(&mut jail, 9, "echo in").unwrap(), "in\n");
            say_as_init(&jail, "0509000000");
            heard(&mut jail).unwrap();
            say_as_init(&jail, bytes);
            heard(&mut jail).unwrap_err();
            let record = until_over(&mut jail);
            assert_eq!(record, ExitRecord::ended(model::ExitReason::Killed));
        }
    });
}

#[test]
fn nothing_of_init_can_be_read_or_set_by_the_agent() {
    in_a_yard(|yard| {
        let script = "
def tried(attempt):
    try: attempt(); return 'ok'
    except OSError as error: return errno.errorcode[error.errno]
limit = (ctypes.c_uint64 * 2)(0, 0)
def limits(pid):
    done = LIBC.prlimit(pid, 7, ctypes.byref(limit), None)
    return 'ok' if done == 0 else errno.errorcode[ctypes.get_errno()]
mine = os.fork()
if mine == 0:
    signal.pause()
for pid in (1, mine):
    print(*[tried(attempt) for attempt in (
        lambda: os.listdir(f'/proc/{pid}/fd'),
        lambda: open(f'/proc/{pid}/mem'),
        lambda: open(f'/proc/{pid}/maps').read(),
        lambda: open(f'/proc/{pid}/environ').read(),
        lambda: os.sched_setaffinity(pid, {0}),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: signal.pidfd_send_signal(os.pidfd_open(pid), 0),
    )], limits(pid))
os.kill(mine, 9)";
        for profile in ["agent", "strict"] {
            let (output, _) = run(yard, profile, script);
            let (init, own) = output.split_once('\n').unwrap();
            for answer in init.split(' ') {
                assert!(matches!(answer, "EACCES" | "EPERM"), "{profile}: {output}");
            }
            assert_eq!(own.trim(), "ok ok ok ok ok ok ok ok", "{profile}");
        }
    });
}

/// Only a handler that does not ask for it (`SA_RESTART`) may see a call end by its signal.
#[test]
fn callers_that_are_interrupted_without_end_get_their_answers_and_nothing_else() {
    in_a_yard(|yard| {
        let script = "
heard = 0
def tick(number, frame):
    global heard
    heard += 1
signal.signal(signal.SIGALRM, tick)
for restart in (True, False):
    signal.siginterrupt(signal.SIGALRM, not restart)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    answers = {call(BPF) for _ in range(3000)}
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(sorted(answers - {'EINTR'} if not restart else answers), heard > 10)
for _ in range(200):
    child = os.fork()
    if child == 0:
        threading.Thread(target=lambda: [call(BPF) for _ in range(10)]).start()
        os.execv('/bin/true', ['true'])
    os.waitpid(child, 0)
print(call(BPF))"
            .replace("BPF", &number("bpf").to_string());
        let (output, record) = run(yard, "agent", &script);
        assert_eq!(record, ExitRecord::exited(0));
        assert_eq!(output, "['EPERM'] True\n['EPERM'] True\nEPERM\n");
    });
}

#[test]
fn a_jail_that_is_paused_in_the_middle_of_its_noise_goes_on_where_it_was() {
    in_a_yard(|yard| {
        let script = "
print('up', flush=True)
def noise():
    while True: assert call(BPF) == 'EPERM'
for _ in range(4): threading.Thread(target=noise, daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
while True: signal.pause()"
            .replace("BPF", &number("bpf").to_string());
        let mut jail = running(yard, "agent", &script);
        for tag in 1..30 {
            jail.freeze().unwrap();
            jail.pump().unwrap();
            jail.thaw().unwrap();
            assert_eq!(exec(&mut jail, tag, "echo in").unwrap(), "in\n");
        }
        jail.signal(0, 15).unwrap();
        assert_eq!(until_over(&mut jail), ExitRecord::exited(7));
        // And one that is ended while it is paused ends.
        let mut jail = running(yard, "agent", &script);
        jail.freeze().unwrap();
        jail.kill(model::ExitReason::Killed).unwrap();
        let ended = ExitRecord::ended(model::ExitReason::Killed);
        assert_eq!(until_over(&mut jail), ended);
    });
}

/// A filter of the agent's own is asked, too, and the gravest answer holds (`seccomp(2)`).
#[test]
fn filters_of_the_agents_own_can_hide_a_refusal_and_never_undo_one() {
    in_a_yard(|yard| {
        let script = "
class Filter(ctypes.Structure): _fields_ = [('code', ctypes.c_uint16), ('jt', ctypes.c_uint8), ('jf', ctypes.c_uint8), ('k', ctypes.c_uint32)]
class Program(ctypes.Structure): _fields_ = [('length', ctypes.c_uint16), ('filter', ctypes.POINTER(Filter))]
UNSHARE, GETPPID, SECCOMP = NUMBERS
def install(answer, flags=0):
    steps = (Filter * 5)(Filter(0x20, 0, 0, 0), Filter(0x15, 1, 0, UNSHARE), Filter(0x15, 0, 1, GETPPID),
                         Filter(6, 0, 0, answer), Filter(6, 0, 0, 0x7fff0000))
    program = Program(5, steps)
    return call(SECCOMP, 1, flags, ctypes.addressof(program))
for answer in (0x7fff0000, 0x7ffc0000, 0x7ff00000, 0x7fc00000, 0x00050000, 0x00050016):
    child = os.fork()
    if child == 0:
        print(hex(answer), install(answer, 1), call(UNSHARE, 0x10000000), call(GETPPID), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
print('namespaces', len({os.readlink('/proc/self/ns/user'), os.readlink(f'/proc/{os.getpid()}/ns/user')}))"
            .replace(
                "NUMBERS",
                &format!(
                    "{}, {}, {}",
                    number("unshare"),
                    number("getppid"),
                    number("seccomp")
                ),
            );
        let (output, _) = run(yard, "agent", &script);
        let expected = "0x7fff0000 ok EPERM ok\n0x7ffc0000 ok EPERM ok\n0x7ff00000 ok EPERM ENOSYS\n\
            0x7fc00000 ok ENOSYS ENOSYS\n0x50000 ok ok ok\n0x50016 ok EINVAL EINVAL\nnamespaces 1\n";
        assert_eq!(output, expected);
    });
}
