//! `cargo xtask test`: everything that must pass on a fresh machine.
//!
//! Not for: benchmarks; nothing here fails because a machine is slow.

use std::fs;

use crate::error::Error;
use crate::step::Step;
use crate::tree;

/// Packages whose binaries the black-box suites run.
const BINARIES: [&str; 8] = [
    "build",
    "-p",
    "sheriffd",
    "-p",
    "sheriff-office",
    "-p",
    "sheriff",
    "-p",
];

/// Runs all checks in the order in which they fail fastest.
pub(crate) fn run() -> Result<(), Error> {
    // 1. Cheap ones first: a style slip should not wait for a build.
    Step::cargo(&["fmt", "--all", "--check"]).run()?;
    Step::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])
    .run()?;
    // 2. What the suites run, as users get it, and once more with the switch that leaves a layer out.
    let mut build = BINARIES.to_vec();
    build.push("xtask");
    Step::cargo(&build).run()?;
    let faults = tree::target().join("fault");
    let faults = faults.to_string_lossy();
    let fault_build = [
        "build",
        "-p",
        "sheriffd",
        "--features",
        "fault-injection",
        "--target-dir",
        &faults,
    ];
    Step::cargo(&fault_build).run()?;
    for program in ["sheriff", "sheriff-office"] {
        copy(program)?;
    }
    // 3. Everything that runs without the three binaries, then the suites that need them.
    let suites = [
        "--exclude",
        "sheriff-tests",
        "--exclude",
        "sheriff-integration",
    ];
    Step::cargo(&[&["test", "--workspace"][..], &suites[..]].concat()).run()?;
    suite("sheriff-tests").run()?;
    if is_root() {
        return suite("sheriff-integration").run();
    }
    skip();
    Ok(())
}

/// Puts an ordinary program beside the warden of the faulty build, which looks for it there.
fn copy(program: &str) -> Result<(), Error> {
    let to = tree::target().join("fault/debug").join(program);
    let from = tree::target().join("debug").join(program);
    let copied = fs::copy(&from, &to);
    copied.map(drop).map_err(|source| Error::File {
        what: "copy",
        path: from,
        source,
    })
}

fn suite(package: &str) -> Step {
    Step::cargo(&["test", "-p", package])
        .env("SHERIFF_BIN_DIR", tree::target().join("debug"))
        .env("SHERIFF_FAULT_BIN_DIR", tree::target().join("fault/debug"))
}

/// Whether we are root, told by who owns our own process's folder in `/proc`.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[expect(clippy::print_stderr, reason = "a suite that did not run must be said")]
fn skip() {
    eprintln!("xtask: not root: the privileged suite (sheriff-integration) did NOT run");
}
