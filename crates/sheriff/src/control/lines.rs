//! Cuts a stream of bytes into lines of bounded length.
//!
//! Not for: what stands in the lines.

use super::ControlError;
use crate::failure::Failure;

/// Longest line taken: an audit entry has at most 64 KiB.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// The line that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Adds bytes and hands every line that is complete now to `take`, without its newline.
    pub(super) fn feed(
        &mut self,
        data: &[u8],
        take: &mut impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            if self.partial.len() + part.len() > LINE_BYTES_MAX {
                return Err(ControlError::LongLine {
                    most: LINE_BYTES_MAX,
                }
                .into());
            }
            self.partial.extend_from_slice(part);
            if self.partial.last() == Some(&b'\n') {
                self.finish(take)?;
            }
        }
        Ok(())
    }

    /// Hands over what is left at the end.
    pub(super) fn finish(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.partial);
        let line = line.trim_ascii();
        // Empty lines keep an idle connection alive.
        if line.is_empty() { Ok(()) } else { take(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Result<Vec<String>, Failure> {
        let mut seen = Vec::new();
        let mut take = |line: &[u8]| {
            seen.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        };
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.feed(chunk, &mut take)?;
        }
        lines.finish(&mut take)?;
        Ok(seen)
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let lines = cut(&[b"{\"a\"", b":1}\n{\"b\":2}\n\n", b"{\"c\":3}"]).unwrap();
        assert_eq!(lines, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
    }

    #[test]
    fn refuses_a_line_without_end() {
        let chunk = vec![b'x'; LINE_BYTES_MAX];
        assert!(cut(&[&chunk]).is_ok());
        assert!(cut(&[&chunk, b"x"]).is_err());
    }
}
