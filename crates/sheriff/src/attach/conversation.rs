//! One command from `Hello` to its end: messages, signals and, for a terminal, bytes.
//!
//! Not for: finding the daemon (`attach`), nor for what to say about the end (`ending`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use api::Report;
use api::attach::{FromClient, FromOffice, Hello};
use model::ExitRecord;
use sys::Errno;
use sys::command::{self, Collected, Interest, Ready, signal};
use sys::seqpacket::{MESSAGE_MAX, Message, Seqpacket};

use super::interrupts::Interrupts;
use super::pump::Pump;
use super::{AttachError, Streams};
use crate::render;

/// Signals that are the command's business rather than ours.
const FORWARDED: [i32; 6] = [
    signal::INTERRUPT,
    signal::TERMINATE,
    signal::HANGUP,
    signal::QUIT,
    signal::USER_1,
    signal::USER_2,
];

/// A daemon that is well starts a command in milliseconds; after this long its user is told to look.
const SLOW: Duration = Duration::from_secs(3);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Exit code and reason.
    pub(crate) record: ExitRecord,
    /// The whole account, for the main command of a jail.
    pub(crate) report: Option<Box<Report>>,
    /// The file with the profile of a recorded command.
    pub(crate) base: Option<OwnedFd>,
}

/// The connection, from the moment the command was asked for.
#[derive(Debug)]
pub(super) struct Conversation {
    socket: Seqpacket,
    signals: Collected,
    /// A signal was sent before the start was heard of.
    early: bool,
    interrupts: Interrupts,
    streams: Streams,
    started: bool,
    /// How long to wait before a word about a daemon that does not answer; it is said once.
    patience: Option<Duration>,
    pump: Option<Pump>,
}

impl Conversation {
    /// Asks for the command, passing our descriptors.
    pub(super) fn open(
        socket: Seqpacket,
        hello: &Hello,
        streams: Streams,
        workspace: Option<BorrowedFd<'_>>,
    ) -> Result<Self, AttachError> {
        let signals = Collected::new(&watched(streams))?;
        let message = encode(hello)?;
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let mut fds = match streams {
            Streams::Own => vec![stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
            Streams::Terminal(_) => Vec::new(),
        };
        fds.extend(workspace);
        socket.send(&message, &fds).map_err(early)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            signals,
            early: false,
            interrupts: Interrupts::default(),
            streams,
            started: false,
            patience: Some(SLOW),
            pump: None,
        })
    }

    /// Stays with the command until its end. The connection is closed afterwards.
    pub(super) fn follow(mut self) -> Result<Ending, AttachError> {
        loop {
            let ready = self.wait()?;
            if let Some(pump) = &mut self.pump {
                pump.turn(ready.pump)?;
            }
            // Before signals: one that comes after the start is the command's, and a start that
            // arrived meanwhile counts.
            if let Some(ending) = self.hear()? {
                if let Some(pump) = &mut self.pump {
                    pump.drain()?;
                }
                return Ok(ending);
            }
            if ready.signals {
                self.pass_signals()?;
            }
        }
    }

    fn wait(&mut self) -> Result<Turn, AttachError> {
        let socket = (self.socket.as_fd(), Interest::Input);
        let signals = (self.signals.as_fd(), Interest::Input);
        let Some(pump) = &self.pump else {
            let patience = self.patience.filter(|_| !self.started);
            let [answer, signals] = command::wait([socket, signals], patience)?;
            if patience.is_some() && !answer.input && !signals.input {
                render::note(
                    "the daemon has not answered yet, still waiting; its log says whether its office runs",
                );
                self.patience = None;
            }
            return Ok(Turn {
                signals: signals.input,
                pump: [Ready::default(); 3],
            });
        };
        let [keyboard, master, screen] = pump.watched();
        let all = [socket, signals, keyboard, master, screen];
        let [_, signals, keyboard, master, screen] = command::wait(all, None)?;
        Ok(Turn {
            signals: signals.input,
            pump: [keyboard, master, screen],
        })
    }

    fn pass_signals(&mut self) -> Result<(), AttachError> {
        while let Some(number) = self.signals.take()? {
            if number == signal::WINDOW {
                self.pump.as_ref().map_or(Ok(()), Pump::resize)?;
                continue;
            }
            let signal = u8::try_from(number).unwrap_or(u8::MAX);
            // The command may have started already without our having heard of it, so the first
            // signal goes to it all the same; a second one is for us.
            if !self.started && self.early {
                return Err(AttachError::Cancelled { signal });
            }
            self.early = !self.started;
            if number == signal::INTERRUPT && self.interrupts.is_second(Instant::now()) {
                return Err(AttachError::Abandoned { signal });
            }
            self.send(&FromClient::Signal(signal))?;
        }
        Ok(())
    }

    fn send(&self, message: &FromClient) -> Result<(), AttachError> {
        match self.socket.send(&encode(message)?, &[]) {
            // The end is on its way: the next message or the closed connection tells which.
            Err(error) if error.errno == Errno::EPIPE => Ok(()),
            other => Ok(other?),
        }
    }

    /// Takes one message, if one waits; answers with the end when it is the last.
    fn hear(&mut self) -> Result<Option<Ending>, AttachError> {
        let message = match self.socket.receive() {
            Err(error) if error.errno == Errno::EAGAIN => return Ok(None),
            Err(error) if error.errno == Errno::ECONNRESET => None,
            other => other?,
        };
        let Some(Message { bytes, fds }) = message else {
            return Err(if self.started {
                AttachError::DaemonGone
            } else {
                AttachError::ClosedEarly
            });
        };
        let message = serde_json::from_slice(&bytes)
            .map_err(|error| unexpected(format!("no message that this version knows: {error}")))?;
        match message {
            FromOffice::Started { .. } => self.start(fds).map(|()| None),
            FromOffice::Ended { record, report } => Ok(Some(Ending {
                record,
                report: Some(report),
                base: fds.into_iter().next(),
            })),
            FromOffice::Exited { record } => Ok(Some(Ending {
                record,
                report: None,
                base: None,
            })),
            FromOffice::Refused(problem) => Err(AttachError::Refused(problem)),
        }
    }

    fn start(&mut self, fds: Vec<OwnedFd>) -> Result<(), AttachError> {
        if std::mem::replace(&mut self.started, true) {
            return Err(unexpected("two starts for one command".to_owned()));
        }
        let count = fds.len();
        match (self.streams, fds.into_iter().next(), count) {
            (Streams::Own, None, _) => Ok(()),
            (Streams::Terminal(_), Some(master), 1) => {
                self.pump = Some(Pump::open(master)?);
                Ok(())
            }
            _ => Err(unexpected(format!("{count} descriptors with the start"))),
        }
    }
}

/// What a wait found ready.
struct Turn {
    signals: bool,
    pump: [Ready; 3],
}

fn watched(streams: Streams) -> Vec<i32> {
    let mut watched = FORWARDED.to_vec();
    if streams != Streams::Own {
        watched.push(signal::WINDOW);
    }
    watched
}

fn encode(message: &impl serde::Serialize) -> Result<Vec<u8>, AttachError> {
    let bytes = serde_json::to_vec(message)
        .map_err(|error| unexpected(format!("nothing: our message has no JSON form: {error}")))?;
    if bytes.len() > MESSAGE_MAX {
        return Err(AttachError::TooLong {
            bytes: bytes.len(),
            most: MESSAGE_MAX,
        });
    }
    Ok(bytes)
}

fn early(error: sys::SysError) -> AttachError {
    match error.errno {
        Errno::EPIPE | Errno::ECONNRESET => AttachError::ClosedEarly,
        _ => error.into(),
    }
}

const fn unexpected(what: String) -> AttachError {
    AttachError::Unexpected { what }
}
