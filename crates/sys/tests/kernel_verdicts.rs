//! The shipped seccomp profiles under the real kernel: for each call of the proof's corpus it must
//! answer as the model says.
//!
//! Not for: the proof itself, which runs in an interpreter (`seccomp`). Nothing that is tried here
//! takes place: beneath the program under test lies one that refuses all calls with an error that no
//! profile uses, and of two refusals the newer program's counts (`seccomp(2)`).

#![expect(unsafe_code, reason = "forks and makes raw system calls")]
#![expect(
    clippy::expect_used,
    reason = "what a helper of a test can't do is a failure of the test"
)]

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use seccomp::{Action, Arch, Data, Profile, Purpose, RECORD_DESCRIPTOR, corpus, syscalls};
use sheriff_sys as sys;
use sys::filter::Instruction;
use sys::listener::recorder::{Pending, Recorder, install_and_hand_over};
use sys::seqpacket::Seqpacket;

/// `EHWPOISON`: what the program beneath answers, and no profile.
const PERMITTED: u16 = 133;
/// In the last argument of a call of the test's own: the program beneath lets it through.
const OWN: u32 = 0x5EC0_C0DE;
/// Numbers as the profiles' proof has them.
const NUMBERS: std::ops::Range<u32> = 0..1024;
/// Calls of the kernel's own trampolines: newer kernels ask no filter about them, and whoever makes
/// them elsewhere gets SIGILL (Linux 6.14 and 6.17).
const UNFILTERED: [&str; 2] = ["uretprobe", "uprobe"];
/// A program for recording does not stand alone: see [`Way::Recorded`].
const TESTED: [Purpose; 2] = [Purpose::Enforce, Purpose::Report];
/// The answer to a call that was tried; 0 if it took place.
type Answer = u16;
type Call = (u32, [u64; 6]);

fn own_arch() -> Arch {
    Arch::native().expect("tests run where filters can be made")
}

fn profiles() -> impl Iterator<Item = Profile> {
    seccomp::embedded::names().map(|name| {
        let text = seccomp::shipped(name).expect("a listed profile exists");
        Profile::parse(name, text).expect("shipped profiles are sound")
    })
}

fn program(profile: &Profile, purpose: Purpose) -> Vec<Instruction> {
    let program = seccomp::compile_for(profile, own_arch(), purpose).expect("short enough");
    let instructions = program.instructions().iter();
    instructions
        .map(|one| instruction(one.code, one.jt, one.jf, one.k))
        .collect()
}

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Refuses all calls but the test's own and the installing of one more program.
fn beneath() -> Vec<Instruction> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let seccomp = syscalls::number(own_arch(), "seccomp").expect("the table has it");
    vec![
        instruction(LOAD, 0, 0, 56), // the last argument's low half
        instruction(EQUAL, 6, 0, OWN),
        instruction(LOAD, 0, 0, 0), // the number
        instruction(EQUAL, 0, 5, seccomp),
        instruction(LOAD, 0, 0, 16),
        instruction(EQUAL, 0, 3, libc::SECCOMP_SET_MODE_FILTER),
        instruction(LOAD, 0, 0, 24),
        instruction(EQUAL, 0, 1, 2), // SECCOMP_FILTER_FLAG_LOG
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | u32::from(PERMITTED)),
    ]
}

/// Every number with plain arguments, and every call of the architecture with those at the
/// boundaries of the profile's conditions.
fn calls(profile: &Profile) -> Vec<Call> {
    let plain = [[0; 6], [u64::MAX; 6], [6, 5, 4, 3, 2, 1]];
    let numbers = NUMBERS.flat_map(|number| plain.map(|arguments| (number, arguments)));
    let boundaries = syscalls::calls(own_arch()).flat_map(|(number, name)| {
        let lists = corpus::arguments(profile, name);
        lists.into_iter().map(move |arguments| (number, arguments))
    });
    let filtered = |(number, _): &Call| {
        let name = syscalls::name(own_arch(), *number);
        name.is_none_or(|name| !UNFILTERED.contains(&name))
    };
    numbers.chain(boundaries).filter(filtered).collect()
}

/// One raw call; the error, or 0.
fn attempt(number: u32, arguments: [u64; 6]) -> Answer {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the program beneath refuses the call, or it is one of `own`, which pass valid memory.
    let code = unsafe { libc::syscall(libc::c_long::from(number), a, b, c, d, e, f) };
    let errno = std::io::Error::last_os_error().raw_os_error();
    if code == -1 {
        errno
            .and_then(|errno| Answer::try_from(errno).ok())
            .unwrap_or(Answer::MAX)
    } else {
        0
    }
}

/// How a child's answers come back.
#[derive(Clone, Copy)]
enum Way {
    /// Over a pipe.
    Plain,
    /// Over a socket at the one descriptor on which a program for recording lets `sendmsg` pass. Its
    /// listener is closed, so other calls that it would wait for get `ENOSYS` from it.
    Recorded,
}

impl Way {
    /// The reader's end, and the writer's.
    fn open(self) -> (OwnedFd, OwnedFd) {
        match self {
            Self::Plain => sys::readiness::pipe().expect("a pipe"),
            Self::Recorded => {
                let (reader, writer) = UnixStream::pair().expect("a pair of sockets");
                (reader.into(), writer.into())
            }
        }
    }

    /// Where the child writes: before any program is installed.
    fn descriptor(self, writer: &OwnedFd) -> i32 {
        match self {
            Self::Plain => writer.as_raw_fd(),
            Self::Recorded => {
                let number = RECORD_DESCRIPTOR.cast_signed();
                sys::fds::place(writer.as_fd(), number).expect("the descriptor is free");
                number
            }
        }
    }

    /// How many bytes were taken; below zero for an error.
    fn write(self, descriptor: i32, bytes: &[u8]) -> libc::c_long {
        let own = u64::from(OWN);
        let (start, length) = (bytes.as_ptr(), bytes.len());
        let vector = libc::iovec {
            iov_base: start.cast_mut().cast(),
            iov_len: length,
        };
        // SAFETY: all of these fields may be zero.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = (&raw const vector).cast_mut();
        message.msg_iovlen = 1;
        match self {
            // SAFETY: the pointer and the length are those of a slice.
            Self::Plain => unsafe {
                libc::syscall(number("write"), descriptor, start, length, 0, 0, own)
            },
            // SAFETY: the message points at the slice, and lives through the call.
            Self::Recorded => unsafe {
                let message = &raw const message;
                libc::syscall(number("sendmsg"), descriptor, message, 0, 0, 0, own)
            },
        }
    }
}

/// Runs in the child: no memory is taken or given back once the programs are installed.
fn child(
    programs: &[&[Instruction]],
    calls: &[Call],
    answers: &mut [Answer],
    back: (Way, i32),
) -> ! {
    let (way, descriptor) = back;
    let installed = sys::privileges::set_no_new_privs().is_ok()
        && programs
            .iter()
            .all(|program| sys::filter::install_audited(program).is_ok());
    for ((number, arguments), answer) in calls.iter().zip(answers.iter_mut()) {
        *answer = if installed {
            attempt(*number, *arguments)
        } else {
            Answer::MAX
        };
    }
    let exit = number("exit_group");
    let mut bytes: &[u8] = {
        let start = answers.as_ptr().cast::<u8>();
        // SAFETY: the answers are plain numbers, and as long as said.
        unsafe { std::slice::from_raw_parts(start, size_of_val(answers)) }
    };
    while !bytes.is_empty() {
        let Some(rest) = usize::try_from(way.write(descriptor, bytes))
            .ok()
            .and_then(|many| bytes.get(many..))
        else {
            break;
        };
        bytes = rest;
    }
    // SAFETY: ends the process, where the program lets it.
    unsafe { libc::syscall(exit, 0, 0, 0, 0, 0, u64::from(OWN)) };
    // Ends in an instruction that is not permitted, if nothing else.
    std::process::abort();
}

fn number(call: &str) -> libc::c_long {
    let number = syscalls::number(own_arch(), call).expect("the table has it");
    libc::c_long::from(number)
}

/// What the kernel answers to the calls under these programs, and the one beneath.
fn answers(programs: &[&[Instruction]], calls: &[Call], way: Way) -> Vec<Answer> {
    let mut answers = vec![0; calls.len()];
    let beneath = beneath();
    let chain: Vec<_> = [&*beneath]
        .into_iter()
        .chain(programs.iter().copied())
        .collect();
    let (reader, writer) = way.open();
    // SAFETY: the child makes raw calls only, on memory that was taken before.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork");
    if pid == 0 {
        let descriptor = way.descriptor(&writer);
        child(&chain, calls, &mut answers, (way, descriptor));
    }
    drop(writer);
    let mut bytes = Vec::new();
    File::from(reader)
        .read_to_end(&mut bytes)
        .expect("the pipe");
    let ended = wait(pid).expect("it ended");
    match way {
        Way::Plain => assert_eq!(ended, 0),
        // Its exit waits for a listener that does not exist.
        Way::Recorded => assert!(ended < 0, "{ended}"),
    }
    let pairs = bytes.chunks_exact(2);
    let pairs = pairs.filter_map(|pair| pair.try_into().ok());
    pairs.map(Answer::from_ne_bytes).collect()
}

/// The exit code, or the signal that ended it, negative.
fn wait(pid: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: waits for a child of ours and writes one number.
    let found = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(found, pid);
    if libc::WIFSIGNALED(status) {
        return Some(-libc::WTERMSIG(status));
    }
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
}

#[test]
fn the_kernel_answers_every_call_of_the_corpus_as_the_model_says() {
    for (profile, purpose) in
        profiles().flat_map(|profile| TESTED.map(|purpose| (profile.clone(), purpose)))
    {
        let calls = calls(&profile);
        let answers = answers(&[&program(&profile, purpose)], &calls, Way::Plain);
        assert_eq!(answers.len(), calls.len());
        let mut refused = 0;
        for ((number, arguments), answer) in calls.into_iter().zip(answers) {
            let call = Data::new(own_arch(), number, arguments);
            let expected = match seccomp::verdict_for(&profile, own_arch(), &call, purpose) {
                Action::Errno(errno) => errno.number(),
                // The refusal beneath outranks these.
                Action::Allow | Action::Log | Action::Notify => PERMITTED,
                deadly => panic!("{deadly} for a call of the own architecture"),
            };
            let shown = (profile.name(), purpose, number, arguments);
            assert_eq!(answer, expected, "{shown:x?}");
            refused += u32::from(answer != PERMITTED);
        }
        assert!(refused > 300, "{refused}");
    }
}

#[test]
fn a_recording_program_above_the_enforcing_one_changes_no_refusal_and_refuses_nothing_itself() {
    // A jail's profile lets a program install one more; the daemon's own does not.
    let stacked = |profile: &Profile| profile.allowance_on(own_arch(), "seccomp").is_some();
    for profile in profiles().filter(stacked) {
        let calls = calls(&profile);
        let [enforce, record] =
            [Purpose::Enforce, Purpose::Record].map(|purpose| program(&profile, purpose));
        let enforced = answers(&[&enforce], &calls, Way::Plain);
        let recorded = answers(&[&enforce, &record], &calls, Way::Recorded);
        assert_eq!(recorded.len(), calls.len());
        for ((call, enforced), recorded) in calls.iter().zip(&enforced).zip(&recorded) {
            assert_eq!(enforced, recorded, "{} {call:x?}", profile.name());
        }
        assert!(recorded.iter().filter(|one| **one != PERMITTED).count() > 300);
        let alone = answers(&[&record], &calls, Way::Recorded);
        assert_eq!(alone, vec![PERMITTED; calls.len()], "{}", profile.name());
    }
}

/// Calls that `agent` permits and that always succeed, and calls that it refuses, in turn.
const IN_TURN: [(&str, Answer); 7] = [
    ("getppid", 0),
    ("mount", 1),
    ("umask", 0),
    ("ptrace", 1),
    ("clone3", 38),
    ("bpf", 1),
    ("getuid", 0),
];

#[test]
fn a_recorder_hears_of_what_is_permitted_and_what_is_refused_stays_refused_unheard() {
    let agent = profiles().find(|profile| profile.name().as_str() == "agent");
    let agent = agent.expect("shipped");
    let [enforce, record] =
        [Purpose::Enforce, Purpose::Record].map(|purpose| program(&agent, purpose));
    let turns = IN_TURN.map(|(call, expected)| (number(call), expected));
    let (ours, theirs) = Seqpacket::pair().expect("a pair of sockets");
    // SAFETY: the child makes raw calls only, on memory that was taken before.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork");
    if pid == 0 {
        let socket = sys::fds::place_until_exec(theirs.as_fd(), RECORD_DESCRIPTOR.cast_signed());
        // It stays open, as to close it would be one more call to hear of.
        let ready = socket.as_ref().is_ok_and(|socket| {
            sys::privileges::set_no_new_privs().is_ok()
                && sys::filter::install_audited(&enforce).is_ok()
                && install_and_hand_over(&record, socket.as_fd()).is_ok()
        });
        let wrong = turns.iter().filter(|(call, expected)| {
            u32::try_from(*call).map(|call| attempt(call, [0; 6])) != Ok(*expected)
        });
        let code = if ready { wrong.count() } else { 100 };
        // SAFETY: ends the process.
        unsafe { libc::syscall(number("exit_group"), code) };
        // Without a listener the kernel refuses that.
        std::process::abort();
    }
    drop(theirs);
    let mut message = ours.receive().expect("a message").expect("one came");
    let listener = message.fds.pop().expect("the listener");
    let recorder = Recorder::received(listener).expect("a listener");
    let permitted = IN_TURN.iter().filter(|(_, answer)| *answer == 0);
    let expected: Vec<&str> = permitted
        .map(|(call, _)| *call)
        .chain(["exit_group"])
        .collect();
    assert_eq!(let_go_on(recorder, expected.len()), expected);
    assert_eq!(wait(pid), Some(0));
}

/// Lets that many calls go on; their names.
fn let_go_on(mut recorder: Recorder, count: usize) -> Vec<&'static str> {
    let mut heard = Vec::new();
    while heard.len() < count {
        sys::readiness::wait_readable(&[recorder.as_fd()], None).expect("it can be waited for");
        match recorder.pending().expect("it can be asked") {
            Pending::Over => break,
            Pending::Nothing => continue,
            Pending::Call => {}
        }
        let Some(call) = recorder.receive().expect("it can be asked") else {
            continue;
        };
        heard.push(syscalls::name(own_arch(), call.number).expect("a call with a name"));
        recorder
            .let_go_on_undecided(&call)
            .expect("the answer goes");
    }
    heard
}

/// How a child ends that installs a program and makes one call, whose error is its exit code.
fn end_of(program: Option<&[Instruction]>, call: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: the child installs a program, makes one call and ends.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork");
    if pid == 0 {
        let ready = program.is_none_or(|program| {
            sys::privileges::set_no_new_privs().is_ok()
                && sys::filter::install_audited(program).is_ok()
        });
        let code = if ready { call() } else { 255 };
        // SAFETY: ends the process.
        unsafe { libc::_exit(code) };
    }
    wait(pid)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_second_abi_and_the_foreign_one_are_fatal_where_the_native_one_is_not() {
    let killed = Some(-libc::SIGSYS);
    let getppid = syscalls::number(own_arch(), "getppid").expect("the table has it");
    let plain = || i32::from(attempt(getppid, [0; 6]));
    let second = || i32::from(attempt(getppid | seccomp::arch::X32_BIT, [0; 6]));
    // SAFETY: getppid (64) of the 32-bit table takes nothing and returns a number, if there is one.
    let foreign = || unsafe {
        let answer: i32;
        std::arch::asm!("int 0x80", inlateout("eax") 64 => answer, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        answer.min(0).saturating_neg()
    };
    // A kernel without 32-bit support ends the process by itself.
    let unfiltered = end_of(None, foreign);
    let foreign_end = |fatal| {
        if unfiltered == Some(0) {
            fatal
        } else {
            unfiltered
        }
    };
    for profile in profiles() {
        for purpose in TESTED {
            // The kernel refuses what is left to a listener that does not exist.
            let fatal = match purpose {
                Purpose::Report => Some(libc::ENOSYS),
                Purpose::Enforce | Purpose::Record => killed,
            };
            let program = program(&profile, purpose);
            let shown = (profile.name(), purpose);
            assert_eq!(end_of(Some(&program), plain), Some(0), "{shown:?}");
            assert_eq!(end_of(Some(&program), second), fatal, "{shown:?}");
            let expected = foreign_end(fatal);
            assert_eq!(end_of(Some(&program), foreign), expected, "{shown:?}");
        }
    }
    // Without x32 support the kernel knows no such number.
    let without = end_of(None, second);
    assert!(without == Some(0) || without == Some(libc::ENOSYS));
}
