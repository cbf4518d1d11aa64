//! What the office takes from itself before it meets its first hostile byte: the file system beyond
//! a few folders, signals and abstract sockets of others, most system calls, core dumps and being
//! looked into.
//!
//! Not for: its user and `no_new_privs`, which the warden sets before this program runs; they are
//! only checked here.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use seccomp::Arch;
use sys::SysError;
use sys::filter::Instruction;
use sys::rlimit::Limit;
use warrant::Welcome;

/// Where certificates, name service and shared objects are. A host may lack some of them.
const READABLE: [&str; 9] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/var/lib/ca-certificates",
];
/// The seccomp profile.
const PROFILE: &str = "office";
/// Landlock that the confinement relies on: renaming across folders is controlled from 2 on.
const LANDLOCK_MIN: u32 = 2;
/// First ABI with scopes: abstract Unix sockets and signals of processes outside. Where the kernel
/// has them they are a hard requirement like the rest.
const LANDLOCK_SCOPES: u32 = 6;

/// The only folders that the office may write.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// The audit log.
    pub(crate) audit: PathBuf,
    /// Files of living sessions, beside it.
    pub(crate) sessions: PathBuf,
    /// Sealed secrets, beside it.
    pub(crate) vault: PathBuf,
}

/// The office can't be confined, so it does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    #[error("{} has no folder beside it", .0.display())]
    Folder(PathBuf),
    #[error(transparent)]
    Sessions(#[from] control::saved::SavedError),
    #[error("no_new_privs is not set: sheriffd starts this program")]
    Privileges,
    #[error(transparent)]
    Sys(#[from] SysError),
    #[error("the kernel's Landlock has ABI {abi}, {LANDLOCK_MIN} is needed")]
    Abi { abi: u32 },
    #[error("landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    #[error("landlock {}: {source}", path.display())]
    Path {
        path: PathBuf,
        source: landlock::PathFdError,
    },
    #[error("landlock is not fully enforced: {0:?}")]
    Partly(RulesetStatus),
    #[error("seccomp profile {PROFILE} is not there")]
    NoProfile,
    #[error("seccomp: {0}")]
    Profile(#[from] seccomp::ProfileError),
    #[error("seccomp: {0}")]
    Compile(#[from] seccomp::CompileError),
    #[error("no seccomp program can be made for this processor")]
    Processor,
}

impl Folders {
    /// The folders, the one for sessions made where it is missing.
    pub(crate) fn of(word: &Welcome) -> Result<Self, ConfineError> {
        let audit = PathBuf::from(&word.audit_dir);
        let parent = audit.parent();
        let parent = parent.ok_or_else(|| ConfineError::Folder(audit.clone()))?;
        let sessions = parent.join("sessions");
        let vault = parent.join("vault");
        control::SavedFolder::open(&sessions)?;
        Ok(Self {
            audit,
            sessions,
            vault,
        })
    }
}

/// Confines this process for good. Call while it has one thread.
pub(crate) fn confine(folders: &Folders) -> Result<(), ConfineError> {
    if !sys::privileges::has_no_new_privs()? {
        return Err(ConfineError::Privileges);
    }
    sys::privileges::set_not_dumpable()?;
    sys::rlimit::set(Limit::Core, 0)?;
    restrict_reach(folders)?;
    restrict_calls()
}

/// Landlock. The office names its sockets by path and signals nobody but itself, which stays possible.
fn restrict_reach(folders: &Folders) -> Result<(), ConfineError> {
    let offered = sys::landlock::landlock_abi()?;
    let abi = known(offered)?;
    let read = AccessFs::from_read(abi) & !AccessFs::Execute;
    let write = (AccessFs::from_all(abi) & !AccessFs::Execute)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSym | AccessFs::MakeSock);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if offered >= LANDLOCK_SCOPES {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    let mut ruleset = ruleset.create()?;
    let resolver = std::fs::canonicalize("/etc/resolv.conf").ok();
    let resolver = resolver.as_deref().and_then(Path::parent);
    let readable = READABLE.iter().map(Path::new).chain(resolver);
    for path in readable.filter(|path| path.is_dir()) {
        ruleset = ruleset.add_rule(PathBeneath::new(open(path)?, read))?;
    }
    for path in [&folders.audit, &folders.sessions, &folders.vault] {
        ruleset = ruleset.add_rule(PathBeneath::new(open(path)?, write))?;
    }
    let RestrictionStatus { ruleset, .. } = ruleset.restrict_self()?;
    match ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        other => Err(ConfineError::Partly(other)),
    }
}

fn open(path: &Path) -> Result<PathFd, ConfineError> {
    PathFd::new(path).map_err(|source| ConfineError::Path {
        path: path.to_owned(),
        source,
    })
}

/// The newest ABI that both the kernel and the library know; rights of it are a hard requirement.
fn known(abi: u32) -> Result<ABI, ConfineError> {
    match abi {
        0..LANDLOCK_MIN => Err(ConfineError::Abi { abi }),
        2 => Ok(ABI::V2),
        3 | 4 => Ok(ABI::V3),
        5 => Ok(ABI::V5),
        _ => Ok(ABI::V6),
    }
}

fn restrict_calls() -> Result<(), ConfineError> {
    let text = seccomp::shipped(PROFILE).ok_or(ConfineError::NoProfile)?;
    let profile = seccomp::Profile::parse(PROFILE, text)?;
    let arch = Arch::native().ok_or(ConfineError::Processor)?;
    let program = seccomp::compile(&profile, arch)?;
    let instructions = program.instructions().iter().map(|one| Instruction {
        code: one.code,
        jt: one.jt,
        jf: one.jf,
        k: one.k,
    });
    sys::filter::install_audited(&instructions.collect::<Vec<_>>())?;
    Ok(())
}

#[cfg(test)]
mod tests;
