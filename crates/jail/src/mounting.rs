//! One piece of a jail's file view: a tree and its place, a small file, a link.
//!
//! Not for: which pieces there are (`plan`).

use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use sys::SysError;
use sys::directory::open_path;
use sys::mount::{Attributes, Depth, Tree};

use crate::error::LaunchError;
use crate::ids::Ids;
use crate::step::Step;

/// What the agent may do beneath a mount, for Landlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read and execute.
    Programs,
    /// Everything.
    Writable,
    /// Read, write and control devices; make nothing.
    Devices,
    /// Read, and connect to sockets.
    Sockets,
}

/// What a mount is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A folder.
    Folder,
    /// A file.
    File,
}

/// A tree and its place.
#[derive(Debug)]
pub(crate) struct Mount {
    /// Where, relative to the jail's root.
    pub(crate) at: PathBuf,
    /// What it hangs on.
    pub(crate) target: Target,
    /// The tree.
    pub(crate) tree: Tree,
    /// What Landlock allows beneath; `None` where a rule above covers it.
    pub(crate) access: Option<Access>,
    /// Whether the kernel must later show it as read-only.
    pub(crate) read_only: bool,
    /// Whether it may contain mounts of the host, as a recursive bind does.
    pub(crate) nested: bool,
}

impl Mount {
    /// What must later be found of it.
    pub(crate) fn place(&self) -> Place {
        Place {
            point: format!("/{}", self.at.display()),
            read_only: self.read_only,
            nested: self.nested,
        }
    }
}

/// What the kernel must show of a mount once the jail stands.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where, as an absolute path in the jail.
    pub(crate) point: String,
    /// Whether it must be read-only.
    pub(crate) read_only: bool,
    /// Whether mounts of the host may be beneath it.
    pub(crate) nested: bool,
}

/// A small file of the root's own tmpfs.
#[derive(Debug)]
pub(crate) struct SmallFile {
    /// Where, relative to the jail's root.
    pub(crate) at: PathBuf,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

/// A symbolic link of the root's own tmpfs.
#[derive(Debug)]
pub(crate) struct Link {
    /// Where, relative to the jail's root.
    pub(crate) at: PathBuf,
    /// Where it points.
    pub(crate) target: CString,
}

/// One entry per so many bytes of a tmpfs, so that empty files can't exhaust kernel memory.
const BYTES_PER_INODE: u64 = 8192;
/// Entries that even the smallest tmpfs may have.
const INODES_LEAST: u64 = 1024;

/// Neither set-user-id nor devices: what every mount but `/dev` has.
pub(crate) const HARMLESS: Attributes = Attributes::NO_SUID.and(Attributes::NO_DEV);

/// A read-only tree of a host path.
///
/// # Errors
/// Those of opening and copying it, with the path.
pub(crate) fn bind(path: &Path, depth: Depth) -> Result<Tree, LaunchError> {
    let make = || {
        let tree = Tree::copy(open_path(path)?.as_fd(), depth)?;
        tree.restrict(HARMLESS.and(Attributes::READ_ONLY), depth)?;
        Ok(tree)
    };
    make().map_err(|error: SysError| {
        let named = SysError::new(error.call, path.display().to_string(), error.errno);
        LaunchError::failed(Step::Bind, &named)
    })
}

/// A writable folder in memory: everybody's where that is the custom, else the agent's.
///
/// # Errors
/// Those of mounting a tmpfs.
pub(crate) fn scratch(ids: Ids, at: &Path, size: u64) -> Result<Tree, SysError> {
    let shared = at == Path::new("tmp") || at == Path::new("dev/shm");
    let owner = number(if shared {
        ids.host_root
    } else {
        ids.host_agent
    });
    let size_text = number(size);
    let inodes = number((size / BYTES_PER_INODE).max(INODES_LEAST));
    let options = [
        (c"mode", if shared { c"1777" } else { c"0755" }),
        (c"uid", owner.as_c_str()),
        (c"gid", owner.as_c_str()),
        (c"size", size_text.as_c_str()),
        (c"nr_inodes", inodes.as_c_str()),
    ];
    Tree::new(c"tmpfs", &options, HARMLESS)
}

#[expect(clippy::expect_used, reason = "digits hold no NUL byte")]
fn number(value: impl Into<u64>) -> CString {
    CString::new(value.into().to_string()).expect("digits hold no NUL byte")
}
