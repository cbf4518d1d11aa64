//! Aligned columns under a heading.
//!
//! Not for: JSON, which every list has too.

use super::{Output, Paint, text};
use crate::failure::Failure;

/// Longest cell; longer ones are cut.
const CELL_CHARS_MAX: usize = 80;

/// Rows of text; cells are escaped and cut as they are added.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    heading: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub(crate) const fn new(heading: [&'static str; N]) -> Self {
        Self {
            heading,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [&str; N]) {
        self.rows
            .push(cells.map(|cell| text::brief(cell, CELL_CHARS_MAX)));
    }

    /// Prints heading and rows.
    pub(crate) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let widths = self.widths();
        let heading = aligned(&self.heading.map(str::to_owned), &widths);
        let heading = output.style.paint(Paint::Heading, &heading);
        output.line(&heading)?;
        self.rows
            .iter()
            .try_for_each(|row| output.line(&aligned(row, &widths)))
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.heading.map(|cell| cell.chars().count());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

fn aligned<const N: usize>(row: &[String; N], widths: &[usize; N]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"));
    let line: Vec<String> = cells.collect();
    line.join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["ID", "NAME"]);
        table.row(["s-1", "x\u{1b}"]);
        let widths = table.widths();
        assert_eq!(aligned(&table.rows[0], &widths), "s-1  x\\u{1b}");
        assert_eq!(
            aligned(&table.heading.map(str::to_owned), &widths),
            "ID   NAME"
        );
    }
}
