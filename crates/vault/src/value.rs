//! The value of a secret in memory: it can't be printed, copied by accident or found afterwards.
//!
//! Not for: where it is kept (`store`), nor for keeping it out of swap; the process locks all of its
//! memory for that.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Longest value. Keys in PEM form and long-lived tokens of all known services are shorter; a longer
/// one would not fit into a request's head either.
pub const VALUE_MAX: usize = 16 * 1024;

/// Shortest value that is kept: a shorter one can't be scrubbed from answers without scrubbing half of
/// them, and could be guessed.
pub const VALUE_MIN: usize = 8;

/// A secret's value. Overwritten when it is dropped; comparing, printing and serialising are absent on
/// purpose.
pub struct SecretValue(Zeroizing<Box<[u8]>>);

/// A value that no secret can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Nothing there.
    #[error("the value is empty")]
    Empty,
    /// Too little.
    #[error(
        "the value is shorter than {VALUE_MIN} bytes: it could not be told from other text in answers"
    )]
    TooShort,
    /// Too much.
    #[error("the value is longer than {VALUE_MAX} bytes")]
    TooLong,
    /// A byte that would end the field of a request that the value stands in.
    #[error("the value has a control character; a line end at its very end would be taken off")]
    Control,
}

impl SecretValue {
    /// Takes a value over, without one line end at its end: files and pipes usually have one.
    ///
    /// # Errors
    /// [`ValueError`]; the bytes are overwritten in any case.
    pub fn new(bytes: Vec<u8>) -> Result<Self, ValueError> {
        let mut bytes = Zeroizing::new(bytes);
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        match bytes.as_slice() {
            [] => Err(ValueError::Empty),
            all if all.len() > VALUE_MAX => Err(ValueError::TooLong),
            all if all.iter().any(|byte| matches!(byte, 0..=0x1f | 0x7f)) => {
                Err(ValueError::Control)
            }
            all => Ok(Self(Zeroizing::new(all.into()))),
        }
    }

    /// Takes a value over that is to be kept, as [`Self::new`] does.
    ///
    /// # Errors
    /// Also [`ValueError::TooShort`].
    pub fn lasting(bytes: Vec<u8>) -> Result<Self, ValueError> {
        let value = Self::new(bytes)?;
        if value.0.len() < VALUE_MIN {
            return Err(ValueError::TooShort);
        }
        Ok(value)
    }

    /// The bytes. Whoever asks for them keeps them out of logs, errors and answers.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// A second holder of the same bytes, overwritten by itself.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the bytes nor their number.
        f.write_str("SecretValue")
    }
}

impl Zeroize for SecretValue {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_one_line_end_and_refuses_any_other_control_character() {
        let exposed = |bytes: &[u8]| SecretValue::new(bytes.to_vec()).map(|v| v.expose().to_vec());
        assert_eq!(exposed(b"abc").unwrap(), b"abc");
        assert_eq!(exposed(b"abc\n").unwrap(), b"abc");
        assert_eq!(exposed(b"abc\r\n").unwrap(), b"abc");
        for bad in [&b"a\nb"[..], b"abc\n\n", b"a\0", b"abc\r", b"\x7f"] {
            assert_eq!(exposed(bad), Err(ValueError::Control), "{bad:?}");
        }
        assert_eq!(exposed(b"\n"), Err(ValueError::Empty));
        assert!(exposed(&vec![b'a'; VALUE_MAX]).is_ok());
        assert_eq!(
            exposed(&vec![b'a'; VALUE_MAX + 1]),
            Err(ValueError::TooLong)
        );
    }

    #[test]
    fn keeps_no_value_that_is_too_short_to_be_scrubbed() {
        let lasting = |text: &[u8]| SecretValue::lasting(text.to_vec()).err();
        assert_eq!(lasting(&[b'a'; VALUE_MIN]), None);
        assert_eq!(lasting(&[b'a'; VALUE_MIN - 1]), Some(ValueError::TooShort));
    }

    #[test]
    fn says_neither_its_bytes_nor_their_number_when_printed() {
        let value = SecretValue::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(
            format!("{value:?} {:#?}", Some(&value))
                .matches("SecretValue")
                .count(),
            2
        );
        assert!(!format!("{value:?}").contains(['7', '[']));
    }
}
