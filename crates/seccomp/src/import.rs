//! Turns policies of other projects into the text of a profile: OCI and Docker JSON, systemd's sets.
//!
//! Not for: reading files, nor for the kernel. What the text can't say is an error or a note.

mod comparison;
mod draft;
mod error;
mod note;
mod oci;
mod systemd;
mod text;

use std::collections::BTreeSet;

use model::ProfileName;

use crate::arch::Arch;
use crate::profile::Profile;

use draft::Draft;

pub use error::{Defect, ImportError};
pub use note::{Difference, Note};
pub use systemd::Sets;

/// Longest text that is read. Docker's default profile has 17 KiB.
pub const INPUT_BYTES_MAX: usize = 1 << 20;
/// Most rules, and most names in a rule: a filter has 4,096 instructions at most, so a policy that
/// needs more could not be installed.
pub const RULES_MAX: usize = 4096;

/// What a policy is read for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Name of the profile that is made.
    pub name: ProfileName,
    /// Architecture whose rules are taken over.
    pub arch: Arch,
    /// Capabilities that the process would have, such as `CAP_SYS_ADMIN`: some rules of Docker's
    /// format hold only with or without one.
    pub capabilities: BTreeSet<String>,
    /// Kernel it would run on, major and minor version: some rules need a newer one.
    pub kernel: (u8, u8),
}

/// A policy as a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The profile's TOML text. It parses.
    pub text: String,
    /// Where it is not what the source says, or only nearly.
    pub notes: Vec<Note>,
    /// Lines of rules that don't hold for the request.
    pub skipped: Vec<usize>,
}

impl Request {
    /// A request for a process without capabilities on a kernel as new as our tables.
    #[must_use]
    pub const fn new(name: ProfileName, arch: Arch) -> Self {
        Self {
            name,
            arch,
            capabilities: BTreeSet::new(),
            kernel: (7, 0),
        }
    }
}

/// Reads a seccomp policy in JSON: the `linux.seccomp` object of the OCI runtime specification, or
/// Docker's profile format, which adds `archMap`, `includes` and `excludes`.
///
/// Both compare 64 bits of an argument. As runtimes do, two comparisons of the same argument in
/// one rule are taken as alternatives. Where two rules give the same arguments different answers,
/// the stricter one is taken and noted.
///
/// # Errors
///
/// With line (and column, for broken JSON) of the first defect; also for actions that need a
/// helper process (`SCMP_ACT_TRACE`, `SCMP_ACT_NOTIFY`) and comparisons that can't be written.
pub fn oci(file: &str, text: &str, request: &Request) -> Result<Imported, ImportError> {
    bounded(file, text)?;
    finish(file, oci::read(file, text, request)?, request)
}

/// Reads a system call filter as systemd's units have it.
///
/// That is lines `SystemCallFilter=`, `SystemCallErrorNumber=` and `SystemCallArchitectures=`, or
/// bare lists such as `@system-service ~@privileged` and `~keyctl:EPERM`, with `sets` for the
/// groups. Other lines of a unit file are passed over.
///
/// # Errors
///
/// With the line of the first defect: groups that `sets` hasn't got, unknown error numbers.
pub fn systemd(
    file: &str,
    text: &str,
    sets: &Sets,
    request: &Request,
) -> Result<Imported, ImportError> {
    bounded(file, text)?;
    finish(file, systemd::read(file, text, sets)?, request)
}

fn bounded(file: &str, text: &str) -> Result<(), ImportError> {
    if text.len() > INPUT_BYTES_MAX {
        return Err(ImportError::TooLong {
            file: file.to_owned(),
            bytes: text.len(),
        });
    }
    Ok(())
}

fn finish(file: &str, draft: Draft, request: &Request) -> Result<Imported, ImportError> {
    let Draft { mut notes, .. } = draft;
    let skipped = draft.skipped.clone();
    let plan = draft::plan(file, &draft.rules, draft.fallback, &mut notes)?;
    let text = text::write(file, &plan, request);
    Profile::parse(&request.name.to_string(), &text).map_err(|error| ImportError::Made {
        file: file.to_owned(),
        error: Box::new(error),
    })?;
    Ok(Imported {
        text,
        notes,
        skipped,
    })
}
