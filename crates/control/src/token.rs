//! The second factor of a session: a random token that its jail holds and the office only knows the
//! hash of.
//!
//! Not for: identity. A session is known from its socket; the token only has to agree.

use std::ffi::CStr;
use std::fmt;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sys::SysError;
use zeroize::Zeroizing;

/// Random bytes of a token: 256 bits, beyond any guessing.
const TOKEN_BYTES: usize = 32;
/// Name of the memory file that carries a token; it shows in `/proc/PID/fd` alone.
const FILE_NAME: &CStr = c"sheriff-token";

/// A token in clear. It can't be printed and wipes itself; it lives until its file is made.
pub struct Token(Zeroizing<String>);

/// What is kept of a token: SHA-256 of its text. Useless to whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash([u8; 32]);

/// The system gave no randomness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("getrandom: {0}")]
pub struct RandomError(pub getrandom::Error);

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token hash is 64 lower-case hexadecimal digits")]
pub struct HashTextError;

impl Token {
    /// Draws a new token.
    ///
    /// # Errors
    /// The system's, when it has no randomness to give.
    pub fn draw() -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0u8; TOKEN_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(RandomError)?;
        Ok(Self(Zeroizing::new(hex(bytes.as_slice()))))
    }

    /// What to keep of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_bytes())
    }

    /// A memory file with the token's text, for the warden to put into the jail.
    ///
    /// # Errors
    /// `memfd_create`'s and `write`'s.
    pub fn file(&self) -> Result<OwnedFd, SysError> {
        sys::fds::memory_file(FILE_NAME, self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl TokenHash {
    /// Whether `presented` is the text of the token behind this hash. The time taken tells nothing
    /// of the token: only hashes meet, and each of their bytes is looked at.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        let other = Self::of(presented);
        let pairs = self.0.iter().zip(other.0);
        pairs.fold(0u8, |differs, (a, b)| differs | (a ^ b)) == 0
    }

    fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        hex(&hash.0)
    }
}

impl TryFrom<String> for TokenHash {
    type Error = HashTextError;

    fn try_from(text: String) -> Result<Self, HashTextError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(HashTextError);
        }
        let mut bytes = [0u8; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, HashTextError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(HashTextError),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn text(token: &Token) -> String {
        let mut text = String::new();
        let mut file = std::fs::File::from(token.file().unwrap());
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_hash_knows_its_token_and_no_other() {
        let (one, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        assert_eq!(text(&one).len(), 64);
        assert!(one.hash().matches(text(&one).as_bytes()));
        assert!(!one.hash().matches(text(&other).as_bytes()));
        assert!(!one.hash().matches(b""));
        assert!(!one.hash().matches(&text(&one).as_bytes()[..63]));
    }

    #[test]
    fn a_hash_survives_its_text_and_a_token_is_never_printed() {
        let token = Token::draw().unwrap();
        let hash = token.hash();
        assert_eq!(TokenHash::try_from(String::from(hash)), Ok(hash));
        assert_eq!(TokenHash::try_from("00".repeat(31)), Err(HashTextError));
        assert_eq!(TokenHash::try_from("0G".repeat(32)), Err(HashTextError));
        assert_eq!(format!("{token:?}"), "Token(hidden)");
    }
}
