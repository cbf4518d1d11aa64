//! Carries a finder over a stream: what may be the beginning of a find is held back, nothing else is.
//!
//! Not for: what happens at a find.

use zeroize::Zeroizing;

use crate::scan::finder::{Event, Finder, Needle};

/// What was found in a stream.
pub(crate) enum Find<'a> {
    /// A needle, and the bytes that it was written with.
    Needle(&'a Needle, &'a [u8]),
    /// Most of a placeholder.
    Near,
}

/// The state of one stream. What is held back is at most one needle in its longest writing: less than
/// 24 times its length.
#[derive(Default)]
pub(crate) struct Sweep {
    held: Zeroizing<Vec<u8>>,
    /// So many of the bytes held have gone on all the same.
    lent: usize,
}

impl Sweep {
    /// Whether something is held back.
    pub(crate) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Appends what is held back, and goes on looking as if it were still here. What turns out to be a find
    /// later is found, but its beginning has gone by then.
    pub(crate) fn lend(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.held.get(self.lent..).unwrap_or_default());
        self.lent = self.held.len();
    }

    /// Appends what can go on to `out`. `on_find` appends what goes on instead of a find.
    ///
    /// # Errors
    /// What `on_find` says.
    pub(crate) fn run<E>(
        &mut self,
        finder: &Finder,
        input: Input<'_>,
        out: &mut Vec<u8>,
        mut on_find: impl FnMut(Find<'_>, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let joined;
        let bytes = if self.held.is_empty() {
            input.bytes
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(input.bytes);
            joined = held;
            joined.as_slice()
        };
        let (mut done, lent) = (0, std::mem::take(&mut self.lent));
        let unlent = |from: usize, to: usize| bytes.get(from.max(lent)..to).unwrap_or_default();
        let slice = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
        loop {
            match finder.next(bytes, done, input.is_end) {
                Event::Hit { at, len, needle } => {
                    out.extend_from_slice(unlent(done, at));
                    done = at + len;
                    on_find(Find::Needle(needle, slice(at, done)), out)?;
                }
                Event::Near { at } => {
                    out.extend_from_slice(unlent(done, at + 1));
                    done = at + 1;
                    on_find(Find::Near, out)?;
                }
                Event::Hold { at } => {
                    out.extend_from_slice(unlent(done, at));
                    self.held.extend_from_slice(slice(at, bytes.len()));
                    self.lent = lent.saturating_sub(at);
                    return Ok(());
                }
                Event::Clear => {
                    out.extend_from_slice(unlent(done, bytes.len()));
                    return Ok(());
                }
            }
        }
    }
}

/// A piece of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) is_end: bool,
}

impl<'a> Input<'a> {
    pub(crate) const fn piece(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            is_end: false,
        }
    }

    pub(crate) const fn end() -> Self {
        Self {
            bytes: &[],
            is_end: true,
        }
    }

    pub(crate) const fn whole(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            is_end: true,
        }
    }
}
