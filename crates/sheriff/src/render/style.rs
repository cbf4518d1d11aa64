//! Colour, where someone sees it: on a terminal, and never with `NO_COLOR` (no-color.org).
//!
//! Not for: choosing words by audience; text is the same with and without colour.

use std::env;
use std::io::IsTerminal;

/// Meaning of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Allowed, fine.
    Good,
    /// Denied, failed.
    Bad,
    /// A heading.
    Heading,
}

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    /// The style for this stream.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            coloured: stream.is_terminal() && !refused && !dumb,
        }
    }

    /// The text in this colour, if colours are used. The text must be escaped already.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => 32,
            Paint::Bad => 31,
            Paint::Heading => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A style without colours.
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self { coloured: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_a_terminal_is() {
        let (read, _write) = std::io::pipe().unwrap();
        assert_eq!(
            Style::of(&std::fs::File::from(std::os::fd::OwnedFd::from(read))),
            Style::plain()
        );
        assert_eq!(Style::plain().paint(Paint::Bad, "x"), "x");
        assert_eq!(
            Style { coloured: true }.paint(Paint::Bad, "x"),
            "\u{1b}[31mx\u{1b}[0m"
        );
    }
}
