//! Messages of `attach.sock`: start a jail or a process in one, and stay with it.
//!
//! The client sends one [`Hello`] with its descriptors, then [`FromClient`] messages; the office
//! sends [`FromOffice`] messages, the last of which is `Ended`, `Exited` or `Refused`. When the
//! client's connection closes early, the jail (or the process) is ended.
//!
//! Not for: anything of a jail; agents can't reach this socket.

use model::{ExitRecord, ProfileName, SecretName, SessionId, Span};
use serde::{Deserialize, Serialize};

use crate::{Problem, Report};

/// The first message of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Hello {
    /// Build a jail and run a command in it.
    ///
    /// Descriptors: stdin, stdout, stderr unless `terminal` is set; then the workspace folder,
    /// opened for reading by the client's own rights, when `workspace` is set.
    Run(Box<Run>),
    /// Run a further command in a living jail. Descriptors: stdin, stdout, stderr unless `terminal`.
    Exec(Box<Exec>),
}

/// A jail and its command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options of a command line, each by its name on the wire"
)]
pub struct Run {
    /// Profile; the daemon's default is `base`.
    pub profile: ProfileName,
    /// Program and arguments: text, or an array of numbers for one that is not UTF-8.
    #[serde(with = "crate::byte_strings")]
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value` entries.
    #[serde(with = "crate::byte_strings")]
    pub env: Vec<Vec<u8>>,
    /// `HOST[:PORT]` entries to allow beyond the profile.
    pub allow: Vec<String>,
    /// `HOST[:PORT]=ADDR:PORT` entries: allow the host and dial this address for it.
    pub connect: Vec<String>,
    /// Secrets to have beyond the profile: their hosts are allowed with them.
    #[serde(default)]
    pub secrets: Vec<SecretName>,
    /// `key=value` limit overrides.
    pub limits: Vec<String>,
    /// Ends the jail after this time.
    pub timeout: Option<Span>,
    /// True when a workspace descriptor comes along.
    pub workspace: bool,
    /// Window of the terminal to make; `None` passes the client's own streams.
    pub terminal: Option<Window>,
    /// Count the command's system calls, for [`Report::recorded`]. Refused calls are refused as
    /// always, and not reported.
    #[serde(default)]
    pub record: bool,
    /// Let every request through that is not forbidden, and record it: dangerous, so it is for root
    /// unless the configuration says otherwise. There are no secrets then.
    #[serde(default)]
    pub learn: bool,
}

/// A command for a living jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Which jail.
    pub session: SessionId,
    /// Program and arguments.
    #[serde(with = "crate::byte_strings")]
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value` entries.
    #[serde(with = "crate::byte_strings")]
    pub env: Vec<Vec<u8>>,
    /// Window of the terminal to make.
    pub terminal: Option<Window>,
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// What a client may say after its `Hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromClient {
    /// Pass a signal to the command.
    Signal(u8),
}

/// What the office says to a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromOffice {
    /// The command runs. Descriptor: the terminal's master when one was asked for.
    Started {
        /// The jail.
        session: SessionId,
        /// 0 for the main command.
        process: u32,
    },
    /// The jail is gone (answer to `Run`). Descriptor, when its command was recorded: a memory file
    /// with the [`crate::recording::Base`] of it.
    Ended {
        /// Exit code and reason.
        record: ExitRecord,
        /// The whole account of the session.
        report: Box<Report>,
    },
    /// The process is over (answer to `Exec`); without `Started` before it when the program was
    /// not found (exit code 127) or could not be executed (126).
    Exited {
        /// Exit code and reason.
        record: ExitRecord,
    },
    /// Nothing was started.
    Refused(Problem),
}
