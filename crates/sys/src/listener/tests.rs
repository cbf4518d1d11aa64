//! Calls that wait, in a process of their own: a program can't be taken off again.

use std::time::Duration;

use super::*;
use crate::clone::fork;
use crate::readiness::wait_readable;
use crate::wait::{Outcome, reap_any};

/// Everything allowed but `getppid`, which waits.
fn program() -> Vec<Instruction> {
    let number = u32::try_from(libc::SYS_getppid).unwrap();
    let one = |code, jt, jf, k| Instruction { code, jt, jf, k };
    vec![
        one(0x20, 0, 0, 0),
        one(0x15, 0, 1, number),
        one(0x06, 0, 0, 0x7fc0_0000),
        one(0x06, 0, 0, 0x7fff_0000),
    ]
}

/// Runs the body in a child, which must return 0. A plain fork: tests run in threads, and the C library
/// takes its allocator's locks for fork alone.
fn apart(body: impl FnOnce() -> i32) {
    let pid = nix::unistd::Pid::from_raw(fork(body).unwrap());
    let ended = nix::sys::wait::waitpid(pid, None).unwrap();
    assert_eq!(ended, nix::sys::wait::WaitStatus::Exited(pid, 0));
}

fn listen() -> Listener {
    crate::privileges::set_no_new_privs().unwrap();
    install(&program()).unwrap()
}

fn hear(listener: &mut Listener) -> Option<Waiting> {
    assert_eq!(wait_readable(&[listener.as_fd()], None).unwrap(), [true]);
    listener.receive().unwrap()
}

/// A call that waits, with an argument; its error number.
fn wait_with(argument: u64) -> i32 {
    #[expect(unsafe_code, reason = "the call under test takes any argument")]
    // SAFETY: getppid reads no memory.
    let code = unsafe { libc::syscall(libc::SYS_getppid, argument) };
    if code == -1 { Errno::last_raw() } else { 0 }
}

fn ended() -> Outcome {
    loop {
        if let Some((_, outcome)) = reap_any().unwrap() {
            return outcome;
        }
        wait_readable(&[], Some(Duration::from_millis(1))).unwrap();
    }
}

#[test]
fn a_waiting_call_is_heard_with_its_arguments_and_gets_the_answer() {
    apart(|| {
        let mut listener = listen();
        for (errno, answer) in [(95, 95), (4095, 4095), (0, 1), (4096, 1), (u16::MAX, 1)] {
            let pid = fork(|| i32::from(wait_with(0x1234_5678_9abc_def0) != answer)).unwrap();
            let call = hear(&mut listener).unwrap();
            assert_eq!(call.arguments[0], 0x1234_5678_9abc_def0);
            assert_eq!(i64::from(call.number), libc::SYS_getppid);
            assert_eq!(i64::from(call.thread), i64::from(pid));
            assert!(listener.refuse(&call, errno).unwrap());
            assert_eq!(ended(), Outcome::Exited(0), "{errno}");
        }
        assert_eq!(
            wait_readable(&[listener.as_fd()], Some(Duration::ZERO)).unwrap(),
            [false]
        );
        0
    });
}

#[test]
fn a_caller_that_dies_before_or_after_it_was_heard_is_no_error() {
    apart(|| {
        let mut listener = listen();
        let pid = fork(|| wait_with(0)).unwrap();
        assert_eq!(wait_readable(&[listener.as_fd()], None).unwrap(), [true]);
        crate::signals::send_to_group(pid, libc::SIGKILL).unwrap();
        assert_eq!(ended(), Outcome::Signalled(9));
        assert_eq!(listener.receive().unwrap(), None);

        let pid = fork(|| wait_with(0)).unwrap();
        let call = hear(&mut listener).unwrap();
        crate::signals::send_to_group(pid, libc::SIGKILL).unwrap();
        assert_eq!(ended(), Outcome::Signalled(9));
        assert!(!listener.refuse(&call, 1).unwrap());
        0
    });
}

#[test]
fn a_second_listener_is_refused_and_the_end_of_the_first_answers_for_it() {
    apart(|| {
        let listener = listen();
        assert_eq!(install(&program()).unwrap_err().errno, Errno::EBUSY);
        drop(listener);
        i32::from(wait_with(0) != libc::ENOSYS)
    });
}

/// A process that makes a call on its second thread, with every signal blocked, and lives on if it may.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread's owner is the process that is killed with it"
)]
fn thread_that_calls() -> i32 {
    crate::signals::block_all().unwrap();
    let thread = std::thread::spawn(|| wait_with(0));
    drop(thread.join());
    wait_readable(&[], Some(Duration::from_secs(60))).unwrap();
    1
}

#[test]
fn the_caller_is_killed_with_all_its_threads_and_nobody_else() {
    apart(|| {
        let mut listener = listen();
        let bystander = fork(|| wait_with(7)).unwrap();
        let other = hear(&mut listener).unwrap();
        let pid = fork(thread_that_calls).unwrap();
        let call = hear(&mut listener).unwrap();
        assert_ne!(i64::from(call.thread), i64::from(pid));
        assert_eq!(listener.kill_caller(&call).unwrap(), Some(pid));
        listener.refuse(&call, 1).unwrap();
        assert_eq!(ended(), Outcome::Signalled(9));
        // A caller that is gone is no error, and its number names nobody.
        assert_eq!(listener.kill_caller(&call).unwrap(), None);
        assert!(listener.refuse(&other, 3).unwrap());
        assert_eq!(ended(), Outcome::Exited(3), "{bystander}");
        // An answered call is over, though its thread may live.
        let pid = fork(|| wait_with(0) + wait_with(1)).unwrap();
        let first = hear(&mut listener).unwrap();
        assert!(listener.refuse(&first, 4).unwrap());
        let second = hear(&mut listener).unwrap();
        assert_eq!(first.thread, second.thread);
        assert_eq!(listener.kill_caller(&first).unwrap(), None);
        assert!(listener.refuse(&second, 5).unwrap());
        assert_eq!(ended(), Outcome::Exited(9), "{pid}");
        0
    });
}

#[test]
fn a_caller_that_cannot_be_killed_is_an_error() {
    apart(|| {
        let mut listener = listen();
        let pid = fork(|| wait_with(0)).unwrap();
        let call = hear(&mut listener).unwrap();
        // No process has this number.
        let hidden = Waiting {
            thread: u32::MAX,
            ..call
        };
        assert_eq!(listener.kill_caller(&hidden).unwrap_err().call, "read");
        assert!(listener.refuse(&call, 6).unwrap());
        assert_eq!(ended(), Outcome::Exited(6), "{pid}");
        0
    });
}
