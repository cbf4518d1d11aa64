//! Descriptors as the runtime watches them, registered in one place.
//!
//! Not for: TCP and stream sockets, for which the runtime has types of its own.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::unix::AsyncFd;

/// Watches a descriptor for reading and writing. `T` must own it for as long as it lives and always
/// name the same one, as every socket type here does. Call within a runtime.
///
/// # Errors
/// `epoll_ctl`'s.
#[expect(
    deprecated,
    reason = "the replacement is an unsafe function for types that don't own their descriptor; ours do"
)]
pub fn watch<T: AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(inner)
}
