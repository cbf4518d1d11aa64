//! What an allowed request must keep to beyond its verdict.
//!
//! Not for: keeping it to them (`egress` the crate).

use model::{LlmKind, SecretName};

use crate::origin::Origin;
use crate::rate::Rate;
use crate::rule::Rule;

/// The strictest terms of all rules that allow a request. Which of them comes first makes no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Secrets that any of the rules names, each once, in alphabetical order. Where one goes, and to
    /// which hosts, is the secret's own property.
    pub secrets: Vec<SecretName>,
    /// Most bytes of the request's body. `None`: not limited.
    pub max_body: Option<u64>,
    /// Whether the connection may become a WebSocket.
    pub websocket: bool,
    /// How to read `usage` from the answer; the narrowest rule that says so decides.
    pub llm: Option<LlmKind>,
    /// Every rate that applies, each with the rule whose bucket it is, in the order of the rules' places.
    pub rates: Vec<(Origin, Rate)>,
}

impl Terms {
    /// Terms that hold nothing back.
    pub const NONE: Self = Self {
        secrets: Vec::new(),
        max_body: None,
        websocket: true,
        llm: None,
        rates: Vec::new(),
    };

    /// Those of one rule.
    pub(crate) fn of(rule: &Rule) -> Self {
        Self {
            secrets: rule.secrets().to_vec(),
            max_body: rule.max_body().map(|size| size.0),
            websocket: rule.websocket(),
            llm: rule.llm(),
            rates: rule
                .rate()
                .map(|rate| (rule.origin().clone(), rate))
                .into_iter()
                .collect(),
        }
    }

    /// The stricter of both in each point; `self` says how answers are read, if both do.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.secrets.extend(other.secrets);
        self.secrets.sort_unstable();
        self.secrets.dedup();
        self.rates.extend(other.rates);
        self.rates.sort_unstable();
        self.rates.dedup();
        Self {
            max_body: least(self.max_body, other.max_body),
            websocket: self.websocket && other.websocket,
            llm: self.llm.or(other.llm),
            ..self
        }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::NONE
    }
}

/// The lower of two limits, where `None` is no limit.
pub(crate) fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(max_body: Option<u64>, websocket: bool, secret: &str) -> Terms {
        Terms {
            secrets: vec![secret.parse().unwrap()],
            max_body,
            websocket,
            ..Terms::NONE
        }
    }

    #[test]
    fn both_hold_and_the_stricter_one_wins_in_either_order() {
        let (one, other) = (terms(Some(5), true, "b"), terms(None, false, "a"));
        let both = one.clone().and(other.clone());
        assert_eq!(both, other.and(one.clone()));
        assert_eq!((both.max_body, both.websocket), (Some(5), false));
        assert_eq!(both.secrets.len(), 2);
        assert_eq!(one.clone().and(Terms::NONE), one);
        assert_eq!(least(Some(1), Some(2)), Some(1));
    }
}
