//! `sheriff seccomp` on shipped profiles and on written ones.
//!
//! Not for: what the library behind it finds out; crate `seccomp` tests that.

mod answers;
mod attach;
mod exchange;
mod readme;
mod refusals;

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::office::{command, stderr, stdout};

/// Where this repository is.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// A profile that takes away.
const NARROW: &str = "version = 1\nname = \"narrow\"\ndescription = \"Without queues.\"\n\
                      extends = \"agent\"\ndrop = [\"mq_open\", \"mq_unlink\"]\n";

/// A folder of host profiles with `narrow`, and with `broken`, which names a call that is none.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("seccomp");
    fs::create_dir(&profiles).unwrap();
    fs::write(profiles.join("narrow.toml"), NARROW).unwrap();
    let broken = NARROW
        .replace("narrow", "broken")
        .replace("mq_open", "mq_opne");
    fs::write(profiles.join("broken.toml"), broken).unwrap();
    folder
}

/// Runs `sheriff seccomp` with these host profiles.
fn seccomp(folder: &Path, args: &[&str]) -> Output {
    let (name, rest) = args.split_first().unwrap();
    let profiles = ["--profiles", folder.to_str().unwrap()];
    // The only one that reads no profile.
    let profiles = if *name == "import" {
        &[]
    } else {
        &profiles[..]
    };
    let args = [&["seccomp", name], profiles, rest].concat();
    command(Path::new("/nonexistent"), &args).output().unwrap()
}

/// The same where it must succeed; what it printed.
fn told(folder: &Path, args: &[&str]) -> String {
    let output = seccomp(folder, args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

/// The same as JSON.
fn json(folder: &Path, args: &[&str]) -> Value {
    let output = seccomp(folder, &[args, &["--json"]].concat());
    let found = stdout(&output);
    assert_ne!(found, "", "{args:?}: {}", stderr(&output));
    serde_json::from_str(&found).unwrap()
}
