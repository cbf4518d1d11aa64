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
