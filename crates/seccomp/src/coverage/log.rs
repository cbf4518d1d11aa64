//! Reads denials out of an audit log.
//!
//! Not for: checking the log's chain of hashes, which `audit` does.

use serde::Deserialize;
use serde_json::Value;

use crate::condition::ARGUMENTS;
use crate::errno::Errno;

use super::strace::{is_error_name, is_name};
use super::{CoverageError, Observed, Sample, add};

/// The kind of event that tells of a refused call.
const DENIED: &str = "syscall.denied";

#[derive(Deserialize)]
struct RawEvent {
    kind: String,
    session: Option<String>,
    #[serde(default)]
    data: Value,
}

/// An alert's own kind is among its data, so that it can be told from others.
const ALERT: &str = "alert";

#[derive(Deserialize)]
struct RawDenial {
    /// Null for a number that no table names; a missing one is no denial.
    #[serde(deserialize_with = "Option::deserialize")]
    syscall: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    errno: Option<RawErrno>,
    count: Option<u64>,
    #[serde(default)]
    suppressed: u64,
}

#[derive(Deserialize)]
struct RawAlert {
    kind: Option<String>,
    #[serde(default)]
    count: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawErrno {
    Name(String),
    Number(u16),
}

pub(super) fn read(
    file: &str,
    text: &str,
    session: Option<&str>,
) -> Result<Observed, CoverageError> {
    let mut observed = Observed::default();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let failed = |error: serde_json::Error| CoverageError::Event {
            file: file.to_owned(),
            line: at + 1,
            message: shown(&error),
        };
        let event: RawEvent = serde_json::from_str(line).map_err(failed)?;
        let other = session.is_some_and(|wanted| event.session.as_deref() != Some(wanted));
        match event.kind.as_str() {
            _ if other => {}
            ALERT => {
                let alert: RawAlert = serde_json::from_value(event.data).map_err(failed)?;
                let counted = alert.kind.is_some_and(|kind| kind == DENIED);
                add(&mut observed.untold, if counted { alert.count } else { 0 });
            }
            DENIED => {
                let denial: RawDenial = serde_json::from_value(event.data).map_err(failed)?;
                let named = denial.syscall.as_deref().is_none_or(is_name);
                if !named {
                    return Err(CoverageError::Event {
                        file: file.to_owned(),
                        line: at + 1,
                        message: "`syscall` is not the name of a call".to_owned(),
                    });
                }
                note(&mut observed, &denial);
            }
            _ => {}
        }
    }
    Ok(observed)
}

fn note(observed: &mut Observed, denial: &RawDenial) {
    let count = denial.count.unwrap_or(1);
    add(&mut observed.untold, denial.suppressed);
    let named = denial.syscall.as_deref();
    let Some(usage) = named.and_then(|name| observed.usage(name)) else {
        add(&mut observed.untold, count);
        return;
    };
    add(&mut usage.count, count);
    usage.sample(sample(&denial.args), count);
    let error = match &denial.errno {
        Some(RawErrno::Name(name)) => Some(name.clone()).filter(|name| is_error_name(name)),
        Some(RawErrno::Number(number)) => Errno::new(*number).map(|errno| errno.to_string()),
        None => None,
    };
    if let Some(error) = error {
        add(usage.failures.entry(error).or_default(), count);
    }
}

/// The JSON reader's words, which repeat the text: bounded, and without signs that steer terminals.
fn shown(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let plain = text.chars().filter(|letter| !letter.is_control());
    plain.take(256).collect()
}

/// Registers in hexadecimal, with or without `0x`.
fn sample(args: &[String]) -> Sample {
    let mut sample = [None; ARGUMENTS];
    for (place, text) in sample.iter_mut().zip(args) {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        *place = u64::from_str_radix(digits, 16).ok();
    }
    sample
}
