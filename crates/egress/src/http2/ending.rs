//! Why a shared connection ended: the codec tells its streams only that it did.
//!
//! Not for: the streams themselves (`trunk`).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http1::cause;
use crate::http2::content::Faults;
use crate::reason::Cause;
use crate::upstream::Upstream;

/// Why the connection ended, once it has; and what a failure on it means.
#[derive(Debug, Clone, Default)]
pub(crate) struct End {
    cause: Arc<OnceLock<Cause>>,
}

impl End {
    /// Why the connection ended, if it has.
    pub(crate) fn or(&self, otherwise: Cause) -> Cause {
        self.cause.get().copied().unwrap_or(otherwise)
    }
}

impl Faults for End {
    fn silent(&self) -> Cause {
        Cause::UpstreamTimeout
    }

    fn failed(&self, error: &h2::Error) -> Cause {
        let broken = error.is_library() && error.reason() == Some(Reason::PROTOCOL_ERROR);
        self.or(if broken {
            Cause::UpstreamProtocol
        } else {
            Cause::UpstreamAborted
        })
    }

    fn broken(&self, _: &'static str) -> Cause {
        Cause::UpstreamProtocol
    }
}

/// The connection, which notes its own failure.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) upstream: Upstream,
    pub(crate) end: End,
}

impl Noted {
    fn note<T>(&self, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &moved {
            self.end.cause.get_or_init(|| cause::<Upstream>(error));
        }
        moved
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.upstream).poll_read(cx, buffer);
        self.note(moved)
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.upstream).poll_write(cx, bytes);
        self.note(moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.upstream).poll_flush(cx);
        self.note(moved)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.upstream).poll_shutdown(cx);
        self.note(moved)
    }
}
