//! `cargo xtask fuzz`: builds the targets of `fuzz/` with the ordinary compiler and runs each for a while.
//!
//! libFuzzer comes as C++ with its crate; what it needs from rustc are LLVM passes that stable compilers have,
//! so neither a nightly compiler nor `cargo-fuzz` is wanted. Sanitizers are: only `sys` has unsafe code, and no
//! target reaches it.
//!
//! Not for: what must hold, which the targets' crates say and `cargo test` tries too.

mod tally;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::step::Step;
use crate::tree;

use tally::Tally;

/// What `cargo-fuzz` passes, too: counters on edges, and comparisons told to the fuzzer.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0";
/// Longest input. Every limit below it is reached, and longer ones make all runs slow.
const INPUT_MAX: usize = 4096;
/// Seconds for one input. The slowest take some milliseconds.
const INPUT_SECONDS: u32 = 10;
/// Most memory of a run: beyond, an input made something grow.
const MEMORY_MIB: u32 = 2048;

/// Options of `fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name the targets and how long each has run so far
    #[arg(long)]
    list: bool,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Targets to run; all if none is named
    targets: Vec<String>,
}

/// Runs the targets one after the other. A crash ends that target only; at the end it is an error.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let all = names()?;
    if args.list {
        all.iter()
            .for_each(|name| say(&Tally::of(name).describe(name)));
        return Ok(());
    }
    if let Some(unknown) = args.targets.iter().find(|name| !all.contains(name)) {
        return Err(Error::Unmet(format!(
            "no target {unknown}; there are {}",
            all.join(", ")
        )));
    }
    let chosen = if args.targets.is_empty() {
        &all
    } else {
        &args.targets
    };
    let triple = host()?;
    build(&triple, chosen)?;
    let mut finds = Vec::new();
    for name in chosen {
        finds.extend(fuzz(name, &triple, args.seconds)?);
    }
    if finds.is_empty() {
        return Ok(());
    }
    Err(Error::Unmet(format!(
        "inputs that break a promise:\n{}",
        finds.join("\n")
    )))
}

/// The targets: one file each.
fn names() -> Result<Vec<String>, Error> {
    let folder = folder().join("fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|source| file("read", &folder, source))?;
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| stem(entry.path()))
        .collect();
    names.sort();
    Ok(names)
}

/// The machine's own triple. It is named to cargo so that the flags are not for build scripts and macros.
fn host() -> Result<String, Error> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .arg("-vV")
        .output()
        .map_err(|source| Error::Start {
            program: "rustc".to_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Error::Unmet("rustc -vV names no host".to_owned()))
}

fn build(triple: &str, targets: &[String]) -> Result<(), Error> {
    let manifest = folder().join("Cargo.toml").to_string_lossy().into_owned();
    let output = output().to_string_lossy().into_owned();
    let mut args = vec!["build", "--release", "--manifest-path", &manifest];
    args.extend(["--target", triple, "--target-dir", &output]);
    args.extend(targets.iter().flat_map(|name| ["--bin", name]));
    Step::cargo(&args).env("RUSTFLAGS", FLAGS).run()
}

/// Runs one target; the path of an input that broke it, if one did.
fn fuzz(name: &str, triple: &str, seconds: u32) -> Result<Option<String>, Error> {
    let program = output().join(triple).join("release").join(name);
    let working = made(&output().join("corpus").join(name))?;
    let crashes = made(&output().join("crashes"))?;
    let log = made(&output().join("logs"))?.join(name);
    let written = File::create(&log).map_err(|source| file("make", &log, source))?;
    let mut command = Command::new(&program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}/{name}-", crashes.display()))
        .arg("-print_final_stats=1")
        .args(dictionary(name))
        // New inputs go to the first folder; the second has those that are kept in the source tree.
        .args([working, folder().join("corpus").join(name)]);
    let status = command.stdout(Stdio::null()).stderr(written).status();
    let status = status.map_err(|source| Error::Start {
        program: name.to_owned(),
        source,
    })?;
    let text = fs::read(&log).map_err(|source| file("read", &log, source))?;
    let text = String::from_utf8_lossy(&text);
    let tally = Tally::add(name, &text, status.success())?;
    say(&tally.describe(name));
    if status.success() {
        return Ok(None);
    }
    let find = text.lines().find_map(|line| line.split_once("written to "));
    let find = find.map_or("no input was written", |(_, path)| path);
    Ok(Some(format!("{name}: {find} ({})", log.display())))
}

fn dictionary(name: &str) -> Option<String> {
    let path = folder().join("dictionaries").join(name);
    path.exists().then(|| format!("-dict={}", path.display()))
}

fn made(folder: &Path) -> Result<PathBuf, Error> {
    fs::create_dir_all(folder).map_err(|source| file("make", folder, source))?;
    Ok(folder.to_owned())
}

fn folder() -> PathBuf {
    tree::root().join("fuzz")
}

/// Where everything goes that is not kept: programs, grown corpora, finds, logs, tallies.
fn output() -> PathBuf {
    folder().join("target")
}

fn file(what: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File {
        what,
        path: path.to_owned(),
        source,
    }
}

#[expect(clippy::print_stderr, reason = "a chore says what it does")]
fn say(text: &str) {
    eprintln!("xtask: {text}");
}
