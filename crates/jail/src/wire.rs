//! The messages between the warden and a jail's PID 1, and their bytes.
//!
//! Not for: sending them. PID 1 shares a pid namespace with hostile code, so decoding bounds and
//! checks everything, and an undecodable message is a protocol error, never a guess.

mod input;
mod recorded;

use std::ffi::CString;

use model::{Denials, DeniedCall, Recorded};
use sys::Errno;
use sys::wait::Outcome;

use crate::step::Step;
use input::Input;

/// Longest text in a report; longer ones are cut.
const TEXT_MAX: usize = 512;

/// From the warden to PID 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Finish the jail; the token, the workspace's tree and the user namespace come with this, then, for a
    /// jail with a certificate authority of its own, a tree for each list that the plan names.
    Furnish(Furnish),
    /// Open a terminal for the command, and send its master.
    OpenTerminal {
        /// Lines.
        rows: u16,
        /// Characters per line.
        cols: u16,
    },
    /// Start a program.
    Spawn(Spawn),
    /// Signal a program's process group.
    Signal {
        /// Which.
        process: u32,
        /// The signal's number.
        signal: u32,
    },
}

/// What only the request for a jail knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Furnish {
    /// Most descriptors of one process.
    pub(crate) open_files: u32,
    /// Largest file, bytes.
    pub(crate) file_size: u64,
    /// Whether the agent may only read its workspace.
    pub(crate) read_only: bool,
}

/// A program to start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spawn {
    /// Its number.
    pub(crate) process: u32,
    /// Where its standard streams come from.
    pub(crate) streams: Streams,
    /// Working directory.
    pub(crate) cwd: CString,
    /// Program and arguments.
    pub(crate) argv: Vec<CString>,
    /// Environment.
    pub(crate) env: Vec<CString>,
}

/// Where a program's standard streams come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    /// The three descriptors that come with the order.
    Passed,
    /// The terminal that was opened before.
    Opened,
    /// A new terminal.
    New {
        /// Lines.
        rows: u16,
        /// Characters per line.
        cols: u16,
    },
}

/// From PID 1 to the warden.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// All that needs no request is built.
    Parked,
    /// A step failed; PID 1 ends.
    Failed {
        /// Which.
        step: Step,
        /// The call and its object.
        object: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// All restrictions are in force.
    Ready {
        /// The Landlock ABI that the ruleset was built for.
        landlock_abi: u32,
        /// Landlock's own word on the ruleset: fully enforced.
        landlock_full: bool,
        /// Whether the program that reports denials is installed.
        reporting: bool,
    },
    /// The master of the terminal that was asked for comes with this.
    Terminal,
    /// A program runs; the master of its terminal comes with this if it asked for one.
    Started {
        /// Which.
        process: u32,
    },
    /// A program did not start.
    ExecFailed {
        /// Which.
        process: u32,
        /// The kernel's answer.
        errno: Errno,
        /// Whether exec itself failed, not something before it.
        at_exec: bool,
        /// For the user.
        message: String,
    },
    /// A program is over.
    Exited {
        /// Which.
        process: u32,
        /// How.
        outcome: Outcome,
    },
    /// Calls were refused.
    Denied(Denials),
    /// Calls that the recorded command has made so far.
    Recorded(Recorded),
}

/// The bytes of a message make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub(crate) struct Malformed;

impl Order {
    /// The bytes of the order.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Self::OpenTerminal { rows, cols } => {
                out.push(2);
                put_size(&mut out, *rows, *cols);
            }
            Self::Spawn(spawn) => {
                out.push(3);
                spawn.put(&mut out);
            }
            Self::Signal { process, signal } => {
                out.push(4);
                put_number(&mut out, *process);
                put_number(&mut out, *signal);
            }
            Self::Furnish(furnish) => {
                out.push(1);
                put_number(&mut out, furnish.open_files);
                out.extend(furnish.file_size.to_le_bytes());
                out.push(u8::from(furnish.read_only));
            }
        }
        out
    }

    /// Reads an order.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(bytes);
        let order = match input.byte()? {
            2 => Self::OpenTerminal {
                rows: input.short()?,
                cols: input.short()?,
            },
            3 => Self::Spawn(Spawn::take(&mut input)?),
            4 => Self::Signal {
                process: input.number()?,
                signal: input.number()?,
            },
            1 => Self::Furnish(Furnish {
                open_files: input.number()?,
                file_size: u64::from_le_bytes(input.array()?),
                read_only: input.byte()? == 1,
            }),
            _ => return Err(Malformed),
        };
        input.end(order)
    }
}

impl Spawn {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(out, self.process);
        match self.streams {
            Streams::Passed => out.push(0),
            Streams::Opened => out.push(1),
            Streams::New { rows, cols } => {
                out.push(2);
                put_size(out, rows, cols);
            }
        }
        put_bytes(out, self.cwd.as_bytes());
        for list in [&self.argv, &self.env] {
            put_number(out, u32::try_from(list.len()).unwrap_or(u32::MAX));
            for text in list {
                put_bytes(out, text.as_bytes());
            }
        }
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            process: input.number()?,
            streams: match input.byte()? {
                0 => Streams::Passed,
                1 => Streams::Opened,
                2 => Streams::New {
                    rows: input.short()?,
                    cols: input.short()?,
                },
                _ => return Err(Malformed),
            },
            cwd: input.string()?,
            argv: input.strings()?,
            env: input.strings()?,
        })
    }
}

impl Report {
    /// The bytes of the report.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Self::Parked => out.push(1),
            Self::Failed {
                step,
                object,
                errno,
            } => {
                out.extend([2, step.code()]);
                put_errno(&mut out, *errno);
                put_bytes(&mut out, cut(object));
            }
            Self::Ready {
                landlock_abi,
                landlock_full,
                reporting,
            } => {
                out.push(3);
                put_number(&mut out, *landlock_abi);
                out.extend([u8::from(*landlock_full), u8::from(*reporting)]);
            }
            Self::Terminal => out.push(4),
            Self::Started { process } => {
                out.push(5);
                put_number(&mut out, *process);
            }
            Self::ExecFailed {
                process,
                errno,
                at_exec,
                message,
            } => {
                out.push(6);
                put_number(&mut out, *process);
                put_errno(&mut out, *errno);
                out.push(u8::from(*at_exec));
                put_bytes(&mut out, cut(message));
            }
            Self::Exited { process, outcome } => {
                out.push(7);
                put_number(&mut out, *process);
                out.extend(match outcome {
                    Outcome::Exited(code) => [0, *code],
                    Outcome::Signalled(signal) => [1, *signal],
                });
            }
            Self::Denied(denials) => {
                out.push(8);
                put_denials(&mut out, denials);
            }
            Self::Recorded(calls) => {
                out.push(9);
                recorded::put(&mut out, calls);
            }
        }
        out
    }

    /// Reads a report.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(bytes);
        let report = match input.byte()? {
            1 => Self::Parked,
            2 => Self::Failed {
                step: Step::from_code(input.byte()?).ok_or(Malformed)?,
                errno: input.errno()?,
                object: input.text()?,
            },
            3 => Self::Ready {
                landlock_abi: input.number()?,
                landlock_full: input.byte()? == 1,
                reporting: input.byte()? == 1,
            },
            4 => Self::Terminal,
            5 => Self::Started {
                process: input.number()?,
            },
            6 => Self::ExecFailed {
                process: input.number()?,
                errno: input.errno()?,
                at_exec: input.byte()? == 1,
                message: input.text()?,
            },
            7 => Self::Exited {
                process: input.number()?,
                outcome: match (input.byte()?, input.byte()?) {
                    (0, code) => Outcome::Exited(code),
                    (1, signal) => Outcome::Signalled(signal),
                    _ => return Err(Malformed),
                },
            },
            8 => Self::Denied(input.denials()?),
            9 => Self::Recorded(recorded::take(&mut input)?),
            _ => return Err(Malformed),
        };
        input.end(report)
    }
}

fn put_denials(out: &mut Vec<u8>, denials: &Denials) {
    out.extend(denials.untold.to_le_bytes());
    let Some(call) = &denials.call else { return };
    let DeniedCall {
        thread,
        number,
        arch,
        arguments,
        errno,
    } = call;
    for field in [thread, number, arch] {
        put_number(out, *field);
    }
    for argument in arguments {
        out.extend(argument.to_le_bytes());
    }
    // No error has the number 0: there is none, as the process was killed.
    out.extend(errno.unwrap_or(0).to_le_bytes());
}

fn put_number(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_le_bytes());
}

fn put_size(out: &mut Vec<u8>, rows: u16, cols: u16) {
    out.extend(rows.to_le_bytes());
    out.extend(cols.to_le_bytes());
}

fn put_errno(out: &mut Vec<u8>, errno: Errno) {
    out.extend((errno as i32).to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend(bytes);
}

fn cut(text: &str) -> &[u8] {
    let bytes = text.as_bytes();
    bytes.get(..TEXT_MAX).unwrap_or(bytes)
}

#[cfg(test)]
mod tests;
