//! Network namespaces of the calling thread: make one, visit one, always come home.
//!
//! Not for: what is configured inside (`network`).

use std::fs::File;
use std::io::stderr;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::write;

use crate::error::{Context, SysError};

/// The calling thread's own namespace; `/proc/self` would name the main thread's.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// A stay of the calling thread in another network namespace, until this value is dropped.
///
/// Should the way home fail, the process aborts: a privileged thread that goes on in a wrong
/// namespace would open its next sockets to the wrong people.
#[derive(Debug)]
pub struct Visit {
    home: OwnedFd,
    /// The stay belongs to one thread, so the value must not move to another.
    thread: PhantomData<*const ()>,
}

impl Visit {
    /// Moves the calling thread into a network namespace of its own that did not exist before,
    /// and returns a descriptor of that.
    ///
    /// The namespace has no name: it lives as long as descriptors, processes or sockets hold it.
    ///
    /// # Errors
    /// Those of opening `/proc/thread-self/ns/net` and of `unshare`: `EPERM` without
    /// `CAP_SYS_ADMIN`, `ENOSPC` at the limit `user.max_net_namespaces`.
    pub fn create() -> Result<(Self, OwnedFd), SysError> {
        let home = current()?;
        unshare(CloneFlags::CLONE_NEWNET).call_on("unshare", "CLONE_NEWNET")?;
        let visit = Self {
            home,
            thread: PhantomData,
        };
        Ok((visit, current()?))
    }

    /// Moves the calling thread into an existing network namespace.
    ///
    /// # Errors
    /// Those of opening `/proc/thread-self/ns/net` and of `setns`.
    pub fn enter(namespace: BorrowedFd<'_>) -> Result<Self, SysError> {
        let home = current()?;
        move_to(namespace)?;
        Ok(Self {
            home,
            thread: PhantomData,
        })
    }

    /// Moves on to another network namespace; home stays the same.
    ///
    /// # Errors
    /// `setns`'s; the thread then stays where it was.
    pub fn move_on(&mut self, namespace: BorrowedFd<'_>) -> Result<(), SysError> {
        move_to(namespace)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if move_to(self.home.as_fd()).is_err() {
            let message = b"cannot leave a visited network namespace; aborting\n";
            // Nothing is left to do about a message that can't be written: the process ends.
            write(stderr(), message).ok();
            std::process::abort();
        }
    }
}

/// A descriptor of the network namespace that the calling thread is in.
///
/// # Errors
/// Those of opening it: for example `ENOENT` without `/proc`, `EMFILE`.
pub fn current() -> Result<OwnedFd, SysError> {
    File::open(CURRENT)
        .map(OwnedFd::from)
        .call_on("open", CURRENT)
}

fn move_to(namespace: BorrowedFd<'_>) -> Result<(), SysError> {
    setns(namespace, CloneFlags::CLONE_NEWNET).call_on("setns", "CLONE_NEWNET")
}
