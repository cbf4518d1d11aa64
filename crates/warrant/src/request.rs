//! Everything that the office may ask of the warden, as one closed enum.
//!
//! Not for: answers and notices.

use model::{ProfileName, SessionId, Span};
use serde::{Deserialize, Serialize};

/// Most bytes of arguments and environment together. Linux itself allows 128 KiB for one string.
pub const ARGUMENT_BYTES_MAX: usize = 128 * 1024;
/// Most arguments and environment entries together.
pub const ARGUMENTS_MAX: usize = 4096;
/// Most limit overrides of one launch; there are six keys.
pub const OVERRIDES_MAX: usize = 16;

/// Largest file of a jail's trust ([`Launch::trust`]).
pub const TRUST_BYTES_MAX: usize = 2 << 20;

/// A process of a jail that Sheriff started: 0 is the main command, others count up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

impl ProcessId {
    /// The jail's main command; the jail ends with it.
    pub const MAIN: Self = Self(0);
}

/// A request to the warden.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Build a jail and hold it, confined, before its command starts.
    ///
    /// Descriptors: token, operator's connection, then stdin, stdout, stderr for
    /// [`Stdio::Inherit`], then the workspace when `workspace` is set, then the three files of the
    /// jail's trust for [`Trust::Own`].
    /// Answer: [`crate::Answer::Prepared`].
    Launch(Box<Launch>),
    /// Start the held command: its start is on record now. Answer: `Started`.
    Commit(SessionId),
    /// Start a further process in a running jail.
    ///
    /// Descriptors: operator's connection, then stdin, stdout, stderr for [`Stdio::Inherit`].
    /// Answer: `Started`.
    Exec(SessionId, Box<Command>),
    /// Send a signal to a process's group. Answer: `Done`.
    Signal(SessionId, ProcessId, u8),
    /// End a jail. Answer: `Done`; the notice `Ended` follows.
    Kill(SessionId, KillReason),
    /// Stop every process of a jail. Answer: `Done`.
    Freeze(SessionId),
    /// Let them go on. Answer: `Done`.
    Thaw(SessionId),
    /// Open further TCP ports of a running jail ([`crate::check_ports`]); one that has them already is
    /// not asked for again. All of a jail's ports together are at most [`crate::PORTS_MAX`], over its
    /// whole life: none is closed before its end. Answer: [`crate::Answer::Opened`].
    OpenPorts(SessionId, Vec<u16>),
    /// Read the profiles and the configuration anew, as for `SIGHUP`, for the operator with this user id.
    /// The notices `Secrets` and `Profiles` come before the answer. Answer: [`crate::Answer::Reloaded`].
    Reload(u32),
    /// Read a jail's veth and cgroup counters. Answer: `Counters`.
    Counters(SessionId),
}

/// A jail to build.
#[derive(Debug, Serialize, Deserialize)]
pub struct Launch {
    /// Its id, chosen at random by the office; the warden refuses one in use.
    pub session: SessionId,
    /// Profile that governs it, one of the warden's.
    pub profile: ProfileName,
    /// Generation of the profiles that the office judged by. The warden refuses another than its
    /// own, so that no jail has its limits from one text and its rules from another.
    pub generation: u64,
    /// What to run.
    pub command: Command,
    /// True when a workspace descriptor comes along.
    pub workspace: bool,
    /// `key=value` overrides of limits, judged by the warden's ceilings.
    pub limits: Vec<String>,
    /// Ends the jail after this time; the profile's own limit still holds if shorter.
    pub timeout: Option<Span>,
    /// Have the system calls of the command counted, instead of reporting refused ones.
    pub record: bool,
    /// TCP ports that its rules name beside the usual ones ([`crate::check_ports`]).
    pub ports: Vec<u16>,
    /// Which certificate authorities it trusts.
    pub trust: Trust,
}

/// The certificate authorities that a jail trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// Those that it sees on the host.
    Host,
    /// Those of the host and one of its own. Three memory files of at most [`TRUST_BYTES_MAX`] come
    /// along: its own certificate, the merged list, the same for Java. The warden passes them on unread.
    Own,
}

/// A command line with its environment. Bytes, not text: the kernel's own rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments, not empty, without NUL bytes.
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value` entries on top of the profile's environment.
    pub env: Vec<Vec<u8>>,
    /// Where its standard streams lead.
    pub stdio: Stdio,
}

/// Standard streams of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdio {
    /// Three descriptors that come along.
    Inherit,
    /// A new terminal in the jail's own devpts; the answer carries its master.
    Terminal {
        /// Height in characters.
        rows: u16,
        /// Width in characters.
        columns: u16,
    },
}

/// Why the office wants a jail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KillReason {
    /// An operator asked, or the operator's client went away.
    Operator,
    /// A byte budget ran out and the policy says stop.
    Budget,
    /// The session could not be put on record.
    NotRecorded,
}

/// A command line that breaks a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// No program.
    #[error("the command is empty: give a program after `--`")]
    Empty,
    /// Too much of it.
    #[error(
        "arguments and environment take {bytes} bytes in {count} entries; at most {ARGUMENT_BYTES_MAX} bytes in {ARGUMENTS_MAX} entries are allowed"
    )]
    TooLarge {
        /// Bytes in all.
        bytes: usize,
        /// Entries in all.
        count: usize,
    },
    /// A NUL byte, which would cut the entry short.
    #[error("argument or environment entry {index} contains a NUL byte")]
    Nul {
        /// Its place, arguments first.
        index: usize,
    },
    /// An environment entry that names nothing.
    #[error(
        "environment entry {} ({name:?}) is not NAME=value with a name of letters, digits and underscores that starts with no digit",
        index + 1
    )]
    Environment {
        /// Its place among the environment entries, from 0.
        index: usize,
        /// What stands before its `=`, cut to 64 characters; never its value, which may be secret.
        name: String,
    },
}

impl Command {
    /// Checks the bounds that both sides rely on.
    ///
    /// # Errors
    /// The first bound that is broken.
    pub fn validate(&self) -> Result<(), ArgumentError> {
        if self.argv.first().is_none_or(Vec::is_empty) {
            return Err(ArgumentError::Empty);
        }
        let entries = || self.argv.iter().chain(&self.env);
        let (bytes, count) = (
            entries().map(|e| e.len() + 1).sum::<usize>(),
            entries().count(),
        );
        if bytes > ARGUMENT_BYTES_MAX || count > ARGUMENTS_MAX {
            return Err(ArgumentError::TooLarge { bytes, count });
        }
        if let Some(index) = entries().position(|entry| entry.contains(&0)) {
            return Err(ArgumentError::Nul { index });
        }
        match self
            .env
            .iter()
            .position(|entry| !is_environment_entry(entry))
        {
            Some(index) => Err(ArgumentError::Environment {
                index,
                name: self
                    .env
                    .get(index)
                    .map_or_else(String::new, |entry| claimed_name(entry)),
            }),
            None => Ok(()),
        }
    }
}

/// What an entry gives as its name, for messages. An entry without `=` may be all value.
fn claimed_name(entry: &[u8]) -> String {
    let end = entry.iter().position(|byte| *byte == b'=').unwrap_or(0);
    let name = entry.get(..end).unwrap_or_default();
    String::from_utf8_lossy(name).chars().take(64).collect()
}

/// POSIX.1 names: letters, digits and underscores, not starting with a digit.
fn is_environment_entry(entry: &[u8]) -> bool {
    let Some(end) = entry.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let name = entry.get(..end).unwrap_or_default();
    name.first().is_some_and(|byte| !byte.is_ascii_digit())
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(argv: &[&[u8]], env: &[&[u8]]) -> Command {
        let own = |list: &[&[u8]]| list.iter().map(|entry| entry.to_vec()).collect();
        Command {
            argv: own(argv),
            env: own(env),
            stdio: Stdio::Inherit,
        }
    }

    #[test]
    fn accepts_an_ordinary_command_with_bytes_that_are_not_text() {
        assert_eq!(
            command(&[b"ls", b"\xff;\n"], &[b"A_1=x=y"]).validate(),
            Ok(())
        );
    }

    #[test]
    fn refuses_empty_nul_nameless_and_oversized_entries() {
        assert_eq!(command(&[], &[]).validate(), Err(ArgumentError::Empty));
        assert_eq!(command(&[b""], &[]).validate(), Err(ArgumentError::Empty));
        assert_eq!(
            command(&[b"a\0b"], &[]).validate(),
            Err(ArgumentError::Nul { index: 0 })
        );
        for (bad, name) in [
            (&b"=x"[..], ""),
            (b"secret", ""),
            (b"1A=secret", "1A"),
            (b"A B=secret", "A B"),
        ] {
            let error = command(&[b"ls"], &[b"GOOD=1", bad]).validate().unwrap_err();
            let words = error.to_string();
            assert!(
                words.contains("entry 2") && !words.contains("secret"),
                "{words}"
            );
            let (index, name) = (1, name.to_owned());
            assert_eq!(error, ArgumentError::Environment { index, name });
        }
        let large = vec![b'x'; ARGUMENT_BYTES_MAX];
        let error = command(&[b"ls", &large], &[]).validate();
        assert!(matches!(error, Err(ArgumentError::TooLarge { .. })));
    }
}
