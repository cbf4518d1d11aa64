//! Cgroups of the daemon's jails: where they may be made, and sweeping what was left of them.
//!
//! Not for: one jail's limits (`cgroup::group`). Nothing outside the daemon's own cgroups is touched,
//! except, where cgroup v2 is not delegated to it, one folder of ours under the root.

pub(crate) mod group;
mod hierarchy;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::SysError;
use sys::readiness::wait_readable;

use crate::ids::io_failure;
use hierarchy::Hierarchies;

pub(crate) use group::Group;

/// Controllers that limits need.
pub(crate) const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// The leaf that the daemon itself lives in on v2.
const LEAF: &str = "supervisor";

/// How often a folder is tried that still holds processes the kernel is killing.
const REMOVE_TRIES: u32 = 200;
/// Pause between two tries.
const REMOVE_PAUSE: Duration = Duration::from_millis(5);

/// Room for what most files of the kernel say: they have no length beforehand, and a buffer that
/// grows from nothing takes a dozen calls.
const KERNEL_FILE_BYTES: usize = 8192;

/// How limits and kills are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything on cgroup v2.
    Unified,
    /// Limits by v1 controllers; kill, freeze and processor time by the v2 tree.
    Hybrid,
}

impl Mode {
    /// The mode's name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unified => "v2",
            Self::Hybrid => "hybrid",
        }
    }
}

/// No place for cgroups, or one that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CgroupError {
    /// A file or folder of the cgroup file system.
    #[error("cgroups: {0}")]
    Call(#[from] SysError),
    /// The host has no usable hierarchy with these controllers.
    #[error(
        "cgroups: no hierarchy with {missing}; mount cgroup v2 at /sys/fs/cgroup, and enable the \
         controller on the kernel's command line if it is disabled"
    )]
    Missing {
        /// What was looked for.
        missing: String,
    },
    /// Other processes share the daemon's cgroup, so that it can't hand out controllers.
    #[error("cgroups: {path} holds other processes; run sheriffd in a unit with Delegate=yes")]
    Shared {
        /// The daemon's cgroup.
        path: String,
    },
    /// The name can't be a folder.
    #[error("cgroups: {name:?} is not a runtime name: letters, digits, hyphens and underscores")]
    Name {
        /// The name.
        name: String,
    },
}

/// The daemon's places for jails, one folder per hierarchy. Dropping it removes them.
#[derive(Debug)]
pub struct Cgroups {
    mode: Mode,
    /// v2 folder under which jails are made.
    unified: PathBuf,
    /// v1 folders by controller; empty in unified mode.
    v1: Vec<(&'static str, PathBuf)>,
}

impl Cgroups {
    /// Finds the hierarchies and makes the folder `sheriff-<runtime_name>` in each. It may exist: call
    /// [`Cgroups::sweep`] then.
    ///
    /// On v2 with delegation (the unit's `Delegate=yes`) the calling process moves into the leaf
    /// `supervisor`, since a cgroup with processes can't hand out controllers (`cgroups(7)`).
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn discover(runtime_name: &str) -> Result<Self, CgroupError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if runtime_name.is_empty() || runtime_name.len() > 64 || !runtime_name.bytes().all(plain) {
            let name = runtime_name.into();
            return Err(CgroupError::Name { name });
        }
        let found = Hierarchies::of_this_process()?;
        let name = format!("sheriff-{runtime_name}");
        match offered(&found)? {
            Mode::Unified => Self::on_unified(&found, &name),
            Mode::Hybrid => Self::on_hybrid(&found, &name),
        }
    }

    /// How limits and kills could be done here; makes and changes nothing.
    ///
    /// # Errors
    /// [`CgroupError::Missing`], and those of reading.
    pub fn offered() -> Result<Mode, CgroupError> {
        offered(&Hierarchies::of_this_process()?)
    }

    /// How limits and kills are done.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Kills and removes all that an earlier daemon of the same name left. Returns how many jails.
    ///
    /// # Errors
    /// Those of the cgroup file system; `EBUSY` when something does not die.
    pub fn sweep(&self) -> Result<usize, SysError> {
        let left = folders(&self.unified)?;
        for folder in &left {
            write(&folder.join("cgroup.kill"), "1")?;
        }
        for folder in self.parents() {
            for child in folders(folder)? {
                remove(&child)?;
            }
        }
        Ok(left.len())
    }

    fn on_unified(found: &Hierarchies, name: &str) -> Result<Self, CgroupError> {
        let base = match delegated(&found.unified)? {
            Some(base) => base,
            None => found.unified_mount.as_path(),
        };
        if base == found.unified {
            move_to_leaf(base)?;
        }
        let unified = base.join(name);
        hand_out(base)?;
        make(&unified)?;
        hand_out(&unified)?;
        Ok(Self {
            mode: Mode::Unified,
            unified,
            v1: Vec::new(),
        })
    }

    fn on_hybrid(found: &Hierarchies, name: &str) -> Result<Self, CgroupError> {
        let mut v1 = Vec::with_capacity(CONTROLLERS.len());
        for controller in CONTROLLERS {
            v1.push((controller, v1_folder(found, controller)?.join(name)));
        }
        let cgroups = Self {
            mode: Mode::Hybrid,
            unified: found.unified.join(name),
            v1,
        };
        for folder in cgroups.parents() {
            make(folder)?;
        }
        Ok(cgroups)
    }

    fn parents(&self) -> impl Iterator<Item = &PathBuf> {
        self.v1
            .iter()
            .map(|(_, folder)| folder)
            .chain([&self.unified])
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for folder in self.parents() {
            match fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, folder = %folder.display(), "could not remove a cgroup");
                }
                _ => {}
            }
        }
    }
}

fn offered(found: &Hierarchies) -> Result<Mode, CgroupError> {
    let offered = read(&found.unified.join("cgroup.controllers"))?;
    let on_v2 = |name: &&str| offered.split_whitespace().any(|offer| offer == *name);
    if CONTROLLERS.iter().all(on_v2) {
        return Ok(Mode::Unified);
    }
    for controller in CONTROLLERS {
        v1_folder(found, controller)?;
    }
    Ok(Mode::Hybrid)
}

fn v1_folder<'a>(found: &'a Hierarchies, controller: &str) -> Result<&'a Path, CgroupError> {
    found.v1(controller).ok_or_else(|| CgroupError::Missing {
        missing: controller.into(),
    })
}

/// The cgroup that systemd gave the daemon to manage, which it marks by an attribute: its own, or,
/// where it sits in the leaf already (`DelegateSubgroup=`), the one above.
fn delegated(own: &Path) -> Result<Option<&Path>, SysError> {
    let in_leaf = own.file_name().is_some_and(|name| name == LEAF);
    let candidate = if in_leaf { own.parent() } else { Some(own) };
    let Some(base) = candidate else {
        return Ok(None);
    };
    let path = crate::etc::c_path(base)?;
    for name in [c"trusted.delegate", c"user.delegate"] {
        if sys::directory::attribute_is(&path, name, b"1")? {
            return Ok(Some(base));
        }
    }
    Ok(None)
}

fn move_to_leaf(own: &Path) -> Result<(), CgroupError> {
    let leaf = own.join(LEAF);
    make(&leaf)?;
    write(&leaf.join("cgroup.procs"), "0")?;
    if read(&own.join("cgroup.procs"))?.trim().is_empty() {
        return Ok(());
    }
    let path = own.display().to_string();
    Err(CgroupError::Shared { path })
}

/// Lets the children of a v2 cgroup have limits.
fn hand_out(folder: &Path) -> Result<(), SysError> {
    let all: Vec<String> = CONTROLLERS.iter().map(|name| format!("+{name}")).collect();
    write(&folder.join("cgroup.subtree_control"), &all.join(" "))
}

fn make(folder: &Path) -> Result<(), SysError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|error| io_failure("mkdir", &folder.display().to_string(), &error)),
    }
}

/// Removes one cgroup, waiting for the kernel to finish with killed processes.
pub(crate) fn remove(folder: &Path) -> Result<(), SysError> {
    let mut tries = 0;
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && tries < REMOVE_TRIES => {
                tries += 1;
                wait_readable(&[], Some(REMOVE_PAUSE))?;
            }
            Err(error) => return Err(io_failure("rmdir", &folder.display().to_string(), &error)),
        }
    }
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>, SysError> {
    let fail = |error: &io::Error| io_failure("readdir", &parent.display().to_string(), error);
    let mut found = Vec::new();
    let entries = match fs::read_dir(parent) {
        // Removed already, by a daemon that ended in order.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        other => other.map_err(|error| fail(&error))?,
    };
    for entry in entries {
        let path = entry.map_err(|error| fail(&error))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

pub(crate) fn read(path: &Path) -> Result<String, SysError> {
    let read = || {
        let mut text = String::with_capacity(KERNEL_FILE_BYTES);
        fs::File::open(path)?.read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|error: io::Error| io_failure("read", &path.display().to_string(), &error))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), SysError> {
    fs::write(path, text).map_err(|error| io_failure("write", &path.display().to_string(), &error))
}
