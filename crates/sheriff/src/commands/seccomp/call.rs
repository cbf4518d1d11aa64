//! A system call as a person writes it: a name or number, and up to six arguments.
//!
//! Not for: judging it.

use seccomp::condition::ARGUMENTS;
use seccomp::explain::{QuestionError, parse_argument};
use seccomp::{Arch, Data, syscalls};

/// Longest piece of a faulty text that an error repeats.
const CUT_CHARS: usize = 64;

/// A call with its name and the arguments that were given; the others are 0.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Name, if a known kernel has one for the number.
    pub(super) name: Option<&'static str>,
    /// The arguments given, from the first.
    pub(super) arguments: Vec<u64>,
    /// What a filter sees.
    pub(super) data: Data,
}

impl Call {
    /// Reads the words of a call.
    pub(super) fn read(arch: Arch, call: &str, words: &[&str]) -> Result<Self, QuestionError> {
        let number = number(arch, call)?;
        let arguments = arguments(words)?;
        let mut registers = [0; ARGUMENTS];
        for (register, value) in registers.iter_mut().zip(&arguments) {
            *register = *value;
        }
        Ok(Self {
            name: syscalls::name(arch, number),
            arguments,
            data: Data::new(arch, number, registers),
        })
    }
}

/// Arguments from the first on.
pub(super) fn arguments(words: &[&str]) -> Result<Vec<u64>, QuestionError> {
    if words.len() > ARGUMENTS {
        let given = words.len();
        return Err(QuestionError::Arguments { given });
    }
    words.iter().map(|word| parse_argument(word)).collect()
}

fn number(arch: Arch, call: &str) -> Result<u32, QuestionError> {
    if let Some(number) = syscalls::number(arch, call) {
        return Ok(number);
    }
    if syscalls::canonical(call).is_some() {
        let call = call.to_owned();
        return Err(QuestionError::NotHere { call, arch });
    }
    let number = parse_argument(call).ok();
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| QuestionError::UnknownCall {
        given: call.chars().take(CUT_CHARS).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_by_name_and_by_number_in_any_usual_base() {
        for word in ["socket", "41", "0x29"] {
            let call = Call::read(Arch::X86_64, word, &["38", "-1"]).unwrap();
            assert_eq!((call.data.number, call.name), (41, Some("socket")));
            assert_eq!(call.data.arguments, [38, u64::MAX, 0, 0, 0, 0]);
        }
        let unnamed = Call::read(Arch::X86_64, "0x4000_0029", &[]).unwrap();
        assert_eq!((unnamed.data.number, unnamed.name), (0x4000_0029, None));
        let other = Call::read(Arch::Aarch64, "open", &[]);
        assert!(matches!(other, Err(QuestionError::NotHere { .. })));
        for word in ["sockt", "-1", "4294967296", ""] {
            let bad = Call::read(Arch::X86_64, word, &[]);
            assert!(matches!(bad, Err(QuestionError::UnknownCall { .. })));
        }
    }
}
