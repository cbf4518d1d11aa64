//! Looks at the frames that the codec sends, to learn of streams that it refused by itself: those are on
//! record like any other malformed request. It also learns what has left of an answer.
//!
//! Not for: what is refused later, which the jail is told in an answer.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Length of a frame's head (RFC 9113 4.1).
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;
/// The reason of a reset for a malformed request.
const PROTOCOL_ERROR: u32 = 1;

/// What is known of the streams of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    book: Arc<Mutex<Book>>,
    /// Content was written, or a stream ended.
    moved: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Book {
    /// Streams that were handed out and have not been answered to their end, and how much of the answer
    /// has been written: a head counts as one, content by its bytes.
    handed_out: BTreeMap<u32, u64>,
    /// Codes of what was refused and nobody was told of.
    refused: Vec<&'static str>,
}

impl Ledger {
    /// Notes that a stream became a request; whatever it is sent is not the codec's own.
    pub(crate) fn hand_out(&self, stream: u32) {
        self.book().handed_out.insert(stream, 0);
    }

    /// Waits until so much of an answer has been written on a stream, or it has ended. What the codec still holds
    /// at a reset it throws away.
    pub(crate) async fn written(&self, stream: u32, bytes: u64) {
        loop {
            let moved = self.moved.notified();
            let mut moved = std::pin::pin!(moved);
            moved.as_mut().enable();
            let written = self.book().handed_out.get(&stream).copied();
            if written.is_none_or(|written| written >= bytes) {
                return;
            }
            moved.await;
        }
    }

    /// Takes one refusal.
    pub(crate) fn take(&self) -> Option<&'static str> {
        self.book().refused.pop()
    }

    /// Puts a refusal back.
    pub(crate) fn put_back(&self, code: &'static str) {
        self.book().refused.push(code);
    }

    fn see(&self, frame: &Frame) {
        let mut book = self.book();
        let ends = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
        if let Some(written) = book.handed_out.get_mut(&frame.stream) {
            *written = written.saturating_add(match frame.kind {
                HEADERS => 1,
                DATA => frame.length as u64,
                _ => 0,
            });
        }
        self.moved.notify_waiters();
        let known = if ends || frame.kind == RST_STREAM {
            book.handed_out.remove(&frame.stream).is_some()
        } else {
            book.handed_out.contains_key(&frame.stream)
        };
        match (known, frame.kind) {
            (true, _) => {}
            (false, HEADERS) => book.refused.push("head_too_large"),
            (false, RST_STREAM) if frame.reason == PROTOCOL_ERROR => {
                book.refused.push("http2_malformed");
            }
            (false, _) => {}
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection whose outgoing frames are looked at.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    io: T,
    ledger: Ledger,
    frames: Frames,
}

impl<T> Watched<T> {
    pub(crate) fn new(io: T, ledger: Ledger) -> Self {
        Self {
            io,
            ledger,
            frames: Frames::default(),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, ledger, frames } = self.get_mut();
        let count = ready!(Pin::new(io).poll_write(cx, bytes))?;
        frames.read(bytes.get(..count).unwrap_or(bytes), |frame| {
            ledger.see(frame);
        });
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What matters of a frame.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// Of its content.
    length: usize,
    /// Of a reset.
    reason: u32,
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
struct Frames {
    /// The head, and the content of a reset, as far as they have come.
    start: Vec<u8>,
    /// Bytes of content that are skipped.
    skip: usize,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8], mut see: impl FnMut(&Frame)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let missing = self.wanted() - self.start.len();
            let (begin, rest) = bytes.split_at(missing.min(bytes.len()));
            self.start.extend_from_slice(begin);
            bytes = rest;
            if self.start.len() == self.wanted() && self.skip == 0 && !self.start.is_empty() {
                self.skip = self.length() + HEAD - self.start.len();
                see(&self.frame());
                self.start.clear();
            }
        }
    }

    /// How much of the frame is read: of a reset all of it.
    fn wanted(&self) -> usize {
        let is_reset = self.start.get(3) == Some(&RST_STREAM) && self.start.len() >= HEAD;
        if is_reset { HEAD + 4 } else { HEAD }
    }

    fn length(&self) -> usize {
        usize::try_from(self.number(0, 3)).unwrap_or(usize::MAX)
    }

    fn frame(&self) -> Frame {
        let byte = |at: usize| self.start.get(at).copied().unwrap_or_default();
        Frame {
            kind: byte(3),
            flags: byte(4),
            stream: self.number(5, 4),
            length: self.length(),
            reason: self.number(HEAD, 4),
        }
    }

    fn number(&self, from: usize, bytes: usize) -> u32 {
        let part = self.start.get(from..from + bytes).unwrap_or_default();
        part.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        bytes.extend_from_slice(content);
        bytes
    }

    #[test]
    fn finds_frames_however_they_are_cut() {
        let all = [
            frame(4, 0, 0, &[1; 12]),
            frame(HEADERS, END_STREAM, 1, b"abc"),
            frame(RST_STREAM, 0, 3, &[0, 0, 0, 1]),
            frame(DATA, 0, 5, b""),
        ]
        .concat();
        for size in 1..=all.len() {
            let (mut frames, mut seen) = (Frames::default(), Vec::new());
            for part in all.chunks(size) {
                frames.read(part, |frame| {
                    seen.push((frame.kind, frame.stream, frame.reason));
                });
            }
            assert_eq!(seen, [(4, 0, 0), (1, 1, 0), (3, 3, 1), (0, 5, 0)], "{size}");
        }
    }

    #[test]
    fn what_the_codec_says_on_a_stream_that_is_nobodys_is_a_refusal() {
        let ledger = Ledger::default();
        let see = |kind, flags, stream, reason| {
            ledger.see(&Frame {
                kind,
                flags,
                stream,
                length: 0,
                reason,
            });
        };
        ledger.hand_out(1);
        see(HEADERS, 0, 1, 0);
        see(RST_STREAM, 0, 1, 1);
        assert_eq!(ledger.take(), None);
        see(RST_STREAM, 0, 3, 8);
        assert_eq!(ledger.take(), None, "cancelled");
        see(RST_STREAM, 0, 5, 1);
        assert_eq!(ledger.take(), Some("http2_malformed"));
        see(HEADERS, END_STREAM, 7, 0);
        assert_eq!(ledger.take(), Some("head_too_large"));
    }
}
