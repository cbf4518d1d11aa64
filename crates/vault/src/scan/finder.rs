//! Finds texts in bytes, each in all of its forms, in one pass whose speed does not depend on how many
//! there are.
//!
//! Not for: streams (`sweep`).

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::placeholder::CORE_LEN;
use crate::scan::form::{AnyCore, Exact, FORMS, Form, Match};

/// So many bytes of a placeholder in a row are no accident (marker and 14 characters: one chance in
/// 2^106 a position), though the rest is wrong or missing.
const NEAR_MIN: usize = 20;

/// What is looked for, compiled. It may hold values of secrets: it can't be printed, and it overwrites
/// them when it is dropped.
pub(crate) struct Finder {
    needles: Vec<Needle>,
    /// For every two bytes, whether a needle can begin with them.
    pairs: Box<[u64; PAIR_WORDS]>,
    /// For a byte that opens an escape, whether a needle can begin with it and two more bytes: in much
    /// text, such as forms, the first two say too little.
    openings: [(u8, Box<[u64; PAIR_WORDS]>); 3],
    /// For every byte, the needles that can begin with it.
    by_first: Vec<Vec<usize>>,
}

/// Three characters of base64, before which line ends are not looked for, hold 18 bits.
const SKIPPED: usize = 2;
const PAIR_WORDS: usize = 65_536 / 64;

/// One text in one form.
pub(crate) struct Needle {
    what: What,
    /// How it is written.
    pub(crate) form: Form,
    /// The number that whoever looks for it gave it.
    pub(crate) tag: usize,
    /// How many bytes of the text it does without, at its beginning.
    pub(crate) skipped: usize,
}

enum What {
    Bytes(Arc<Zeroizing<Vec<u8>>>),
    AnyCore,
}

/// The first thing that was found.
pub(crate) enum Event<'a> {
    /// A needle, whole, at this offset, so many bytes long.
    Hit {
        at: usize,
        len: usize,
        needle: &'a Needle,
    },
    /// At this offset there is most of a placeholder.
    Near { at: usize },
    /// What begins at this offset may be a needle; the input ends too early to say.
    Hold { at: usize },
    /// Nothing.
    Clear,
}

/// What is at one offset.
enum Here<'a> {
    Hit(usize, &'a Needle),
    Near,
    Hold,
    Nothing,
}

impl Needle {
    /// Every form of these bytes.
    pub(crate) fn all_forms(bytes: &[u8], tag: usize) -> impl Iterator<Item = Self> {
        let bytes = Arc::new(Zeroizing::new(bytes.to_vec()));
        FORMS.into_iter().map(move |form| Self {
            what: What::Bytes(Arc::clone(&bytes)),
            form,
            tag,
            skipped: 0,
        })
    }

    /// These bytes in base64 with a line end among the first characters, where none is looked for: all
    /// but two bytes of them.
    pub(crate) fn behind_line_end(bytes: &[u8], tag: usize) -> impl Iterator<Item = Self> {
        let tail = bytes.get(SKIPPED..).unwrap_or_default();
        let needles = Self::all_forms(tail, tag).map(|needle| Self {
            skipped: SKIPPED,
            ..needle
        });
        needles.filter(|needle| matches!(needle.form, Form::Base64 { .. }))
    }

    /// These bytes as text, with escapes or without.
    pub(crate) fn text(bytes: &[u8], tag: usize) -> Self {
        Self {
            what: What::Bytes(Arc::new(Zeroizing::new(bytes.to_vec()))),
            form: Form::Text,
            tag,
            skipped: 0,
        }
    }

    /// Every form of any placeholder.
    pub(crate) fn any_placeholder(tag: usize) -> impl Iterator<Item = Self> {
        FORMS.into_iter().map(move |form| Self {
            what: What::AnyCore,
            form,
            tag,
            skipped: 0,
        })
    }

    /// What these bytes, a hit of this needle, say, if it looks for any placeholder.
    pub(crate) fn core(&self, hit: &[u8]) -> Option<[u8; CORE_LEN]> {
        let mut any = AnyCore::new();
        let is_any = matches!(self.what, What::AnyCore);
        let found = is_any.then(|| self.form.look(&mut any, hit));
        matches!(found, Some(Match::Whole(_))).then_some(any.seen)
    }

    fn may_begin(&self, input: &[u8]) -> bool {
        !matches!(self.look(input), Match::No(_))
    }

    fn look(&self, input: &[u8]) -> Match {
        match &self.what {
            What::Bytes(bytes) => self.form.look(&mut Exact(bytes), input),
            What::AnyCore => self.form.look(&mut AnyCore::new(), input),
        }
    }
}

impl Finder {
    /// Compiles the needles. The tables are found by trial: a needle can begin with some bytes if it does
    /// not rule them out.
    pub(crate) fn new(needles: Vec<Needle>) -> Self {
        let table = || Box::new([0; PAIR_WORDS]);
        let mut finder = Self {
            needles: Vec::new(),
            pairs: table(),
            openings: [b'%', b'\\', b'&'].map(|opening| (opening, table())),
            by_first: vec![Vec::new(); 256],
        };
        for (index, needle) in needles.iter().enumerate() {
            for first in (0..=u8::MAX).filter(|&first| needle.may_begin(&[first])) {
                if let Some(list) = finder.by_first.get_mut(usize::from(first)) {
                    list.push(index);
                }
                finder.add(needle, first);
            }
        }
        finder.needles = needles;
        finder
    }

    /// Enters what may follow the first byte of a needle.
    fn add(&mut self, needle: &Needle, first: u8) {
        for second in (0..=u8::MAX).filter(|&second| needle.may_begin(&[first, second])) {
            set(&mut self.pairs, first, second);
            let mut openings = self.openings.iter_mut();
            let Some((_, table)) = openings.find(|(opening, _)| *opening == first) else {
                continue;
            };
            for third in 0..=u8::MAX {
                if needle.may_begin(&[first, second, third]) {
                    set(table, second, third);
                }
            }
        }
    }

    /// The first thing to be found in `input` from offset `from` on. With `is_end` no more input comes.
    pub(crate) fn next(&self, input: &[u8], from: usize, is_end: bool) -> Event<'_> {
        let mut from = from;
        while let Some(at) = self.candidate(input, from) {
            match self.here(input.get(at..).unwrap_or_default(), is_end) {
                Here::Hit(len, needle) => return Event::Hit { at, len, needle },
                Here::Near => return Event::Near { at },
                Here::Hold => return Event::Hold { at },
                Here::Nothing => from = at + 1,
            }
        }
        Event::Clear
    }

    /// The first offset where a needle can begin.
    fn candidate(&self, input: &[u8], from: usize) -> Option<usize> {
        let mut from = from;
        loop {
            let rest = input.get(from..)?;
            let found = rest.windows(2).position(|two| match two {
                [first, second] => has(&self.pairs, *first, *second),
                _ => false,
            });
            let Some(offset) = found else {
                let last = rest.last()?;
                return (!self.starting_with(*last).is_empty()).then(|| input.len() - 1);
            };
            if self.may_open(rest.get(offset..).unwrap_or_default()) {
                return Some(from + offset);
            }
            from += offset + 1;
        }
    }

    /// Whether three bytes say that a needle may begin here, if the first one opens an escape.
    fn may_open(&self, input: &[u8]) -> bool {
        let [first, second, third, ..] = input else {
            return true;
        };
        let table = self.openings.iter().find(|(opening, _)| opening == first);
        table.is_none_or(|(_, table)| has(table, *second, *third))
    }

    fn starting_with(&self, first: u8) -> &[usize] {
        self.by_first
            .get(usize::from(first))
            .map_or(&[], Vec::as_slice)
    }

    /// The longest needle at the beginning of `input`. While one may still come to be, the end of it is
    /// awaited even if a shorter one is there: its rest would be left behind.
    fn here(&self, input: &[u8], is_end: bool) -> Here<'_> {
        let mut longest = Here::Nothing;
        for needle in self.starting_with(input.first().copied().unwrap_or_default()) {
            let Some(needle) = self.needles.get(*needle) else {
                continue;
            };
            match needle.look(input) {
                Match::Partial(_) if !is_end => return Here::Hold,
                Match::Whole(len) => {
                    if !matches!(longest, Here::Hit(best, _) if best >= len) {
                        longest = Here::Hit(len, needle);
                    }
                }
                Match::No(right) | Match::Partial(right) => {
                    let is_any = matches!(needle.what, What::AnyCore);
                    if is_any && right >= NEAR_MIN && matches!(longest, Here::Nothing) {
                        longest = Here::Near;
                    }
                }
            }
        }
        longest
    }
}

fn set(table: &mut [u64; PAIR_WORDS], first: u8, second: u8) {
    let (word, bit) = pair(first, second);
    if let Some(word) = table.get_mut(word) {
        *word |= bit;
    }
}

fn has(table: &[u64; PAIR_WORDS], first: u8, second: u8) -> bool {
    let (word, bit) = pair(first, second);
    table.get(word).is_some_and(|word| word & bit != 0)
}

fn pair(first: u8, second: u8) -> (usize, u64) {
    let index = usize::from(first) << 8 | usize::from(second);
    (index / 64, 1 << (index % 64))
}
