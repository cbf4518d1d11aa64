//! Command lines as people and the audit log see them: escaped, and cut to a bound.
//!
//! Not for: what is executed; that stays bytes from end to end.

use api::attach::Window;
use warrant::Stdio;

/// Longest summary of a command in lists.
const SUMMARY_CHARS_MAX: usize = 128;
/// Most bytes of escaped arguments in one audit entry, whose line has its own limit of 64 KiB.
const LISTED_BYTES_MAX: usize = 8 * 1024;

/// The program and its arguments in one line.
pub(crate) fn summary(argv: &[Vec<u8>]) -> String {
    let words = argv.iter().map(|word| escaped(word));
    let mut line = String::new();
    for word in words {
        if line.chars().count() >= SUMMARY_CHARS_MAX {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    line.chars().take(SUMMARY_CHARS_MAX).collect()
}

/// The arguments, up to a bound; the reader sees from their number whether some are missing.
pub(crate) fn listed(argv: &[Vec<u8>]) -> Vec<String> {
    let mut left = LISTED_BYTES_MAX;
    let mut list = Vec::new();
    for word in argv {
        let word = escaped(word.get(..left).unwrap_or(word));
        left = left.saturating_sub(word.len().max(1));
        list.push(word.chars().take(LISTED_BYTES_MAX).collect());
        if left == 0 {
            break;
        }
    }
    list
}

/// Streams as a client asks for them.
pub(crate) fn stdio(terminal: Option<Window>) -> Stdio {
    terminal.map_or(Stdio::Inherit, |window| Stdio::Terminal {
        rows: window.rows,
        columns: window.columns,
    })
}

/// Text without controls: what is not printable is written as an escape.
fn escaped(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    text.chars()
        .flat_map(|c| {
            let plain = !c.is_control();
            let escape = (!plain).then(|| c.escape_default());
            plain
                .then_some(c)
                .into_iter()
                .chain(escape.into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_controls_and_cuts_what_is_long() {
        let argv = vec![b"sh\x1b[31m".to_vec(), b"-c".to_vec(), vec![b'x'; 100_000]];
        assert!(summary(&argv).starts_with("sh\\u{1b}[31m -c xxx"));
        assert_eq!(summary(&argv).chars().count(), SUMMARY_CHARS_MAX);
        let listed = listed(&argv);
        assert_eq!(listed.len(), 3);
        assert!(listed.iter().map(String::len).sum::<usize>() <= LISTED_BYTES_MAX);
    }

    #[test]
    fn lists_a_bounded_number_of_empty_arguments() {
        assert_eq!(listed(&vec![Vec::new(); 100_000]).len(), LISTED_BYTES_MAX);
    }
}
