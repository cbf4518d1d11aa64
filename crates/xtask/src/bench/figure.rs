//! One measured figure: ours, the peers', and what we want to reach.
//!
//! Not for: measuring or printing.

use serde::Serialize;

/// A value, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Value {
    /// In the figure's unit.
    Measured(f64),
    /// For example "not installed", or the error of a run.
    Missing(String),
}

/// What we want to reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Our value is at most this.
    AtMost(f64),
    /// Our value is at least this.
    AtLeast(f64),
    /// Our value is at most this many times the peer's.
    RatioAtMost(f64, &'static str),
    /// Our value is at least this many times the peer's.
    RatioAtLeast(f64, &'static str),
}

/// One line of the results.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// Its unit, such as `ms`.
    pub(crate) unit: &'static str,
    /// Our value.
    pub(crate) ours: Value,
    /// The peers' values by name.
    pub(crate) peers: Vec<(&'static str, Value)>,
    /// What we want to reach; empty where nothing was set.
    pub(crate) targets: Vec<Target>,
}

/// The figures of one kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chapter {
    /// Its name, as `--only` has it.
    pub(crate) name: &'static str,
    /// What a reader must know to judge the figures.
    pub(crate) notes: Vec<String>,
    /// In the order in which they are printed.
    pub(crate) figures: Vec<Figure>,
}

impl Value {
    /// The value, when there is one.
    pub(crate) const fn measured(&self) -> Option<f64> {
        match self {
            Self::Measured(value) => Some(*value),
            Self::Missing(_) => None,
        }
    }

    /// A value of something that may have failed.
    pub(crate) fn of<T>(
        outcome: &Result<T, super::Absence>,
        value: impl FnOnce(&T) -> f64,
    ) -> Self {
        match outcome {
            Ok(measured) => Self::Measured(value(measured)),
            Err(why) => Self::Missing(why.to_string()),
        }
    }
}

impl Figure {
    /// A figure with no peers and no targets yet.
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, ours: Value) -> Self {
        Self {
            what: what.into(),
            unit,
            ours,
            peers: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// The same figure with one more peer.
    pub(crate) fn peer(mut self, name: &'static str, value: Value) -> Self {
        self.peers.push((name, value));
        self
    }

    /// The same figure with one more target.
    pub(crate) fn reach(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Our value over the peer's, when both were measured.
    pub(crate) fn ratio(&self, peer: &str) -> Option<f64> {
        let (_, theirs) = self.peers.iter().find(|(name, _)| *name == peer)?;
        let theirs = theirs.measured().filter(|value| *value > 0.0)?;
        Some(self.ours.measured()? / theirs)
    }

    /// Whether the target is met; `None` when something it needs was not measured.
    pub(crate) fn meets(&self, target: &Target) -> Option<bool> {
        match target {
            Target::AtMost(most) => self.ours.measured().map(|value| value <= *most),
            Target::AtLeast(least) => self.ours.measured().map(|value| value >= *least),
            Target::RatioAtMost(most, peer) => self.ratio(peer).map(|ratio| ratio <= *most),
            Target::RatioAtLeast(least, peer) => self.ratio(peer).map(|ratio| ratio >= *least),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        Figure::new("speed", "GB/s", Value::Measured(3.0))
            .peer("squid", Value::Measured(2.0))
            .peer("tinyproxy", Value::Missing("not installed".to_owned()))
    }

    #[test]
    fn judges_by_value_and_by_ratio() {
        assert_eq!(figure().meets(&Target::AtLeast(3.0)), Some(true));
        assert_eq!(figure().meets(&Target::AtMost(2.9)), Some(false));
        assert_eq!(
            figure().meets(&Target::RatioAtLeast(1.5, "squid")),
            Some(true)
        );
        assert_eq!(
            figure().meets(&Target::RatioAtMost(1.4, "squid")),
            Some(false)
        );
    }

    #[test]
    fn says_neither_met_nor_missed_without_the_peer() {
        assert_eq!(
            figure().meets(&Target::RatioAtLeast(1.0, "tinyproxy")),
            None
        );
        assert_eq!(figure().meets(&Target::RatioAtLeast(1.0, "absent")), None);
    }
}
