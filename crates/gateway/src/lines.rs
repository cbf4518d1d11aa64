//! Audit entries as JSON lines over HTTP, up to now or for as long as the reader stays.
//!
//! Not for: choosing entries; the caller's filter does that.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use audit::{Entry, Filter, Interest, Log, ReadError, Reader};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use hyper::body::Frame;
use tasks::Group;
use tokio::sync::mpsc;

use crate::respond::Fault;

/// Media type of JSON lines.
const MEDIA_TYPE: &str = "application/jsonl";
/// Most entries read from disk in one go; each has at most 64 KiB.
const BATCH: usize = 128;
/// Batches that wait for a slow reader; the file waits for him beyond that.
const BATCHES_AHEAD: usize = 2;

/// What of an entry a line holds.
pub(crate) type Line = fn(&Entry) -> serde_json::Result<Vec<u8>>;

/// What to send.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The log's folder.
    pub(crate) dir: PathBuf,
    /// Which entries.
    pub(crate) filter: Filter,
    /// Whether to wait for more.
    pub(crate) follow: bool,
    /// How an entry becomes a line.
    pub(crate) line: Line,
}

/// The whole entry, as `sheriff audit` shows it.
pub(crate) fn whole(entry: &Entry) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(entry)
}

/// The entry's data alone, which for egress kinds is one `EgressEvent`.
pub(crate) fn data(entry: &Entry) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&entry.data)
}

/// Answers with the wanted lines; a task of `group` sends them.
pub(crate) async fn answer(
    wanted: Wanted,
    log: &Arc<Log>,
    group: &Group,
) -> Result<Response, Fault> {
    // Woken before the first look, so that nothing falls between the files and the waiting.
    let wake = match wanted.follow {
        true => Some(wake_up(log)?),
        false => None,
    };
    let Wanted {
        dir, filter, line, ..
    } = wanted;
    let opened = tokio::task::spawn_blocking(move || Reader::open(&dir, filter)).await;
    let reader = opened.map_err(|_gone| Fault::Closing)??;
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let feed = Feed {
        reader,
        line,
        wake,
        sender,
    };
    group.spawn("lines", feed.run());
    let body = Body::new(Received(receiver));
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], body).into_response())
}

/// A receiver that has something whenever an entry was written since it was last asked.
fn wake_up(log: &Log) -> Result<mpsc::Receiver<()>, audit::LogError> {
    let (sender, receiver) = mpsc::channel(1);
    log.on_append(Box::new(move |_entry| match sender.try_send(()) {
        Err(mpsc::error::TrySendError::Closed(())) => Interest::Done,
        Ok(()) | Err(mpsc::error::TrySendError::Full(())) => Interest::More,
    }))?;
    Ok(receiver)
}

struct Feed {
    reader: Reader,
    line: Line,
    wake: Option<mpsc::Receiver<()>>,
    sender: mpsc::Sender<Bytes>,
}

/// A batch of lines, and whether the end of the log was reached.
type Batch = (Reader, Vec<u8>, bool);

impl Feed {
    async fn run(mut self) {
        loop {
            let (reader, line) = (self.reader, self.line);
            let read = tokio::task::spawn_blocking(move || batch(reader, line)).await;
            let Ok((reader, lines, at_end)) = read else {
                return;
            };
            self.reader = reader;
            if !lines.is_empty() && self.sender.send(Bytes::from(lines)).await.is_err() {
                return;
            }
            if at_end && !more(&self.reader, &mut self.wake, &self.sender).await {
                return;
            }
        }
    }
}

/// Waits for a further entry; false when none will come or nobody reads.
async fn more(
    reader: &Reader,
    wake: &mut Option<mpsc::Receiver<()>>,
    sender: &mpsc::Sender<Bytes>,
) -> bool {
    let Some(wake) = wake.as_mut().filter(|_| !reader.is_done()) else {
        return false;
    };
    tokio::select! {
        woken = wake.recv() => woken.is_some(),
        () = sender.closed() => false,
    }
}

fn batch(mut reader: Reader, line: Line) -> Batch {
    let mut lines = Vec::new();
    for _ in 0..BATCH {
        match reader.next() {
            Some(Ok(entry)) => match line(&entry) {
                Ok(text) => {
                    lines.extend(text);
                    lines.push(b'\n');
                }
                Err(error) => tracing::warn!(seq = entry.seq, %error, "entry"),
            },
            Some(Err(ReadError::File(error))) => {
                tracing::error!(%error, "audit log");
                return (reader, lines, true);
            }
            Some(Err(error)) => tracing::warn!(%error, "audit log"),
            None => return (reader, lines, true),
        }
    }
    (reader, lines, false)
}

/// A body that is what comes over a channel.
struct Received(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = self.0.poll_recv(context);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
