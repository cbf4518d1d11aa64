//! Zstandard (RFC 8878), block by block. Content comes out as the window moves on, and the last window
//! at the end of the frame: a proxy asks for other codings when answers must not be late.
//!
//! Not for: dictionaries.

use ruzstd::decoding::FrameDecoder;

use crate::decode::{DecodeError, Progress};

/// Largest window of a content coding (RFC 9659 3).
pub(super) const WINDOW_MAX: usize = 8 * 1024 * 1024;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Magic, descriptor, window, dictionary id, content size.
const HEADER_MIN: usize = 5;
const BLOCK_HEADER: usize = 3;
/// Largest block (RFC 8878 3.1.1.2.4).
const BLOCK_MAX: usize = 128 * 1024;
const CHECKSUM: usize = 4;
/// Most bytes taken out of the decoder at once: one block, and the last window in parts.
const ROOM: usize = BLOCK_MAX;

/// One or more frames.
pub(super) struct Zstd {
    decoder: FrameDecoder,
    state: State,
    /// The next part (header, or block with the checksum after the last one) as far as it came.
    held: Vec<u8>,
    room: Vec<u8>,
    frames: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    /// A frame that may end with a checksum.
    Blocks {
        has_checksum: bool,
    },
    /// So many bytes of a skippable frame are still to come.
    Skip(u64),
    /// The last window comes out.
    Drain,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_MAX as u64);
        Self {
            decoder,
            state: State::Header,
            held: Vec::new(),
            room: vec![0; ROOM],
            frames: 0,
        }
    }

    pub(super) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Progress, DecodeError> {
        match self.state {
            State::Drain => return Ok(self.drain(out)),
            State::Skip(left) => return Ok(self.skip(input, left)),
            State::Header | State::Blocks { .. } => {}
        }
        let before = self.held.len();
        let wanted = self.wanted()?;
        let taken = wanted.saturating_sub(before).min(input.len());
        self.held
            .extend_from_slice(input.get(..taken).unwrap_or_default());
        if self.held.len() >= wanted && self.wanted()? == wanted {
            self.part(out)?;
        }
        Ok(Progress {
            consumed: taken,
            more: self.state == State::Drain,
        })
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state == State::Header && self.held.is_empty() && self.frames > 0
    }

    /// How long the next part is, as far as what is held tells.
    fn wanted(&self) -> Result<usize, DecodeError> {
        match self.state {
            State::Header => header_len(&self.held),
            State::Blocks { has_checksum } => match self.held.first_chunk::<BLOCK_HEADER>() {
                None => Ok(BLOCK_HEADER),
                Some(&header) => {
                    let is_last = header[0] & 1 != 0;
                    let checksum = if is_last && has_checksum { CHECKSUM } else { 0 };
                    Ok(block_len(header)? + checksum)
                }
            },
            State::Skip(_) | State::Drain => Ok(0),
        }
    }

    /// Decodes the part that is held, whole.
    fn part(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Header => {
                if let Some(len) = skippable(&held) {
                    self.state = if len == 0 {
                        State::Header
                    } else {
                        State::Skip(len)
                    };
                    self.frames += 1;
                    return Ok(());
                }
                let done = self.decoder.reset(held.as_slice());
                done.map_err(|_malformed| DecodeError::Malformed)?;
                let descriptor = held.get(4).copied().unwrap_or(0);
                self.state = State::Blocks {
                    has_checksum: descriptor & 4 != 0,
                };
            }
            State::Blocks { .. } => {
                self.decode(&held, out)?;
                if held.first().is_some_and(|header| header & 1 != 0) {
                    self.state = State::Drain;
                }
            }
            State::Skip(_) | State::Drain => {}
        }
        Ok(())
    }

    fn decode(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let done = self.decoder.decode_from_to(block, &mut self.room);
        let (_, given) = done.map_err(|_malformed| DecodeError::Malformed)?;
        out.extend_from_slice(self.room.get(..given).unwrap_or_default());
        Ok(())
    }

    fn drain(&mut self, out: &mut Vec<u8>) -> Progress {
        let given = std::io::Read::read(&mut self.decoder, &mut self.room).unwrap_or(0);
        out.extend_from_slice(self.room.get(..given).unwrap_or_default());
        if given == 0 {
            self.state = State::Header;
            self.frames += 1;
        }
        Progress {
            consumed: 0,
            more: given > 0,
        }
    }

    fn skip(&mut self, input: &[u8], left: u64) -> Progress {
        let taken = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - taken as u64;
        self.state = if left == 0 {
            State::Header
        } else {
            State::Skip(left)
        };
        Progress {
            consumed: taken,
            more: false,
        }
    }
}

/// The length of a frame's header (RFC 8878 3.1.1.1), as far as these bytes tell.
fn header_len(held: &[u8]) -> Result<usize, DecodeError> {
    let Some((magic, rest)) = held.split_first_chunk::<4>() else {
        return Ok(HEADER_MIN);
    };
    if matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18]) {
        return Ok(8);
    }
    if *magic != MAGIC {
        return Err(DecodeError::Malformed);
    }
    let Some(descriptor) = rest.first() else {
        return Ok(HEADER_MIN);
    };
    let is_single = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4]
        .get(usize::from(descriptor & 3))
        .copied()
        .unwrap_or(0);
    let size = match descriptor >> 6 {
        0 => usize::from(is_single),
        bits => 1 << bits,
    };
    Ok(HEADER_MIN + usize::from(!is_single) + dictionary + size)
}

fn skippable(header: &[u8]) -> Option<u64> {
    let (magic, len) = header.split_first_chunk::<4>()?;
    let len: [u8; 4] = len.try_into().ok()?;
    (*magic != MAGIC).then(|| u64::from(u32::from_le_bytes(len)))
}

/// The length of a block with its header: last, two bits of type, 21 bits of size.
fn block_len([first, second, third]: [u8; BLOCK_HEADER]) -> Result<usize, DecodeError> {
    let header = usize::from(first) | usize::from(second) << 8 | usize::from(third) << 16;
    let size = header >> 3;
    match header >> 1 & 3 {
        _ if size > BLOCK_MAX => Err(DecodeError::Malformed),
        // A run: one byte, `size` times.
        1 => Ok(BLOCK_HEADER + 1),
        0 | 2 => Ok(BLOCK_HEADER + size),
        _ => Err(DecodeError::Malformed),
    }
}
