//! One segment of a path, with the parts that change from one request to the next as `*`.
//!
//! Only what has the shape of an id, a digest or a version is taken for one. `v1` and the like stay: they
//! name an interface.
//!
//! Not for: whole paths (`pattern`).

/// Shortest run of hexadecimal digits that is taken for a digest; a digit must be among them.
const DIGEST_MIN: usize = 8;
/// Shortest run of letters and digits that is taken for a random id.
const RANDOM_MIN: usize = 20;
/// Shortest number beside other words that is taken for an id; shorter ones are often part of a name.
const NUMBER_MIN: usize = 4;
/// Shortest number that is a segment of its own and taken for an id.
const LONE_NUMBER_MIN: usize = 2;

/// The segment as a part of a pattern.
pub(super) fn generalised(segment: &str) -> String {
    if is_uuid(segment) || is_moment(segment) || is_number(segment, LONE_NUMBER_MIN) {
        return "*".to_owned();
    }
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((word, after)) = next_word(rest) {
        out.push_str(&generalised_word(word));
        let (separator, after) = split_char(after);
        out.push_str(&literal(separator));
        rest = after;
    }
    out
}

/// The text as it stands, where an asterisk is no wildcard.
pub(super) fn literal(text: &str) -> String {
    text.replace('*', "%2A")
}

/// The word at the head, and what follows it. Words are what hyphens and the like separate.
fn next_word(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() {
        return None;
    }
    let separates = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '%' | '*');
    let end = text.find(separates).unwrap_or(text.len());
    text.split_at_checked(end)
}

fn split_char(text: &str) -> (&str, &str) {
    let end = text.chars().next().map_or(0, char::len_utf8);
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn generalised_word(word: &str) -> String {
    if let Some(rest) = behind_version(word) {
        return format!("*{}", literal(rest));
    }
    let parts = word.split('.').map(|part| {
        if is_number(part, NUMBER_MIN) || is_digest(part) || is_random(part) {
            "*".to_owned()
        } else {
            literal(part)
        }
    });
    parts.collect::<Vec<_>>().join(".")
}

/// What follows a version at the head: `1.2.3.tar.gz` leaves `.tar.gz`. A number alone is none.
fn behind_version(word: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = word.strip_prefix('v').unwrap_or(word);
    let first = digits(rest);
    rest = rest.get(first..)?;
    let mut numbers = usize::from(first > 0);
    while let Some(next) = rest.strip_prefix('.')
        && digits(next) > 0
        && numbers > 0
    {
        rest = next.get(digits(next)..)?;
        numbers += 1;
    }
    if numbers < 2 {
        return None;
    }
    // A release candidate and the like: letters, then a number.
    let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
    let suffix = rest.get(letters..)?;
    if letters > 0 && digits(suffix) > 0 {
        rest = suffix.get(digits(suffix)..)?;
    }
    (rest.is_empty() || rest.starts_with('.')).then_some(rest)
}

fn is_number(text: &str, shortest: usize) -> bool {
    text.len() >= shortest && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_digest(text: &str) -> bool {
    text.len() >= DIGEST_MIN
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_random(text: &str) -> bool {
    text.len() >= RANDOM_MIN
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// RFC 9562 4.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// A day, or a day and a time: digits between separators.
fn is_moment(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let other = |byte: u8| matches!(byte, b'-' | b'_' | b':' | b'T' | b'Z');
    let first = text.split(['-', '_']).next().unwrap_or_default();
    digits >= 8
        && is_number(first, NUMBER_MIN)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || other(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_digests_and_versions_become_wildcards_and_words_stay() {
        for (segment, pattern) in [
            ("12345", "*"),
            ("123e4567-e89b-12d3-a456-426614174000", "*"),
            ("2024-01-31", "*"),
            ("3f2a9c1b7d", "*"),
            ("1.26.4", "*"),
            ("v1.26.4-rc.1", "*-rc.1"),
            (
                "requests-2.31.0-py3-none-any.whl",
                "requests-*-py3-none-any.whl",
            ),
            ("foo-1.2.3rc1.tar.gz", "foo-*.tar.gz"),
            ("app.3f2a9c1b.js", "app.*.js"),
            ("cus_Nf4kq0a8Zb2LxV9TgQ7R", "cus_*"),
            ("a*b", "a%2Ab"),
            ("v1", "v1"),
            ("2", "2"),
            ("py3", "py3"),
            ("x86_64", "x86_64"),
            ("feedback", "feedback"),
            ("deadbeef", "deadbeef"),
            ("chat-completions", "chat-completions"),
            ("git-upload-pack", "git-upload-pack"),
            ("%40scope", "%40scope"),
            ("", ""),
            ("~me", "~me"),
        ] {
            assert_eq!(generalised(segment), pattern, "{segment}");
        }
    }

    #[test]
    fn a_pattern_has_no_two_wildcards_in_a_row_and_matches_its_segment() {
        for segment in [
            "1234.5678",
            "1.2.3-1.2.3",
            "1.2*3",
            "*12345678*",
            "v1.2v1.2",
        ] {
            let text = format!("/{}", generalised(segment));
            let glob = crate::glob::PathGlob::parse(&text).unwrap();
            assert!(
                !text.contains("**") && glob.matches(&format!("/{segment}")),
                "{text}"
            );
        }
    }
}
