//! The workspace's tree: the operator's folder with its owner shown as the agent, or memory.
//!
//! Not for: attaching it (`finish`), nor for whether the operator may offer the folder.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use sys::SysError;
use sys::mount::{Attributes, Depth, Tree};

use crate::error::{InStep, LaunchError};
use crate::ids::{Ids, user_namespace};
use crate::mounting::{Access, HARMLESS, Place, scratch};
use crate::spec::Workspace;
use crate::step::Step;

/// A user namespace made ahead that shows one owner's files as the agent's.
#[derive(Debug)]
pub(crate) struct OwnerMap {
    owner: (u32, u32),
    namespace: File,
}

impl OwnerMap {
    /// Makes the map for files of this user and group.
    ///
    /// # Errors
    /// Those of making a user namespace.
    pub(crate) fn new(owner: (u32, u32), ids: Ids) -> Result<Self, LaunchError> {
        let agent = ids.host_agent;
        let map = |owner: u32| format!("{owner} {agent} 1\n");
        let namespace = user_namespace(&map(owner.0), &map(owner.1)).step(Step::Workspace)?;
        Ok(Self { owner, namespace })
    }

    /// The map for `owner`: the one made ahead if that is whom it was made for.
    pub(crate) fn fitting(
        ahead: Option<Self>,
        owner: (u32, u32),
        ids: Ids,
    ) -> Result<Self, LaunchError> {
        match ahead {
            Some(map) if map.owner == owner => Ok(map),
            _ => Self::new(owner, ids),
        }
    }
}

/// A workspace that hangs nowhere yet.
#[derive(Debug)]
pub(crate) struct Hanging {
    /// The tree.
    pub(crate) tree: Tree,
    /// What the agent may do in it.
    pub(crate) access: Access,
    point: String,
}

impl Hanging {
    /// Makes the tree. Mounts within an operator's folder are left out: they could be of any kind.
    ///
    /// # Errors
    /// Those of mapping the owner, of copying the folder's mount, of mounting a tmpfs.
    pub(crate) fn new(
        workspace: &Workspace,
        ids: Ids,
        ahead: Option<OwnerMap>,
    ) -> Result<Self, LaunchError> {
        let point = workspace.at().display().to_string();
        let (tree, access) = match workspace {
            Workspace::Scratch { at, size } => {
                let tree = scratch(ids, at, size.0).step(Step::Workspace)?;
                (tree, Access::Writable)
            }
            Workspace::Bound {
                fd,
                owner_uid,
                owner_gid,
                read_only,
                ..
            } => {
                let map = OwnerMap::fitting(ahead, (*owner_uid, *owner_gid), ids)?;
                let tree = mapped(fd.as_fd(), &map, *read_only).step(Step::Workspace)?;
                let access = if *read_only {
                    Access::Programs
                } else {
                    Access::Writable
                };
                (tree, access)
            }
        };
        Ok(Self {
            tree,
            access,
            point,
        })
    }

    /// What must later be found of it.
    pub(crate) fn place(&self) -> Place {
        let read_only = self.access == Access::Programs;
        Place {
            point: self.point.clone(),
            read_only,
            nested: false,
        }
    }
}

/// What the agent creates belongs to the owner on disk.
fn mapped(fd: BorrowedFd<'_>, map: &OwnerMap, read_only: bool) -> Result<Tree, SysError> {
    let tree = Tree::copy(fd, Depth::One)?;
    tree.map_ids(map.namespace.as_fd())?;
    let attributes = if read_only {
        HARMLESS.and(Attributes::READ_ONLY)
    } else {
        HARMLESS
    };
    tree.restrict(attributes, Depth::One)?;
    Ok(tree)
}
