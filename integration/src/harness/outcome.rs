//! A command that is over: its code, its output and the session's report.
//!
//! Not for: running it.

use std::fmt;

use serde_json::Value;

use super::child::State;

/// The end of a `sheriff` command.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Exit code, 128 + n for a signal.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: Vec<u8>,
    /// The session's report; null when none was written.
    pub(crate) report: Value,
}

impl Outcome {
    pub(super) fn new(state: State, report: Value) -> Self {
        Self {
            code: state.code(),
            stdout: state.stdout,
            stderr: state.stderr,
            report,
        }
    }

    /// The same, or a failed test with everything that is known when the code is not 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ended_with(0)
    }

    /// The same, or a failed test with everything that is known when the code is another.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Standard output as text, without the white space at its ends.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// Standard error as text.
    pub(crate) fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let lines = self.stdout.split(|byte| *byte == b'\n');
        let parse = |line| serde_json::from_slice(line).unwrap_or_else(|e| panic!("{e}: {self}"));
        lines.filter(|line| !line.is_empty()).map(parse).collect()
    }

    /// The session's id, from the report.
    #[track_caller]
    pub(crate) fn session(&self) -> &str {
        self.report["session"]
            .as_str()
            .unwrap_or_else(|| panic!("no report: {self}"))
    }

    /// A counter of the report's `egress`, such as `bytes_up`.
    #[track_caller]
    pub(crate) fn egress(&self, counter: &str) -> u64 {
        self.counter(&format!("/egress/{counter}"))
    }

    /// A counter of one host in the report's `egress.by_host`.
    #[track_caller]
    pub(crate) fn host(&self, host: &str, counter: &str) -> u64 {
        self.counter(&format!("/egress/by_host/{host}/{counter}"))
    }

    /// A number in the report, by JSON pointer.
    #[track_caller]
    pub(crate) fn counter(&self, pointer: &str) -> u64 {
        let found = self.report.pointer(pointer).and_then(Value::as_u64);
        found.unwrap_or_else(|| panic!("no number at {pointer}: {self}"))
    }

    /// The denials of the report, as `HOST:PORT REASON`.
    pub(crate) fn denials(&self) -> Vec<String> {
        let list = self.report["denials"].as_array();
        let text = |denial: &Value| {
            let word = |key: &str| denial[key].as_str().unwrap_or_default().to_owned();
            format!("{}:{} {}", word("host"), denial["port"], word("reason"))
        };
        list.into_iter().flatten().map(text).collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, report, .. } = self;
        let (out, err) = (self.text(), self.complaint());
        write!(
            f,
            "code {code}\n--- stdout\n{out}\n--- stderr\n{err}\n--- report\n{report:#}"
        )
    }
}
