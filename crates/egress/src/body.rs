//! Message bodies of HTTP/1.1, read strictly and written anew (RFC 9112 6 and 7).
//!
//! Chunk extensions and trailers are checked and dropped: parsers differ on them, and RFC 9112 7.1.1
//! and RFC 9110 6.5.1 allow a proxy to do so.
//!
//! Not for: heads (`head`, `answer`).

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::timeout;

use crate::client::Client;
use crate::fields::Framing;
use crate::limits::{CHUNK_LINE_MAX, TRAILERS_MAX};
use crate::reason::Cause;
use crate::upstream::{Upstream, is_exhaustion};

/// One side of an exchange.
pub(crate) trait End {
    /// What it is when this side breaks off.
    const ABORTED: Cause;
    /// What it is when this side sends nothing for too long.
    const SILENT: Cause;
    /// What it is when this side breaks the protocol.
    fn broken(code: &'static str) -> Cause;
    async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize>;
    async fn write(&self, bytes: &[u8]) -> io::Result<()>;
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is; its length is known or it ends with the connection.
    Plain,
    Chunked,
}

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Body {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes are missing.
    Length(u64),
    UntilClose,
    ChunkSize,
    /// So many bytes of the chunk are missing.
    ChunkData(u64),
    ChunkEnd,
    /// So many bytes of trailers were there.
    Trailers(usize),
    Done,
}

/// A message on its way: `out` holds its head at first.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    pub(crate) buffer: &'a mut BytesMut,
    pub(crate) body: Body,
    pub(crate) coding: Coding,
    pub(crate) out: Vec<u8>,
    /// How long the source may be silent.
    pub(crate) idle: Duration,
}

impl Transfer<'_> {
    /// Moves the message from `source` to `sink`, as it comes: nothing waits for more to follow.
    pub(crate) async fn run<S: End, T: End>(&mut self, source: &S, sink: &T) -> Result<(), Cause> {
        loop {
            self.body
                .advance(self.buffer, &mut self.out, self.coding)
                .map_err(S::broken)?;
            if !self.out.is_empty() {
                sink.write(&self.out)
                    .await
                    .map_err(|error| cause::<T>(&error))?;
                self.out.clear();
            }
            if self.body.state == State::Done {
                return Ok(());
            }
            let read = timeout(self.idle, source.read(self.buffer)).await;
            let count = read
                .map_err(|_elapsed| S::SILENT)?
                .map_err(|error| cause::<S>(&error))?;
            if count == 0 {
                self.body
                    .source_ended(&mut self.out, self.coding)
                    .ok_or(S::ABORTED)?;
            }
        }
    }
}

/// What an I/O error of one side means.
pub(crate) fn cause<E: End>(error: &io::Error) -> Cause {
    if is_exhaustion(error) {
        return Cause::BudgetExceeded;
    }
    if error.kind() == io::ErrorKind::TimedOut {
        Cause::IdleTimeout
    } else {
        E::ABORTED
    }
}

impl End for Client {
    const ABORTED: Cause = Cause::ClientAborted;
    const SILENT: Cause = Cause::Malformed("body_timeout");

    fn broken(code: &'static str) -> Cause {
        Cause::Malformed(code)
    }

    async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        Self::read(self, buffer).await
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        Self::write(self, bytes).await
    }
}

impl End for Upstream {
    const ABORTED: Cause = Cause::UpstreamAborted;
    const SILENT: Cause = Cause::UpstreamTimeout;

    fn broken(_: &'static str) -> Cause {
        Cause::UpstreamProtocol
    }

    async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        Self::read(self, buffer).await
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        Self::write(self, bytes).await
    }
}

impl Body {
    pub(crate) const fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Moves what is there of the body from `input` to `out`. Stops at its end: what follows in
    /// `input` belongs to the next message.
    fn advance(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        coding: Coding,
    ) -> Result<(), &'static str> {
        loop {
            self.state = match self.state {
                State::Done => return Ok(()),
                State::Length(left) | State::ChunkData(left) if input.is_empty() && left > 0 => {
                    return Ok(());
                }
                State::Length(left) => match left - data(input, left, out, coding) {
                    0 => last(out, coding),
                    left => State::Length(left),
                },
                State::UntilClose => {
                    data(input, u64::MAX, out, coding);
                    return Ok(());
                }
                State::ChunkData(left) => match left - data(input, left, out, coding) {
                    0 => State::ChunkEnd,
                    left => State::ChunkData(left),
                },
                State::ChunkSize | State::ChunkEnd | State::Trailers(_) => {
                    let Some(line) = line(input)? else {
                        return Ok(());
                    };
                    self.line(&line, out, coding)?
                }
            };
        }
    }

    /// What a line of the chunked framing leads to.
    fn line(&self, line: &[u8], out: &mut Vec<u8>, coding: Coding) -> Result<State, &'static str> {
        match self.state {
            State::ChunkSize => Ok(match chunk_size(line)? {
                0 => State::Trailers(0),
                size => State::ChunkData(size),
            }),
            State::ChunkEnd if line.is_empty() => Ok(State::ChunkSize),
            State::Trailers(_) if line.is_empty() => Ok(last(out, coding)),
            State::Trailers(before) if is_trailer(line) && before + line.len() < TRAILERS_MAX => {
                Ok(State::Trailers(before + line.len() + 2))
            }
            State::Trailers(_) => Err("trailer_malformed"),
            _ => Err("chunk_malformed"),
        }
    }

    /// The source has ended. `None` when the body had not.
    fn source_ended(&mut self, out: &mut Vec<u8>, coding: Coding) -> Option<()> {
        if self.state != State::UntilClose {
            return None;
        }
        self.state = last(out, coding);
        Some(())
    }
}

/// Moves at most `most` bytes of content and says how many.
fn data(input: &mut BytesMut, most: u64, out: &mut Vec<u8>, coding: Coding) -> u64 {
    let count = usize::try_from(most).map_or(input.len(), |most| most.min(input.len()));
    if count == 0 {
        return 0;
    }
    if coding == Coding::Chunked {
        out.extend_from_slice(format!("{count:x}\r\n").as_bytes());
    }
    out.extend_from_slice(input.get(..count).unwrap_or_default());
    if coding == Coding::Chunked {
        out.extend_from_slice(b"\r\n");
    }
    input.advance(count);
    count as u64
}

fn last(out: &mut Vec<u8>, coding: Coding) -> State {
    if coding == Coding::Chunked {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    State::Done
}

/// Takes a line off the input, without its CRLF. `None`: it is not complete yet.
fn line(input: &mut BytesMut) -> Result<Option<BytesMut>, &'static str> {
    let looked_at = input.get(..CHUNK_LINE_MAX).unwrap_or(input);
    let Some(end) = looked_at.iter().position(|byte| *byte == b'\n') else {
        return if input.len() >= CHUNK_LINE_MAX {
            Err("chunk_line_too_long")
        } else {
            Ok(None)
        };
    };
    let mut line = input.split_to(end + 1);
    line.truncate(end);
    let Some((b'\r', content)) = line.split_last() else {
        return Err("bare_lf");
    };
    if content
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err("chunk_malformed");
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// Hexadecimal digits, then nothing or an extension.
fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err("chunk_size_malformed");
    }
    let text = std::str::from_utf8(digits).map_err(|_not_ascii| "chunk_size_malformed")?;
    u64::from_str_radix(text, 16).map_err(|_not_hex| "chunk_size_malformed")
}

/// A name of letters, digits and hyphens, and a colon at once behind it.
fn is_trailer(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.len() < line.len() && name.iter().all(plain)
}

#[cfg(test)]
mod tests;
