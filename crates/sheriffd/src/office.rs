//! The office as a child process: started, greeted, watched, started again when it dies.
//!
//! Not for: what the office asks (`requests`).

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use sys::child::Unprivileged;
use sys::seqpacket::Seqpacket;
use warrant::{Ask, Channel, ChannelError, Tell};

/// Under which number the office finds its channel.
const CHANNEL_FD: i32 = 3;
/// Wait before an office that died young is started anew; doubled each time, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// Longest such wait.
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// How long a killed office is waited for.
const BURIAL: Duration = Duration::from_millis(500);
/// An office that lived this long did not die of its start.
const SETTLED: Duration = Duration::from_secs(10);

/// How to start an office.
#[derive(Debug, Clone)]
pub(crate) struct OfficeProgram {
    /// Its executable.
    pub(crate) path: PathBuf,
    /// Its user and group.
    pub(crate) owner: (u32, u32),
    /// Its log level.
    pub(crate) log: tracing::Level,
}

/// A running office.
#[derive(Debug)]
pub(crate) struct Office {
    child: Child,
    channel: Channel<Tell, Ask>,
    started: Instant,
}

/// Says when the next office may be started.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    pause: Option<Duration>,
    until: Option<Instant>,
}

/// The office can't be started.
#[derive(Debug, thiserror::Error)]
#[error("office {}: {source}", path.display())]
pub(crate) struct OfficeError {
    path: PathBuf,
    source: sys::SysError,
}

impl OfficeProgram {
    /// Starts an office with a new channel.
    pub(crate) fn start(&self) -> Result<Office, OfficeError> {
        let failed = |source| OfficeError {
            path: self.path.clone(),
            source,
        };
        let (ours, theirs) = Seqpacket::pair().map_err(failed)?;
        let child = Unprivileged {
            program: self.path.clone(),
            args: vec!["--log".into(), self.log.to_string().into()],
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            uid: self.owner.0,
            gid: self.owner.1,
            channel: (theirs.into(), CHANNEL_FD),
        };
        let child = child.spawn().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        Ok(Office {
            child,
            channel: Channel::new(ours),
            started: Instant::now(),
        })
    }
}

impl Office {
    /// Sends it something. A full channel counts as a dead office: it has stopped reading.
    pub(crate) fn tell(&self, tell: &Tell, fds: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        self.channel.send(tell, fds)
    }

    /// Tells it something that can wait, if it keeps up with what it was told; says whether it was.
    pub(crate) fn offer(&self, tell: &Tell) -> Result<bool, ChannelError> {
        self.channel.offer(tell)
    }

    /// Its next request; `Ok(None)` when it is gone.
    pub(crate) fn next(&self) -> Result<Option<(Ask, Vec<std::os::fd::OwnedFd>)>, ChannelError> {
        self.channel.receive()
    }

    /// How long it has lived.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// True once it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Ends it at once, whatever it does, and says how it ended.
    pub(crate) fn bury(mut self) -> String {
        if let Err(error) = self.child.kill() {
            tracing::debug!(%error, "office was gone already");
        }
        let until = Instant::now() + BURIAL;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    let signal = status.signal().map(|signal| format!("signal {signal}"));
                    return signal.unwrap_or_else(|| status.to_string());
                }
                Ok(None) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // The kernel holds it in a call that can't be interrupted; nothing can wait for that.
                Ok(None) => return "not yet: it hangs in the kernel".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }
}

impl AsFd for Office {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl Patience {
    /// Notes that an office of this age died.
    pub(crate) fn lost(&mut self, age: Duration) {
        let next = match self.pause {
            Some(pause) if age < SETTLED => (pause * 2).min(PAUSE_LONGEST),
            _first_or_settled => PAUSE_FIRST,
        };
        self.pause = Some(next);
        self.until = Some(Instant::now() + next);
    }

    /// How long to wait for the next start; zero when it may be now.
    pub(crate) fn remaining(&self) -> Duration {
        self.until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }
}
