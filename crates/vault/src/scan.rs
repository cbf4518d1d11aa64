//! Looks for placeholders in what a jail sends: in a stream, to the end, whatever its size.
//!
//! Found in each of these forms, across any division into pieces: as it is, in either case; with any of
//! its characters as an escape (percent, backslash, HTML entity); in base64 of either alphabet at any
//! offset, so also within `Basic` credentials; in hexadecimal. A placeholder is no secret: the point is
//! that none goes where a value was meant to go, unseen.
//!
//! Not for: answers (`redact`).

pub(crate) mod escape;
pub(crate) mod finder;
pub(crate) mod form;
mod frames;
mod packed;
pub(crate) mod sweep;

use std::sync::{Arc, LazyLock};

use zeroize::Zeroizing;

use crate::placeholder::{CORE_LEN, is_genuine};
use crate::scan::finder::{Event, Finder, Needle};
use crate::scan::packed::Packed;
use crate::scan::sweep::{Find, Input, Sweep};
use crate::wallet::roster::Roster;
use crate::wallet::{Misdirected, Misuse, Spot};

pub use crate::scan::frames::{FrameError, FrameFilter};

/// Looks for nothing but placeholders; shared by all streams of all sessions.
static PLACEHOLDERS: LazyLock<Arc<Finder>> =
    LazyLock::new(|| Arc::new(Finder::new(Needle::any_placeholder(ANY).collect())));
/// The tag of the needles that look for any placeholder.
const ANY: usize = usize::MAX;

/// A placeholder that was found in a text.
pub(crate) struct Sighting {
    pub(crate) owner: Owner,
    /// Whether it stands there letter by letter.
    pub(crate) is_plain: bool,
}

/// Whose a placeholder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This session's, with this number in its roster.
    Own(usize),
    /// Another session's, or invented.
    Not(Misuse),
}

/// Every placeholder in a text that is there whole.
pub(crate) fn sightings(roster: &Roster, text: &[u8]) -> Vec<Sighting> {
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        match PLACEHOLDERS.next(text, from, true) {
            Event::Hit { at, len, needle } => {
                let hit = text.get(at..at + len).unwrap_or_default();
                all.push(sight(roster, needle, hit));
                from = at + len;
            }
            Event::Near { at } => {
                all.push(Sighting {
                    owner: Owner::Not(Misuse::NearMiss),
                    is_plain: false,
                });
                from = at + 1;
            }
            Event::Hold { .. } | Event::Clear => return all,
        }
    }
}

fn sight(roster: &Roster, needle: &Needle, hit: &[u8]) -> Sighting {
    let core = needle.core(hit).unwrap_or([0; CORE_LEN]);
    let owner = match roster.owner(&core) {
        Some(index) => Owner::Own(index),
        None if is_genuine(&core) => Owner::Not(Misuse::Foreign),
        None => Owner::Not(Misuse::NearMiss),
    };
    Sighting {
        owner,
        is_plain: hit == core.as_slice(),
    }
}

/// What may be in a body: the placeholders that are to be replaced there, and what each other one of
/// the session would be there.
pub(crate) struct Allowance {
    pub(crate) roster: Arc<Roster>,
    /// For every number of the roster, what its placeholder in the body would be.
    pub(crate) misuses: Vec<Misuse>,
    /// What is put in the place of which text.
    pub(crate) insertions: Vec<(String, Zeroizing<Vec<u8>>)>,
}

/// Looks through one stream without a coding. Holds back nothing but what may be the beginning of a
/// placeholder.
pub(crate) struct Scanner {
    finder: Arc<Finder>,
    allowance: Allowance,
    sweep: Sweep,
}

/// Looks through the body of one request, and puts values into it if they are declared for that place.
/// After an error nothing more of the request may be sent.
#[expect(missing_debug_implementations, reason = "it holds values of secrets")]
pub struct BodyFilter(Inner);

enum Inner {
    /// A body in an unknown coding, for a session without secrets.
    Pass,
    Plain(Box<Scanner>),
    Packed(Box<Packed>),
}

impl Scanner {
    pub(crate) fn new(allowance: Allowance) -> Self {
        let finder = if allowance.insertions.is_empty() {
            Arc::clone(&PLACEHOLDERS)
        } else {
            let own = allowance.insertions.iter().enumerate();
            let own = own.map(|(tag, (text, _))| Needle::text(text.as_bytes(), tag));
            Arc::new(Finder::new(
                own.chain(Needle::any_placeholder(ANY)).collect(),
            ))
        };
        Self {
            finder,
            allowance,
            sweep: Sweep::default(),
        }
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.sweep.is_holding()
    }

    /// Lets go on what is held back, unless a value may have to be put in its place.
    fn lend(&mut self, out: &mut Vec<u8>) {
        if self.allowance.insertions.is_empty() {
            self.sweep.lend(out);
        }
    }

    pub(crate) fn run(&mut self, input: Input<'_>, out: &mut Vec<u8>) -> Result<(), Misdirected> {
        let allowance = &self.allowance;
        self.sweep.run(&self.finder, input, out, |find, out| {
            allowance.meet(&find, out)
        })
    }

    /// The same for content that stands by itself, in the middle of the stream.
    pub(crate) fn run_apart(&self, input: Input<'_>, out: &mut Vec<u8>) -> Result<(), Misdirected> {
        let allowance = &self.allowance;
        Sweep::default().run(&self.finder, input, out, |find, out| {
            allowance.meet(&find, out)
        })
    }
}

impl Allowance {
    fn meet(&self, find: &Find<'_>, out: &mut Vec<u8>) -> Result<(), Misdirected> {
        let (needle, hit) = match find {
            Find::Needle(needle, hit) => (*needle, *hit),
            Find::Near => return Err(Misdirected::new(Spot::Body, Misuse::NearMiss)),
        };
        if needle.tag == ANY {
            return Err(self.refusal(needle, hit));
        }
        let insertion = self.insertions.get(needle.tag);
        match insertion.filter(|(text, _)| text.as_bytes() == hit) {
            Some((_, value)) => out.extend_from_slice(value),
            // Escaped: what else the reader of the body would undo is not known.
            None => return Err(Misdirected::new(Spot::Body, Misuse::WrongPlace)),
        }
        Ok(())
    }

    fn refusal(&self, needle: &Needle, hit: &[u8]) -> Misdirected {
        match sight(&self.roster, needle, hit).owner {
            Owner::Not(misuse) => Misdirected::new(Spot::Body, misuse),
            Owner::Own(index) => Misdirected {
                name: self.roster.name(index),
                spot: Spot::Body,
                misuse: self.misuses.get(index).copied().unwrap_or(Misuse::Unbound),
            },
        }
    }
}

impl BodyFilter {
    pub(crate) const fn pass() -> Self {
        Self(Inner::Pass)
    }

    pub(crate) fn plain(allowance: Allowance) -> Self {
        Self(Inner::Plain(Box::new(Scanner::new(allowance))))
    }

    pub(crate) fn packed(allowance: Allowance, coding: crate::decode::Coding) -> Self {
        Self(Inner::Packed(Box::new(Packed::new(
            Scanner::new(allowance),
            coding,
        ))))
    }

    /// Takes a piece of the body and appends to `out` what can go on now.
    ///
    /// # Errors
    /// [`Misdirected`]: a placeholder that may not be there. No byte of it was appended (its prefix may
    /// have been, and what was [lent](Self::lend)).
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Misdirected> {
        match &mut self.0 {
            Inner::Pass => {
                out.extend_from_slice(input);
                Ok(())
            }
            Inner::Plain(scanner) => scanner.run(Input::piece(input), out),
            Inner::Packed(packed) => packed.push(input, out),
        }
    }

    /// Whether something is held back that [`lend`](Self::lend) can let go on.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        match &self.0 {
            Inner::Plain(scanner) => {
                scanner.allowance.insertions.is_empty() && scanner.is_holding()
            }
            Inner::Pass | Inner::Packed(_) => false,
        }
    }

    /// Appends what is held back when nothing follows for a while: who sent it may be waiting for an answer
    /// to just that. Nothing is overlooked: a placeholder that goes on in the next piece is found there,
    /// when its beginning, which is no secret, has gone. Where values are put in, everything stays held.
    pub fn lend(&mut self, out: &mut Vec<u8>) {
        if let Inner::Plain(scanner) = &mut self.0 {
            scanner.lend(out);
        }
    }

    /// Appends what was held back, at the end of the body, before its last chunk is sent.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Misdirected> {
        match &mut self.0 {
            Inner::Pass => Ok(()),
            Inner::Plain(scanner) => scanner.run(Input::end(), out),
            Inner::Packed(packed) => packed.finish(out),
        }
    }

    /// Whether a text outside of the body, such as the name or value of a trailer, has no placeholder.
    ///
    /// # Errors
    /// [`Misdirected`].
    pub fn check(&self, text: &[u8]) -> Result<(), Misdirected> {
        let scanner = match &self.0 {
            Inner::Pass => return Ok(()),
            Inner::Plain(scanner) => scanner,
            Inner::Packed(packed) => packed.scanner(),
        };
        match sightings(&scanner.allowance.roster, text).first() {
            None => Ok(()),
            Some(sighting) => Err(Misdirected {
                name: match sighting.owner {
                    Owner::Own(index) => scanner.allowance.roster.name(index),
                    Owner::Not(_) => None,
                },
                spot: Spot::Body,
                misuse: match sighting.owner {
                    Owner::Own(_) => Misuse::WrongPlace,
                    Owner::Not(misuse) => misuse,
                },
            }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
