//! A JSON reader that keeps nothing but where it is: any document of any size in constant memory.
//!
//! It follows RFC 8259's structure, so that text inside strings is never taken for keys, and leaves
//! out what does not change the structure (the exact form of numbers and literals).
//!
//! Not for: judging whether a document is valid JSON.

use crate::stated::{Key, Stated};

/// Deepest nesting that is followed; real answers have less than twenty levels.
const DEPTH_MAX: usize = 128;
/// Longest key or text that is kept; a longer one is none of those that matter.
const TEXT_MAX: usize = 128;

/// Reads one document byte by byte.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// One per open object or array, outermost first.
    open: Vec<Frame>,
    /// The key of each of them, `Other` in arrays.
    path: Vec<Key>,
    text: Text,
    number: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value must follow; after `[` it may be the end instead.
    Value {
        may_end: bool,
    },
    /// A key must follow; after `{` it may be the end instead.
    Key {
        may_end: bool,
    },
    Colon,
    /// After a value: a comma or an end.
    Comma,
    Text {
        is_key: bool,
        escape: Escape,
    },
    Number,
    Literal,
    Done,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    /// `\u` with so many digits still to come, and those that came.
    Unicode {
        left: u8,
        value: u16,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Object,
    Array,
}

#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    is_too_long: bool,
}

#[derive(Debug, Default)]
struct Number {
    value: u64,
    /// A sign, fraction or exponent: no count.
    is_odd: bool,
}

impl Scanner {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Value { may_end: false },
            open: Vec::new(),
            path: Vec::new(),
            text: Text {
                bytes: Vec::new(),
                is_too_long: false,
            },
            number: Number {
                value: 0,
                is_odd: false,
            },
        }
    }

    /// Begins the next document.
    pub(crate) fn restart(&mut self) {
        self.state = State::Value { may_end: false };
        self.open.clear();
        self.path.clear();
    }

    /// True after the end of a document.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next byte and tells `stated` of values.
    pub(crate) fn push(&mut self, byte: u8, stated: &mut Stated) {
        match self.state {
            State::Text { is_key, escape } => self.in_text(byte, (is_key, escape), stated),
            State::Number if matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') => {
                self.number.push(byte);
            }
            State::Number => {
                if !self.number.is_odd {
                    stated.number(&self.path, self.number.value);
                }
                self.state = self.after_value();
                self.between(byte);
            }
            State::Literal if byte.is_ascii_lowercase() => {}
            State::Literal => {
                self.state = self.after_value();
                self.between(byte);
            }
            State::Failed => {}
            _ => self.between(byte),
        }
    }

    /// A byte outside texts, numbers and literals.
    fn between(&mut self, byte: u8) {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            return;
        }
        self.state = match (self.state, byte) {
            (State::Value { may_end: true }, b']') => self.close(Frame::Array),
            (State::Value { .. }, _) => self.begin(byte),
            (State::Key { may_end: true }, b'}') => self.close(Frame::Object),
            (State::Key { .. }, b'"') => self.begin_text(true),
            (State::Colon, b':') => State::Value { may_end: false },
            (State::Comma, b',') => match self.open.last() {
                Some(Frame::Object) => State::Key { may_end: false },
                _ => State::Value { may_end: false },
            },
            (State::Comma, b'}') => self.close(Frame::Object),
            (State::Comma, b']') => self.close(Frame::Array),
            _ => State::Failed,
        };
    }

    fn begin(&mut self, byte: u8) -> State {
        match byte {
            b'{' => self.enter(Frame::Object, State::Key { may_end: true }),
            b'[' => self.enter(Frame::Array, State::Value { may_end: true }),
            b'"' => self.begin_text(false),
            b'0'..=b'9' | b'-' => {
                self.number = Number::default();
                self.number.push(byte);
                State::Number
            }
            b't' | b'f' | b'n' => State::Literal,
            _ => State::Failed,
        }
    }

    fn enter(&mut self, frame: Frame, next: State) -> State {
        if self.open.len() >= DEPTH_MAX {
            return State::Failed;
        }
        self.open.push(frame);
        self.path.push(Key::Other);
        next
    }

    fn close(&mut self, frame: Frame) -> State {
        self.path.pop();
        match self.open.pop() {
            Some(open) if open == frame => self.after_value(),
            _ => State::Failed,
        }
    }

    fn after_value(&self) -> State {
        match self.open.is_empty() {
            true => State::Done,
            false => State::Comma,
        }
    }

    fn begin_text(&mut self, is_key: bool) -> State {
        self.text.bytes.clear();
        self.text.is_too_long = false;
        State::Text {
            is_key,
            escape: Escape::None,
        }
    }

    fn in_text(&mut self, byte: u8, (is_key, escape): (bool, Escape), stated: &mut Stated) {
        let escape = match (escape, byte) {
            (Escape::None, b'"') => return self.end_text(is_key, stated),
            (Escape::None, b'\\') => Escape::Begun,
            (Escape::None, _) => self.text.push(byte),
            (Escape::Begun, b'u') => Escape::Unicode { left: 4, value: 0 },
            (Escape::Begun, _) => self.text.push(plain(byte)),
            (Escape::Unicode { left, value }, _) => {
                let Some(value) = hex(byte).map(|digit| value << 4 | digit) else {
                    self.state = State::Failed;
                    return;
                };
                match left {
                    1 => self.text.push_char(value),
                    left => Escape::Unicode {
                        left: left - 1,
                        value,
                    },
                }
            }
        };
        self.state = State::Text { is_key, escape };
    }

    fn end_text(&mut self, is_key: bool, stated: &mut Stated) {
        let text = self.text.as_str();
        if is_key {
            if let Some(last) = self.path.last_mut() {
                *last = text.map_or(Key::Other, Key::of);
            }
            self.state = State::Colon;
            return;
        }
        if let Some(text) = text {
            stated.text(&self.path, text);
        }
        self.state = self.after_value();
    }
}

impl Text {
    fn push(&mut self, byte: u8) -> Escape {
        if self.bytes.len() < TEXT_MAX {
            self.bytes.push(byte);
        } else {
            self.is_too_long = true;
        }
        Escape::None
    }

    /// One half of a surrogate pair stands for no character; nothing that matters has any.
    fn push_char(&mut self, value: u16) -> Escape {
        let c = char::from_u32(value.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            self.push(byte);
        }
        Escape::None
    }

    fn as_str(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.bytes).ok();
        text.filter(|_| !self.is_too_long)
    }
}

impl Number {
    fn push(&mut self, byte: u8) {
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte - b'0');
                self.value = self.value.saturating_mul(10).saturating_add(digit);
            }
            _ => self.is_odd = true,
        }
    }
}

/// What a character after a backslash stands for.
const fn plain(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        other => other,
    }
}

fn hex(byte: u8) -> Option<u16> {
    let digit = char::from(byte).to_digit(16)?;
    u16::try_from(digit).ok()
}

#[cfg(test)]
mod tests;
