//! Takes the values of secrets out of answers: heads whole, bodies as a stream.
//!
//! What is found: the value as it is; with any of its characters as `%XX` (also escaped up to three
//! times over), `\uXXXX`, `\xXX`, a backslash before punctuation (also nested, as in JSON in JSON), or
//! an HTML entity, decimal, hexadecimal or of the common names; in base64 of either alphabet, padded
//! or not, at any of the three offsets (so also in `Basic` credentials and data URLs), with line ends
//! in between (right behind its first characters, up to two bytes of it stay); in hexadecimal of either case, with or without a separator between bytes; all of these
//! within gzip, deflate, br and zstd.
//!
//! What is not: a value that a server encrypts, compresses within the content, reverses, writes in
//! another alphabet (base32, UTF-16) or encodes twice over (base64 of base64), or parts of a value that it
//! sends one by one (as in the events of a stream). A server that is given a secret is trusted not to
//! work for the jail; this is against echoes, error pages and logs.
//!
//! Not for: requests (`scan`).

pub(crate) mod shelf;
mod splice;

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use crate::decode::{Coding, DecodeError, Decoder, Progress};
use crate::placeholder::Placeholder;
use crate::scan::finder::{Finder, Needle};
use crate::scan::sweep::{Find, Input, Sweep};
use crate::value::VALUE_MIN;

/// What an intercepted request should say in `Accept-Encoding` when its answer is redacted.
///
/// These are decoded without delay and in little memory. br and zstd are decoded too, with windows of up to
/// 16 and 8 MiB, zstd up to a window late.
pub const ACCEPT_ENCODING: &str = "gzip, deflate";

/// Values and what is put in their place, compiled. Made once for a set of values and shared by all
/// answers that it applies to. Holds values: it can't be printed.
#[expect(missing_debug_implementations, reason = "it holds values of secrets")]
pub struct Scrub {
    finder: Finder,
    replacements: Vec<Replacement>,
}

/// What is put in the place of one value. Only the length of the value is kept.
struct Replacement {
    value_len: usize,
    text: Box<[u8]>,
}

/// A value that can't be told from other text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScrubError {
    /// So few characters turn up by accident.
    #[error("a value of fewer than {VALUE_MIN} bytes can't be redacted reliably")]
    TooShort,
}

/// Redacts one body. Holds back nothing but what may be the beginning of a value.
#[expect(missing_debug_implementations, reason = "it holds values of secrets")]
pub struct Redactor {
    scrub: Arc<Scrub>,
    decoder: Decoder,
    sweep: Sweep,
    scratch: Vec<u8>,
}

impl Scrub {
    /// Compiles pairs of a value and the placeholder that the jail knows it by.
    ///
    /// # Errors
    /// [`ScrubError`].
    pub fn new<'a>(
        pairs: impl IntoIterator<Item = (&'a [u8], &'a Placeholder)>,
    ) -> Result<Self, ScrubError> {
        let mut needles = Vec::new();
        let mut replacements = Vec::new();
        for (tag, (value, placeholder)) in pairs.into_iter().enumerate() {
            if value.len() < VALUE_MIN {
                return Err(ScrubError::TooShort);
            }
            needles.extend(Needle::all_forms(value, tag));
            needles.extend(Needle::behind_line_end(value, tag));
            replacements.push(Replacement {
                value_len: value.len(),
                text: placeholder.as_str().as_bytes().into(),
            });
        }
        Ok(Self {
            finder: Finder::new(needles),
            replacements,
        })
    }

    /// A text of an answer's head without the values: for the name and value of every field, trailers
    /// and the reason phrase.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut out = Vec::new();
        let mut changed = false;
        let mut sweep = Sweep::default();
        let done = sweep.run(&self.finder, Input::whole(text), &mut out, |find, out| {
            changed = true;
            self.replace(&find, out);
            Ok::<(), Infallible>(())
        });
        match (done, changed) {
            (Ok(()), true) => Cow::Owned(out),
            (Ok(()), false) => Cow::Borrowed(text),
        }
    }

    /// Appends what is left of `input` to `out`.
    pub(crate) fn sweep(&self, sweep: &mut Sweep, input: Input<'_>, out: &mut Vec<u8>) {
        let done = sweep.run(&self.finder, input, out, |find, out| {
            self.replace(&find, out);
            Ok::<(), Infallible>(())
        });
        match done {
            Ok(()) => {}
        }
    }

    fn replace(&self, find: &Find<'_>, out: &mut Vec<u8>) {
        let Find::Needle(needle, found) = find else {
            return;
        };
        if let Some(replacement) = self.replacements.get(needle.tag) {
            let len = replacement.value_len - needle.skipped;
            splice::splice(needle.form, found, len, &replacement.text, out);
        }
    }
}

impl Redactor {
    /// For a body in this coding ([`Coding::of`]). It comes out in no coding: the head must say so, and
    /// neither length nor digest of the original.
    #[must_use]
    pub fn new(scrub: Arc<Scrub>, coding: Coding) -> Self {
        Self {
            scrub,
            decoder: Decoder::new(coding),
            sweep: Sweep::default(),
            scratch: Vec::new(),
        }
    }

    /// Takes some of `input` and appends to `out` what can go on, at most about
    /// 128 KiB and what was held back. Call it again, with the
    /// rest, until all is consumed and `more` is false.
    ///
    /// # Errors
    /// [`DecodeError`]: the answer must be cut off, since the rest of it can't be read.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, DecodeError> {
        self.scratch.clear();
        let progress = self.decoder.push(input, &mut self.scratch)?;
        let piece = Input::piece(&self.scratch);
        self.scrub.sweep(&mut self.sweep, piece, out);
        Ok(progress)
    }

    /// Appends what was held back, at the body's end.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`]: the body ended within its coding; the answer must be cut off too.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        self.scrub.sweep(&mut self.sweep, Input::end(), out);
        self.decoder.finish()
    }
}

#[cfg(test)]
mod tests;
