//! The text of a rule where it was written, to be shown beside a verdict.
//!
//! Not for: judging by it.

/// Most lines of an excerpt; a rule with long lists goes on in its file.
pub const LINES_MAX: usize = 40;
/// Longest line of an excerpt in characters.
pub const LINE_MAX: usize = 400;

/// The table that begins in this line (from 1), without what follows it; the line alone, if none does.
/// `None`: the text has no such line.
#[must_use]
pub fn excerpt(text: &str, line: u32) -> Option<String> {
    let skipped = usize::try_from(line).ok()?.checked_sub(1)?;
    let mut lines = text.lines().skip(skipped);
    let head = lines.next()?;
    let mut kept = vec![head];
    if head.trim_start().starts_with('[') {
        let own = |line: &&str| !line.trim_start().starts_with('[') || is_continued(line);
        kept.extend(lines.take_while(own).take(LINES_MAX - 1));
    }
    while kept.len() > 1 && kept.last().is_some_and(|line| says_nothing(line)) {
        kept.pop();
    }
    let cut = |line: &str| line.chars().take(LINE_MAX).collect::<String>();
    let kept: Vec<String> = kept.into_iter().map(cut).collect();
    Some(kept.join("\n"))
}

/// A blank line or a comment, which belongs to the next rule as likely as to this one.
fn says_nothing(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// A line that begins with a bracket and is part of a list, not a head: heads end in a bracket.
fn is_continued(line: &str) -> bool {
    let bare = line.split('#').next().unwrap_or_default().trim_end();
    !bare.ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = 'x'\n\n[[allow]] # why\nhost = 'a.com'\npaths = [\n  '/v1',\n]\n\n# next\n[[allow]]\nhost = 'b.com'\n";

    #[test]
    fn shows_the_table_that_a_line_begins_and_nothing_of_the_next() {
        let first = excerpt(TEXT, 3).unwrap();
        assert_eq!(
            first,
            "[[allow]] # why\nhost = 'a.com'\npaths = [\n  '/v1',\n]"
        );
        assert_eq!(excerpt(TEXT, 10).unwrap(), "[[allow]]\nhost = 'b.com'");
        assert_eq!(excerpt(TEXT, 1).unwrap(), "name = 'x'");
        assert_eq!((excerpt(TEXT, 0), excerpt(TEXT, 12)), (None, None));
    }

    #[test]
    fn stays_short_whatever_the_file_is_like() {
        let long = format!("[[allow]]\n{}", format!("{}\n", "x".repeat(999)).repeat(99));
        let shown = excerpt(&long, 1).unwrap();
        assert_eq!(shown.lines().count(), LINES_MAX);
        assert!(shown.lines().all(|line| line.len() <= LINE_MAX));
    }
}
