//! Which profiles PID 1 can work under.
//!
//! Not for: whether the list is complete; jails run by it.

use super::*;
use crate::embedded;

fn shipped(name: &str) -> Profile {
    Profile::parse(name, embedded::shipped(name).unwrap()).unwrap()
}

fn child(change: &str) -> Profile {
    let head = "version = 1\nname = \"own\"\ndescription = \"d\"\nextends = \"agent\"\n";
    Profile::parse("own.toml", &format!("{head}{change}")).unwrap()
}

#[test]
fn every_shipped_profile_for_jails_carries_init() {
    for name in ["agent", "build", "compute", "strict"] {
        assert_eq!(shipped(name).check_floor(), Ok(()), "{name}");
    }
    let office = shipped("office").check_floor().unwrap_err();
    assert!(office.missing.contains("clone(0x1200011) on x86_64"));
}

#[test]
fn a_profile_without_a_call_of_inits_is_refused_with_the_call() {
    assert_eq!(child("drop = [\"mq_open\"]").check_floor(), Ok(()));
    let error = child("drop = [\"sendmsg\"]").check_floor().unwrap_err();
    assert_eq!(
        error.to_string(),
        "own.toml: profile own refuses calls that PID 1 of a jail needs: sendmsg(0x0, 0x0, 0x4000) on x86_64, \
         sendmsg(0x0, 0x0, 0x4040) on x86_64, sendmsg(0x0, 0x0, 0x4000) on aarch64, \
         sendmsg(0x0, 0x0, 0x4040) on aarch64"
    );
}

#[test]
fn a_denial_of_some_arguments_counts_when_init_uses_them() {
    let rule = |request: &str| {
        format!(
            "[[deny]]\nwhy = \"w\"\ncalls = [\"ioctl\"]\nerrno = \"EPERM\"\nwhen = [[{{ arg = 1, width = 32, in = [{request}] }}]]"
        )
    };
    assert_eq!(child(&rule("0x5401")).check_floor(), Ok(()));
    let error = child(&rule("0x540E")).check_floor().unwrap_err();
    assert!(error.missing.starts_with("ioctl(0x0, 0x540e)"), "{error}");
}

#[test]
fn one_way_of_starting_a_program_is_enough_and_none_is_not() {
    assert_eq!(child("drop = [\"execve\"]").check_floor(), Ok(()));
    assert_eq!(child("drop = [\"execveat\"]").check_floor(), Ok(()));
    let error = child("drop = [\"execve\", \"execveat\"]").check_floor();
    assert!(
        error
            .unwrap_err()
            .missing
            .starts_with("execve, or execveat")
    );
}
