//! The framing of HTTP/1.1 bodies, read strictly (RFC 9112 6 and 7).
//!
//! Chunk extensions are checked and dropped: parsers differ on them, and RFC 9112 7.1.1 allows a proxy
//! to do so. Trailers are handed over; who gets them is another's decision.
//!
//! Not for: heads (`head`, `answer`), nor connections (`http1`).

use bytes::{Bytes, BytesMut};

use crate::fields::{Fields, Framing};
use crate::limits::{CHUNK_LINE_MAX, TRAILERS_MAX};

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Body {
    state: State,
    trailers: Vec<(Bytes, Bytes)>,
}

/// What is at the head of the input.
#[derive(Debug)]
pub(crate) enum Step {
    /// So many bytes of content, to be taken off before the next step.
    Data(usize),
    /// Nothing complete.
    More,
    /// The end of the body; what follows belongs to the next message.
    End(Fields),
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

impl Body {
    pub(crate) const fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        Self {
            state,
            trailers: Vec::new(),
        }
    }

    /// Reads what is at the head of the input.
    ///
    /// # Errors
    /// A stable code for framing that could be read in two ways.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Step, &'static str> {
        loop {
            self.state = match self.state {
                State::Done => {
                    return Ok(Step::End(Fields::from_list(std::mem::take(
                        &mut self.trailers,
                    ))));
                }
                State::Length(_) | State::ChunkData(_) | State::UntilClose if input.is_empty() => {
                    return Ok(Step::More);
                }
                State::UntilClose => return Ok(Step::Data(input.len())),
                State::Length(left) => {
                    let count = at_hand(input, left);
                    self.state = match left - count as u64 {
                        0 => State::Done,
                        left => State::Length(left),
                    };
                    return Ok(Step::Data(count));
                }
                State::ChunkData(left) => {
                    let count = at_hand(input, left);
                    self.state = match left - count as u64 {
                        0 => State::ChunkEnd,
                        left => State::ChunkData(left),
                    };
                    return Ok(Step::Data(count));
                }
                State::ChunkSize | State::ChunkEnd | State::Trailers(_) => {
                    let Some(line) = line(input)? else {
                        return Ok(Step::More);
                    };
                    self.line(&line.freeze())?
                }
            };
        }
    }

    /// What a line of the chunked framing leads to.
    fn line(&mut self, line: &Bytes) -> Result<State, &'static str> {
        match self.state {
            State::ChunkSize => Ok(match chunk_size(line)? {
                0 => State::Trailers(0),
                size => State::ChunkData(size),
            }),
            State::ChunkEnd if line.is_empty() => Ok(State::ChunkSize),
            State::Trailers(_) if line.is_empty() => Ok(State::Done),
            State::Trailers(before) if before + line.len() < TRAILERS_MAX => {
                self.trailers
                    .push(trailer(line).ok_or("trailer_malformed")?);
                Ok(State::Trailers(before + line.len() + 2))
            }
            State::Trailers(_) => Err("trailer_malformed"),
            _ => Err("chunk_malformed"),
        }
    }

    /// The source has ended. False when the body had not.
    pub(crate) fn source_ended(&mut self) -> bool {
        let may = self.state == State::UntilClose;
        if may {
            self.state = State::Done;
        }
        may
    }
}

/// How many of the missing bytes are there.
fn at_hand(input: &BytesMut, missing: u64) -> usize {
    usize::try_from(missing).map_or(input.len(), |missing| missing.min(input.len()))
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

/// A name of letters, digits and hyphens, a colon at once behind it, and a value.
fn trailer(line: &Bytes) -> Option<(Bytes, Bytes)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line.slice(..colon);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || !name.iter().all(plain) {
        return None;
    }
    let value = line.get(colon + 1..)?.trim_ascii();
    Some((name, Bytes::copy_from_slice(value)))
}

#[cfg(test)]
mod tests;
