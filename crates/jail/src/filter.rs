//! The seccomp programs of one profile: the one that enforces it, and one that also reports or one
//! that records.
//!
//! Not for: making programs (crate `seccomp`), nor for serving a listener (`refusals`, `recording`).

use seccomp::{Action, Arch, Data, EXEC_DESCRIPTOR, EXEC_PATH, Program, syscalls};
use sys::filter::Instruction;

/// `AT_EMPTY_PATH` of `linux/fcntl.h`.
const AT_EMPTY_PATH: u64 = 0x1000;

/// The seccomp programs of one profile, ready for use in any number of jails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    enforce: Ready,
    report: Option<Ready>,
    record: Option<Ready>,
    start: Start,
}

/// A program in the kernel's form, with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ready {
    /// As `seccomp` has it.
    pub(crate) program: Program,
    /// As the kernel takes it.
    pub(crate) instructions: Vec<Instruction>,
    /// SHA-256 over it, hexadecimal.
    pub(crate) hash: String,
}

/// How a program of the jail may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As anywhere.
    ByPath,
    /// Only from [`EXEC_DESCRIPTOR`] with the path at [`EXEC_PATH`], neither of which the started
    /// program can make again: no limit of open files that a jail has may lie above that number, and
    /// no capability of a jail maps that address.
    ByDescriptor,
}

impl Filter {
    /// The programs of one profile for this processor: `enforce` is its word on every call, `report`
    /// (if denials are to be reported) the same with denied calls left to the listener, which
    /// answers as `enforce` does.
    #[must_use]
    pub fn new(enforce: Program, report: Option<Program>) -> Self {
        Self {
            start: Start::under(&enforce),
            enforce: Ready::new(enforce),
            report: report.map(Ready::new),
            record: None,
        }
    }

    /// The programs for jails whose command is recorded: `enforce` on PID 1 and so on everything,
    /// `record` above it on the command. There is one listener in a chain of programs, so denials
    /// are not reported.
    #[must_use]
    pub fn recording(enforce: Program, record: Program) -> Self {
        Self {
            record: Some(Ready::new(record)),
            ..Self::new(enforce, None)
        }
    }

    /// Whether jails under it record their command.
    #[must_use]
    pub const fn records(&self) -> bool {
        self.record.is_some()
    }

    /// How programs are started under it.
    #[must_use]
    pub const fn start(&self) -> Start {
        self.start
    }

    /// The program that enforces the profile by itself.
    pub(crate) const fn enforce(&self) -> &Ready {
        &self.enforce
    }

    /// The program that leaves denied calls to a listener.
    pub(crate) const fn report(&self) -> Option<&Ready> {
        self.report.as_ref()
    }

    /// The program that has a listener count what the other one permits.
    pub(crate) const fn record(&self) -> Option<&Ready> {
        self.record.as_ref()
    }
}

impl Ready {
    fn new(program: Program) -> Self {
        let instructions = program.instructions().iter();
        let instructions = instructions.map(|one| Instruction {
            code: one.code,
            jt: one.jt,
            jf: one.jf,
            k: one.k,
        });
        Self {
            instructions: instructions.collect(),
            hash: program.hash(),
            program,
        }
    }
}

impl Start {
    /// What the program says of the two ways. One that permits neither is left to refuse the first.
    fn under(enforce: &Program) -> Self {
        let by_descriptor = [
            u64::from(EXEC_DESCRIPTOR),
            EXEC_PATH,
            0,
            0,
            AT_EMPTY_PATH,
            0,
        ];
        let by_path = permits(enforce, "execve", [0; 6]);
        if !by_path && permits(enforce, "execveat", by_descriptor) {
            return Self::ByDescriptor;
        }
        Self::ByPath
    }
}

fn permits(program: &Program, call: &str, arguments: [u64; 6]) -> bool {
    let permitted = || {
        let arch = Arch::native()?;
        let call = Data::new(arch, syscalls::number(arch, call)?, arguments);
        seccomp::simulate(program, &call).ok().map(Action::permits)
    };
    permitted().unwrap_or(false)
}
