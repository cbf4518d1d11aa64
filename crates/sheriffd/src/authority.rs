//! What an operator may ask for: judged by the kernel's word on who asks, and by root's configuration.
//!
//! Not for: who asks (`operator`), nor what a profile permits (`launch`).

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sys::seqpacket::Peer;

use crate::config::Workspace;

/// Folders of the system that never become a workspace, and neither does anything below them.
const SYSTEM: [&str; 13] = [
    "/etc", "/usr", "/boot", "/proc", "/sys", "/dev", "/run", "/bin", "/sbin", "/lib", "/lib64",
    "/var/lib", "/var/log",
];

/// A workspace that was found acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Its owner on disk.
    pub(crate) uid: u32,
    /// Its group on disk.
    pub(crate) gid: u32,
    /// Where it is, for the record.
    pub(crate) path: PathBuf,
}

impl Grant {
    /// User and group on disk.
    pub(crate) const fn owner(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }
}

/// Why a workspace was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    #[error("workspace: {0}")]
    Sys(#[from] sys::SysError),
    #[error("workspace: {call}: {source}")]
    Io {
        call: &'static str,
        source: std::io::Error,
    },
    #[error("workspace {} is not a folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error("workspace {}: the descriptor shows no permission to read it", path.display())]
    PathOnly { path: PathBuf },
    #[error("workspace {} belongs to user {owner}, not to user {uid} who asks", path.display())]
    NotOwner { path: PathBuf, owner: u32, uid: u32 },
    #[error("workspace {} is a folder of the system or above one", path.display())]
    System { path: PathBuf },
    #[error("workspace {} is below none of the folders that workspace.roots lists", path.display())]
    OutsideRoots { path: PathBuf },
}

impl WorkspaceError {
    /// What the operator can do about it; empty where nothing general can be said.
    pub(crate) const fn remedy(&self) -> &'static str {
        match self {
            Self::Sys(_) | Self::Io { .. } => "",
            Self::NotAFolder { .. } => "name the folder that the file is in",
            Self::PathOnly { .. } => "open it for reading",
            Self::NotOwner { .. } => "name a folder of your own, or have its owner start the jail",
            Self::System { .. } => "make a folder for the work, in your home folder for example",
            Self::OutsideRoots { .. } => {
                "move it below one of them, or have root add a folder to workspace.roots in sheriffd.toml"
            }
        }
    }
}

/// Judges a folder that an operator opened: theirs (or any for root), below a root, no system folder.
pub(crate) fn workspace(
    fd: BorrowedFd<'_>,
    peer: Peer,
    config: &Workspace,
) -> Result<Grant, WorkspaceError> {
    let io = |call| move |source| WorkspaceError::Io { call, source };
    // Both through the descriptor: no path is looked up twice, none is believed.
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let path = fs::read_link(link).map_err(io("readlink"))?;
    let file = fs::File::from(fd.as_fd().try_clone_to_owned().map_err(io("dup"))?);
    let found = file.metadata().map_err(io("fstat"))?;
    if !found.is_dir() {
        return Err(WorkspaceError::NotAFolder { path });
    }
    // O_PATH descriptors are had without any permission on the folder itself.
    if sys::fds::is_path_only(fd)? {
        return Err(WorkspaceError::PathOnly { path });
    }
    let uid = peer.uid;
    if uid != 0 && found.uid() != uid {
        return Err(WorkspaceError::NotOwner {
            path,
            owner: found.uid(),
            uid,
        });
    }
    judge_path(&path, config)?;
    // A folder can have a group that its owner is not in (set-group-id on its parent); the agent is
    // never mapped to a group that the operator has not.
    let gid = if uid == 0 { found.gid() } else { peer.gid };
    Ok(Grant {
        uid: found.uid(),
        gid,
        path,
    })
}

fn judge_path(path: &Path, config: &Workspace) -> Result<(), WorkspaceError> {
    let touches = |system: &&str| path.starts_with(system) || Path::new(system).starts_with(path);
    if SYSTEM.iter().any(touches) {
        return Err(WorkspaceError::System {
            path: path.to_owned(),
        });
    }
    if config.roots.iter().any(|root| path.starts_with(root)) {
        return Ok(());
    }
    Err(WorkspaceError::OutsideRoots {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> Peer {
        Peer {
            uid,
            gid: uid,
            pid: 1,
        }
    }

    #[test]
    fn accepts_a_folder_below_a_root_that_the_operator_owns() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Workspace {
            roots: vec![folder.path().to_owned()],
        };
        let fd = fs::File::open(folder.path()).unwrap();
        let uid = fd.metadata().unwrap().uid();
        assert_eq!(workspace(fd.as_fd(), user(uid), &roots).unwrap().uid, uid);
        let other = workspace(fd.as_fd(), user(uid + 1), &roots);
        assert!(
            matches!(other, Err(WorkspaceError::NotOwner { .. })),
            "{other:?}"
        );
        let elsewhere = Workspace {
            roots: vec!["/nowhere".into()],
        };
        let outside = workspace(fd.as_fd(), user(uid), &elsewhere);
        assert!(
            matches!(outside, Err(WorkspaceError::OutsideRoots { .. })),
            "{outside:?}"
        );
    }

    #[test]
    fn refuses_files_and_system_folders_even_for_root() {
        let roots = Workspace {
            roots: vec!["/".into()],
        };
        let file = fs::File::open("/etc/passwd").unwrap();
        let refused = workspace(file.as_fd(), user(0), &roots);
        assert!(
            matches!(refused, Err(WorkspaceError::NotAFolder { .. })),
            "{refused:?}"
        );
        for system in ["/", "/etc", "/usr/lib", "/proc", "/var"] {
            let fd = fs::File::open(system).unwrap();
            let refused = workspace(fd.as_fd(), user(0), &roots);
            assert!(
                matches!(&refused, Err(error @ WorkspaceError::System { .. }) if !error.remedy().is_empty()),
                "{system}: {refused:?}"
            );
        }
    }
}
