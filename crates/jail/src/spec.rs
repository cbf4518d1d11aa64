//! What to build: everything a jail needs, resolved by the caller, with nothing left to choose.
//!
//! Not for: defaults or policy; whoever makes a `Spec` has judged it.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use model::{ByteSize, Limits, SessionId};

use crate::filter::Filter;

/// Most processes that the warden may have started in one jail at once: the command and its execs.
pub const PROCESSES_MAX: usize = 64;

/// Longest token; the gateway's are far shorter.
pub const TOKEN_BYTES_MAX: usize = 256;

/// Largest file of [`Trust`]; the lists of the Web's authorities take about 220 KiB.
pub const TRUST_BYTES_MAX: usize = 2 << 20;

/// User id of the agent inside the jail.
pub const AGENT_ID: u32 = 1000;

/// One jail to be: its site and its furniture in one, for those who build no jails ahead.
#[derive(Debug)]
pub struct Spec {
    /// What can be built before anybody asks for a jail.
    pub site: Site,
    /// What only the request knows.
    pub furniture: Furniture,
}

/// What a profile and the host decide of a jail, so that it can be built before it is asked for.
#[derive(Debug)]
pub struct Site {
    /// Names the jail's cgroup; no other jail of the daemon has the name.
    pub name: SessionId,
    /// Host user and group id of the jail's root; the agent gets the next one. No other jail and
    /// nobody on the host may have either.
    pub root_uid: u32,
    /// What of the host is visible.
    pub view: View,
    /// Where the workspace will be in the jail.
    pub workspace_at: PathBuf,
    /// User and group whose folder is likely to become the workspace: its id map is made ahead.
    pub likely_owner: Option<(u32, u32)>,
    /// Resource limits of the cgroup until the furniture comes.
    pub limits: Limits,
    /// The seccomp programs.
    pub program: Arc<Filter>,
    /// Oldest Landlock ABI that will do; below it the jail does not start.
    pub landlock_min_abi: u32,
    /// The cell that the jail lives in.
    pub netns: OwnedFd,
    /// Host folder that holds `gateway.sock`; read-only at `/run/sheriff` in the jail. The agent's
    /// host uid must be able to search it, and nobody in a jail to write to it. Root-owned path.
    pub gateway_dir: PathBuf,
    /// Hostname inside, at most 64 bytes.
    pub hostname: String,
}

/// What only the request for a jail knows.
#[derive(Debug)]
pub struct Furniture {
    /// The folder that the agent works in, at the site's `workspace_at`.
    pub workspace: Workspace,
    /// Resource limits. `wall_clock` is the caller's to enforce.
    pub limits: Limits,
    /// Anonymous file with the agent's token, at most [`TOKEN_BYTES_MAX`]; becomes the file `token`
    /// in the site's `gateway_dir`, which must not exist yet.
    pub token: OwnedFd,
    /// What a jail with a certificate authority of its own trusts; without, it sees the host's lists.
    pub trust: Option<Trust>,
    /// What to run.
    pub command: Command,
}

/// Anonymous files with lists of certificate authorities, each of at most [`TRUST_BYTES_MAX`] bytes.
/// They become files of these names in the site's `gateway_dir`.
#[derive(Debug)]
pub struct Trust {
    /// `ca.pem`: the jail's own authority alone.
    pub own: OwnedFd,
    /// `ca-bundle.pem`: the host's authorities and the jail's own. It also covers the lists that
    /// programs read in `/etc`.
    pub merged: OwnedFd,
    /// `ca.jks`: the same as a Java key store.
    pub java: OwnedFd,
}

/// The visible part of the host. Paths come from root-owned configuration, and are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Where programs and libraries come from.
    pub root: Root,
    /// Further host paths, visible under the same name, read-only.
    pub read_only: Vec<PathBuf>,
    /// Writable memory, lost with the jail. `/tmp`, `/run`, `/dev/shm` and the home folder get one
    /// of a default size if they are not listed.
    pub tmpfs: Vec<Tmpfs>,
}

/// A writable folder in memory; what is in it counts as memory of the jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Where.
    pub at: PathBuf,
    /// Most that it may hold.
    pub size: ByteSize,
}

/// Where programs and libraries come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// `/usr` of the host, and `/bin`, `/sbin`, `/lib*`.
    Host,
    /// All folders of a root of its own, except those that each jail gets fresh.
    Folder(PathBuf),
}

/// The folder that the agent works in.
#[derive(Debug)]
pub enum Workspace {
    /// A folder of an operator, opened with the operator's own rights. What the agent creates
    /// belongs to the owner on disk.
    Bound {
        /// The folder.
        fd: OwnedFd,
        /// Who owns its files on disk.
        owner_uid: u32,
        /// Whose group they have on disk.
        owner_gid: u32,
        /// Where it is in the jail.
        at: PathBuf,
        /// Whether the agent may only read.
        read_only: bool,
    },
    /// Memory, lost with the jail.
    Scratch {
        /// Where it is in the jail.
        at: PathBuf,
        /// Most that it may hold.
        size: ByteSize,
    },
}

impl Workspace {
    /// Where it is in the jail.
    #[must_use]
    pub const fn at(&self) -> &PathBuf {
        match self {
            Self::Bound { at, .. } | Self::Scratch { at, .. } => at,
        }
    }
}

/// A program to run in the jail, as the agent.
#[derive(Debug)]
pub struct Command {
    /// Program and arguments; the program is looked up in `PATH` of `env` unless it has a slash.
    pub argv: Vec<CString>,
    /// The whole environment, `NAME=value` each.
    pub env: Vec<CString>,
    /// Working directory in the jail.
    pub cwd: CString,
    /// Its standard streams.
    pub stdio: Stdio,
}

/// The standard streams of a command.
#[derive(Debug)]
pub enum Stdio {
    /// Input, output and error output.
    Fds([OwnedFd; 3]),
    /// A new terminal of this size.
    Terminal {
        /// Lines.
        rows: u16,
        /// Characters per line.
        cols: u16,
    },
}
