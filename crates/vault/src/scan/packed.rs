//! Looks through a body that the jail sends in a content coding. It goes on as it came, piece by piece,
//! once all that a piece unfolds to was looked at.
//!
//! Not for: putting values in; a body that they are declared for must come without a coding.

use crate::decode::{Coding, Decoder};
use crate::scan::Scanner;
use crate::scan::sweep::Input;
use crate::wallet::{Misdirected, Misuse, Spot};

/// Most bytes that wait for the next piece because the last one ended within what may be a placeholder.
/// Some hundred bytes of content decide, and they come with a few bytes or with the next block.
const WAITING_MAX: usize = 1024 * 1024;

/// One body.
pub(super) struct Packed {
    scanner: Scanner,
    decoder: Decoder,
    waiting: Vec<u8>,
    unfolded: Vec<u8>,
    looked_at: Vec<u8>,
}

impl Packed {
    pub(super) fn new(scanner: Scanner, coding: Coding) -> Self {
        Self {
            scanner,
            decoder: Decoder::new(coding),
            waiting: Vec::new(),
            unfolded: Vec::new(),
            looked_at: Vec::new(),
        }
    }

    pub(super) const fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    pub(super) fn into_scanner(self) -> Scanner {
        self.scanner
    }

    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Misdirected> {
        let mut rest = input;
        loop {
            self.unfolded.clear();
            self.looked_at.clear();
            let step = self.decoder.push(rest, &mut self.unfolded);
            let step = step.map_err(|_unreadable| unreadable())?;
            self.scanner
                .run(Input::piece(&self.unfolded), &mut self.looked_at)?;
            rest = rest.get(step.consumed..).unwrap_or_default();
            if rest.is_empty() && !step.more {
                break;
            }
        }
        self.waiting.extend_from_slice(input);
        if !self.scanner.is_holding() {
            out.append(&mut self.waiting);
        }
        if self.waiting.len() > WAITING_MAX {
            Err(unreadable())
        } else {
            Ok(())
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Misdirected> {
        self.looked_at.clear();
        self.scanner.run(Input::end(), &mut self.looked_at)?;
        self.decoder.finish().map_err(|_truncated| unreadable())?;
        out.append(&mut self.waiting);
        Ok(())
    }
}

const fn unreadable() -> Misdirected {
    Misdirected::new(Spot::Body, Misuse::Unreadable)
}
