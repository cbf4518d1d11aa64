//! `sheriff seccomp attach`: the programs that are really installed on a process, and whose they are.
//!
//! Not for: changing them; the kernel takes no filter back.

mod known;
mod process;

use seccomp::disassembly::{Listing, disassemble};
use seccomp::{Arch, Instruction, Program};
use serde::Serialize;

use self::known::Known;
use self::process::Wanted;
use super::SeccompError;
use crate::commands::folder::Folder;
use crate::failure::Failure;
use crate::render::{Output, installed};
use crate::sockets::Sockets;

pub(crate) use self::known::Twin;

/// Options of `seccomp attach`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// The profile that should be in force; 1 when it is not
    #[arg(long, value_name = "NAME|FILE")]
    expect: Option<String>,
    /// List the programs instruction by instruction
    #[arg(long)]
    disasm: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// A process of this host, or a session: then PID 1 of its jail, whose filter all others inherit
    #[arg(value_name = "PID|SESSION")]
    process: Wanted,
}

/// What a process runs under.
#[derive(Debug, Serialize)]
pub(crate) struct Attached {
    /// The process, as the host numbers it.
    pub(crate) pid: i32,
    /// Its programs in the order of their installation. Each call passes all of them, and the
    /// gravest answer holds.
    pub(crate) programs: Vec<Installed>,
    /// The profile that should be in force.
    pub(crate) expected: Option<String>,
    /// Whether it is.
    pub(crate) as_expected: Option<bool>,
}

/// One installed program.
#[derive(Debug, Serialize)]
pub(crate) struct Installed {
    /// Its length in instructions.
    pub(crate) instructions: usize,
    /// SHA-256, hexadecimal.
    pub(crate) sha256: String,
    /// Programs of profiles that are the same, instruction by instruction.
    pub(crate) equals: Vec<Twin>,
    /// The program, where it was asked for.
    pub(crate) listing: Option<Listing>,
}

/// Reads the programs; 1 when another profile is in force than expected.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let shelf = args.folder.shelf();
    let expected = match &args.expect {
        Some(given) => Some(shelf.filter(given).map_err(SeccompError::from)?),
        None => None,
    };
    let known = Known::of(&shelf, expected.as_ref())?;
    let pid = args.process.pid(sockets)?;
    let programs = programs_of(pid)?;
    let as_expected = expected
        .is_some()
        .then(|| programs.iter().any(|program| known.is_expected(program)));
    let attached = Attached {
        pid,
        programs: programs
            .iter()
            .map(|program| installed_program(program, &known, args.disasm))
            .collect::<Result<_, _>>()?,
        expected: args.expect.clone(),
        as_expected,
    };
    let mut output = Output::new();
    if args.json {
        output.json(&attached)?;
    } else {
        installed::attached(&attached, &mut output)?;
    }
    output.finish()?;
    Ok(u8::from(as_expected == Some(false)))
}

fn programs_of(pid: i32) -> Result<Vec<Program>, SeccompError> {
    let programs = sys::installed::programs_of(pid)
        .map_err(|source| SeccompError::Installed { pid, source })?;
    let program = |instructions: Vec<sys::filter::Instruction>| {
        let instructions = instructions.into_iter().map(|one| Instruction {
            code: one.code,
            jt: one.jt,
            jf: one.jf,
            k: one.k,
        });
        Program::from_instructions(instructions.collect())
    };
    Ok(programs.into_iter().map(program).collect())
}

fn installed_program(
    program: &Program,
    known: &Known,
    listed: bool,
) -> Result<Installed, SeccompError> {
    let arch = Arch::native().ok_or(SeccompError::NoArch)?;
    Ok(Installed {
        instructions: program.instructions().len(),
        sha256: program.hash(),
        equals: known.twins(program),
        listing: listed.then(|| disassemble(program, arch)),
    })
}
