//! A process of its own that outlives a killed warden just long enough to clear up after it.
//!
//! `SIGKILL` gives the warden no last word. Its jails die by themselves (lifeline and parent-death
//! signal), its namespaces with their last process; cgroups and sockets are names, so somebody has
//! to remove them. Not for: jails of a living warden.

use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::time::{Duration, Instant};

use jail::Cgroups;
use sys::child::{detach, fork_alone, wait};

use crate::folders::Remains;

/// How long the removal of files is tried.
const REMOVAL: Duration = Duration::from_secs(5);

/// Watches over the warden. Dropping it lets the undertaker finish, and waits for that.
#[derive(Debug)]
pub(crate) struct Undertaker {
    lifeline: Option<PipeWriter>,
    process: sys::child::Pid,
}

/// It can't be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UndertakerError {
    #[error("undertaker: pipe: {0}")]
    Pipe(#[source] std::io::Error),
    #[error("undertaker: {0}")]
    Fork(#[source] sys::SysError),
}

/// Which process goes on from here.
pub(crate) enum Side {
    /// The warden, with its watcher.
    Warden(Undertaker),
    /// The undertaker, whose work is already done: return from `main`.
    Undertaker,
}

impl Undertaker {
    /// Forks the watcher. In it, waits for the warden's end, clears up, and returns.
    pub(crate) fn start(cgroups: &Cgroups, remains: &Remains) -> Result<Side, UndertakerError> {
        let (reader, writer) = pipe().map_err(UndertakerError::Pipe)?;
        match fork_alone().map_err(UndertakerError::Fork)? {
            Some(process) => {
                drop(reader);
                Ok(Side::Warden(Self {
                    lifeline: Some(writer),
                    process,
                }))
            }
            None => {
                drop(writer);
                watch(reader, cgroups, remains);
                Ok(Side::Undertaker)
            }
        }
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if let Err(error) = wait(self.process) {
            tracing::warn!(%error, "undertaker");
        }
    }
}

fn watch(mut lifeline: PipeReader, cgroups: &Cgroups, remains: &Remains) {
    if let Err(error) = detach() {
        tracing::error!(%error, "undertaker keeps its terminal");
    }
    // Only the warden holds the other end; reading returns when it is gone, however it went.
    let mut nothing = [0u8; 1];
    while matches!(lifeline.read(&mut nothing), Err(error) if error.kind() == std::io::ErrorKind::Interrupted)
    {
    }
    if let Err(error) = cgroups.sweep() {
        tracing::error!(%error, "undertaker: cgroups are left");
    }
    // The office, which ends by itself, may still be writing below a private folder.
    let until = Instant::now() + REMOVAL;
    while let Err(error) = remains.remove() {
        if Instant::now() >= until {
            return tracing::error!(%error, "undertaker: files are left");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
