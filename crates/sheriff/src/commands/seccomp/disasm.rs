//! `sheriff seccomp disasm`: a profile's program, instruction by instruction.
//!
//! Not for: programs that are installed already (`seccomp attach --disasm`).

use seccomp::compile_for;
use seccomp::disassembly::disassemble;

use super::purpose::PurposeWord;
use super::{Machine, Named, SeccompError};
use crate::failure::Failure;
use crate::render::Output;

/// Options of `seccomp disasm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    profile: Named,
    #[command(flatten)]
    machine: Machine,
    /// Which of the profile's programs to list
    #[arg(long, value_name = "PURPOSE", default_value = "enforce")]
    purpose: PurposeWord,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the program.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let profile = args.profile.profile()?;
    let arch = args.machine.arch()?;
    let program = compile_for(&profile, arch, args.purpose.into()).map_err(SeccompError::from)?;
    let listing = disassemble(&program, arch);
    let mut output = Output::new();
    if args.json {
        output.json(&listing)?;
    } else {
        output.text(&listing.to_string())?;
    }
    output.finish().map(|()| 0)
}
