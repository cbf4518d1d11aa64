//! Budgets of a session, as a profile states them.
//!
//! Not for: counting or cutting (`egress`).

use model::{ByteSize, Money};
use serde::{Deserialize, Serialize};

/// What happens when a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "snake_case")]
pub enum OnExceeded {
    /// The transfer is cut and the session's egress ends.
    Stop,
    /// The transfer goes on; the excess is recorded.
    Warn,
}

/// A value of `on_exceeded` that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnExceededError {
    /// A value of the language that this release can't honour.
    #[error("`approval` is refused: this release has no approvals yet; write `stop` or `warn`")]
    Approval,
    /// Not a value at all.
    #[error("{given:?} is refused: write `stop` or `warn`")]
    Unknown {
        /// What was given, cut.
        given: String,
    },
}

/// Limits on what a session may send, receive and spend.
///
/// They hold for the session as a whole, whatever the host, over reloads and restarts of the office. Bytes are payload, and cut in the middle of a
/// transfer; an answer of a language model that crosses its budget is not cut, but the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Bytes that may leave. `None`: not limited.
    pub egress_up: Option<ByteSize>,
    /// Bytes that may come in. `None`: not limited.
    pub egress_down: Option<ByteSize>,
    /// Requests that may be allowed, tunnels that are not opened counting once. `None`: not limited.
    #[serde(default)]
    pub requests: Option<u64>,
    /// Tokens of language models, read and made, that may be used. `None`: not limited.
    #[serde(default)]
    pub llm_tokens: Option<u64>,
    /// What they may cost by the host's price table. `None`: not limited. An answer of a model without a
    /// price uses all of it up.
    #[serde(default)]
    pub llm_cost: Option<Money>,
    /// What happens beyond.
    pub on_exceeded: OnExceeded,
}

impl Budget {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        egress_up: None,
        egress_down: None,
        requests: None,
        llm_tokens: None,
        llm_cost: None,
        on_exceeded: OnExceeded::Stop,
    };
}

impl TryFrom<String> for OnExceeded {
    type Error = OnExceededError;

    fn try_from(text: String) -> Result<Self, OnExceededError> {
        match text.as_str() {
            "stop" => Ok(Self::Stop),
            "warn" => Ok(Self::Warn),
            "approval" => Err(OnExceededError::Approval),
            _ => Err(OnExceededError::Unknown {
                given: text.chars().take(64).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_stop_and_warn_and_says_why_approval_is_not_there() {
        let read = |text: &str| OnExceeded::try_from(text.to_owned());
        assert_eq!(read("stop"), Ok(OnExceeded::Stop));
        assert_eq!(read("warn"), Ok(OnExceeded::Warn));
        assert_eq!(read("approval"), Err(OnExceededError::Approval));
        assert!(read("Stop").is_err());
        let json = serde_json::to_string(&OnExceeded::Warn).unwrap();
        assert_eq!(
            serde_json::from_str::<OnExceeded>(&json).unwrap(),
            OnExceeded::Warn
        );
    }
}
