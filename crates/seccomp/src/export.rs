//! Profiles in the forms of other tools: OCI and Docker JSON, raw BPF, a C array.
//!
//! Not for: writing files, nor for making programs (`compile`).

mod cube;
mod policy;
mod rules;

use std::fmt;
use std::fmt::Write as _;

use crate::action::Action;
use crate::arch::Arch;
use crate::profile::Profile;
use crate::program::Program;

/// Most rules for one call. libseccomp 2.5 makes three to four instructions of each, and the kernel
/// takes 4,096 of them in all.
pub const CALL_RULES_MAX: usize = 320;

/// A profile in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The text, with a newline at its end.
    pub text: String,
    /// Where it is not what the profile says.
    pub divergences: Vec<Divergence>,
}

/// How an exported policy differs from its profile. None of them lets through what the profile
/// refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Divergence {
    /// libseccomp's answer to another architecture's entry, x32 included.
    ForeignArch,
    /// Runtimes pass over names that their libseccomp does not know.
    UnknownNames,
    /// Runtimes start the command with `execve` behind the filter, which refuses that.
    NoExec,
    /// Refused arguments beyond 65,535 get ENOSYS, whatever the profile's error, as telling them
    /// apart would take too many rules.
    Remote {
        /// Name of the call.
        call: &'static str,
    },
    /// Some refused arguments get ENOSYS, as telling them apart would take too many rules.
    Answer {
        /// Name of the call.
        call: &'static str,
        /// The profile's answer.
        answer: Action,
    },
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignArch => f.write_str(
                "calls through another architecture's entry, and x32 numbers, may kill the thread only: which, is the runtime's libseccomp's choice; the profile kills the process",
            ),
            Self::UnknownNames => f.write_str(
                "calls that the runtime's libseccomp does not know by name get ENOSYS, whatever the profile says",
            ),
            Self::NoExec => f.write_str(
                "runtimes start the command with execve after the filter is in force; the profile refuses it, so no command will start",
            ),
            Self::Remote { call } => write!(
                f,
                "{call}: arguments beyond 65,535 that the profile refuses with an error get ENOSYS"
            ),
            Self::Answer { call, answer } => write!(
                f,
                "{call}: some arguments that the profile answers with {answer} get ENOSYS"
            ),
        }
    }
}

/// A profile that can't be exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// No architecture, or one twice.
    #[error("name each architecture to export for once, and one at least")]
    Arches,
    /// One list of rules can't say different things for two architectures.
    #[error(
        "{call} has different rules on the two architectures: export for one, or as a Docker profile"
    )]
    Differs {
        /// Name of the call.
        call: &'static str,
    },
    /// The call's rules need more than [`CALL_RULES_MAX`].
    #[error("{file}:{line}: {call} needs more than {CALL_RULES_MAX} rules without `or` and `not`")]
    TooManyRules {
        /// Name of the call.
        call: &'static str,
        /// The file of the rule that looks at the most of its arguments' values.
        file: String,
        /// The line in it that names the call, from 1.
        line: usize,
    },
}

/// The profile as the `linux.seccomp` object of the OCI runtime specification.
///
/// OCI rules are alternatives without an order, each with one 64-bit comparison an argument. So a
/// call's arguments are split into blocks by their bits, and each block gets a rule. What no rule
/// names gets ENOSYS, known calls that the profile does not allow are named with EPERM.
///
/// # Errors
///
/// [`ExportError`]; nothing is left out silently.
pub fn oci(profile: &Profile, arches: &[Arch]) -> Result<Exported, ExportError> {
    policy::write(profile, arches, policy::Form::Oci)
}

/// The profile in Docker's format: as [`oci`], with the reasons as comments, and rules of one
/// architecture where they differ.
///
/// # Errors
///
/// [`ExportError`]; nothing is left out silently.
pub fn docker(profile: &Profile, arches: &[Arch]) -> Result<Exported, ExportError> {
    policy::write(profile, arches, policy::Form::Docker)
}

/// The program as an array of `struct sock_filter` (linux/filter.h), eight bytes each, little
/// endian as both architectures are.
#[must_use]
pub fn bpf(program: &Program) -> Vec<u8> {
    let instructions = program.instructions().iter();
    instructions.flat_map(|one| one.encode()).collect()
}

/// The program as C source: an array `name`, which must be an identifier, and its length.
#[must_use]
pub fn c_array(program: &Program, name: &str) -> String {
    let mut text = format!(
        "/* sha256 {} */\n#include <linux/filter.h>\n\nstatic const struct sock_filter {name}[{}] = {{\n",
        program.hash(),
        program.instructions().len()
    );
    for one in program.instructions() {
        // Writing to a String has no failure to report.
        let _infallible = writeln!(
            text,
            "\t{{ 0x{:02x}, {:3}, {:3}, 0x{:08x} }},",
            one.code, one.jt, one.jf, one.k
        );
    }
    text + "};\n"
}
