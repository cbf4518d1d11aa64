//! Standard output, whose failures are the command's failures.
//!
//! Not for: diagnostics (`note`, `failure`).

use std::io::{self, BufWriter, Stdout, Write};

use serde::Serialize;

use super::{Style, json};
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

    /// A document of several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = json::pretty(value).map_err(|source| Failure::Output {
            source: source.into(),
        })?;
        self.line(&text)
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
