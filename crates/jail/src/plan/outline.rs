//! A jail's file view and its Landlock rules as they would be, without making any of it.
//!
//! Not for: building (`Plan`), which a test holds this against. Files and links of `/etc` are left
//! out: they are the jail's own, or bound from a fixed list.

use std::path::{Path, PathBuf};

use model::ByteSize;

use super::{GATEWAY, HOST_FOLDERS, TMPFS_BYTES_DEFAULT, WRITABLE, own_folders, relative};
use crate::error::LaunchError;
use crate::landlock::{self, ABI_NEWEST, Shape};
use crate::mounting::{Access, Target};
use crate::spec::{Root, View};

/// The view that a profile makes on this host.
#[derive(Debug)]
pub struct Outline {
    /// The mounts, outer ones first.
    pub mounts: Vec<OutlinedMount>,
}

/// One mount.
#[derive(Debug)]
pub struct OutlinedMount {
    /// Where, as an absolute path in the jail.
    pub path: PathBuf,
    /// What is there.
    pub kind: &'static str,
    /// What a jailed program can do there, by mount and Landlock together.
    pub use_of_it: &'static str,
    /// Most that it can hold, for memory.
    pub size: Option<ByteSize>,
    target: Target,
    access: Option<Access>,
}

/// One rule of Landlock.
#[derive(Debug)]
pub struct LandlockRule {
    /// It holds for this path and everything beneath, as an absolute path in the jail.
    pub path: PathBuf,
    /// The rights, as linux/landlock.h names them without their prefix, in lower case.
    pub rights: Vec<String>,
    /// Whether that is every right that there is.
    pub all: bool,
}

impl Outline {
    /// The view of this description, with the workspace at its place.
    ///
    /// # Errors
    /// A path that is not absolute and plain; a root folder that can't be listed.
    pub fn of(view: &View, workspace: &Path, read_only: bool) -> Result<Self, LaunchError> {
        let mut mounts = Vec::new();
        for name in programs(&view.root)? {
            mounts.push(folder(&name, "host, with programs", Access::Programs));
        }
        for path in &view.read_only {
            let at = relative(path)?;
            let target = if path.is_dir() {
                Target::Folder
            } else {
                Target::File
            };
            mounts.push(OutlinedMount {
                target,
                ..folder(&at, "host, of the profile", Access::Programs)
            });
        }
        for (at, size) in memory(view)? {
            mounts.push(OutlinedMount {
                size: Some(size),
                ..folder(&at, "memory", Access::Writable)
            });
        }
        mounts.push(folder(Path::new("dev"), "devices", Access::Devices));
        mounts.push(folder(Path::new(GATEWAY), "gateway", Access::Sockets));
        let access = if read_only {
            Access::Programs
        } else {
            Access::Writable
        };
        let at = relative(workspace)?;
        mounts.push(folder(&at, "workspace", access));
        mounts.sort_by_key(|mount| mount.path.components().count());
        Ok(Self { mounts })
    }

    /// Landlock's rules for a kernel that offers this ABI.
    #[must_use]
    pub fn landlock(&self, abi: u32) -> Vec<LandlockRule> {
        let abi = abi.min(ABI_NEWEST);
        let shapes = self.mounts.iter().map(|mount| Shape {
            at: mount.path.strip_prefix("/").unwrap_or(&mount.path),
            target: mount.target,
            access: mount.access,
        });
        let rule = |rule: landlock::Rule| LandlockRule {
            rights: rule
                .rights
                .iter()
                .map(|right| name(&format!("{right:?}")))
                .collect(),
            all: landlock::is_everything(rule.rights, abi),
            path: rule.path,
        };
        landlock::rules(shapes, abi).into_iter().map(rule).collect()
    }

    /// What Landlock fences besides files at this ABI, one sentence each.
    #[must_use]
    pub fn scopes(abi: u32) -> &'static [&'static str] {
        landlock::scopes(abi)
    }
}

fn folder(at: &Path, kind: &'static str, access: Access) -> OutlinedMount {
    OutlinedMount {
        path: Path::new("/").join(at),
        kind,
        use_of_it: match access {
            Access::Programs => "read, run",
            Access::Writable => "read, run, write",
            Access::Devices => "read, write to devices",
            Access::Sockets => "read, connect",
        },
        size: None,
        target: Target::Folder,
        access: Some(access),
    }
}

/// Folders with programs that are there and no links.
fn programs(root: &Root) -> Result<Vec<PathBuf>, LaunchError> {
    let (base, names) = match root {
        Root::Host => (Path::new("/"), HOST_FOLDERS.map(PathBuf::from).to_vec()),
        Root::Folder(folder) => (folder.as_path(), own_folders(folder)?),
    };
    let is_folder = |name: &PathBuf| {
        let found = base.join(name).symlink_metadata();
        found.is_ok_and(|found| found.is_dir())
    };
    Ok(names.into_iter().filter(is_folder).collect())
}

/// Writable folders in memory: the profile's, then those that every jail has.
fn memory(view: &View) -> Result<Vec<(PathBuf, ByteSize)>, LaunchError> {
    let mut memory = Vec::new();
    for tmpfs in &view.tmpfs {
        memory.push((relative(&tmpfs.at)?, tmpfs.size));
    }
    for name in WRITABLE {
        if !memory.iter().any(|(at, _)| at == Path::new(name)) {
            memory.push((name.into(), ByteSize(TMPFS_BYTES_DEFAULT)));
        }
    }
    Ok(memory)
}

/// `ReadFile` as `read_file`.
fn name(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests;
