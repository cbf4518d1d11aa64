//! `sheriff seccomp`: questions to seccomp profiles, without the daemon.
//!
//! Not for: what running jails were refused (`logs`), nor for other parts of a profile (`profile`).

mod attach;
mod call;
mod coverage;

mod diff;
mod disasm;
mod error;
mod explain;
mod export;
mod import;
mod lint;
mod list;
mod matrix;
mod purpose;
mod record;
mod show;
mod simulate;

use clap::Subcommand;
use seccomp::{Arch, Profile};

pub(crate) use self::attach::{Attached, Installed};
pub(crate) use self::error::SeccompError;
pub(crate) use self::lint::Linted;
pub(crate) use self::list::{Listed as ListedFilter, State as ListedState, Summary};
pub(crate) use self::simulate::Answer;

use super::folder::Folder;
use crate::failure::Failure;
use crate::sockets::Sockets;

/// Commands of `seccomp`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List seccomp profiles with what they permit and the hashes of their programs
    List(list::Args),
    /// Show a profile with its parents merged in, as a profile's file
    Show(show::Args),
    /// Say what a profile permits and why: all of it, or one call
    Explain(explain::Args),
    /// Compare two profiles: 0 when they decide alike, 1 when not
    Diff(diff::Args),
    /// Run a profile's program on calls, in an interpreter
    Simulate(simulate::Args),
    /// List a profile's program instruction by instruction
    Disasm(disasm::Args),
    /// Look for what a reviewer would object to; 1 when there are errors
    Lint(lint::Args),
    /// Compare what was really called with what a profile permits
    Coverage(coverage::Args),

    /// Run a command in a jail, count its system calls, and propose the smallest profile for it
    Record(record::Args),
    /// Write a profile in the form of another program
    Export(export::Args),
    /// Make a profile of another program's
    Import(import::Args),
    /// Read the programs that are really installed on a process, as root
    Attach(attach::Args),
    /// Show every call by every profile
    Matrix(matrix::Args),
}

/// The profile that a command is about.
#[derive(Debug, clap::Args)]
struct Named {
    #[command(flatten)]
    folder: Folder,
    /// A profile's name, or a file: its path has a `/` or a `.`
    #[arg(value_name = "NAME|FILE")]
    name: String,
}

/// The architecture that a command is about.
#[derive(Debug, clap::Args)]
struct Machine {
    /// `x86_64` or `aarch64`; by default that of this host
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

impl Named {
    fn profile(&self) -> Result<Profile, SeccompError> {
        Ok(self.folder.shelf().filter(&self.name)?)
    }
}

impl Machine {
    fn arch(&self) -> Result<Arch, SeccompError> {
        let arch = self.arch.or_else(Arch::native);
        arch.ok_or(SeccompError::NoArch)
    }
}

/// Runs one of them.
pub(crate) fn run(command: Command, sockets: &Sockets) -> Result<u8, Failure> {
    match command {
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args).map_err(Failure::undecided),
        Command::Simulate(args) => simulate::run(&args),
        Command::Disasm(args) => disasm::run(&args),
        Command::Lint(args) => lint::run(&args).map_err(Failure::undecided),

        Command::Coverage(args) => coverage::run(&args),
        Command::Record(args) => record::run(args, sockets).map_err(Failure::unrecorded),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Attach(args) => attach::run(&args, sockets).map_err(Failure::undecided),
        Command::Matrix(args) => matrix::run(&args),
    }
}
