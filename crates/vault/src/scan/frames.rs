//! Looks through the messages of a WebSocket (RFC 6455), of either direction: bytes of frames go in,
//! bytes of frames come out. What is found in a message is found across its fragments.
//!
//! A message may come out in other fragments than it went in, which no endpoint may care about (5.4).
//! No extension may be in use: the proxy takes `Sec-WebSocket-Extensions` out of the handshake, and a
//! frame that uses a reserved bit ends the connection. Two messages are two contents; what is divided
//! between them is not found.
//!
//! Not for: the handshake, and closing.

use std::sync::Arc;

use crate::redact::Scrub;
use crate::scan::sweep::{Input, Sweep};
use crate::scan::{BodyFilter, Inner, Scanner};
use crate::wallet::Misdirected;

/// Longest payload of a control frame (5.5).
const CONTROL_MAX: usize = 125;
/// Longest header: 2 bytes, 8 of length, 4 of mask.
const HEADER_MAX: usize = 14;

/// Filters the bytes of one direction of one WebSocket.
#[expect(missing_debug_implementations, reason = "it holds values of secrets")]
pub struct FrameFilter {
    side: Side,
    /// The header as far as it came.
    header: Vec<u8>,
    /// The frame whose payload is coming.
    frame: Option<Frame>,
    message: Message,
    /// The payload of a control frame as far as it came.
    control: Vec<u8>,
}

/// Why a WebSocket must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A placeholder in a message. No byte of it has gone on.
    #[error(transparent)]
    Misdirected(#[from] Misdirected),
    /// Not a frame, or one that nobody agreed on.
    #[error("not a WebSocket frame: {0}")]
    Malformed(&'static str),
}

enum Side {
    /// From the jail: masked.
    Up(Box<Scanner>),
    /// To the jail: not masked.
    Down(Arc<Scrub>, Sweep),
    /// From a jail, not looked at.
    Pass,
}

/// A frame whose header has come.
#[derive(Clone, Copy)]
struct Frame {
    is_last: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    left: u64,
    /// Where in the mask the next byte is.
    turn: usize,
}

/// How much of a message of data has gone on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    None,
    /// One of this opcode has begun; nothing of it has gone on.
    Begun(u8),
    /// A part of it has.
    Going,
}

impl FrameFilter {
    /// For frames from the jail, with what the handshake's request got for its body.
    #[must_use]
    pub fn up(body: BodyFilter) -> Self {
        Self::new(match body.0 {
            Inner::Plain(scanner) => Side::Up(scanner),
            Inner::Packed(packed) => Side::Up(Box::new(packed.into_scanner())),
            Inner::Pass => Side::Pass,
        })
    }

    /// For frames to the jail.
    #[must_use]
    pub fn down(scrub: Arc<Scrub>) -> Self {
        Self::new(Side::Down(scrub, Sweep::default()))
    }

    const fn new(side: Side) -> Self {
        Self {
            side,
            header: Vec::new(),
            frame: None,
            message: Message::None,
            control: Vec::new(),
        }
    }

    /// Takes bytes of frames and appends bytes of frames to `out`. Nothing is held back but a header
    /// that is not whole, a control frame that is not whole, and what may be the beginning of a find.
    ///
    /// # Errors
    /// [`FrameError`]: both directions must be closed.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if matches!(self.side, Side::Pass) {
            out.extend_from_slice(input);
            return Ok(());
        }
        let mut rest = input;
        loop {
            match self.frame {
                Some(frame) => rest = self.payload(frame, rest, out)?,
                None => match rest.split_first() {
                    None => return Ok(()),
                    Some((byte, after)) => {
                        self.header.push(*byte);
                        rest = after;
                        self.frame = self.begin()?;
                    }
                },
            }
            if rest.is_empty() && self.frame.is_none_or(|frame| frame.left > 0) {
                return Ok(());
            }
        }
    }

    /// The frame that the header announces, once it is whole.
    fn begin(&mut self) -> Result<Option<Frame>, FrameError> {
        let is_up = matches!(self.side, Side::Up(_));
        let Some(frame) = Frame::read(&self.header)? else {
            return Ok(None);
        };
        self.header.clear();
        if frame.mask.is_some() != is_up {
            return Err(FrameError::Malformed("masked by the wrong side"));
        }
        self.message = match (frame.opcode, self.message) {
            (0, Message::None) => {
                return Err(FrameError::Malformed("a continuation of no message"));
            }
            (1 | 2, Message::None) => Message::Begun(frame.opcode),
            (1 | 2, _) => return Err(FrameError::Malformed("a message within a message")),
            (_, message) => message,
        };
        Ok(Some(frame))
    }

    /// Takes what there is of the payload; gives what is left of the input.
    fn payload<'a>(
        &mut self,
        mut frame: Frame,
        input: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], FrameError> {
        let len = usize::try_from(frame.left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let (part, rest) = input.split_at_checked(len).unwrap_or((input, &[]));
        let plain = frame.unmask(part);
        frame.left -= len as u64;
        self.frame = (frame.left > 0).then_some(frame);
        if frame.opcode >= 8 {
            self.control.extend_from_slice(&plain);
            if frame.left == 0 {
                self.end_control(frame, out)?;
            }
        } else {
            self.data(frame, &plain, out)?;
        }
        Ok(rest)
    }

    fn data(&mut self, frame: Frame, plain: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        let is_end = frame.is_last && frame.left == 0;
        let mut payload = Vec::with_capacity(plain.len());
        self.side.run(Input::piece(plain), &mut payload)?;
        if is_end {
            self.side.run(Input::end(), &mut payload)?;
        }
        if payload.is_empty() && !is_end {
            return Ok(());
        }
        let opcode = match self.message {
            Message::Begun(opcode) => opcode,
            Message::None | Message::Going => 0,
        };
        self.message = if is_end {
            Message::None
        } else {
            Message::Going
        };
        write(opcode, is_end, frame.mask, &payload, out);
        Ok(())
    }

    /// A control frame stands by itself, between the fragments of a message.
    fn end_control(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let mut payload = Vec::new();
        let whole = Input::whole(&self.control);
        match &mut self.side {
            Side::Up(scanner) => scanner.run_apart(whole, &mut payload)?,
            Side::Down(scrub, _) => scrub.sweep(&mut Sweep::default(), whole, &mut payload),
            Side::Pass => {}
        }
        self.control.clear();
        payload.truncate(CONTROL_MAX);
        write(frame.opcode, true, frame.mask, &payload, out);
        Ok(())
    }
}

impl Side {
    fn run(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Result<(), Misdirected> {
        match self {
            Self::Up(scanner) => scanner.run(input, out),
            Self::Down(scrub, sweep) => {
                scrub.sweep(sweep, input, out);
                Ok(())
            }
            Self::Pass => Ok(()),
        }
    }
}

impl Frame {
    /// Reads a header (5.2), if it is whole.
    fn read(header: &[u8]) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = header else {
            return Ok(None);
        };
        let (opcode, short) = (first & 15, second & 127);
        let is_last = first & 128 != 0;
        if first & 0x70 != 0 {
            return Err(FrameError::Malformed("a reserved bit is set"));
        }
        if !matches!(opcode, 0..=2 | 8..=10) {
            return Err(FrameError::Malformed("an unknown opcode"));
        }
        if opcode >= 8 && (!is_last || usize::from(short) > CONTROL_MAX) {
            return Err(FrameError::Malformed(
                "a control frame that is long or divided",
            ));
        }
        let extra = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_len = if second & 128 == 0 { 0 } else { 4 };
        if rest.len() < extra + mask_len {
            return Ok(None);
        }
        let (length, mask) = rest.split_at_checked(extra).unwrap_or_default();
        let left = match extra {
            0 => u64::from(short),
            _ => length
                .iter()
                .fold(0, |sum: u64, &byte| sum << 8 | u64::from(byte)),
        };
        let is_minimal = matches!(
            (extra, left),
            (0, _) | (2, 126..) | (8, 0x1_0000..=0x7fff_ffff_ffff_ffff)
        );
        if !is_minimal {
            return Err(FrameError::Malformed(
                "a length that is not written as it must be",
            ));
        }
        Ok(Some(Self {
            is_last,
            opcode,
            mask: mask.first_chunk::<4>().copied(),
            left,
            turn: 0,
        }))
    }

    fn unmask(&mut self, part: &[u8]) -> Vec<u8> {
        let plain = masked(self.mask, self.turn, part);
        self.turn = (self.turn + part.len()) % 4;
        plain
    }
}

/// Appends one frame, masked with the key of the one that it was made of.
fn write(opcode: u8, is_last: bool, mask: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    let bit = if mask.is_some() { 128 } else { 0 };
    out.reserve(payload.len() + HEADER_MAX);
    out.push(opcode | if is_last { 128 } else { 0 });
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.push(bit | short),
        (_, Ok(long)) => {
            out.push(bit | 126);
            out.extend_from_slice(&long.to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(mask.iter().flatten());
    out.extend(masked(mask, 0, payload));
}

fn masked(mask: Option<[u8; 4]>, turn: usize, bytes: &[u8]) -> Vec<u8> {
    match mask {
        None => bytes.to_vec(),
        Some(mut mask) => {
            mask.rotate_left(turn);
            let keys = mask.iter().cycle();
            bytes
                .iter()
                .zip(keys)
                .map(|(byte, key)| byte ^ key)
                .collect()
        }
    }
}

#[cfg(test)]
mod tests;
