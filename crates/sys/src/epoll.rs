//! Waiting for many descriptors, each known by a token.
//!
//! Not for: the office, which has a runtime; this serves the single-threaded warden.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::error::{Context, SysError};

/// Most events taken per wait; the rest is reported by the next.
const EVENTS_PER_WAIT: usize = 64;

/// A set of descriptors to wait for.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
}

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// `epoll_create1`'s.
    pub fn new() -> Result<Self, SysError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).call("epoll_create1")?;
        Ok(Self { epoll })
    }

    /// Watches a descriptor for input and hang-up (level-triggered), under this token.
    ///
    /// # Errors
    /// `epoll_ctl`'s.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64) -> Result<(), SysError> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
        self.epoll.add(fd, event).call_on("epoll_ctl", "ADD")
    }

    /// Watches a descriptor no more. Closing it has the same effect if no duplicate is open.
    ///
    /// # Errors
    /// `epoll_ctl`'s.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> Result<(), SysError> {
        self.epoll.delete(fd).call_on("epoll_ctl", "DEL")
    }

    /// Waits for events, at most `timeout`; returns their tokens, none on timeout or interruption.
    ///
    /// # Errors
    /// `epoll_wait`'s.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<Vec<u64>, SysError> {
        let mut events = [EpollEvent::empty(); EVENTS_PER_WAIT];
        // A wait longer than the type can say is cut to its maximum, about 24 days.
        let timeout = timeout.map_or(EpollTimeout::NONE, |wait| {
            EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::MAX)
        });
        match self.epoll.wait(&mut events, timeout) {
            Ok(count) => Ok(events.iter().take(count).map(EpollEvent::data).collect()),
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(errno) => Err(SysError::new("epoll_wait", "", errno)),
        }
    }
}
