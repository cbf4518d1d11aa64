//! The content of a message on its way from one side to the other, whatever protocol carries it on
//! either: pieces as they come, then trailers. What must be looked at or changed goes through taps.
//!
//! Not for: the framing of one protocol (`http1`), nor heads.

use tokio::time::timeout;

use crate::fields::Fields;
use crate::limits::HELD_BACK;
use crate::reason::Cause;

/// A part of a message's content.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    Data(&'a [u8]),
    /// The end, with the trailers that came; mostly none.
    End(Fields),
}

/// Where content comes from.
pub(crate) trait Source: Send {
    /// The next piece that is at hand; `None` when the next one has to be waited for.
    fn take(&mut self) -> Result<Option<Piece<'_>>, Cause>;
    /// Waits for more, as long as the side may be silent.
    fn wait(&mut self) -> impl Future<Output = Result<(), Cause>> + Send;
}

impl<S: Source> Source for &mut S {
    fn take(&mut self) -> Result<Option<Piece<'_>>, Cause> {
        (**self).take()
    }

    async fn wait(&mut self) -> Result<(), Cause> {
        (**self).wait().await
    }
}

/// Where content goes. What is put there leaves with [`Sink::flush`].
pub(crate) trait Sink: Send {
    fn put(&mut self, data: &[u8]);
    /// Puts the end there; the side decides which trailers it can carry.
    fn end(&mut self, trailers: &Fields);
    fn flush(&mut self) -> impl Future<Output = Result<(), Cause>> + Send;
}

/// Looks at content, changes it, holds a part of it back, or refuses it.
pub(crate) trait Tap: Send {
    /// Takes some of a piece and appends to `out` what goes on now. It is called again with the rest, once
    /// that has left, so that content that unfolds is never held whole.
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<Taken, Cause>;
    /// Appends what was held back.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Cause>;
    /// True when something is held back that can be let go on.
    fn is_holding(&self) -> bool {
        false
    }
    /// Appends what is held back and can be let go on, since nothing follows for a while.
    fn lend(&mut self, _: &mut Vec<u8>) {}
    /// Looks at the trailers, which can be changed as well.
    fn trailers(&mut self, trailers: &mut Fields) -> Result<(), Cause>;
}

/// How much a tap took of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// So many bytes of it.
    pub(crate) consumed: usize,
    /// There is more to come even without further input.
    pub(crate) more: bool,
}

impl Taken {
    /// The whole piece, and all that comes of it.
    pub(crate) const fn all(data: &[u8]) -> Self {
        Self {
            consumed: data.len(),
            more: false,
        }
    }
}

/// The taps of one direction, in their order. None costs nothing.
#[derive(Default)]
pub(crate) struct Taps {
    list: Vec<Box<dyn Tap>>,
    /// How much content may still pass, counted as it comes from the source.
    left: Option<u64>,
    /// What goes on may be longer or shorter than what came.
    reframes: bool,
}

impl Taps {
    /// Lets so many bytes pass and refuses the rest with [`Cause::BodyTooLarge`].
    pub(crate) const fn cap(&mut self, most: Option<u64>) {
        self.left = most;
    }

    /// Adds one that leaves the content's length as it is.
    pub(crate) fn push(&mut self, tap: impl Tap + 'static) {
        self.list.push(Box::new(tap));
    }

    /// Adds one that may change the content's length.
    pub(crate) fn push_reframing(&mut self, tap: impl Tap + 'static) {
        self.push(tap);
        self.reframes = true;
    }

    /// True when what goes on may be longer or shorter than what came.
    pub(crate) const fn reframe(&self) -> bool {
        self.reframes
    }

    async fn data(&mut self, data: &[u8], sink: &mut impl Sink) -> Result<(), Cause> {
        if let Some(left) = &mut self.left {
            let rest = left.checked_sub(data.len() as u64);
            *left = rest.ok_or(Cause::BodyTooLarge)?;
        }
        let mut rest = data;
        while let Some(first) = self.list.first_mut() {
            let mut out = Vec::new();
            let taken = first.data(rest, &mut out)?;
            self.through(1, out, sink)?;
            rest = rest.get(taken.consumed..).unwrap_or_default();
            if rest.is_empty() && !taken.more {
                return Ok(());
            }
            sink.flush().await?;
        }
        sink.put(rest);
        Ok(())
    }

    /// Sends data through the taps from the given one on. Only the first one of all may unfold content.
    fn through(
        &mut self,
        from: usize,
        mut data: Vec<u8>,
        sink: &mut impl Sink,
    ) -> Result<(), Cause> {
        for tap in self.list.iter_mut().skip(from) {
            let (mut out, mut rest) = (Vec::with_capacity(data.len()), &data[..]);
            while !rest.is_empty() {
                let taken = tap.data(rest, &mut out)?;
                rest = rest.get(taken.consumed..).unwrap_or_default();
            }
            data = out;
        }
        if !data.is_empty() {
            sink.put(&data);
        }
        Ok(())
    }

    fn is_holding(&self) -> bool {
        self.list.iter().any(|tap| tap.is_holding())
    }

    /// What each tap lets go on goes through the taps behind it.
    fn lend(&mut self, sink: &mut impl Sink) -> Result<(), Cause> {
        for at in 0..self.list.len() {
            let mut out = Vec::new();
            if let Some(tap) = self.list.get_mut(at) {
                tap.lend(&mut out);
            }
            self.through(at + 1, out, sink)?;
        }
        Ok(())
    }

    /// Each tap's last words go through the taps behind it, which then end in turn.
    fn end(&mut self, trailers: &mut Fields, sink: &mut impl Sink) -> Result<(), Cause> {
        for at in 0..self.list.len() {
            let mut out = Vec::new();
            if let Some(tap) = self.list.get_mut(at) {
                tap.end(&mut out)?;
                tap.trailers(trailers)?;
            }
            self.through(at + 1, out, sink)?;
        }
        Ok(())
    }
}

/// Moves content to its end, as it comes: nothing waits for more to follow, unless a tap holds it.
pub(crate) async fn carry<S: Source, T: Sink>(
    source: &mut S,
    sink: &mut T,
    taps: &mut Taps,
) -> Result<(), Cause> {
    loop {
        let ended = pass(source, sink, taps).await?;
        sink.flush().await?;
        if ended {
            return Ok(());
        }
        await_more(source, sink, taps).await?;
    }
}

/// Waits for more. What a tap held back of the last piece goes on after a short while, if it can: in a
/// dialogue nothing follows before it is answered.
async fn await_more<S: Source, T: Sink>(
    source: &mut S,
    sink: &mut T,
    taps: &mut Taps,
) -> Result<(), Cause> {
    if !taps.is_holding() {
        return source.wait().await;
    }
    let mut waiting = std::pin::pin!(source.wait());
    if let Ok(waited) = timeout(HELD_BACK, &mut waiting).await {
        return waited;
    }
    taps.lend(sink)?;
    sink.flush().await?;
    waiting.await
}

/// Moves what is at hand. True at the end.
async fn pass<S: Source, T: Sink>(
    source: &mut S,
    sink: &mut T,
    taps: &mut Taps,
) -> Result<bool, Cause> {
    loop {
        match source.take()? {
            None => return Ok(false),
            Some(Piece::Data(data)) => taps.data(data, sink).await?,
            Some(Piece::End(mut trailers)) => {
                taps.end(&mut trailers, sink)?;
                sink.end(&trailers);
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Shelf {
        pieces: Vec<Vec<u8>>,
        ended: bool,
    }

    impl Sink for Shelf {
        fn put(&mut self, data: &[u8]) {
            self.pieces.push(data.to_vec());
        }

        fn end(&mut self, _: &Fields) {
            self.ended = true;
        }

        async fn flush(&mut self) -> Result<(), Cause> {
            Ok(())
        }
    }

    /// Holds one byte back.
    struct Late(Vec<u8>);

    impl Tap for Late {
        fn data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<Taken, Cause> {
            self.0.extend_from_slice(data);
            let held = self.0.split_off(self.0.len() - 1);
            out.append(&mut self.0);
            self.0 = held;
            Ok(Taken::all(data))
        }

        fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Cause> {
            out.append(&mut self.0);
            Ok(())
        }

        fn trailers(&mut self, _: &mut Fields) -> Result<(), Cause> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_a_tap_holds_back_goes_through_the_ones_behind_it() {
        let (mut taps, mut shelf) = (Taps::default(), Shelf::default());
        taps.push(Late(Vec::new()));
        taps.push(Late(Vec::new()));
        for data in [&b"ab"[..], b"cd"] {
            taps.data(data, &mut shelf).await.unwrap();
        }
        taps.end(&mut Fields::default(), &mut shelf).unwrap();
        assert_eq!(shelf.pieces.concat(), b"abcd");
    }

    #[tokio::test]
    async fn a_cap_lets_exactly_its_size_pass() {
        let (mut taps, mut shelf) = (Taps::default(), Shelf::default());
        taps.cap(Some(3));
        taps.data(b"abc", &mut shelf).await.unwrap();
        assert_eq!(taps.data(b"d", &mut shelf).await, Err(Cause::BodyTooLarge));
        assert_eq!(shelf.pieces, [b"abc"]);
    }
}
