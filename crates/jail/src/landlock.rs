//! Landlock, derived from the mount plan: the second fence around the same view.
//!
//! Not for: what is visible (`plan`). TCP is not handled: the network namespace decides about it,
//! and a dev server on localhost must keep working.

use std::error::Error as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use sys::{Errno, SysError};

use crate::mounting::{Access, Target};
use crate::plan::Plan;

/// A file that no rule lets anybody read. If it can be read, the ruleset is not in force.
pub(crate) const CANARY: &str = ".landlock-canary";

/// Newest ABI whose every right this code has been written for.
pub(crate) const ABI_NEWEST: u32 = 9;
/// First ABI with scopes.
const ABI_SCOPES: u32 = 6;
/// First ABI that can log denials after exec.
const ABI_LOGS: u32 = 7;

/// One rule: beneath this path, these rights.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) path: PathBuf,
    pub(crate) rights: BitFlags<AccessFs>,
}

/// What the rules need to know of a mount.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<'a> {
    /// Where, relative to the jail's root.
    pub(crate) at: &'a Path,
    /// What it hangs on.
    pub(crate) target: Target,
    /// What the agent may do; `None` where a rule above covers it.
    pub(crate) access: Option<Access>,
}

/// What the kernel offers and what the jail gets.
#[derive(Debug)]
pub(crate) struct Fence {
    /// ABI that the rules are built for.
    pub(crate) abi: u32,
    rules: Vec<Rule>,
    /// Where the workspace will be.
    workspace: PathBuf,
}

/// Landlock's own word after enforcement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enforced {
    /// ABI that the rules were built for.
    pub(crate) abi: u32,
    /// Everything asked for is in force.
    pub(crate) full: bool,
}

impl Fence {
    /// Derives the rules from the plan, for the running kernel.
    ///
    /// # Errors
    /// `ENOSYS` and `EOPNOTSUPP` without Landlock; `EOPNOTSUPP` when its ABI is below `least`.
    pub(crate) fn new(plan: &Plan, least: u32) -> Result<Self, SysError> {
        let offered = sys::landlock::landlock_abi()?;
        if offered < least || offered == 0 {
            let object = format!("ABI {offered} of the kernel is below the profile's {least}");
            return Err(SysError::new("landlock", object, Errno::EOPNOTSUPP));
        }
        let abi = offered.min(ABI_NEWEST);
        Ok(Self {
            abi,
            rules: rules(plan.shapes(), abi),
            workspace: Path::new("/").join(&plan.workspace),
        })
    }

    /// Enforces the rules, and the one for the workspace, on the calling process and all that it will
    /// start. `no_new_privs` must be set. Afterwards the canary must be unreadable, and was readable before.
    ///
    /// # Errors
    /// Every deviation: a path that can't be opened, a right that the kernel does not have.
    pub(crate) fn enforce(&self, workspace: Access) -> Result<Enforced, SysError> {
        let canary = Path::new("/").join(CANARY);
        File::open(&canary).map_err(|error| failure("canary", &error))?;
        let status = self.ruleset(workspace)?.restrict_self().map_err(refused)?;
        match File::open(&canary) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            _ => {
                return Err(SysError::new(
                    "landlock",
                    "canary is readable",
                    Errno::EPERM,
                ));
            }
        }
        Ok(Enforced {
            abi: self.abi,
            full: status.ruleset == RulesetStatus::FullyEnforced,
        })
    }

    fn ruleset(&self, workspace: Access) -> Result<RulesetCreated, SysError> {
        let abi = abi_of(self.abi);
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))
            .map_err(refused)?;
        if self.abi >= ABI_SCOPES {
            ruleset = ruleset.scope(Scope::from_all(abi)).map_err(refused)?;
        }
        let mut created = ruleset.create().map_err(refused)?.no_new_privs(false);
        let workspace = Rule {
            path: self.workspace.clone(),
            rights: rights(workspace, abi),
        };
        for rule in self.rules.iter().chain([&workspace]) {
            let parent = PathFd::new(&rule.path).map_err(|error| named(&rule.path, &error))?;
            created = created
                .add_rule(PathBeneath::new(parent, rule.rights))
                .map_err(refused)?;
        }
        if self.abi >= ABI_LOGS {
            created = created.log_new_exec(true).map_err(refused)?;
        }
        Ok(created)
    }
}

/// Rules for the generated parts of the view, then one per mount. Rights add up along a path.
pub(crate) fn rules<'a>(shapes: impl Iterator<Item = Shape<'a>>, abi: u32) -> Vec<Rule> {
    let abi = abi_of(abi);
    let rule = |path: &str, rights: BitFlags<AccessFs>| Rule {
        path: path.into(),
        rights,
    };
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules = vec![
        rule("/", AccessFs::ReadDir.into()),
        rule("/etc", read),
        rule("/proc", read),
    ];
    for shape in shapes {
        let Some(access) = shape.access else { continue };
        let rights = rights(access, abi);
        rules.push(Rule {
            path: Path::new("/").join(shape.at),
            rights: match shape.target {
                Target::Folder => rights,
                Target::File => rights & AccessFs::from_file(abi),
            },
        });
    }
    rules
}

/// Whether these are all rights that the ABI knows.
pub(crate) fn is_everything(rights: BitFlags<AccessFs>, abi: u32) -> bool {
    rights == AccessFs::from_all(abi_of(abi))
}

/// What is fenced besides files, for a reader.
pub(crate) const fn scopes(abi: u32) -> &'static [&'static str] {
    match abi {
        ..ABI_SCOPES => &[],
        _ => &[
            "abstract Unix sockets outside of the jail can't be connected to",
            "processes outside of the jail can't be signalled",
        ],
    }
}

fn rights(access: Access, abi: ABI) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let newest = AccessFs::from_all(abi);
    let wanted = match access {
        Access::Programs => read | AccessFs::Execute,
        Access::Writable => newest,
        Access::Devices => read | AccessFs::WriteFile | AccessFs::IoctlDev,
        Access::Sockets => read | AccessFs::ResolveUnix,
    };
    wanted & newest
}

const fn abi_of(number: u32) -> ABI {
    match number {
        0 => ABI::Unsupported,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        _ => ABI::V9,
    }
}

fn failure(object: &str, error: &io::Error) -> SysError {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    SysError::new("landlock", object, errno)
}

fn named(path: &Path, error: &landlock::PathFdError) -> SysError {
    SysError::new(
        "landlock",
        format!("{}: {error}", path.display()),
        Errno::ENOENT,
    )
}

#[expect(clippy::needless_pass_by_value, reason = "an adapter for map_err")]
fn refused(error: RulesetError) -> SysError {
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(errno) = current
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return SysError::new("landlock", error.to_string(), Errno::from_raw(errno));
        }
        cause = current.source();
    }
    SysError::new("landlock", error.to_string(), Errno::EOPNOTSUPP)
}
