//! A variable that is taken is in a memory file and nowhere else. A process of its own: the test binary
//! is started again with the variable set.
//!
//! Not for: what is done with it.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::process::Command;

const NAME: &str = "SHERIFF_TEST_TAKEN";
const VALUE: &str = "a value to be found nowhere";

#[test]
fn a_taken_variable_is_in_the_file_and_not_in_the_environment_any_more() {
    if std::env::var(NAME).is_err() {
        let own = std::env::current_exe().unwrap();
        let status = Command::new(own).env(NAME, VALUE).status().unwrap();
        return assert!(status.success());
    }
    let seen = || String::from_utf8_lossy(&fs::read("/proc/self/environ").unwrap()).contains(VALUE);
    assert!(seen());
    let mut file = File::from(sheriff_sys::environment::take(NAME).unwrap().unwrap());
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, VALUE);
    assert!(!seen());
    assert!(sheriff_sys::environment::take(NAME).unwrap().is_none());
    assert!(
        sheriff_sys::environment::take("SHERIFF_TEST_ABSENT")
            .unwrap()
            .is_none()
    );
}
