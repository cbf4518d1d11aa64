//! Who is who: user and group ids of a jail inside and on the host, and the maps between them.
//!
//! Not for: handing out host ids; the caller owns that range.

use std::fs;
use std::io::{PipeWriter, pipe};
use std::os::fd::{AsFd, AsRawFd};

use sys::clone::Process;
use sys::namespace::Namespaces;
use sys::readiness::wait_readable;
use sys::{Errno, SysError};

use crate::fault::{Layer, omitted};
use crate::spec::AGENT_ID;

/// User and group ids, which are equal throughout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    /// PID 1's on the host.
    pub(crate) host_root: u32,
    /// The agent's on the host.
    pub(crate) host_agent: u32,
    /// PID 1's inside.
    pub(crate) root: u32,
    /// The agent's inside.
    pub(crate) agent: u32,
}

impl Ids {
    /// The ids of a jail whose root has this host id.
    pub(crate) fn new(root_uid: u32) -> Self {
        let host_agent = root_uid.saturating_add(1);
        let mapped = !omitted(Layer::UserNamespace);
        Self {
            host_root: root_uid,
            host_agent,
            root: if mapped { 0 } else { root_uid },
            agent: if mapped { AGENT_ID } else { host_agent },
        }
    }

    /// The jail's id map, in the form of `/proc/PID/uid_map`.
    pub(crate) fn map(self) -> String {
        let Self {
            host_root,
            host_agent,
            root,
            agent,
        } = self;
        format!("{root} {host_root} 1\n{agent} {host_agent} 1\n")
    }
}

/// A user namespace with these maps, in the form of `/proc/PID/uid_map`. It lives by its descriptor.
///
/// # Errors
/// Those of making it and of writing its maps.
pub(crate) fn user_namespace(uid_map: &str, gid_map: &str) -> Result<fs::File, SysError> {
    IdMapHolder::new(uid_map, gid_map)?.namespace()
}

/// A process whose only purpose is to hold a user namespace with an id map until somebody has it open.
#[derive(Debug)]
struct IdMapHolder {
    process: Process,
    /// It ends when this does, however the warden ends.
    _lifeline: PipeWriter,
}

impl IdMapHolder {
    fn new(uid_map: &str, gid_map: &str) -> Result<Self, SysError> {
        let (ours, lifeline) = pipe().map_err(|error| io_failure("pipe", "", &error))?;
        let process = sys::clone::spawn(Namespaces::USER, None, || {
            // Its own copy of the other end would keep the lifeline alive.
            let end = lifeline.as_raw_fd();
            let waited = sys::fds::close_between(end, end)
                .and_then(|()| wait_readable(&[ours.as_fd()], None));
            i32::from(waited.is_err())
        })?;
        let holder = Self {
            process,
            _lifeline: lifeline,
        };
        write_maps(holder.process.pid(), uid_map, gid_map)?;
        Ok(holder)
    }

    /// Its user namespace.
    fn namespace(&self) -> Result<fs::File, SysError> {
        let path = format!("/proc/{}/ns/user", self.process.pid());
        fs::File::open(&path).map_err(|error| io_failure("open", &path, &error))
    }
}

impl Drop for IdMapHolder {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.reap());
        if let Err(error) = ended {
            tracing::warn!(%error, "could not end an id map helper");
        }
    }
}

/// Writes both id maps of a process's user namespace. `setgroups` is denied first, so that no
/// process inside can shed a group that is meant to forbid.
///
/// # Errors
/// Those of writing the three files.
fn write_maps(pid: i32, uid_map: &str, gid_map: &str) -> Result<(), SysError> {
    for (name, text) in [
        ("setgroups", "deny"),
        ("uid_map", uid_map),
        ("gid_map", gid_map),
    ] {
        let path = format!("/proc/{pid}/{name}");
        fs::write(&path, text).map_err(|error| io_failure("write", &path, &error))?;
    }
    Ok(())
}

/// A standard-library failure as a failed call.
pub(crate) fn io_failure(call: &'static str, path: &str, error: &std::io::Error) -> SysError {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    SysError::new(call, path, errno)
}
