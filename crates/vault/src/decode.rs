//! Content codings (RFC 9110 8.4.1), undone as a stream in bounded memory.
//!
//! Not for: transfer codings; the proxy's framing has undone those.

mod brotli;
mod deflate;
mod zstd;

use crate::decode::brotli::Brotli;
use crate::decode::deflate::{Deflate, Gzip};
use crate::decode::zstd::Zstd;

/// Most bytes that one step yields.
pub(crate) const STEP_MAX: usize = 64 * 1024;
/// Up to so many bytes, content may be any number of times as long as its coding: short answers of
/// zeros are no attack.
pub(crate) const FREE_MAX: u64 = 16 * 1024 * 1024;
/// Beyond that, most times that content may be as long. Text of any kind is below 50; deflate itself ends at
/// 1032, br and zstd nowhere.
pub(crate) const RATIO_MAX: u64 = 256;

/// A coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// None.
    Identity,
    /// `gzip`, `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate` (RFC 1950), also without its frame, as some servers send it.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878) with windows up to 8 MiB (RFC 9659).
    Zstd,
}

/// Content whose end, or whose next byte, can't be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A coding that is not undone here, or several upon each other.
    #[error("the content coding is not one of gzip, deflate, br and zstd")]
    Unknown,
    /// Not what it says it is.
    #[error("the content is not in the coding that its head names")]
    Malformed,
    /// The end is missing.
    #[error("the content ends within its coding")]
    Truncated,
    /// Content that unfolds to much more than it is.
    #[error("the content is more than {RATIO_MAX} times as long as its coding")]
    Bomb,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// So many bytes of the input are taken.
    pub consumed: usize,
    /// There is more to come out even without further input.
    pub more: bool,
}

/// Undoes one coding of one content.
#[expect(
    missing_debug_implementations,
    reason = "it may hold parts of a secret"
)]
pub struct Decoder {
    kind: Kind,
    taken: u64,
    given: u64,
}

enum Kind {
    Identity,
    Gzip(Box<Gzip>),
    Deflate(Box<Deflate>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
}

impl Coding {
    /// The coding that the values of all `Content-Encoding` fields name.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`]; whoever must read the content refuses it.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DecodeError> {
        let mut coding = Self::Identity;
        let items = values
            .into_iter()
            .flat_map(|value| value.split(|&byte| byte == b','));
        for item in items
            .map(<[u8]>::trim_ascii)
            .filter(|item| !item.is_empty())
        {
            let named = Self::named(item)?;
            match (coding, named) {
                (_, Self::Identity) => {}
                (Self::Identity, _) => coding = named,
                _ => return Err(DecodeError::Unknown),
            }
        }
        Ok(coding)
    }

    /// Bytes of memory that undoing it may take, where that is much.
    #[must_use]
    pub const fn window(self) -> usize {
        match self {
            // RFC 1951 3.2: 32 KiB.
            Self::Identity | Self::Gzip | Self::Deflate => 0,
            Self::Brotli => brotli::WINDOW_MAX,
            Self::Zstd => zstd::WINDOW_MAX,
        }
    }

    fn named(name: &[u8]) -> Result<Self, DecodeError> {
        match name.to_ascii_lowercase().as_slice() {
            b"identity" => Ok(Self::Identity),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            b"br" => Ok(Self::Brotli),
            b"zstd" => Ok(Self::Zstd),
            _ => Err(DecodeError::Unknown),
        }
    }
}

impl Decoder {
    /// At the beginning of the content.
    #[must_use]
    pub fn new(coding: Coding) -> Self {
        Self {
            kind: match coding {
                Coding::Identity => Kind::Identity,
                Coding::Gzip => Kind::Gzip(Box::new(Gzip::new())),
                Coding::Deflate => Kind::Deflate(Box::new(Deflate::new())),
                Coding::Brotli => Kind::Brotli(Box::new(Brotli::new())),
                Coding::Zstd => Kind::Zstd(Box::new(Zstd::new())),
            },
            taken: 0,
            given: 0,
        }
    }

    /// Takes some of `input` and appends at most 64 KiB (for zstd, a block of up to
    /// 128 KiB) to `out`. Call it again, with the rest, until all is consumed and `more` is false.
    ///
    /// # Errors
    /// [`DecodeError`]; nothing more can be read.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, DecodeError> {
        let before = out.len();
        let progress = match &mut self.kind {
            Kind::Identity => identity(input, out),
            Kind::Gzip(gzip) => gzip.push(input, out)?,
            Kind::Deflate(deflate) => deflate.push(input, out)?,
            Kind::Brotli(brotli) => brotli.push(input, out)?,
            Kind::Zstd(zstd) => zstd.push(input, out)?,
        };
        self.taken += progress.consumed as u64;
        self.given += (out.len() - before) as u64;
        let is_bomb = self.given > FREE_MAX && self.given / RATIO_MAX > self.taken;
        if is_bomb {
            Err(DecodeError::Bomb)
        } else {
            Ok(progress)
        }
    }

    /// Whether the content may end here. Content of no bytes at all may.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn finish(&self) -> Result<(), DecodeError> {
        let is_ended = self.taken == 0
            || match &self.kind {
                Kind::Identity => true,
                Kind::Gzip(gzip) => gzip.is_ended(),
                Kind::Deflate(deflate) => deflate.is_ended(),
                Kind::Brotli(brotli) => brotli.is_ended(),
                Kind::Zstd(zstd) => zstd.is_ended(),
            };
        if is_ended {
            Ok(())
        } else {
            Err(DecodeError::Truncated)
        }
    }
}

fn identity(input: &[u8], out: &mut Vec<u8>) -> Progress {
    let consumed = input.len().min(STEP_MAX);
    out.extend_from_slice(input.get(..consumed).unwrap_or_default());
    Progress {
        consumed,
        more: false,
    }
}

#[cfg(test)]
pub(crate) mod tests;
