//! Recorded commands: what is counted, and that recording changes nothing of what is refused.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{Read, Write};
use std::sync::Arc;

use jail::{Filter, Jail, JailEvent};
use model::{ExitReason, ExitRecord, Recorded};
use seccomp::{Arch, Profile, Purpose, syscalls};

use crate::support::{Yard, captured, in_a_yard, shell, until};

/// What every script may call: a call's error by name, `ok` for none.
const PRELUDE: &str = "
import ctypes, errno, os, signal, socket, sys, threading, time
LIBC = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    ctypes.set_errno(0)
    done = LIBC.syscall(*[ctypes.c_ulong(n) for n in numbers])
    return 'ok' if done != -1 else errno.errorcode[ctypes.get_errno()]
";

/// How a recorded command went.
struct Account {
    output: String,
    record: ExitRecord,
    /// By name; `None` where nothing was recorded.
    calls: Option<BTreeMap<&'static str, u64>>,
}

impl Account {
    fn count(&self, call: &str) -> u64 {
        let calls = self.calls.as_ref().unwrap();
        calls.get(call).copied().unwrap_or(0)
    }
}

fn number(name: &str) -> u32 {
    syscalls::number(Arch::native().unwrap(), name).unwrap()
}

fn profile(name: &str) -> Profile {
    Profile::parse(name, seccomp::shipped(name).unwrap()).unwrap()
}

/// A shipped profile's programs; `None` records nothing.
fn filter(name: &str, recording: bool) -> Arc<Filter> {
    let profile = profile(name);
    let compiled =
        |purpose| seccomp::compile_for(&profile, Arch::native().unwrap(), purpose).unwrap();
    let enforce = compiled(Purpose::Enforce);
    Arc::new(match recording {
        true => Filter::recording(enforce, compiled(Purpose::Record)),
        false => Filter::new(enforce, None),
    })
}

fn named(recorded: &Recorded) -> BTreeMap<&'static str, u64> {
    assert_eq!(recorded.odd, 0);
    let arch = Arch::native().unwrap();
    let calls = recorded.calls.iter();
    calls
        .map(|(number, count)| (syscalls::name(arch, *number).unwrap(), *count))
        .collect()
}

fn start(yard: &Yard, filter: Arc<Filter>, argv: &[&str]) -> (Jail, std::fs::File) {
    let (stdio, output) = captured();
    let mut spec = yard.spec("", stdio);
    let argv = argv.iter().map(|one| CString::new(*one).unwrap());
    spec.furniture.command.argv = argv.collect();
    // Two attempts at each start, of which one is no call of the command's.
    spec.furniture.command.env = vec![c"PATH=/nowhere:/usr/bin:/bin".into()];
    spec.furniture.limits.open_files = 4096;
    spec.site.program = filter;
    let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
    jail.commit().unwrap();
    (jail, output)
}

fn until_over(jail: &mut Jail) -> (ExitRecord, Option<BTreeMap<&'static str, u64>>) {
    let mut calls = None;
    let record = until(jail, |event| match event {
        JailEvent::Recorded(recorded) => {
            assert!(calls.replace(named(&recorded)).is_none(), "one record");
            None
        }
        JailEvent::ExecFailed { message, .. } => {
            eprintln!("{message}");
            None
        }
        JailEvent::Over { record } => Some(record),
        _ => None,
    });
    (record, calls)
}

fn run(yard: &Yard, filter: Arc<Filter>, argv: &[&str]) -> Account {
    let (mut jail, mut pipe) = start(yard, filter, argv);
    let (record, calls) = until_over(&mut jail);
    let mut output = String::new();
    pipe.read_to_string(&mut output).unwrap();
    Account {
        output,
        record,
        calls,
    }
}

fn script(text: &str) -> String {
    let arch = Arch::native().unwrap();
    let mut script = format!("{PRELUDE}{text}");
    for name in ["getppid", "bpf", "sethostname", "pidfd_getfd", "seccomp"] {
        let number = syscalls::number(arch, name).unwrap().to_string();
        script = script.replace(&name.to_uppercase(), &number);
    }
    script
}

fn python(yard: &Yard, filter: Arc<Filter>, text: &str) -> Account {
    run(yard, filter, &["python3", "-c", &script(text)])
}

#[test]
fn a_small_program_is_recorded_from_its_exec_to_its_exit_and_nothing_before_it() {
    in_a_yard(|yard| {
        let account = run(yard, filter("agent", true), &["true"]);
        assert_eq!(account.record, ExitRecord::exited(0));
        for once in ["execve", "exit_group"] {
            assert_eq!(account.count(once), 1, "{once}");
        }
        assert!(account.count("mmap") > 1);
        // What PID 1 and its fork do is not the command's.
        for ours in [
            "statx",
            "setresuid",
            "capset",
            "dup3",
            "close_range",
            "sendmsg",
            "seccomp",
            "prctl",
        ] {
            assert_eq!(account.count(ours), 0, "{ours}");
        }
        for round in 0..30 {
            let again = run(yard, filter("agent", true), &["true"]);
            assert_eq!(again.calls, account.calls, "{round}");
        }
        let without = run(yard, filter("agent", false), &["true"]);
        assert_eq!(without.record, ExitRecord::exited(0));
        assert!(without.calls.is_none());
    });
}

#[test]
fn every_call_counts_once() {
    in_a_yard(|yard| {
        let text = |count: u32| format!("for i in range({count}): call(GETPPID)\nsys.exit(7)");
        let thousand = python(yard, filter("agent", true), &text(1000));
        let none = python(yard, filter("agent", true), &text(0));
        assert_eq!(thousand.record, ExitRecord::exited(7));
        assert_eq!(thousand.count("getppid") - none.count("getppid"), 1000);
        assert_eq!(none.count("getppid"), 0);
    });
}

#[test]
fn what_is_refused_gets_the_same_answers_and_is_in_no_record() {
    in_a_yard(|yard| {
        let arch = Arch::native().unwrap();
        let agent = profile("agent");
        let refused = |name: &str| {
            let call = seccomp::Data::new(arch, number(name), [99; 6]);
            matches!(
                seccomp::verdict(&agent, arch, &call),
                seccomp::Action::Errno(_)
            )
        };
        let names = syscalls::calls(arch).filter(|(_, name)| refused(name));
        let (numbers, names): (Vec<u32>, Vec<&str>) = names.unzip();
        assert!(numbers.len() > 50, "{names:?}");
        let text = format!(
            "print([(n, call(n, 99, 99, 99, 99, 99, 99)) for n in {numbers:?}])\nprint(call(GETPPID))"
        );
        let with = python(yard, filter("agent", true), &text);
        let without = python(yard, filter("agent", false), &text);
        assert_eq!(with.output, without.output);
        assert!(with.output.ends_with("\nok\n"), "{}", with.output);
        assert_eq!(with.count("getppid"), 1);
        // Those that are refused whatever their arguments.
        let total = |name: &&&str| agent.allowance_on(arch, name).is_none();
        let seen = names
            .iter()
            .filter(total)
            .filter(|name| with.count(name) > 0);
        assert_eq!(seen.collect::<Vec<_>>(), Vec::<&&str>::new());
    });
}

#[test]
fn four_threads_are_counted_to_the_last_of_two_hundred_thousand_calls() {
    in_a_yard(|yard| {
        let text = "
def flood():
    f, n = LIBC.syscall, ctypes.c_long(GETPPID)
    for _ in range(50000): f(n)
threads = [threading.Thread(target=flood) for _ in range(4)]
start = time.monotonic()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(f'{(time.monotonic() - start) * 5e3:.0f} ns a call from four threads')";
        let account = python(yard, filter("agent", true), text);
        assert_eq!(account.record, ExitRecord::exited(0));
        assert_eq!(account.count("getppid"), 200_000);
        std::io::stderr()
            .write_all(account.output.as_bytes())
            .unwrap();
    });
}

#[test]
fn grandchildren_and_other_programs_are_recorded_too() {
    in_a_yard(|yard| {
        let text = "
if os.fork() == 0:
    if os.fork() == 0:
        for _ in range(11): call(GETPPID)
        os._exit(0)
    os.wait()
    os.execvp('sh', ['sh', '-c', 'mkdir made; exec true'])
os.wait()";
        let account = python(yard, filter("agent", true), text);
        assert_eq!(account.record, ExitRecord::exited(0));
        // sh asks for its parent's number at its start, at most once.
        assert!((11..=12).contains(&account.count("getppid")));
        assert!(account.count("mkdir") + account.count("mkdirat") == 1);
        assert!(account.count("execve") >= 4, "python, sh, mkdir, true");
        assert!(yard.workspace().join("made").is_dir());
    });
}

#[test]
fn callers_that_are_killed_while_they_wait_hold_up_nobody() {
    in_a_yard(|yard| {
        let text = "
for round in range(20):
    children = []
    for _ in range(8):
        if (child := os.fork()) == 0:
            while True: call(GETPPID)
        children.append(child)
    time.sleep(0.002)
    for child in children: os.kill(child, signal.SIGKILL)
    for child in children: os.waitpid(child, 0)
print(call(GETPPID), call(BPF))";
        let account = python(yard, filter("agent", true), text);
        assert_eq!(account.output, "ok EPERM\n");
        assert_eq!(account.record, ExitRecord::exited(0));
        assert_eq!(account.count("kill"), 160);
    });
}

#[test]
fn the_command_has_neither_the_listener_nor_the_socket_nor_a_way_to_them() {
    in_a_yard(|yard| {
        let text = "
def links(pid):
    try: return sorted(os.readlink(f'/proc/{pid}/fd/{n}').split(':')[0] for n in os.listdir(f'/proc/{pid}/fd'))
    except OSError as error: return errno.errorcode[error.errno]
class Filter(ctypes.Structure): _fields_ = [('code', ctypes.c_uint16), ('jt', ctypes.c_uint8), ('jf', ctypes.c_uint8), ('k', ctypes.c_uint32)]
class Program(ctypes.Structure): _fields_ = [('length', ctypes.c_uint16), ('filter', ctypes.POINTER(Filter))]
program = Program(1, ctypes.pointer(Filter(6, 0, 0, 0x7fff0000)))
own = [n for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')]
print(own)
print('anon_inode' in links('self'), 'socket' in links('self'))
print(links(1))
try: os.fstat(1000)
except OSError as error: print(errno.errorcode[error.errno])
print(call(PIDFD_GETFD, os.pidfd_open(1), 1000, 0))
print(call(SECCOMP, 1, 8, ctypes.addressof(program)), call(SECCOMP, 1, 0, ctypes.addressof(program)))";
        let account = python(yard, filter("agent", true), text);
        let expected = "['0', '1', '2']\nFalse False\nEACCES\nEBADF\nEPERM\nEBUSY ok\n";
        assert_eq!(account.output, expected);
        // The second one took: it allows everything, and changes nothing of what is beneath.
        assert_eq!(account.count("seccomp"), 2);
        let alone = python(yard, filter("agent", false), text);
        assert_eq!(alone.output, expected.replace("EBUSY", "ok"));
    });
}

#[test]
fn a_program_that_uses_or_closes_descriptor_1000_itself_goes_on() {
    in_a_yard(|yard| {
        let text = "
try: os.close(1000)
except OSError as error: print(errno.errorcode[error.errno])
a, b = socket.socketpair()
os.dup2(a.fileno(), 1000)
high = socket.socket(fileno=1000)
print(high.sendmsg([b'one']), b.recv(9))
print(a.sendmsg([b'three']), b.recv(9))
os.close(1000)
print(call(GETPPID), call(BPF))";
        let account = python(yard, filter("agent", true), text);
        assert!(
            account
                .output
                .starts_with("EBADF\n3 b'one'\n5 b'three'\nok EPERM\n"),
            "{}",
            account.output
        );
        // The one on descriptor 1000 is not heard of.
        assert_eq!(
            (account.count("sendmsg"), account.count("recvfrom")),
            (1, 2)
        );
    });
}

#[test]
fn a_profile_that_starts_one_program_only_is_recorded_as_well() {
    in_a_yard(|yard| {
        let probe = "
try: os.execv('/bin/true', ['true'])
except OSError as error: print(errno.errorcode[error.errno])
try: socket.socket()
except OSError as error: print(errno.errorcode[error.errno])";
        let account = python(yard, filter("strict", true), probe);
        assert_eq!(account.output, "EPERM\nEACCES\n");
        assert_eq!(account.record, ExitRecord::exited(0));
        assert_eq!((account.count("execveat"), account.count("execve")), (1, 0));
        assert_eq!(account.count("socket"), 0);
        // Both work where the profile permits them.
        let account = python(yard, filter("agent", true), probe);
        assert_eq!((account.output.as_str(), account.count("execve")), ("", 2));
    });
}

#[test]
fn too_few_descriptors_to_record_with_are_an_error_that_says_so() {
    in_a_yard(|yard| {
        for (open_files, recording, works) in
            [(1000, true, false), (1001, true, true), (64, false, true)]
        {
            let (stdio, _output) = captured();
            let mut spec = yard.spec("true", stdio);
            spec.site.program = filter("agent", recording);
            spec.furniture.limits.open_files = open_files;
            match jail::launch(spec, yard.cgroups()) {
                Ok(mut jail) => {
                    jail.commit().unwrap();
                    let (record, calls) = until_over(&mut jail);
                    assert_eq!(record, ExitRecord::exited(0));
                    assert_eq!((works, recording), (true, calls.is_some()));
                }
                Err(error) => {
                    assert!(!works);
                    assert!(error.to_string().contains("limits.open_files"), "{error}");
                }
            }
        }
    });
}

#[test]
fn a_jail_that_is_killed_leaves_what_was_counted_up_to_a_second_before() {
    in_a_yard(|yard| {
        let text = script(
            "
end = time.monotonic() + 2.5
while time.monotonic() < end: call(GETPPID)
print('up', flush=True)
while True: call(GETPPID)",
        );
        let (mut jail, mut output) = start(yard, filter("agent", true), &["python3", "-c", &text]);
        output.read_exact(&mut [0; 3]).unwrap();
        jail.kill(ExitReason::Timeout).unwrap();
        let (record, calls) = until_over(&mut jail);
        assert_eq!(record, ExitRecord::ended(ExitReason::Timeout));
        assert!(calls.unwrap()["getppid"] > 1000);
    });
}

#[test]
fn init_passes_signals_on_and_refuses_a_further_program_during_a_flood() {
    in_a_yard(|yard| {
        // One call before the word, so that there is something to find however soon the signal comes.
        let text = script("call(GETPPID)\nprint('up', flush=True)\nwhile True: call(GETPPID)");
        let (mut jail, mut output) = start(yard, filter("agent", true), &["python3", "-c", &text]);
        output.read_exact(&mut [0; 3]).unwrap();
        let (stdio, _pipe) = captured();
        jail.exec(1, shell("true", stdio)).unwrap();
        let message = until(&mut jail, |event| match event {
            JailEvent::ExecFailed { message, .. } => Some(message),
            _ => None,
        });
        assert!(message.contains("records its command"), "{message}");
        jail.signal(0, 15).unwrap();
        let (record, calls) = until_over(&mut jail);
        assert_eq!(record, ExitRecord::signalled(15));
        assert!(calls.unwrap()["getppid"] > 0);
    });
}

#[test]
fn a_program_that_is_not_there_is_reported_as_always_and_leaves_no_record() {
    in_a_yard(|yard| {
        for recording in [true, false] {
            let account = run(yard, filter("agent", recording), &["no-such-program"]);
            assert_eq!(account.record, ExitRecord::ended(ExitReason::NotFound));
            assert!(account.calls.is_none());
        }
    });
}

#[test]
fn signals_with_and_without_restart_do_not_disturb_a_busy_program() {
    in_a_yard(|yard| {
        let text = "
hits = 0
def hit(*_):
    global hits
    hits += 1
signal.signal(signal.SIGALRM, hit)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
answers = {call(GETPPID) for _ in range(20000)}
signal.setitimer(signal.ITIMER_REAL, 0)
print(hits > 10, answers - {'EINTR'})";
        let account = python(yard, filter("agent", true), text);
        assert_eq!(account.output, "True {'ok'}\n");
    });
}

#[test]
fn the_price_of_a_recorded_call_is_measured() {
    in_a_yard(|yard| {
        let text = "
f, n = LIBC.syscall, ctypes.c_long(GETPPID)
count, best = 20000, 1e9
for _ in range(5):
    start = time.perf_counter()
    for _ in range(count): f(n)
    best = min(best, time.perf_counter() - start)
print(f'{best / count * 1e9:.0f} ns a call (with the probe itself)')";
        for (what, recording) in [("enforced", false), ("recorded", true)] {
            let account = python(yard, filter("agent", recording), text);
            assert_eq!(account.record, ExitRecord::exited(0));
            std::io::stderr()
                .write_all(format!("{what}: {}", account.output).as_bytes())
                .unwrap();
        }
    });
}
