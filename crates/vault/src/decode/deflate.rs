//! deflate (RFC 1951) in the frames of gzip (RFC 1952) and zlib (RFC 1950).
//!
//! Not for: anything but decoding.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::decode::{DecodeError, Progress, STEP_MAX};

/// Longest header of a gzip member: names and comments are short, extra fields at most 64 KiB.
const HEADER_MAX: usize = 80 * 1024;
const HEADER_MIN: usize = 10;
const TRAILER_LEN: usize = 8;

/// One or more gzip members.
pub(super) struct Gzip {
    state: State,
    /// Header or trailer as far as it came.
    held: Vec<u8>,
    members: u64,
}

enum State {
    Header,
    Body(Box<Raw>, Crc),
    Trailer(Crc),
}

/// zlib, or deflate without a frame: the first two bytes tell.
pub(super) struct Deflate {
    held: Vec<u8>,
    raw: Option<Raw>,
}

/// A stream of deflate with room for what comes out.
struct Raw {
    inflate: Decompress,
    room: Vec<u8>,
    is_ended: bool,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            state: State::Header,
            held: Vec::new(),
            members: 0,
        }
    }

    pub(super) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Progress, DecodeError> {
        match &mut self.state {
            State::Header => self.header(input),
            State::Body(raw, crc) => {
                let before = out.len();
                let progress = raw.push(input, out)?;
                crc.update(out.get(before..).unwrap_or_default());
                if raw.is_ended {
                    self.state = State::Trailer(std::mem::take(crc));
                }
                Ok(progress)
            }
            State::Trailer(_) => self.trailer(input),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, State::Header) && self.held.is_empty() && self.members > 0
    }

    fn header(&mut self, input: &[u8]) -> Result<Progress, DecodeError> {
        let before = self.held.len();
        self.held.extend_from_slice(input);
        let Some(len) = header_len(&self.held)? else {
            return match self.held.len() {
                0..HEADER_MAX => Ok(took(input.len())),
                _ => Err(DecodeError::Malformed),
            };
        };
        self.held.clear();
        self.state = State::Body(Box::new(Raw::new(false)), Crc::new());
        Ok(took(len - before))
    }

    fn trailer(&mut self, input: &[u8]) -> Result<Progress, DecodeError> {
        let wanted = TRAILER_LEN - self.held.len();
        let taken = input.get(..wanted.min(input.len())).unwrap_or_default();
        self.held.extend_from_slice(taken);
        if let (State::Trailer(crc), Some((sum, size))) = (&self.state, words(&self.held)) {
            if sum != crc.sum() || size != crc.amount() {
                return Err(DecodeError::Malformed);
            }
            self.held.clear();
            self.state = State::Header;
            self.members += 1;
        }
        Ok(took(taken.len()))
    }
}

impl Deflate {
    pub(super) const fn new() -> Self {
        Self {
            held: Vec::new(),
            raw: None,
        }
    }

    pub(super) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Progress, DecodeError> {
        if let Some(raw) = &mut self.raw {
            return raw.push(input, out);
        }
        let wanted = 2_usize.saturating_sub(self.held.len());
        let taken = input.get(..wanted.min(input.len())).unwrap_or_default();
        self.held.extend_from_slice(taken);
        if let [method, flags] = *self.held.as_slice() {
            let is_zlib =
                method & 15 == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31);
            let mut raw = Raw::new(is_zlib);
            raw.push(&[method, flags], out)?;
            self.raw = Some(raw);
        }
        Ok(took(taken.len()))
    }

    pub(super) fn is_ended(&self) -> bool {
        self.raw.as_ref().is_some_and(|raw| raw.is_ended)
    }
}

impl Raw {
    fn new(is_zlib: bool) -> Self {
        Self {
            inflate: Decompress::new(is_zlib),
            room: vec![0; STEP_MAX],
            is_ended: false,
        }
    }

    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, DecodeError> {
        if self.is_ended && !input.is_empty() {
            return Err(DecodeError::Malformed);
        }
        let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
        let none = FlushDecompress::None;
        let status = self.inflate.decompress(input, &mut self.room, none);
        let status = status.map_err(|_corrupt| DecodeError::Malformed)?;
        self.is_ended = status == Status::StreamEnd;
        let length = |from, to: u64| usize::try_from(to - from).unwrap_or(usize::MAX);
        let given = length(given, self.inflate.total_out());
        out.extend_from_slice(self.room.get(..given).unwrap_or_default());
        Ok(Progress {
            consumed: length(taken, self.inflate.total_in()),
            more: given == STEP_MAX && !self.is_ended,
        })
    }
}

const fn took(consumed: usize) -> Progress {
    Progress {
        consumed,
        more: false,
    }
}

/// How long the header is; nothing if its end has not come.
fn header_len(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    let Some(fixed) = bytes.first_chunk::<HEADER_MIN>() else {
        let is_beginning = [0x1f, 0x8b, 8]
            .iter()
            .zip(bytes)
            .all(|(want, byte)| want == byte);
        return if is_beginning {
            Ok(None)
        } else {
            Err(DecodeError::Malformed)
        };
    };
    let [0x1f, 0x8b, 8, flags @ 0..=31, ..] = *fixed else {
        return Err(DecodeError::Malformed);
    };
    let mut at = HEADER_MIN;
    if flags & 4 != 0 {
        let Some(&[low, high]) = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>) else {
            return Ok(None);
        };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(end) = rest.iter().position(|&byte| byte == 0) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

/// The two numbers of a trailer that is whole: checksum and length.
fn words(bytes: &[u8]) -> Option<(u32, u32)> {
    let (sum, size) = bytes.split_first_chunk::<4>()?;
    let size: [u8; 4] = size.try_into().ok()?;
    Some((u32::from_le_bytes(*sum), u32::from_le_bytes(size)))
}
