//! Patterns over canonical paths: `*` stays within one segment, `**` crosses slashes.
//!
//! `/v1/**` matches `/v1/` and everything below it, not `/v1`. Matching costs at most the length of the
//! path times the length of the pattern, so no path can make it slow.
//!
//! Not for: hosts (`host`), or paths that are not canonical.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::path::{CanonicalPath, decode};

/// Longest pattern in bytes; bounds the cost of a match beside the limit on paths.
pub const GLOB_MAX: usize = 256;

/// A pattern that a rule has for paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathGlob {
    text: String,
    tokens: Vec<Token>,
}

/// Why a text is not a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Longer than [`GLOB_MAX`].
    #[error("a path pattern has at most {GLOB_MAX} characters")]
    TooLong,
    /// No path can ever match it, since paths are made canonical first.
    #[error("path pattern {text:?} is not in canonical form: {rule}")]
    NotCanonical {
        /// The pattern.
        text: String,
        /// What to change.
        rule: String,
    },
    /// Three asterisks in a row have no meaning.
    #[error("path pattern {text:?}: write `*` or `**`, not `***`")]
    Stars {
        /// The pattern.
        text: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Byte(u8),
    /// `*`: any bytes but a slash.
    Part,
    /// `**`: any bytes.
    Any,
}

impl PathGlob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A pattern that no canonical path could match, or that is too long.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.len() > GLOB_MAX {
            return Err(GlobError::TooLong);
        }
        check_canonical(text)?;
        if text.contains("***") {
            return Err(GlobError::Stars {
                text: text.to_owned(),
            });
        }
        Ok(Self {
            tokens: tokens(text),
            text: text.to_owned(),
        })
    }

    /// True when this canonical path is one that the pattern means.
    ///
    /// Escapes are decoded on both sides, so `/a%40b` can't slip past a rule for `/a@b`.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        // live[i]: the path so far can be consumed by the first i tokens.
        let mut live = vec![false; self.tokens.len() + 1];
        if let Some(start) = live.first_mut() {
            *start = true;
        }
        decode(path).iter().all(|byte| self.step(&mut live, *byte));
        self.settle(&live)
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Consumes one byte in every live state; false when none is left.
    fn step(&self, live: &mut [bool], byte: u8) -> bool {
        let tokens = self.tokens.iter().copied().map(Some).chain([None]);
        // `was`: the state before this byte, reached directly or by skipping empty wildcards.
        let (mut skipped, mut moved, mut any) = (false, false, false);
        for (state, token) in live.iter_mut().zip(tokens) {
            let was = *state || skipped;
            let stays = was && token.is_some_and(|token| token.absorbs(byte));
            *state = stays || moved;
            any |= *state;
            moved = was && token == Some(Token::Byte(byte));
            skipped = was && token.is_some_and(Token::is_wild);
        }
        any
    }

    /// True when the remaining tokens of some live state can all be empty.
    fn settle(&self, live: &[bool]) -> bool {
        let wild = self.tokens.iter().rev().take_while(|t| t.is_wild()).count();
        live.iter().rev().take(wild + 1).any(|state| *state)
    }
}

impl Token {
    const fn absorbs(self, byte: u8) -> bool {
        match self {
            Self::Byte(_) => false,
            Self::Part => byte != b'/',
            Self::Any => true,
        }
    }

    const fn is_wild(self) -> bool {
        !matches!(self, Self::Byte(_))
    }
}

impl TryFrom<String> for PathGlob {
    type Error = GlobError;

    fn try_from(text: String) -> Result<Self, GlobError> {
        Self::parse(&text)
    }
}

impl From<PathGlob> for String {
    fn from(glob: PathGlob) -> Self {
        glob.text
    }
}

impl fmt::Display for PathGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn check_canonical(text: &str) -> Result<(), GlobError> {
    let rule = match CanonicalPath::parse(text.as_bytes()) {
        Ok(path) if path.query().is_some() => "queries are not matched".to_owned(),
        Ok(path) if path.as_str() != text => format!("write {:?}", path.as_str()),
        Ok(_) => return Ok(()),
        Err(error) => error.to_string(),
    };
    Err(GlobError::NotCanonical {
        text: text.to_owned(),
        rule,
    })
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len());
    for (index, part) in text.split("**").enumerate() {
        if index > 0 {
            tokens.push(Token::Any);
        }
        for (index, literal) in part.split('*').enumerate() {
            if index > 0 {
                tokens.push(Token::Part);
            }
            tokens.extend(decode(literal).into_iter().map(Token::Byte));
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched<'a>(pattern: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let glob = PathGlob::parse(pattern).unwrap();
        let mut matched = paths.to_vec();
        matched.retain(|path| glob.matches(path));
        matched
    }

    #[test]
    fn one_star_stays_within_a_segment_and_two_cross_slashes() {
        let paths = ["/v1", "/v1/", "/v1/a", "/v1/a/b", "/v2/a", "/v11/a"];
        assert_eq!(matched("/v1/*", &paths), ["/v1/", "/v1/a"]);
        assert_eq!(matched("/v1/**", &paths), ["/v1/", "/v1/a", "/v1/a/b"]);
        assert_eq!(matched("/*/a", &paths), ["/v1/a", "/v2/a", "/v11/a"]);
        assert_eq!(matched("/**", &paths), paths);
        assert_eq!(matched("/v1", &paths), ["/v1"]);
        assert_eq!(matched("/**/b", &paths), ["/v1/a/b"]);
    }

    #[test]
    fn backtracks_over_both_kinds_of_star() {
        let paths = ["/a/xy/b/xyz/c", "/a/xy/b/xyz", "/aXc", "/abcbc", "/a/c"];
        assert_eq!(matched("/a/**/x*z/c", &paths), ["/a/xy/b/xyz/c"]);
        assert_eq!(matched("/a*bc", &paths), ["/abcbc"]);
        assert_eq!(
            matched("/a**c", &paths),
            ["/a/xy/b/xyz/c", "/aXc", "/abcbc", "/a/c"]
        );
        assert_eq!(matched("/a*c", &paths), ["/aXc", "/abcbc"]);
    }

    #[test]
    fn an_escape_does_not_slip_past_its_plain_character() {
        assert_eq!(
            matched("/a@b", &["/a@b", "/a%40b", "/a%41b"]),
            ["/a@b", "/a%40b"]
        );
        assert_eq!(
            matched("/a%2Ab", &["/a*b", "/a%2Ab", "/axb"]),
            ["/a*b", "/a%2Ab"]
        );
    }

    #[test]
    fn refuses_patterns_that_no_canonical_path_matches() {
        assert!(PathGlob::parse("/a/**").is_ok());
        for bad in [
            "",
            "a",
            "/a/../b",
            "/%61",
            "/a?b",
            "//",
            "/a;b",
            "/***",
            "/a/**/../b",
        ] {
            assert!(PathGlob::parse(bad).is_err(), "{bad}");
        }
        assert!(PathGlob::parse(&format!("/{}", "a".repeat(GLOB_MAX))).is_err());
    }
}
