//! Lines of a file that may still grow, in bounded memory.
//!
//! Not for: what a line means (`entry`).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};

use crate::LINE_MAX;

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A line, ended by its newline; see [`Lines::text`].
    Line,
    /// A line beyond [`LINE_MAX`], skipped.
    TooLong,
    /// The end of the file, so many bytes after the last newline. Later steps see what is added.
    End {
        /// Bytes of an unfinished line; 0 at a clean end.
        unfinished: u64,
    },
}

#[derive(Debug)]
pub(crate) struct Lines {
    input: BufReader<File>,
    line: Vec<u8>,
    complete: bool,
    /// Where the current line begins.
    start: u64,
    position: u64,
    number: u64,
}

impl Lines {
    pub(crate) fn new(file: File) -> Self {
        let input = BufReader::with_capacity(LINE_MAX, file);
        Self {
            input,
            line: Vec::new(),
            complete: true,
            start: 0,
            position: 0,
            number: 0,
        }
    }

    /// Goes on to the next line, or further along an unfinished one.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        if self.complete {
            self.begin();
        }
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(Step::End {
                    unfinished: self.position - self.start,
                });
            }
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(chunk.len(), |at| at + 1);
            // One byte beyond the limit is kept, so that an overlong line shows.
            let room = (LINE_MAX + 1).saturating_sub(self.line.len());
            self.line.extend(chunk.iter().take(taken.min(room)));
            self.input.consume(taken);
            self.position += taken as u64;
            if newline.is_some() {
                return Ok(self.finish());
            }
        }
    }

    /// The line of the last step, without its newline.
    pub(crate) fn text(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }

    /// Number of the current line, from 1.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Offset of the current line's first byte.
    pub(crate) const fn start(&self) -> u64 {
        self.start
    }

    fn begin(&mut self) {
        self.line.clear();
        self.complete = false;
        self.start = self.position;
        self.number += 1;
    }

    fn finish(&mut self) -> Step {
        self.complete = true;
        if self.line.len() > LINE_MAX {
            Step::TooLong
        } else {
            Step::Line
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn resumes_an_unfinished_line_when_the_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut writer = File::create(&path).unwrap();
        let mut lines = Lines::new(File::open(&path).unwrap());
        assert_eq!(lines.step().unwrap(), Step::End { unfinished: 0 });
        writer.write_all(b"one\ntw").unwrap();
        assert_eq!(lines.step().unwrap(), Step::Line);
        assert_eq!((lines.text(), lines.number()), (&b"one"[..], 1));
        assert_eq!(lines.step().unwrap(), Step::End { unfinished: 2 });
        writer.write_all(b"o\n").unwrap();
        assert_eq!(lines.step().unwrap(), Step::Line);
        assert_eq!(
            (lines.text(), lines.number(), lines.start()),
            (&b"two"[..], 2, 4)
        );
    }

    #[test]
    fn skips_a_line_beyond_the_limit_and_reads_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let (fits, long) = ("a".repeat(LINE_MAX - 1), "b".repeat(LINE_MAX * 3));
        std::fs::write(&path, format!("{fits}\n{long}\nc\n")).unwrap();
        let mut lines = Lines::new(File::open(&path).unwrap());
        assert_eq!(lines.step().unwrap(), Step::Line);
        assert_eq!(lines.step().unwrap(), Step::TooLong);
        assert_eq!(lines.step().unwrap(), Step::Line);
        assert_eq!((lines.text(), lines.number()), (&b"c"[..], 3));
    }
}
