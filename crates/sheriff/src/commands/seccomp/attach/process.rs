//! The process that `attach` looks at: named by its number, or as a session's PID 1.
//!
//! Not for: processes inside of a jail as the jail numbers them.

use std::fs;
use std::io;
use std::str::FromStr;

use api::control::SessionDetail;
use model::SessionId;

use crate::commands::SeccompError;
use crate::control::Control;
use crate::failure::Failure;
use crate::sockets::Sockets;

/// A process as the command line names it.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// By its number on this host.
    Process(i32),
    /// PID 1 of this session's jail.
    Session(SessionId),
}

/// Neither a process nor a session.
#[derive(Debug, Clone, thiserror::Error)]
#[error("write a process number of this host, or a session as `sheriff ps` lists it")]
pub(super) struct WantedError;

impl FromStr for Wanted {
    type Err = WantedError;

    fn from_str(text: &str) -> Result<Self, WantedError> {
        if let Ok(session) = text.parse() {
            return Ok(Self::Session(session));
        }
        match text.parse() {
            Ok(pid @ 1..) => Ok(Self::Process(pid)),
            _ => Err(WantedError),
        }
    }
}

impl Wanted {
    /// The process's number on this host.
    pub(super) fn pid(&self, sockets: &Sockets) -> Result<i32, Failure> {
        match self {
            Self::Process(pid) => Ok(*pid),
            Self::Session(session) => {
                let path = format!("/v1/sessions/{session}");
                let detail: SessionDetail = Control::new(sockets).get(&path)?;
                let found = init_of(detail.layers.namespaces.pid)
                    .map_err(|source| SeccompError::Processes { source })?;
                let session = session.clone();
                Ok(found.ok_or(SeccompError::NoProcess { session })?)
            }
        }
    }
}

/// PID 1 of the pid namespace with this inode number.
fn init_of(namespace: u64) -> io::Result<Option<i32>> {
    let wanted = format!("pid:[{namespace}]");
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Processes come and go while we look; one that is gone is not the one.
        let link = fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap_or_default();
        if link.to_str() == Some(wanted.as_str()) && is_init(pid) {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

/// Whether it is PID 1 of its own namespace: the last number of `NSpid` (proc(5)).
fn is_init(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().next_back() == Some("1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_sessions_are_told_apart() {
        assert!(matches!("17".parse(), Ok(Wanted::Process(17))));
        assert!(matches!(
            "s-0000000000000001".parse(),
            Ok(Wanted::Session(_))
        ));
        for bad in ["0", "-1", "", "init", "99999999999"] {
            assert!(bad.parse::<Wanted>().is_err(), "{bad}");
        }
    }

    #[test]
    fn finds_the_first_process_of_a_namespace_and_nothing_for_a_number_that_is_none() {
        let link = fs::read_link("/proc/self/ns/pid").unwrap();
        let inode = link.to_str().unwrap().strip_prefix("pid:[").unwrap();
        let inode: u64 = inode.strip_suffix("]").unwrap().parse().unwrap();
        // Only root may look at every process's namespaces.
        if fs::read_link("/proc/1/ns/pid").is_ok() {
            assert_eq!(init_of(inode).unwrap(), Some(1));
        }
        assert_eq!(init_of(1).unwrap(), None);
    }
}
