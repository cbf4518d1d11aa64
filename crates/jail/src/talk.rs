//! The warden's conversation with PID 1 while it builds.
//!
//! Not for: a jail that stands (`handle`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use sys::Errno;
use sys::clone::Process;
use sys::readiness::wait_readable;
use sys::seqpacket::{Message, Seqpacket};

use crate::error::{InStep, LaunchError};
use crate::step::Step;
use crate::wire::{Order, Report};

/// A conversation with PID 1 while it builds.
pub(crate) struct Talk<'a> {
    pub(crate) control: &'a Seqpacket,
    pub(crate) process: &'a Process,
    pub(crate) deadline: Instant,
}

impl Talk<'_> {
    /// The next report. A failure that PID 1 reports is an error.
    ///
    /// # Errors
    /// What PID 1 says; its silence, its death, and what makes no sense.
    pub(crate) fn hear(&self) -> Result<(Report, Vec<OwnedFd>), LaunchError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let fds = [self.control.as_fd(), self.process.as_fd()];
        let ready = wait_readable(&fds, Some(left)).step(Step::Ready)?;
        if !ready.contains(&true) {
            let errno = Errno::ETIMEDOUT;
            return Err(LaunchError::from_parts(
                Step::Ready,
                "silence".into(),
                errno,
            ));
        }
        if ready.first() != Some(&true) {
            return Err(died());
        }
        let message = self.control.receive().step(Step::Ready)?;
        let Message { bytes, fds } = message.ok_or_else(died)?;
        match Report::decode(&bytes) {
            Ok(Report::Failed {
                step,
                object,
                errno,
            }) => Err(LaunchError::from_parts(step, object, errno)),
            Ok(report) => Ok((report, fds)),
            Err(_) => Err(unexpected()),
        }
    }

    /// Gives an order, with descriptors.
    ///
    /// # Errors
    /// Those of sending.
    pub(crate) fn say(
        &self,
        order: &Order,
        fds: &[BorrowedFd<'_>],
        step: Step,
    ) -> Result<(), LaunchError> {
        match self.control.send(&order.encode(), fds) {
            Err(error) if matches!(error.errno, Errno::EPIPE | Errno::ECONNRESET) => {
                // Its own last word, if it had one, says more.
                Err(self.hear().err().unwrap_or_else(died))
            }
            other => other.step(step),
        }
    }
}

fn died() -> LaunchError {
    LaunchError::judged(Step::Ready, "the jail's init died", "")
}

/// PID 1 said something out of turn.
pub(crate) fn unexpected() -> LaunchError {
    LaunchError::judged(Step::Ready, "the jail's init broke the protocol", "")
}
