//! Refused calls: reported, bounded, and answered as they are without reports.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jail::{Filter, Jail, JailEvent, Spec, Stdio};
use model::{Denials, DeniedCall, ExitRecord};
use seccomp::{Arch, Profile, Purpose, syscalls};

use crate::support::{Yard, answering, captured, in_a_yard, refusing, shell, until, until_over};

/// `SECCOMP_RET_ERRNO` with `EXDEV`, which none of these calls gives by itself.
const EXDEV: u32 = 0x0005_0012;
const WAITS: u32 = 0x7fc0_0000;

/// What every script may call: a call's error by name, `ok` for none.
const PRELUDE: &str = "
import ctypes, errno, os, signal, sys, threading, time
LIBC = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    ctypes.set_errno(0)
    done = LIBC.syscall(*[ctypes.c_ulong(n) for n in numbers])
    return 'ok' if done != -1 else errno.errorcode[ctypes.get_errno()]
";

fn number(name: &str) -> u32 {
    syscalls::number(Arch::native().unwrap(), name).unwrap()
}

/// Refuses `bpf` and `unshare`; reports that, or not.
fn two_refused(reporting: bool) -> Arc<Filter> {
    let numbers = [number("bpf"), number("unshare")];
    let report = reporting.then(|| refusing(&numbers, WAITS));
    Arc::new(Filter::new(refusing(&numbers, EXDEV), report))
}

/// A shipped profile's programs.
fn shipped(name: &str, reporting: bool) -> Arc<Filter> {
    let profile = Profile::parse(name, seccomp::shipped(name).unwrap()).unwrap();
    let compiled = |purpose| seccomp::compile_for(&profile, Arch::native().unwrap(), purpose);
    let report = reporting.then(|| compiled(Purpose::Report).unwrap());
    Arc::new(Filter::new(compiled(Purpose::Enforce).unwrap(), report))
}

fn python(spec: &mut Spec, script: &str) {
    let script = script
        .replace("BPF", &number("bpf").to_string())
        .replace("UNSHARE", &number("unshare").to_string())
        .replace("GETPID", &number("getpid").to_string());
    let script = std::ffi::CString::new(format!("{PRELUDE}{script}")).unwrap();
    spec.furniture.command.argv = vec![c"python3".into(), c"-c".into(), script];
}

/// Runs a script under these programs; its output, its end, and what was said of denials.
fn run(yard: &Yard, filter: Arc<Filter>, script: &str) -> (String, ExitRecord, Vec<Denials>) {
    let (stdio, mut output) = captured();
    let mut spec = yard.spec("", stdio);
    python(&mut spec, script);
    spec.site.program = filter;
    spec.furniture.limits.pids = 128;
    let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
    jail.commit().unwrap();
    let (record, denials) = until_over_with_denials(&mut jail);
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    (text, record, denials)
}

fn until_over_with_denials(jail: &mut Jail) -> (ExitRecord, Vec<Denials>) {
    let mut all = Vec::new();
    let record = until(jail, |event| match event {
        JailEvent::Denied(denials) => {
            all.push(denials);
            None
        }
        JailEvent::Over { record } => Some(record),
        _ => None,
    });
    (record, all)
}

fn calls(denials: &[Denials]) -> Vec<DeniedCall> {
    denials.iter().filter_map(|one| one.call).collect()
}

fn count(denials: &[Denials]) -> u64 {
    denials.iter().map(Denials::count).sum()
}

#[test]
fn a_refused_call_is_reported_with_its_arguments_and_an_allowed_one_is_not() {
    in_a_yard(|yard| {
        let script =
            "print(os.getpid(), call(GETPID), call(BPF, 1, 2, 3, 4, 5, 0xfedcba9876543210))";
        let (output, record, denials) = run(yard, two_refused(true), script);
        let pid = output.split(' ').next().unwrap();
        assert_eq!(output, format!("{pid} ok EXDEV\n"));
        assert_eq!(record, ExitRecord::exited(0));
        let expected = DeniedCall {
            thread: pid.parse().unwrap(),
            number: number("bpf"),
            arch: Arch::native().unwrap().audit(),
            arguments: [1, 2, 3, 4, 5, 0xfedc_ba98_7654_3210],
            errno: Some(18),
        };
        assert_eq!(calls(&denials), [expected]);
        assert_eq!(count(&denials), 1);
        // Without reporting the program learns the same.
        let (output, _, denials) = run(yard, two_refused(false), script);
        assert!(output.ends_with(" ok EXDEV\n"), "{output}");
        assert_eq!(denials, []);
    });
}

#[test]
fn the_record_of_the_layers_names_the_program_that_is_installed() {
    in_a_yard(|yard| {
        let numbers = [number("bpf"), number("unshare")];
        let enforce = refusing(&numbers, EXDEV).hash();
        let report = refusing(&numbers, WAITS).hash();
        for (reporting, hash, other) in [
            (true, &report, Some(enforce.clone())),
            (false, &enforce, None),
        ] {
            let (stdio, _output) = captured();
            let mut spec = yard.spec("true", stdio);
            spec.site.program = two_refused(reporting);
            let jail = jail::launch(spec, yard.cgroups()).unwrap();
            assert_eq!(&jail.layers().seccomp_hash, hash);
            assert_eq!(jail.layers().seccomp_enforce_hash, other);
            assert_eq!(jail.layers().seccomp_filters, 1);
        }
    });
}

#[test]
fn a_flood_from_four_threads_gets_every_answer_and_is_counted_to_the_last_call() {
    in_a_yard(|yard| {
        let script = "
wrong = []
def flood():
    for i in range(25000):
        if (got := call(BPF, i)) != 'EXDEV': wrong.append(got)
threads = [threading.Thread(target=flood) for _ in range(4)]
start = time.monotonic()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(wrong, file=sys.stdout)
print(f'{(time.monotonic() - start) * 1e4:.0f} ns a call from four threads', file=open('time', 'w'))";
        let (output, record, denials) = run(yard, two_refused(true), script);
        assert_eq!((output.as_str(), record), ("[]\n", ExitRecord::exited(0)));
        assert_eq!(count(&denials), 100_000);
        let told = calls(&denials).len();
        // The first burst, and then no more than its pace gives in the time that a slow host takes.
        assert!((64..64 + 16 * 30).contains(&told), "{told}");
        let time = std::fs::read_to_string(yard.workspace().join("time")).unwrap();
        eprintln!("{time}");
    });
}

#[test]
fn callers_that_are_killed_while_they_wait_hold_up_nobody() {
    in_a_yard(|yard| {
        let script = "
for round in range(40):
    children = []
    for _ in range(8):
        if (child := os.fork()) == 0:
            while True: call(BPF)
        children.append(child)
    time.sleep(0.002)
    for child in children: os.kill(child, signal.SIGKILL)
    for child in children: os.waitpid(child, 0)
print(call(UNSHARE, 7))";
        let (output, record, denials) = run(yard, two_refused(true), script);
        assert_eq!(
            (output.as_str(), record),
            ("EXDEV\n", ExitRecord::exited(0))
        );
        assert!(count(&denials) > 40);
    });
}

#[test]
fn grandchildren_and_other_programs_are_heard_too() {
    in_a_yard(|yard| {
        let script = "
if os.fork() == 0:
    if os.fork() == 0:
        call(BPF, 11)
        os._exit(0)
    os.wait()
    os.execvp('unshare', ['unshare', '-U', 'true'])
os.wait()
thread = threading.Thread(target=lambda: call(BPF, 22)); thread.start(); thread.join()";
        let (_, record, denials) = run(yard, two_refused(true), script);
        assert_eq!(record, ExitRecord::exited(0));
        let found: Vec<_> = calls(&denials)
            .iter()
            .map(|call| (call.number, call.arguments[0]))
            .collect();
        let namespaces = number("unshare");
        let expected = [
            (number("bpf"), 11),
            (namespaces, 0x1000_0000),
            (number("bpf"), 22),
        ];
        assert_eq!(found, expected);
        let threads: std::collections::BTreeSet<_> =
            calls(&denials).iter().map(|call| call.thread).collect();
        assert_eq!(threads.len(), 3, "{threads:?}");
    });
}

#[test]
fn init_starts_signals_and_reaps_programs_during_a_flood() {
    in_a_yard(|yard| {
        let (stdio, mut output) = captured();
        let mut spec = yard.spec("", stdio);
        python(&mut spec, "print('up', flush=True)\nwhile True: call(BPF)");
        spec.site.program = shipped("agent", true);
        let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
        jail.commit().unwrap();
        output.read_exact(&mut [0; 3]).unwrap();
        for tag in 1..20 {
            let (stdio, mut output) = captured();
            jail.exec(tag, shell("echo in; exit 5", stdio)).unwrap();
            let record = until(&mut jail, |event| match event {
                JailEvent::Exited { process, record } if process == tag => Some(record),
                _ => None,
            });
            assert_eq!(record, ExitRecord::exited(5));
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            assert_eq!(text, "in\n");
        }
        let terminal = Stdio::Terminal { rows: 7, cols: 33 };
        jail.exec(20, shell("stty size", terminal)).unwrap();
        let master = until(&mut jail, |event| match event {
            JailEvent::Started { terminal, .. } => terminal,
            _ => None,
        });
        let mut size = [0; 4];
        File::from(master).read_exact(&mut size).unwrap();
        assert_eq!(&size, b"7 33");
        jail.signal(0, 15).unwrap();
        assert_eq!(until_over(&mut jail), ExitRecord::signalled(15));
    });
}

#[test]
fn a_warden_that_does_not_listen_stops_no_caller() {
    in_a_yard(|yard| {
        let (stdio, mut output) = captured();
        let mut spec = yard.spec("", stdio);
        // Slow enough that the bound of reports alone would let the connection fill up in the end.
        python(
            &mut spec,
            "for i in range(20000): call(BPF)\nprint('done', flush=True)\ntime.sleep(1000)",
        );
        spec.site.program = two_refused(true);
        let mut jail = jail::launch(spec, yard.cgroups()).unwrap();
        jail.commit().unwrap();
        // Not pumped meanwhile.
        output.read_exact(&mut [0; 5]).unwrap();
        jail.kill(model::ExitReason::Killed).unwrap();
        let (record, denials) = until_over_with_denials(&mut jail);
        assert_eq!(record, ExitRecord::ended(model::ExitReason::Killed));
        assert!(!calls(&denials).is_empty());
    });
}

#[test]
fn the_shipped_profile_gives_the_same_answers_with_and_without_reports() {
    in_a_yard(|yard| {
        let script = "print([(n, call(n, 99, 99, 99, 99, 99, 99)) for n in CALLS])";
        let arch = Arch::native().unwrap();
        let enforce = Profile::parse("agent", seccomp::shipped("agent").unwrap()).unwrap();
        let refused = |name: &str| {
            let call = seccomp::Data::new(arch, number(name), [99; 6]);
            matches!(
                seccomp::verdict(&enforce, arch, &call),
                seccomp::Action::Errno(_)
            )
        };
        let names = syscalls::calls(arch).filter(|(_, name)| refused(name));
        let numbers: Vec<u32> = names.map(|(number, _)| number).collect();
        assert!(numbers.len() > 50, "{numbers:?}");
        let script = script.replace("CALLS", &format!("{numbers:?}"));
        let (with, _, denials) = run(yard, shipped("agent", true), &script);
        let (without, _, none) = run(yard, shipped("agent", false), &script);
        assert_eq!(with, without);
        assert!(count(&denials) > 50 && none.is_empty());
        assert!(count(&denials) <= u64::try_from(numbers.len()).unwrap());
    });
}

#[test]
fn a_program_in_a_jail_gets_no_listener_of_its_own_and_a_filter_nevertheless() {
    in_a_yard(|yard| {
        let script = "
class Filter(ctypes.Structure): _fields_ = [('code', ctypes.c_uint16), ('jt', ctypes.c_uint8), ('jf', ctypes.c_uint8), ('k', ctypes.c_uint32)]
class Program(ctypes.Structure): _fields_ = [('length', ctypes.c_uint16), ('filter', ctypes.POINTER(Filter))]
program = Program(1, ctypes.pointer(Filter(6, 0, 0, 0x7fff0000)))
print(call(SECCOMP, 1, 8, ctypes.addressof(program)), call(SECCOMP, 1, 0, ctypes.addressof(program)), call(BPF))"
            .replace("SECCOMP", &number("seccomp").to_string());
        let (output, _, _) = run(yard, two_refused(true), &script);
        assert_eq!(output, "EBUSY ok EXDEV\n");
        let (output, _, _) = run(yard, two_refused(false), &script);
        assert_eq!(output, "ok ok EXDEV\n");
    });
}

/// A profile under which `mincore` is fatal.
fn fatal_mincore() -> Arc<Filter> {
    let head = "version = 1\nname = \"own\"\ndescription = \"d\"\nextends = \"agent\"\n";
    let rule = "[[deny]]\nwhy = \"w\"\ncalls = [\"mincore\"]\nkill = true\n";
    let profile = Profile::parse("own.toml", &format!("{head}{rule}")).unwrap();
    let compiled = |purpose| seccomp::compile_for(&profile, Arch::native().unwrap(), purpose);
    let report = compiled(Purpose::Report).unwrap();
    Arc::new(Filter::new(
        compiled(Purpose::Enforce).unwrap(),
        Some(report),
    ))
}

/// A child that ends by a call, and how.
const CHILDREN: &str = "
def ended(body):
    child = os.fork()
    if child == 0:
        body()
        os._exit(7)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else f'exit {os.WEXITSTATUS(status)}'
def deaf():
    for number in signal.valid_signals():
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
";

#[test]
fn a_fatal_call_ends_its_process_whatever_that_blocks_and_is_reported() {
    in_a_yard(|yard| {
        let script = format!(
            "{CHILDREN}
def threaded():
    thread = threading.Thread(target=lambda: call(MINCORE, 3)); thread.start(); thread.join()
    os._exit(8)
print(ended(lambda: call(GETPID)), ended(lambda: call(MINCORE, 1)))
print(ended(lambda: (deaf(), call(MINCORE, 2))), ended(threaded))
print(ended(lambda: call(GETPID | 0x40000000, 4)), call(GETPID))"
        );
        let script = script.replace("MINCORE", &number("mincore").to_string());
        let (output, record, denials) = run(yard, fatal_mincore(), &script);
        let x32 = cfg!(target_arch = "x86_64");
        let last = if x32 { "9" } else { "exit 7" };
        assert_eq!(output, format!("exit 7 9\n9 9\n{last} ok\n"));
        assert_eq!(record, ExitRecord::exited(0));
        let fatal: Vec<_> = calls(&denials)
            .into_iter()
            .filter(|call| call.errno.is_none())
            .map(|call| (call.number, call.arguments[0]))
            .collect();
        let mincore = number("mincore");
        let mut expected = vec![(mincore, 1), (mincore, 2), (mincore, 3)];
        if x32 {
            expected.push((number("getpid") | seccomp::arch::X32_BIT, 4));
        }
        assert_eq!(fatal, expected);
    });
}

#[test]
fn a_fatal_call_of_the_command_itself_ends_it_by_sigsys_and_other_signals_stay_themselves() {
    in_a_yard(|yard| {
        let ends = |script: &str| {
            let script = script.replace("MINCORE", &number("mincore").to_string());
            let (output, record, denials) = run(yard, fatal_mincore(), &script);
            let fatal = calls(&denials).iter().any(|call| call.errno.is_none());
            (output, record, fatal)
        };
        let up = || "up\n".to_owned();
        let sigsys = ExitRecord::signalled(31);
        assert_eq!(
            ends("print('up', flush=True); call(MINCORE); print('lives')"),
            (up(), sigsys, true)
        );
        let thread = "print('up', flush=True)
thread = threading.Thread(target=lambda: call(MINCORE)); thread.start(); time.sleep(60)";
        assert_eq!(ends(thread), (up(), sigsys, true));
        let killed = "print('up', flush=True)
if os.fork() == 0: os.kill(os.getppid(), signal.SIGKILL)
time.sleep(60)";
        assert_eq!(ends(killed), (up(), ExitRecord::signalled(9), false));
    });
}

#[test]
fn a_process_that_cannot_be_killed_gets_no_answer_but_an_error_and_takes_the_jail_with_it() {
    const KILL: u32 = 0x8000_0000;
    in_a_yard(|yard| {
        let script = "
print('up', flush=True)
if os.fork() == 0:
    print(call(BPF), flush=True)
    time.sleep(60)
os.wait()";
        let bpf = number("bpf");
        for (hindered, record) in [
            (false, ExitRecord::exited(0)),
            (true, ExitRecord::signalled(31)),
        ] {
            // What PID 1 needs for it is refused to PID 1 too.
            let pidfd = hindered.then(|| (number("pidfd_open"), EXDEV));
            let with = |answer| answering(&[pidfd.unwrap_or((bpf, answer)), (bpf, answer)]);
            let filter = Arc::new(Filter::new(with(KILL), Some(with(WAITS))));
            let (output, ended, denials) = run(yard, filter, script);
            assert_eq!(ended, record, "{hindered}");
            assert!(
                ["up\n", "up\nEPERM\n"].contains(&output.as_str()),
                "{output}"
            );
            let told: Vec<_> = calls(&denials)
                .iter()
                .map(|one| (one.number, one.errno))
                .collect();
            assert_eq!(told, [(bpf, None)]);
        }
    });
}

#[test]
fn a_flood_of_fatal_calls_ends_every_caller_and_is_counted() {
    in_a_yard(|yard| {
        let script = format!(
            "{CHILDREN}
left = []
def flood():
    for i in range(250):
        if (end := ended(lambda: call(MINCORE, i))) != 9: left.append(end)
threads = [threading.Thread(target=flood) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(left, call(GETPID))"
        );
        let script = script.replace("MINCORE", &number("mincore").to_string());
        let (output, record, denials) = run(yard, fatal_mincore(), &script);
        assert_eq!(
            (output.as_str(), record),
            ("[] ok\n", ExitRecord::exited(0))
        );
        assert_eq!(count(&denials), 1000);
        let told = calls(&denials).len();
        assert!((64..64 + 16 * 60).contains(&told), "{told}");
    });
}

#[test]
fn a_parked_jail_reports_as_well() {
    in_a_yard(|yard| {
        let (stdio, mut output) = captured();
        let mut spec = yard.spec("", stdio);
        python(&mut spec, "print(call(BPF))");
        spec.site.program = two_refused(true);
        let parked = jail::park(spec.site, yard.cgroups()).unwrap();
        let mut jail = parked.furnish(spec.furniture).unwrap();
        jail.commit().unwrap();
        let (_, denials) = until_over_with_denials(&mut jail);
        assert_eq!(calls(&denials).len(), 1);
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        assert_eq!(text, "EXDEV\n");
    });
}

#[test]
fn the_price_of_a_refused_and_of_an_allowed_call_is_measured() {
    in_a_yard(|yard| {
        let script = "
f, n = LIBC.syscall, ctypes.c_long
def price(number):
    count, best = 20000, 1e9
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count): f(n(number))
        best = min(best, time.perf_counter() - start)
    return best / count * 1e9
print(f'refused {price(BPF):.0f} ns, allowed {price(GETPID):.0f} ns (with the probe itself)')";
        for (what, filter) in [
            ("enforced", shipped("agent", false)),
            ("reported", shipped("agent", true)),
        ] {
            let start = Instant::now();
            let (output, record, _) = run(yard, filter, script);
            assert_eq!(record, ExitRecord::exited(0));
            assert!(start.elapsed() < Duration::from_secs(60));
            std::io::stderr()
                .write_all(format!("{what}: {output}").as_bytes())
                .unwrap();
        }
    });
}

/// Runs a command line under the shipped profile; its output and end, or why it did not start.
fn run_under(
    yard: &Yard,
    profile: &str,
    argv: &[&str],
    open_files: u32,
) -> (String, Result<ExitRecord, String>, Vec<Denials>) {
    let (stdio, mut output) = captured();
    let mut spec = yard.spec("", stdio);
    let argv = argv.iter().map(|one| std::ffi::CString::new(*one).unwrap());
    spec.furniture.command.argv = argv.collect();
    spec.furniture.limits.open_files = open_files;
    spec.site.program = shipped(profile, true);
    let mut jail = match jail::launch(spec, yard.cgroups()) {
        Ok(jail) => jail,
        Err(error) => return (String::new(), Err(error.to_string()), Vec::new()),
    };
    jail.commit().unwrap();
    let (mut failure, mut denials) = (None, Vec::new());
    let record = until(&mut jail, |event| match event {
        JailEvent::ExecFailed { message, .. } => {
            failure = Some(message);
            None
        }
        JailEvent::Denied(more) => {
            denials.push(more);
            None
        }
        JailEvent::Over { record } => Some(record),
        _ => None,
    });
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    (text, failure.map_or(Ok(record), Err), denials)
}

#[test]
fn under_strict_the_command_starts_and_nothing_after_it() {
    in_a_yard(|yard| {
        let started = Ok(ExitRecord::exited(0));
        for argv in [["echo", "hello"], ["/bin/echo", "hello"]] {
            let (output, end, _) = run_under(yard, "strict", &argv, 256);
            assert_eq!((output.as_str(), &end), ("hello\n", &started));
        }
        let script = format!(
            "{PRELUDE}
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(soft, hard, sorted(os.listdir('/proc/self/fd'))[:4])
try: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, 16385)); print('raised')
except ValueError: print('refused')
program = os.open('/bin/echo', os.O_RDONLY)
try: os.dup2(program, 16384); print('made')
except OSError as error: print(errno.errorcode[error.errno])
def tried(attempt):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try: attempt()
        except OSError as error: print(errno.errorcode[error.errno], flush=True)
        os._exit(0)
    os.waitpid(child, 0)
tried(lambda: os.execv('/bin/echo', ['echo', 'ran']))
tried(lambda: os.execve(program, ['echo', 'ran'], {{}}))
empty, argv = ctypes.create_string_buffer(b''), (ctypes.c_char_p * 2)(b'ran', None)
for fd in (program, 16384):
    print(call({execveat}, fd, ctypes.addressof(empty), ctypes.addressof(argv), 0, 0x1000))",
            execveat = number("execveat")
        );
        let (output, end, denials) = run_under(yard, "strict", &["python3", "-c", &script], 16_384);
        let fds = "['0', '1', '2', '3']";
        let expected = format!("16384 16384 {fds}\nrefused\nEBADF\nEPERM\nEPERM\nEPERM\nEPERM\n");
        assert_eq!((output, end), (expected, started));
        let refused: Vec<_> = calls(&denials).iter().map(|call| call.number).collect();
        let (execve, execveat) = (number("execve"), number("execveat"));
        assert!(
            refused.contains(&execve) && refused.contains(&execveat),
            "{refused:?}"
        );
        // The same under the ordinary profile: the probes themselves work.
        let probe = "import os; os.execv('/bin/echo', ['echo', 'ran'])";
        for (profile, expected) in [("agent", "ran\n"), ("strict", "")] {
            let (output, _, _) = run_under(yard, profile, &["python3", "-c", probe], 256);
            assert!(output.starts_with(expected) && output.contains("ran") == (profile == "agent"));
        }
    });
}

#[test]
fn under_strict_what_can_not_start_says_why() {
    in_a_yard(|yard| {
        let script = yard.workspace().join("script");
        std::fs::write(&script, "#!/bin/sh\necho no\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(script, mode).unwrap();
        let message = |argv: &[&str], open_files| {
            let (output, end, _) = run_under(yard, "strict", argv, open_files);
            assert_eq!(output, "");
            end.unwrap_err()
        };
        let said = message(&["./script"], 256);
        assert!(
            said.contains("name its interpreter first, as in `sh ./script`"),
            "{said}"
        );
        let (output, end, _) = run_under(yard, "strict", &["sh", "./script"], 256);
        assert_eq!((output.as_str(), end), ("no\n", Ok(ExitRecord::exited(0))));
        assert!(message(&["no-such-program"], 256).contains("not found in the jail"));
        assert!(message(&["/etc/passwd"], 256).contains("not executable"));
        assert!(message(&["echo"], 16_385).contains("limits.open_files"));
    });
}

/// Puts the yard's process, and all that it forks, under a program that has a listener already.
fn occupy() -> sys::listener::Listener {
    let allow = refusing(&[], 0);
    let allow = allow
        .instructions()
        .iter()
        .take(2)
        .map(|one| sys::filter::Instruction {
            code: one.code,
            jt: one.jt,
            jf: one.jf,
            k: one.k,
        });
    sys::listener::install(&allow.collect::<Vec<_>>()).unwrap()
}

#[test]
fn where_there_can_be_no_listener_calls_are_refused_all_the_same_and_doctor_says_so() {
    in_a_yard(|yard| {
        let found = || {
            let mut all = jail::probe::findings().into_iter();
            all.find(|one| one.name == "denied system calls").unwrap()
        };
        assert!(found().ok && !found().mandatory);
        let script = "print(call(BPF), call(GETPID))";
        let (before, _, denials) = run(yard, two_refused(true), script);
        assert_eq!((before.as_str(), denials.len()), ("EXDEV ok\n", 1));
        let _occupied = occupy();
        let (after, _, denials) = run(yard, two_refused(true), script);
        assert_eq!((after, denials.len()), (before, 0));
        assert!(
            !found().ok && found().found.contains("EBUSY"),
            "{:?}",
            found()
        );
        assert!(found().remedy.contains("sheriff logs"));
        let (stdio, _output) = captured();
        let mut spec = yard.spec("true", stdio);
        spec.site.program = two_refused(true);
        let jail = jail::launch(spec, yard.cgroups()).unwrap();
        let enforce = refusing(&[number("bpf"), number("unshare")], EXDEV).hash();
        assert_eq!(jail.layers().seccomp_hash, enforce);
        assert_eq!(jail.layers().seccomp_enforce_hash, None);
    });
}
