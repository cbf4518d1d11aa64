//! Server-sent events (WHATWG HTML section 9.2) as far as usage needs them: the bytes of `data`
//! fields, event by event.
//!
//! Not for: event names and ids; whatever matters is in the data.

use crate::scan::Scanner;
use crate::stated::Stated;

/// The field that is read.
const DATA: &[u8] = b"data:";
/// What OpenAI's streams end with in place of a document.
const DONE: &[u8] = b"[DONE]";

/// Reads a stream of events.
#[derive(Debug)]
pub(crate) struct Stream {
    scanner: Scanner,
    line: Line,
    /// The last byte was a CR: an LF belongs to it.
    after_cr: bool,
    /// Events with data so far.
    pub(crate) events: u64,
    /// Bytes of data so far.
    pub(crate) bytes: u64,
    has_data: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many bytes of `data:` were read.
    Name(usize),
    /// In a data field: so many bytes of `[DONE]` were read, or something else.
    Data { matched: Option<usize> },
    /// In another field.
    Other,
}

impl Stream {
    pub(crate) const fn new() -> Self {
        Self {
            scanner: Scanner::new(),
            line: Line::Name(0),
            after_cr: false,
            events: 0,
            bytes: 0,
            has_data: false,
        }
    }

    pub(crate) fn push(&mut self, byte: u8, stated: &mut Stated) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => {}
            b'\r' | b'\n' => self.end_line(stated),
            _ => self.in_line(byte, stated),
        }
    }

    fn in_line(&mut self, byte: u8, stated: &mut Stated) {
        self.line = match self.line {
            Line::Name(read) if DATA.get(read) == Some(&byte) => match read + 1 {
                read if read == DATA.len() => {
                    self.has_data = true;
                    Line::Data { matched: Some(0) }
                }
                read => Line::Name(read),
            },
            Line::Name(_) | Line::Other => Line::Other,
            Line::Data { matched } => {
                self.bytes = self.bytes.saturating_add(1);
                self.scanner.push(byte, stated);
                let matched = match matched {
                    Some(0) if byte == b' ' => Some(0),
                    Some(read) if DONE.get(read) == Some(&byte) => Some(read + 1),
                    _ => None,
                };
                Line::Data { matched }
            }
        };
    }

    fn end_line(&mut self, stated: &mut Stated) {
        match std::mem::replace(&mut self.line, Line::Name(0)) {
            Line::Data { matched } => {
                stated.is_over |= matched == Some(DONE.len());
                // Several data lines are one document, with line ends between them.
                self.scanner.push(b'\n', stated);
            }
            Line::Name(0) => {
                self.events = self.events.saturating_add(self.has_data.into());
                self.has_data = false;
                self.scanner.restart();
            }
            Line::Name(_) | Line::Other => {}
        }
    }
}
