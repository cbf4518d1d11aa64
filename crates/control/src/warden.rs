//! The office's end of the warrant channel: one question, one answer under the same tag; notices
//! on a queue of their own.
//!
//! Not for: what the answers mean to a session (`launch`, `office`).

mod requests;

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sys::SysError;
use tasks::{Group, Stop};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use warrant::{Answer, Ask, Channel, ChannelError, Notice, Refusal, Request, Tell};

pub use requests::{Held, Sockets, Started, stream_count};

/// Longest wait for the answer to `Launch`: a build takes milliseconds, a cold host with a full
/// pool refill some seconds.
pub const LAUNCH_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for any other answer; the warden may be in the middle of a build.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Most questions without an answer at once; launches and operators are bounded well below.
pub const QUESTIONS_MAX: usize = 1024;
/// Notices that wait for the dispatcher. It never waits for the warden, so a full queue drains.
const NOTICES_MAX: usize = 256;

/// A notice and its descriptors.
pub type NoticeWithFds = (Notice, Vec<OwnedFd>);
/// Where notices come out; it ends when the warden is gone.
pub type Notices = mpsc::Receiver<NoticeWithFds>;

/// Asks the warden. Clones share one channel.
#[derive(Debug, Clone)]
pub struct Warden {
    link: Arc<Link>,
}

/// A question that got no good answer.
#[derive(Debug, thiserror::Error)]
pub enum WardenError {
    /// The warden said no; nothing is left of what was asked.
    #[error("{}: {}", .0.step, .0.message)]
    Refused(Refusal),
    /// The channel failed.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The warden is gone, and every jail with it.
    #[error("the warden is gone")]
    Gone,
    /// No answer came in time.
    #[error("no answer to {request} within {seconds} s")]
    Timeout {
        /// The request's name.
        request: &'static str,
        /// How long the wait was.
        seconds: u64,
    },
    /// Too many questions at once.
    #[error("{QUESTIONS_MAX} requests are without an answer already")]
    Busy,
    /// An answer of another kind or with other descriptors than the request has.
    #[error("the answer to {request} is not one to that request")]
    Unexpected {
        /// The request's name.
        request: &'static str,
    },
}

type Reply = (Answer, Vec<OwnedFd>);

#[derive(Debug)]
struct Link {
    socket: AsyncFd<Socket>,
    /// Who waits for which tag; `None` once the warden is gone.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Reply>>>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Socket(Channel<Ask, Tell>);

/// Forgets a question whose asker stopped waiting.
struct Waiting<'a> {
    link: &'a Link,
    tag: u64,
}

impl Warden {
    /// Takes over the channel and reads it in a task of `group`. Call within a runtime.
    ///
    /// # Errors
    /// When the socket can't be watched.
    pub fn start(
        channel: Channel<Ask, Tell>,
        group: &Group,
    ) -> Result<(Self, Notices), std::io::Error> {
        channel
            .socket()
            .set_nonblocking(true)
            .map_err(|error| std::io::Error::from(error.errno))?;
        let link = Arc::new(Link {
            socket: crate::watch(Socket(channel))?,
            waiting: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
        });
        let (sender, notices) = mpsc::channel(NOTICES_MAX);
        group.spawn("warrant", Arc::clone(&link).read(sender, group.stop()));
        Ok((Self { link }, notices))
    }

    async fn ask(
        &self,
        request: Request,
        fds: Vec<OwnedFd>,
        limit: Duration,
    ) -> Result<Reply, WardenError> {
        let name = requests::name(&request);
        let tag = self.link.next.fetch_add(1, Ordering::Relaxed);
        let (waiting, answer) = self.link.wait_for(tag)?;
        let exchange = async {
            self.link.send(&Ask { tag, request }, &fds).await?;
            answer.await.map_err(|_closed| WardenError::Gone)
        };
        let reply = tokio::time::timeout(limit, exchange).await;
        drop(waiting);
        match reply.map_err(|_elapsed| timed_out(name, limit))?? {
            (Answer::Refused(refusal), _) => Err(WardenError::Refused(refusal)),
            reply => Ok(reply),
        }
    }
}

const fn timed_out(request: &'static str, limit: Duration) -> WardenError {
    let seconds = limit.as_secs();
    WardenError::Timeout { request, seconds }
}

impl Link {
    fn wait_for(&self, tag: u64) -> Result<(Waiting<'_>, oneshot::Receiver<Reply>), WardenError> {
        let (sender, receiver) = oneshot::channel();
        let mut table = self.table();
        let waiting = table.as_mut().ok_or(WardenError::Gone)?;
        if waiting.len() >= QUESTIONS_MAX {
            return Err(WardenError::Busy);
        }
        waiting.insert(tag, sender);
        drop(table);
        Ok((Waiting { link: self, tag }, receiver))
    }

    async fn send(&self, ask: &Ask, fds: &[OwnedFd]) -> Result<(), ChannelError> {
        loop {
            let mut ready = self
                .socket
                .writable()
                .await
                .map_err(|error| watch_error(&error))?;
            let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            match self.socket.get_ref().0.send(ask, &borrowed) {
                Err(error) if error.would_block() => ready.clear_ready(),
                done => return done,
            }
        }
    }

    async fn read(self: Arc<Self>, notices: mpsc::Sender<NoticeWithFds>, stop: Stop) {
        tokio::select! {
            end = self.read_until_end(&notices) => {
                if let Err(error) = end {
                    tracing::error!(%error, "the warrant channel is broken");
                }
            }
            () = stop.requested() => {}
        }
        *self.table() = None;
    }

    async fn read_until_end(
        &self,
        notices: &mpsc::Sender<NoticeWithFds>,
    ) -> Result<(), ChannelError> {
        loop {
            let mut ready = self
                .socket
                .readable()
                .await
                .map_err(|error| watch_error(&error))?;
            match self.socket.get_ref().0.receive() {
                Err(error) if error.would_block() => ready.clear_ready(),
                Err(error) => return Err(error),
                Ok(None) => return Ok(()),
                Ok(Some((Tell::Answer(tag, answer), fds))) => self.settle(tag, (answer, fds)),
                Ok(Some((Tell::Notice(notice), fds))) => {
                    if notices.send((notice, fds)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn settle(&self, tag: u64, reply: Reply) {
        let asker = self
            .table()
            .as_mut()
            .and_then(|waiting| waiting.remove(&tag));
        let late = asker.is_none_or(|asker| asker.send(reply).is_err());
        if late {
            tracing::warn!(tag, "an answer came for nobody");
        }
    }

    fn table(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Reply>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watch_error(error: &std::io::Error) -> ChannelError {
    let errno = error
        .raw_os_error()
        .map_or(sys::Errno::EIO, sys::Errno::from_raw);
    ChannelError::Socket(SysError::new("epoll_wait", "warrant channel", errno))
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.link.table().as_mut() {
            waiting.remove(&self.tag);
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests;
