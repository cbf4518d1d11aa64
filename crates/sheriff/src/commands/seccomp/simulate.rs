//! `sheriff seccomp simulate`: what a profile's own program answers to calls, in an interpreter.
//!
//! Not for: why (`seccomp explain`), nor for making the calls.

use std::path::{Path, PathBuf};

use seccomp::{Arch, Program, compile_for, simulate};
use serde::Serialize;

use super::call::Call;
use super::purpose::PurposeWord;
use super::{Machine, Named, SeccompError};
use crate::failure::Failure;
use crate::intake;
use crate::render::{Output, filter};

/// Longest file of calls, about 50,000 of them.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Options of `seccomp simulate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    profile: Named,
    #[command(flatten)]
    machine: Machine,
    /// Which of the profile's programs to run
    #[arg(long, value_name = "PURPOSE", default_value = "enforce")]
    purpose: PurposeWord,
    /// A file with a call on each line, name or number and arguments, `#` for comments; `-` is
    /// standard input
    #[arg(long, value_name = "CALLS", conflicts_with = "call")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// A call, by name or number
    #[arg(value_name = "CALL", required_unless_present = "file")]
    call: Option<String>,
    /// Its arguments from the first on, such as 38, 0x26 or -1; those left out are 0
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    arguments: Vec<String>,
}

/// A call and the program's answer.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// Name of the call, if the number has one.
    pub(crate) call: Option<&'static str>,
    /// Its number.
    pub(crate) number: u32,
    /// The arguments given.
    pub(crate) arguments: Vec<u64>,
    /// The action: `allow`, an error, `kill`, `notify`.
    pub(crate) action: String,
    /// What the program returned, as linux/seccomp.h has it.
    pub(crate) value: u32,
}

/// Runs the program.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let profile = args.profile.profile()?;
    let arch = args.machine.arch()?;
    let program = compile_for(&profile, arch, args.purpose.into()).map_err(SeccompError::from)?;
    let answers = calls(args, arch)?
        .into_iter()
        .map(|call| answer(&program, call))
        .collect::<Result<Vec<_>, _>>()?;
    let mut output = Output::new();
    if args.json {
        output.json(&answers)?;
    } else {
        answers
            .iter()
            .try_for_each(|answer| filter::answer(answer, &mut output))?;
    }
    output.finish().map(|()| 0)
}

fn calls(args: &Args, arch: Arch) -> Result<Vec<Call>, SeccompError> {
    if let Some(path) = &args.file {
        let text = intake::text(path, FILE_BYTES_MAX)?;
        return read_all(path, &text, arch);
    }
    let call = args.call.as_deref().unwrap_or_default();
    let words: Vec<&str> = args.arguments.iter().map(String::as_str).collect();
    Ok(vec![Call::read(arch, call, &words)?])
}

/// All calls or none: an answer for half of a file would pass for the whole.
fn read_all(path: &Path, text: &str, arch: Arch) -> Result<Vec<Call>, SeccompError> {
    let mut calls = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = content.split_whitespace().collect();
        let Some((call, arguments)) = words.split_first() else {
            continue;
        };
        let call = Call::read(arch, call, arguments).map_err(|source| SeccompError::Call {
            path: path.to_owned(),
            line: at + 1,
            source,
        })?;
        calls.push(call);
    }
    Ok(calls)
}

fn answer(program: &Program, call: Call) -> Result<Answer, SeccompError> {
    let action = simulate(program, &call.data)?;
    Ok(Answer {
        call: call.name,
        number: call.data.number,
        arguments: call.arguments,
        action: action.to_string(),
        value: action.encode(),
    })
}
