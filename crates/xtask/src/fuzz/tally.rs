//! How long each target has run so far on this machine, since it last broke.
//!
//! Not for: running them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{file, made, output};
use crate::error::Error;

/// Sums over all clean runs.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    executions: u64,
    seconds: u64,
}

impl Tally {
    /// Zero for a target that has not run.
    pub(super) fn of(name: &str) -> Self {
        let text = fs::read_to_string(path(name)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Counts a run by what libFuzzer said at its end. A find begins the sum anew.
    pub(super) fn add(name: &str, log: &str, is_clean: bool) -> Result<Self, Error> {
        let before = Self::of(name);
        let tally = if is_clean {
            Self {
                executions: before.executions + executions(log),
                seconds: before.seconds + seconds(log),
            }
        } else {
            Self::default()
        };
        made(&output().join("tally"))?;
        let path = path(name);
        let text = serde_json::to_string(&tally).map_err(|source| Error::Report {
            path: path.clone(),
            source,
        })?;
        fs::write(&path, text).map_err(|source| file("write", &path, source))?;
        Ok(tally)
    }

    pub(super) fn describe(self, name: &str) -> String {
        let time = Duration::from_secs(self.seconds);
        format!(
            "{name}: {} inputs in {time:?} without a find",
            self.executions
        )
    }
}

fn path(name: &str) -> PathBuf {
    output().join("tally").join(name)
}

/// `stat::number_of_executed_units: 12345`.
fn executions(log: &str) -> u64 {
    let mut lines = log.lines();
    let count = lines.find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or_default()
}

/// `Done 12345 runs in 61 second(s)`.
fn seconds(log: &str) -> u64 {
    let mut lines = log.lines();
    let done = lines.find_map(|line| line.strip_prefix("Done "));
    let after = done.and_then(|done| done.split_once(" in "));
    after
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_fuzzer_says_at_its_end_and_nothing_else() {
        let log =
            "#2 INITED\nDone 1234 runs in 61 second(s)\nstat::number_of_executed_units: 1234\n";
        assert_eq!((executions(log), seconds(log)), (1234, 61));
        assert_eq!((executions("garbage"), seconds("garbage")), (0, 0));
    }
}
