//! The attach server: one operator's client per connection, from its `Hello` to the end of what it
//! started.
//!
//! Not for: what starting means (`control`).

mod client;
mod connection;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use control::Office;
use sys::seqpacket::{Seqpacket, accept};
use tasks::{Group, Stop};
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use connection::Connection;

/// Most clients at once. Each stays for the life of what it started, so this is above the number of
/// jails that a host is meant to carry.
pub const CLIENTS_MAX: usize = 2048;
/// Pause after a failed accept, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long clients may take to hear of their ends when the server stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves clients until `stop`.
///
/// # Errors
/// When the listener can't be watched.
pub async fn run(listener: OwnedFd, office: Arc<Office>, stop: Stop) -> io::Result<()> {
    sys::fds::set_nonblocking(listener.as_fd(), true)
        .map_err(|error| io::Error::from(error.errno))?;
    let listener = control::watch(listener)?;
    let clients = Group::new("attach");
    let slots = Arc::new(Semaphore::new(CLIENTS_MAX));
    tokio::select! {
        () = accept_all(&listener, (&office, &slots), &clients) => {}
        () = stop.requested() => {}
    }
    drop(listener);
    clients.close(DRAIN).await;
    Ok(())
}

async fn accept_all(
    listener: &AsyncFd<OwnedFd>,
    (office, slots): (&Arc<Office>, &Arc<Semaphore>),
    clients: &Group,
) {
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
            return;
        };
        match accept_one(listener).await {
            Ok(socket) => welcome(socket, (office, slot), clients),
            Err(error) => {
                tracing::warn!(%error, "attach: accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept_one(listener: &AsyncFd<OwnedFd>) -> io::Result<Seqpacket> {
    loop {
        let mut ready = listener.readable().await?;
        match accept(listener.get_ref().as_fd()) {
            Err(error) if error.errno == sys::Errno::EAGAIN => ready.clear_ready(),
            other => return other.map_err(|error| io::Error::from(error.errno)),
        }
    }
}

fn welcome(
    socket: Seqpacket,
    (office, slot): (&Arc<Office>, OwnedSemaphorePermit),
    clients: &Group,
) {
    let connection = match Connection::new(socket) {
        Ok(connection) => connection,
        Err(error) => return tracing::warn!(%error, "attach"),
    };
    let office = Arc::clone(office);
    clients.spawn("client", async move {
        client::serve(connection, office).await;
        drop(slot);
    });
}
