//! A listener that travels between processes and lets calls go on.

use std::time::Duration;

use super::*;
use crate::clone::{fork, spawn};
use crate::namespace::Namespaces;
use crate::readiness::wait_readable;
use crate::seqpacket::Seqpacket;
use crate::wait::{Outcome, reap_any};

/// `getppid` and `getuid` wait, `getgid` gives `EXDEV`, the rest is allowed.
fn program() -> Vec<Instruction> {
    let number = |call: libc::c_long| u32::try_from(call).unwrap();
    let one = |code, jt, jf, k| Instruction { code, jt, jf, k };
    vec![
        one(0x20, 0, 0, 0),
        one(0x15, 2, 0, number(libc::SYS_getppid)),
        one(0x15, 1, 0, number(libc::SYS_getuid)),
        one(0x06, 0, 0, 0x7fff_0000),
        one(0x06, 0, 0, 0x7fc0_0000),
    ]
}

/// Lies beneath: refuses `getuid` with `EXDEV`.
fn beneath() -> Vec<Instruction> {
    let number = u32::try_from(libc::SYS_getuid).unwrap();
    let one = |code, jt, jf, k| Instruction { code, jt, jf, k };
    vec![
        one(0x20, 0, 0, 0),
        one(0x15, 0, 1, number),
        one(0x06, 0, 0, 0x0005_0012),
        one(0x06, 0, 0, 0x7fff_0000),
    ]
}

/// What a call returned, or its error number below zero.
fn made(call: libc::c_long) -> i64 {
    #[expect(unsafe_code, reason = "the C library may remember answers")]
    // SAFETY: these calls take no arguments.
    let code = unsafe { libc::syscall(call) };
    if code == -1 {
        return -i64::from(Errno::last_raw());
    }
    code
}

/// Runs `body` in a child under both programs; `holder` gets the listener in its parent.
fn recorded(body: fn() -> i32, holder: fn(Recorder, i32) -> i32) {
    let child = spawn(Namespaces::NONE, None, || {
        crate::privileges::set_no_new_privs().unwrap();
        let (ours, theirs) = Seqpacket::pair().unwrap();
        let pid = fork(|| {
            crate::filter::install(&beneath()).unwrap();
            install_and_hand_over(&program(), theirs.as_fd()).unwrap();
            body()
        });
        let mut message = ours.receive().unwrap().unwrap();
        let recorder = Recorder::received(message.fds.remove(0)).unwrap();
        holder(recorder, pid.unwrap())
    });
    assert_eq!(child.unwrap().reap().unwrap(), Outcome::Exited(0));
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
fn a_call_that_was_let_go_on_is_done_and_one_refused_beneath_is_neither_heard_nor_done() {
    let body = || {
        let right = made(libc::SYS_getppid) > 0
            && made(libc::SYS_getuid) == -i64::from(libc::EXDEV)
            && made(libc::SYS_getppid) > 0;
        i32::from(!right)
    };
    recorded(body, |mut recorder, pid| {
        let mut heard = Vec::new();
        while heard.len() < 2 {
            wait_readable(&[recorder.as_fd()], None).unwrap();
            let call = recorder.receive().unwrap().unwrap();
            assert_eq!(i64::from(call.thread), i64::from(pid));
            heard.push(i64::from(call.number));
            assert!(recorder.let_go_on_undecided(&call).unwrap());
        }
        assert_eq!(heard, [libc::SYS_getppid; 2]);
        i32::from(ended() != Outcome::Exited(0))
    });
}

#[test]
fn the_end_of_every_process_is_told_apart_from_a_call() {
    recorded(
        || i32::from(made(libc::SYS_getppid) < 1),
        |mut recorder, _pid| {
            wait_readable(&[recorder.as_fd()], None).unwrap();
            assert_eq!(recorder.pending().unwrap(), Pending::Call);
            let call = recorder.receive().unwrap().unwrap();
            assert_eq!(recorder.pending().unwrap(), Pending::Nothing);
            assert!(recorder.let_go_on_undecided(&call).unwrap());
            // The kernel may count a process in until it is reaped.
            assert_eq!(ended(), Outcome::Exited(0));
            assert_eq!(wait_readable(&[recorder.as_fd()], None).unwrap(), [true]);
            assert_eq!(recorder.pending().unwrap(), Pending::Over);
            0
        },
    );
}
