//! A request's command line as the jail wants it: C strings, one merged environment, stdio.
//!
//! Not for: bounds; the protocol's own types check them.

use std::collections::BTreeMap;
use std::ffi::{CString, NulError};
use std::os::fd::OwnedFd;

use jail::Stdio;

use crate::streams::{StreamError, vet};

/// Programs are looked for here unless the profile or the operator says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that can't be passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("a command entry contains a NUL byte")]
    Nul(#[from] NulError),
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// An environment by name; later entries win.
pub(crate) type Environment = BTreeMap<Vec<u8>, Vec<u8>>;

/// What every agent finds, before its profile and its operator add to it. Never the daemon's own.
pub(crate) fn base_environment() -> Environment {
    let fixed = [
        ("PATH", PATH),
        ("HOME", "/home/agent"),
        ("USER", "agent"),
        ("LOGNAME", "agent"),
        ("SHELL", "/bin/sh"),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", "/tmp"),
    ];
    fixed
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .into()
}

/// Merges the environment and takes the streams out of `fds`.
pub(crate) fn build(
    command: warrant::Command,
    mut environment: Environment,
    cwd: String,
    fds: Vec<OwnedFd>,
) -> Result<jail::Command, CommandError> {
    for entry in &command.env {
        let mut parts = entry.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().to_vec();
        environment.insert(name, parts.next().unwrap_or_default().to_vec());
    }
    let entry = |(name, value): (Vec<u8>, Vec<u8>)| CString::new([name, value].join(&b'='));
    let stdio = match command.stdio {
        warrant::Stdio::Terminal { rows, columns } => Stdio::Terminal {
            rows,
            cols: columns,
        },
        warrant::Stdio::Inherit => Stdio::Fds(vet(fds)?),
    };
    Ok(jail::Command {
        argv: command
            .argv
            .into_iter()
            .map(CString::new)
            .collect::<Result<_, _>>()?,
        env: environment
            .into_iter()
            .map(entry)
            .collect::<Result<_, _>>()?,
        cwd: CString::new(cwd)?,
        stdio,
    })
}
