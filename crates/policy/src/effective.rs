//! The policy as the agent inside may read it: what is allowed, what is denied, how much.
//!
//! Addresses that rules connect to are left out: they describe the host's networks, not the agent's
//! rights.
//!
//! Not for: judging; this is a description.

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::egress::EgressPolicy;
use crate::rule::Rule;

/// A description of a policy, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectivePolicy {
    /// The policy's generation.
    pub generation: u64,
    /// What holds for whatever no rule names: always `deny`.
    pub default: String,
    /// What may leave, unless denied.
    pub allow: Vec<EffectiveRule>,
    /// What may not, even when allowed.
    pub deny: Vec<EffectiveRule>,
    /// Byte budgets.
    pub budget: Budget,
}

/// One rule, described.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EffectiveRule {
    /// Host pattern.
    pub host: String,
    /// Ports; `None`: every port.
    pub ports: Option<Vec<u16>>,
    /// Methods; `None`: every method.
    pub methods: Option<Vec<String>>,
    /// Path patterns; `None`: every path.
    pub paths: Option<Vec<String>>,
    /// Where it was written, as denials name it.
    pub rule: String,
}

impl EffectivePolicy {
    /// Describes a policy and its budget.
    #[must_use]
    pub fn new(policy: &EgressPolicy, budget: Budget) -> Self {
        Self {
            generation: policy.generation(),
            default: "deny".to_owned(),
            allow: describe(policy.allow()),
            deny: describe(policy.deny()),
            budget,
        }
    }
}

fn describe(rules: &[Rule]) -> Vec<EffectiveRule> {
    let mut described: Vec<_> = rules.iter().map(describe_one).collect();
    described.sort();
    described
}

fn describe_one(rule: &Rule) -> EffectiveRule {
    let methods =
        |list: &[crate::rule::Method]| list.iter().map(|m| m.as_str().to_owned()).collect();
    let paths = |list: &[crate::glob::PathGlob]| list.iter().map(ToString::to_string).collect();
    EffectiveRule {
        host: rule.host().to_string(),
        ports: rule.ports(),
        methods: rule.methods().map(methods),
        paths: rule.paths().map(paths),
        rule: rule.origin().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::budget::OnExceeded;
    use crate::egress::EgressRules;

    #[test]
    fn describes_rules_and_budgets_without_internal_addresses() {
        let rules = vec![
            Rule::from_cli_connect("b.com=10.1.2.3:99", 1).unwrap(),
            Rule::from_cli_allow("a.com:80", 0).unwrap(),
        ];
        let policy = EgressPolicy::new(4, EgressRules { rules }).unwrap();
        let budget = Budget {
            egress_up: Some(model::ByteSize(10 << 20)),
            egress_down: None,
            on_exceeded: OnExceeded::Stop,
        };
        let text = serde_json::to_string(&EffectivePolicy::new(&policy, budget)).unwrap();
        assert_eq!(
            text,
            r#"{"generation":4,"default":"deny","allow":[{"host":"a.com","ports":[80],"methods":null,"paths":null,"rule":"cli:0"},{"host":"b.com","ports":[443],"methods":null,"paths":null,"rule":"cli:1"}],"deny":[],"budget":{"egress_up":"10MiB","egress_down":null,"on_exceeded":"stop"}}"#
        );
    }
}
