//! What a jail holds instead of a secret: text that looks like a token, names nothing, and is found
//! wherever it turns up.
//!
//! Not for: which secret it stands for (`wallet`), nor for finding it in a stream (`scan`).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secret::{PREFIX_MAX, Secret};

/// The rare text by which every placeholder of every jail is recognised; the two digits are the
/// version of the layout. Digits 0 and 1 are not in [`ALPHABET`], so no random part can contain it,
/// and no text can be read as a placeholder in two ways.
pub(crate) const MARKER: &[u8; MARKER_LEN] = b"shrf01";
/// Characters of a placeholder without its prefix. With the prefix `ghp_` it is exactly as long as the
/// tokens of that shape.
pub(crate) const CORE_LEN: usize = MARKER_LEN + RANDOM_LEN + CHECK_LEN;
/// The 32 characters of random part and checksum: lower-case letters and digits are in the alphabet of
/// nearly every token, in host names, in URLs and in all of their escapes.
pub(crate) const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

const MARKER_LEN: usize = 6;
/// 26 characters of 5 bits: 130 bits, above the 128 that rule out guessing.
const RANDOM_LEN: usize = 26;
/// 20 bits: enough to tell another jail's placeholder from an invented one.
const CHECK_LEN: usize = 4;
const DOMAIN: &[u8] = b"sheriff placeholder 01";

/// A placeholder: a prefix and 36 characters that begin with `shrf01`. It is no secret; it may be
/// printed, stored and shown to the jail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placeholder {
    text: String,
    core: [u8; CORE_LEN],
}

/// Text that is not a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a placeholder: it must be a prefix, shrf01, 26 characters and their checksum")]
pub struct NotAPlaceholder;

/// The system has no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no random numbers for a placeholder: {0}")]
pub struct NoRandomness(getrandom::Error);

impl Placeholder {
    /// Draws a new one in the shape of this secret.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn draw(secret: &Secret) -> Result<Self, NoRandomness> {
        let mut random = [0; RANDOM_LEN];
        getrandom::fill(&mut random).map_err(NoRandomness)?;
        Ok(Self::of(&secret.prefix, &random))
    }

    /// The whole text: what the jail's variable holds.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is random in it, with marker and checksum.
    #[cfg(test)]
    pub(crate) const fn core(&self) -> &[u8; CORE_LEN] {
        &self.core
    }

    /// Whether a text that was found is this placeholder, in time that does not depend on how much of
    /// it is right.
    pub(crate) fn is_core(&self, found: &[u8]) -> bool {
        self.core.as_slice().ct_eq(found).into()
    }

    fn of(prefix: &str, random: &[u8; RANDOM_LEN]) -> Self {
        let drawn = random.map(letter);
        let mut core = [0; CORE_LEN];
        let parts = MARKER.iter().chain(&drawn);
        let check = checksum(&drawn);
        for (slot, byte) in core.iter_mut().zip(parts.chain(&check)) {
            *slot = *byte;
        }
        let text = prefix
            .chars()
            .chain(core.iter().map(|&byte| char::from(byte)));
        Self {
            text: text.collect(),
            core,
        }
    }
}

impl FromStr for Placeholder {
    type Err = NotAPlaceholder;

    fn from_str(text: &str) -> Result<Self, NotAPlaceholder> {
        let split = text.len().checked_sub(CORE_LEN).ok_or(NotAPlaceholder)?;
        let (prefix, core) = text.as_bytes().split_at(split);
        let core: [u8; CORE_LEN] = core.try_into().map_err(|_length| NotAPlaceholder)?;
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        if prefix.len() > PREFIX_MAX || !prefix.iter().all(is_plain) || !is_genuine(&core) {
            return Err(NotAPlaceholder);
        }
        Ok(Self {
            text: text.to_owned(),
            core,
        })
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether Sheriff made it, for some jail: right marker, alphabet and checksum.
pub(crate) fn is_genuine(core: &[u8; CORE_LEN]) -> bool {
    let Some((drawn, check)) = core
        .strip_prefix(MARKER)
        .and_then(<[u8]>::split_first_chunk::<RANDOM_LEN>)
    else {
        return false;
    };
    drawn.iter().all(|byte| ALPHABET.contains(byte)) && checksum(drawn) == check
}

fn checksum(drawn: &[u8; RANDOM_LEN]) -> [u8; CHECK_LEN] {
    let digest = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(drawn)
        .finalize();
    let mut check = [0; CHECK_LEN];
    for (slot, byte) in check.iter_mut().zip(digest) {
        *slot = letter(byte);
    }
    check
}

/// One of 32 characters, from the low five bits: 256 is a multiple of 32, so none is favoured.
fn letter(byte: u8) -> u8 {
    let index = usize::from(byte & 31);
    ALPHABET.get(index).copied().unwrap_or(b'a')
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A placeholder with this prefix that differs for each number.
    pub(crate) fn placeholder(prefix: &str, number: u8) -> Placeholder {
        let mut random = [7; RANDOM_LEN];
        random[3] = number;
        random[20] = number / 32;
        Placeholder::of(prefix, &random)
    }

    #[test]
    fn is_prefix_marker_130_random_bits_and_a_checksum_and_parses_back() {
        let one = placeholder("ghp_", 1);
        assert_eq!(one.as_str().len(), 4 + 36);
        assert!(one.as_str().starts_with("ghp_shrf01"));
        assert_eq!(one.as_str().parse::<Placeholder>().unwrap(), one);
        assert!(is_genuine(one.core()));
        assert!(one.is_core(one.core()) && !one.is_core(placeholder("", 2).core()));
    }

    #[test]
    fn refuses_text_in_which_any_character_of_the_core_was_changed() {
        let one = placeholder("k-", 9);
        for at in 2..one.as_str().len() {
            let mut text = one.as_str().as_bytes().to_vec();
            text[at] = if text[at] == b'q' { b'z' } else { b'q' };
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text.parse::<Placeholder>(), Err(NotAPlaceholder), "{at}");
        }
        for bad in [
            "",
            "shrf01",
            &format!("a b{one}"),
            one.as_str().split_at(3).1,
        ] {
            assert_eq!(bad.parse::<Placeholder>(), Err(NotAPlaceholder), "{bad}");
        }
    }

    #[test]
    fn two_draws_share_nothing_but_the_shape() {
        let secret = crate::wallet::tests::secret("a", "h.test", |_| {});
        let texts = [0; 64].map(|_: i32| Placeholder::draw(&secret).unwrap().text);
        let distinct: std::collections::BTreeSet<_> = texts.iter().collect();
        assert_eq!(distinct.len(), texts.len());
    }
}
