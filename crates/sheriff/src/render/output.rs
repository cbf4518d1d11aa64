//! Standard output, whose failures are the command's failures.
//!
//! Not for: diagnostics (`note`, `failure`).

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use serde::Serialize;

use super::{Paint, Style, json, text};
use crate::failure::Failure;

/// Where results go.
#[derive(Debug)]
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    /// Whether to colour.
    pub(crate) style: Style,
}

impl Output {
    /// Standard output.
    pub(crate) fn new() -> Self {
        let stdout = io::stdout();
        let style = Style::of(&stdout);
        Self {
            out: BufWriter::new(stdout),
            style,
        }
    }

    /// One line, escaped already.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(|source| Failure::Output { source })
    }

    /// One line that a reader waits for.
    pub(crate) fn live(&mut self, line: &str) -> Result<(), Failure> {
        self.line(line)?;
        self.flush()
    }

    /// Text of several lines, not escaped yet; lines such as `== allowed ==` are headings.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        for line in text.lines() {
            let escaped = text::escape(line);
            match line.starts_with("== ") {
                true => self.line(&self.style.paint(Paint::Heading, &escaped))?,
                false => self.line(&escaped)?,
            }
        }
        Ok(())
    }

    /// A document for another program, byte by byte. On a terminal its lines are escaped instead.
    pub(crate) fn document(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if io::stdout().is_terminal() {
            return self.text(&String::from_utf8_lossy(bytes));
        }
        self.out
            .write_all(bytes)
            .map_err(|source| Failure::Output { source })
    }

    /// A document of several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = json::pretty(value).map_err(|source| Failure::Output {
            source: source.into(),
        })?;
        self.line(&text)
    }

    /// A document on one line.
    pub(crate) fn compact(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|source| Failure::Output {
            source: source.into(),
        })?;
        self.line(&json::defuse(&text))
    }

    /// A line of JSON that came as one, live.
    pub(crate) fn json_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.live(&json::defuse(&String::from_utf8_lossy(line)))
    }

    /// Ends the output: what could not be written is an error.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out
            .flush()
            .map_err(|source| Failure::Output { source })
    }
}
