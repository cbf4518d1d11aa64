//! Values of options that are more than text: checked here once, passed on as they are.
//!
//! Not for: ceilings and profiles; the daemon holds values against those.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use model::span::SpanError;
use model::{ByteSize, Limits, Span};
use policy::limits::{LimitError, apply_override};
use policy::{Destination, DestinationError, Rule, RuleError, Scheme};

/// An environment entry without a name or value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write NAME=value")]
pub(crate) struct WordError;

/// A time that is over before anything can start in it, or none at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeError {
    /// Zero.
    #[error("a time of 0 ends the jail before it starts; leave the option out for no limit")]
    Zero,
    /// Not a length of time.
    #[error(transparent)]
    Malformed(#[from] SpanError),
}

/// A length of time above zero.
pub(super) fn timeout(text: &str) -> Result<Span, TimeError> {
    let span: Span = text.parse()?;
    match span.as_duration().is_zero() {
        true => Err(TimeError::Zero),
        false => Ok(span),
    }
}

/// `NAME=value`; the value may be any bytes, or none.
pub(super) fn env(text: OsString) -> Result<Vec<u8>, WordError> {
    let bytes = text.into_vec();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(1..) => Ok(bytes),
        _ => Err(WordError),
    }
}

/// `HOST[:PORT]`, in the daemon's own reading.
pub(super) fn allow(text: &str) -> Result<String, RuleError> {
    Rule::from_cli_allow(text, 0).map(|_rule| text.to_owned())
}

/// `HOST[:PORT]` without wildcards, in the daemon's own reading.
pub(in crate::commands) fn exact(text: &str) -> Result<String, DestinationError> {
    let port = Some(Scheme::Https.default_port());
    Destination::from_authority(text.as_bytes(), port).map(|_destination| text.to_owned())
}

/// `HOST[:PORT]=ADDR:PORT`, in the daemon's own reading.
pub(super) fn connect(text: &str) -> Result<String, RuleError> {
    Rule::from_cli_connect(text, 0).map(|_rule| text.to_owned())
}

/// `KEY=value`, in the daemon's own reading.
pub(super) fn limit(text: &str) -> Result<String, LimitError> {
    // Stands for the profile's limits, which the daemon knows; the override is checked alone.
    let mut any = Limits {
        memory: ByteSize(0),
        pids: 0,
        cpu_millis: 0,
        open_files: 0,
        file_size: ByteSize(0),
        wall_clock: None,
    };
    apply_override(&mut any, text).map(|()| text.to_owned())
}

/// Arguments as the bytes that they are.
pub(super) fn bytes(words: Vec<OsString>) -> Vec<Vec<u8>> {
    words.into_iter().map(OsString::into_vec).collect()
}

/// The program's name, for messages.
pub(super) fn program(command: &[OsString]) -> String {
    let name = command.first().map(OsString::as_os_str);
    let name = name.unwrap_or_default();
    String::from_utf8_lossy(name.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_limits_are_what_the_daemon_will_read() {
        assert!(
            allow("a.example.com:443").is_ok() && connect("a.example.com=127.0.0.1:80").is_ok()
        );
        for bad in ["", ":443", "a.example.com:0", "a b", "a\u{1b}", "*.com"] {
            assert!(allow(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "a.example.com",
            "a.example.com=",
            "a.example.com=host:80",
            "=127.0.0.1:80",
        ] {
            assert!(connect(bad).is_err(), "{bad:?}");
        }
        assert!(limit("memory=512MiB").is_ok() && limit("cpu=1.5").is_ok());
        for bad in ["memory", "memory=1MB", "pids=0", "speed=1"] {
            assert!(limit(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_time_to_end_after_is_above_zero() {
        assert_eq!(timeout("1ms"), Ok(Span::from_millis(1)));
        for zero in ["0s", "0ms", "00d"] {
            assert_eq!(timeout(zero), Err(TimeError::Zero), "{zero}");
        }
        assert!(matches!(timeout("30"), Err(TimeError::Malformed(_))));
    }

    #[test]
    fn environment_entries_have_a_name_and_any_bytes() {
        assert_eq!(
            env(OsString::from_vec(b"A=\xff=".to_vec())),
            Ok(b"A=\xff=".to_vec())
        );
        assert_eq!(env("A=".into()), Ok(b"A=".to_vec()));
        assert!(env("A".into()).is_err() && env("=x".into()).is_err());
    }
}
