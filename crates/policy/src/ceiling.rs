//! The operator's ceiling for egress: `[ceilings.egress]` of the daemon's configuration.
//!
//! ```toml
//! [ceilings.egress]
//! budget = { egress_up = "1GiB", egress_down = "10GiB" }
//! [[ceilings.egress.allow]]
//! host = "**.example.com"
//! [[ceilings.egress.deny]]
//! host = "paste.example.com"
//! ```
//!
//! Not for: applying it to requests (`egress`), nor for limits of resources (`limits`).

use std::sync::Arc;

use model::{ByteSize, Money};
use serde::Deserialize;
use toml::Spanned;

use crate::budget::{Budget, OnExceeded};
use crate::egress::{EgressPolicy, EgressRules, PolicyError};
use crate::listed::Listed;
use crate::profile::{Fault, Position, ProfileError, RuleReader, Source, parse};
use crate::rule::{Rule, RuleTable};
use crate::terms::least;

/// Source of its rules in records and denials; also the kind of its text among the profiles' texts.
pub const LABEL: &str = "ceiling";
/// Name of its text among the profiles' texts.
pub const NAME: &str = "egress";
/// Most rules of each kind; its file may have 64 KiB.
const RULES_MAX: usize = 4096;

/// What no profile, option or approval widens. The default bounds nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressCeiling {
    /// The most that any session may send, receive and spend.
    budget: BudgetTable,
    /// What a request must be allowed by, if there are any, and what it must not be denied by.
    rules: Vec<Rule>,
}

/// As much of the configuration as is read here; its other keys are checked by the daemon.
#[derive(Debug, Deserialize)]
struct ConfigDocument {
    ceilings: Option<CeilingsTable>,
}

#[derive(Debug, Deserialize)]
struct CeilingsTable {
    egress: Option<CeilingTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CeilingTable {
    budget: Option<BudgetTable>,
    allow: Option<Listed<Spanned<RuleTable>, RULES_MAX>>,
    deny: Option<Listed<Spanned<RuleTable>, RULES_MAX>>,
}

/// As in profiles; beyond a ceiling there is no going on, so it can't be said what happens there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetTable {
    egress_up: Option<ByteSize>,
    egress_down: Option<ByteSize>,
    requests: Option<u64>,
    llm_tokens: Option<u64>,
    llm_cost: Option<Money>,
}

impl EgressCeiling {
    /// Reads `[ceilings.egress]` of a configuration's text; one without it bounds nothing.
    ///
    /// # Errors
    /// The first fault in that table, with file, line and key: besides the faults of any rules, a rule
    /// that names a secret (the secret's own hosts bound it).
    pub fn read(source: &Source) -> Result<Self, ProfileError> {
        let document: ConfigDocument = parse(source)?;
        let table = document.ceilings.and_then(|ceilings| ceilings.egress);
        let Some(table) = table else {
            return Ok(Self::default());
        };
        let reader = RuleReader {
            source,
            label: LABEL.to_owned(),
        };
        let allow = table.allow.map(Vec::from).unwrap_or_default();
        let deny = table.deny.map(Vec::from).unwrap_or_default();
        let rules = reader.read_both(allow, deny)?;
        let position = || Position::of_request(&source.file).with_key("ceilings.egress");
        if let Some(rule) = rules.iter().find(|rule| !rule.secrets().is_empty()) {
            let line = rule.origin().number;
            return Err(position().fault(Fault::SecretInCeiling { line }));
        }
        let ceiling = Self {
            budget: table.budget.unwrap_or_default(),
            rules,
        };
        ceiling
            .policy()
            .map_err(|error| position().fault(Fault::Policy(error)))?;
        Ok(ceiling)
    }

    /// A policy under this ceiling.
    ///
    /// # Errors
    /// Too many rules, or two that contradict each other; none that was read has that.
    pub fn over(&self, policy: EgressPolicy) -> Result<EgressPolicy, PolicyError> {
        Ok(match self.policy()? {
            Some(ceiling) => policy.under(ceiling),
            None => policy,
        })
    }

    /// A budget under this ceiling: the lower of both limits. Where the ceiling sets one, there is no
    /// going on beyond.
    #[must_use]
    pub fn over_budget(&self, budget: Budget) -> Budget {
        let own = self.budget;
        Budget {
            egress_up: least(budget.egress_up, own.egress_up),
            egress_down: least(budget.egress_down, own.egress_down),
            requests: least(budget.requests, own.requests),
            llm_tokens: least(budget.llm_tokens, own.llm_tokens),
            llm_cost: least(budget.llm_cost, own.llm_cost),
            on_exceeded: if own == BudgetTable::default() {
                budget.on_exceeded
            } else {
                OnExceeded::Stop
            },
        }
    }

    /// True when it bounds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn policy(&self) -> Result<Option<Arc<EgressPolicy>>, PolicyError> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let rules = EgressRules {
            rules: self.rules.clone(),
        };
        EgressPolicy::new(0, rules).map(|policy| Some(Arc::new(policy)))
    }
}

#[cfg(test)]
mod tests;
