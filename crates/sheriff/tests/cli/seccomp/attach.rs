//! `seccomp attach` on threads that really have programs of ours.
//!
//! Not for: jails; those are tested with the daemon. Everything here needs root.

use std::fs;
use std::io::Read;
use std::path::Path;

use seccomp::{Arch, Profile, Purpose, compile_for};
use serde_json::{Value, json};
use sys::filter::Instruction;

use super::{folder, seccomp};
use crate::office::{stderr, stdout};

/// The kernel's form of a shipped profile's program.
fn program(name: &str, purpose: Purpose) -> Vec<Instruction> {
    let profile = Profile::parse("", seccomp::shipped(name).unwrap()).unwrap();
    let program = compile_for(&profile, Arch::native().unwrap(), purpose).unwrap();
    let instructions = program.instructions().iter();
    instructions
        .map(|one| Instruction {
            code: one.code,
            jt: one.jt,
            jf: one.jf,
            k: one.k,
        })
        .collect()
}

/// Calls `look` with the number of a thread that has these programs, and waits.
fn under(programs: &[Vec<Instruction>], look: impl FnOnce(&str)) {
    let (mut until, end) = std::io::pipe().unwrap();
    let (say, said) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let thread = fs::read_link("/proc/thread-self").unwrap();
            let confined = sys::privileges::set_no_new_privs().and_then(|()| {
                programs
                    .iter()
                    .try_for_each(|one| sys::filter::install(one))
            });
            let number = thread.file_name().unwrap().to_str().unwrap().to_owned();
            say.send(confined.map(|()| number)).unwrap();
            // Ends when the other end is closed.
            until.read_to_end(&mut Vec::new()).unwrap();
        });
        let number = said.recv().unwrap().unwrap();
        look(&number);
        drop(end);
    });
}

fn attach(args: &[&str], folder: &Path) -> (Option<i32>, Value) {
    let output = seccomp(folder, &[&["attach", "--json"], args].concat());
    let found = stdout(&output);
    assert_ne!(found, "", "{}", stderr(&output));
    (output.status.code(), serde_json::from_str(&found).unwrap())
}

fn is_root() -> bool {
    sys::users::effective() == 0
}

#[test]
fn an_installed_program_is_recognised_and_only_the_right_profile_is_as_expected() {
    if !is_root() {
        return;
    }
    let folder = folder();
    under(&[program("agent", Purpose::Enforce)], |thread| {
        let (code, found) = attach(&[thread, "--expect", "agent"], folder.path());
        assert_eq!((code, &found["as_expected"]), (Some(0), &json!(true)));
        let twin = &found["programs"][0]["equals"][0];
        assert_eq!(
            (&twin["profile"], &twin["purpose"], &twin["source"]),
            (
                &json!("agent"),
                &json!("enforce"),
                &json!("shipped:seccomp/agent.toml")
            )
        );
        let (code, found) = attach(&[thread, "--expect", "strict"], folder.path());
        assert_eq!((code, &found["as_expected"]), (Some(1), &json!(false)));
        let output = seccomp(folder.path(), &["attach", thread, "--disasm"]);
        let text = stdout(&output);
        assert!(
            text.contains("1 seccomp program\n") && text.contains(" 0000  "),
            "{text}"
        );
    });
}

#[test]
fn a_program_for_recording_enforces_nothing_and_one_beneath_it_does() {
    if !is_root() {
        return;
    }
    let folder = folder();
    let enforce = program("compute", Purpose::Enforce);
    // The harmless one is nobody's.
    let harmless = vec![Instruction {
        code: 6,
        jt: 0,
        jf: 0,
        k: 0x7FFF_0000,
    }];
    under(&[enforce, harmless], |thread| {
        let (code, found) = attach(&[thread, "--expect", "compute"], folder.path());
        assert_eq!(
            (code, found["programs"].as_array().unwrap().len()),
            (Some(0), 2)
        );
        assert_eq!(found["programs"][1]["equals"], json!([]));
    });
}

#[test]
fn a_process_without_programs_is_not_what_is_expected() {
    if !is_root() {
        return;
    }
    let folder = folder();
    under(&[], |thread| {
        let (code, found) = attach(&[thread], folder.path());
        assert_eq!((code, &found["programs"]), (Some(0), &json!([])));
        assert_eq!(
            attach(&[thread, "--expect", "agent"], folder.path()).0,
            Some(1)
        );
    });
    let output = seccomp(folder.path(), &["attach", "4194305"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("ESRCH"), "{}", stderr(&output));
}
