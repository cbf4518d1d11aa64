//! The policy as the agent inside may read it: what is allowed, what is denied, how much.
//!
//! Addresses that rules connect to are left out: they describe the host's networks, not the agent's
//! rights.
//!
//! Not for: judging; this is a description.

use std::fmt;

use model::{ByteSize, LlmKind, SecretName};
use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::egress::EgressPolicy;
use crate::rate::Rate;
use crate::rule::Rule;

/// A description of a policy, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectivePolicy {
    /// The policy's generation.
    pub generation: u64,
    /// What holds for whatever no rule names: `deny`, or `learn` in a session that learns, where it is
    /// allowed and recorded.
    pub default: String,
    /// What may leave, unless denied.
    pub allow: Vec<EffectiveRule>,
    /// What may not, even when allowed.
    pub deny: Vec<EffectiveRule>,
    /// Budgets.
    pub budget: Budget,
    /// The operator's ceiling, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<EffectiveCeiling>,
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
    /// Names of secrets that the proxy puts in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretName>,
    /// Most bytes of a request's body; `None`: not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<ByteSize>,
    /// Set where no connection may become a WebSocket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_websocket: bool,
    /// How answers tell what they cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<LlmKind>,
    /// How often a session may ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Where it was written, as denials name it.
    pub rule: String,
}

/// The operator's ceiling, described: what a request must pass besides the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectiveCeiling {
    /// What may leave at most; empty: whatever is not denied.
    pub allow: Vec<EffectiveRule>,
    /// What may not.
    pub deny: Vec<EffectiveRule>,
}

impl EffectivePolicy {
    /// Describes a policy and its budget.
    #[must_use]
    pub fn new(policy: &EgressPolicy, budget: Budget) -> Self {
        Self {
            generation: policy.generation(),
            default: if policy.is_learning() {
                "learn"
            } else {
                "deny"
            }
            .to_owned(),
            allow: describe(policy.allow()),
            deny: describe(policy.deny()),
            budget,
            ceiling: policy.ceiling().map(|ceiling| EffectiveCeiling {
                allow: describe(ceiling.allow()),
                deny: describe(ceiling.deny()),
            }),
        }
    }
}

impl From<&Rule> for EffectiveRule {
    fn from(rule: &Rule) -> Self {
        describe_one(rule)
    }
}

/// The rule on a line, without its place: `api.example.com:443 GET,HEAD /v1/** secret=example`.
impl fmt::Display for EffectiveRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if let Some(ports) = &self.ports {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            write!(f, ":{}", ports.join(","))?;
        }
        for list in [&self.methods, &self.paths].into_iter().flatten() {
            write!(f, " {}", list.join(","))?;
        }
        if !self.secrets.is_empty() {
            let names: Vec<&str> = self.secrets.iter().map(SecretName::as_str).collect();
            write!(f, " secret={}", names.join(","))?;
        }
        if let Some(size) = self.max_body {
            write!(f, " max_body={size}")?;
        }
        if self.no_websocket {
            f.write_str(" websocket=no")?;
        }
        if let Some(llm) = self.llm {
            write!(f, " llm={}", llm.as_str())?;
        }
        match self.rate {
            Some(rate) => write!(f, " rate={rate}"),
            None => Ok(()),
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
        secrets: rule.secrets().to_vec(),
        max_body: rule.max_body(),
        no_websocket: !rule.websocket(),
        llm: rule.llm(),
        rate: rule.rate(),
        rule: rule.origin().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::egress::EgressRules;

    #[test]
    fn describes_rules_and_budgets_without_internal_addresses() {
        let rules = vec![
            Rule::from_cli_connect("b.com=10.1.2.3:99", 1).unwrap(),
            Rule::from_cli_allow("a.com:80", 0).unwrap(),
        ];
        let policy = EgressPolicy::new(4, EgressRules { rules }).unwrap();
        let budget = Budget {
            egress_up: Some(ByteSize(10 << 20)),
            llm_cost: Some(model::Money::from_micros(5_000_000)),
            ..Budget::UNLIMITED
        };
        let text = serde_json::to_string(&EffectivePolicy::new(&policy, budget)).unwrap();
        assert_eq!(
            text,
            r#"{"generation":4,"default":"deny","allow":[{"host":"a.com","ports":[80],"methods":null,"paths":null,"rule":"cli:0"},{"host":"b.com","ports":[443],"methods":null,"paths":null,"rule":"cli:1"}],"deny":[],"budget":{"egress_up":"10MiB","egress_down":null,"requests":null,"llm_tokens":null,"llm_cost":"5.00 USD","on_exceeded":"stop"}}"#
        );
    }

    #[test]
    fn a_rule_is_one_line_and_names_secrets_but_no_address() {
        let text = "host = 'a.com'\nmethods = ['GET', 'POST']\npaths = ['/v1/**']\nsecret = ['s', 'r']\nmax_body = '1MiB'\nwebsocket = false\nllm = 'openai'\nrate = '60/m'\nconnect = '10.0.0.1:9'";
        let origin = crate::Origin::cli(0);
        let rule = Rule::new(toml::from_str(text).unwrap(), crate::Effect::Allow, origin);
        let described = EffectiveRule::from(&rule.unwrap());
        assert_eq!(
            described.to_string(),
            "a.com:443 GET,POST /v1/** secret=r,s max_body=1MiB websocket=no llm=openai rate=60/m"
        );
        let json = serde_json::to_string(&described).unwrap();
        assert!(!json.contains("10.0.0.1"), "{json}");
        assert_eq!(
            serde_json::from_str::<EffectiveRule>(&json).unwrap(),
            described
        );
        let plain = EffectiveRule::from(&Rule::from_cli_allow("a.com", 0).unwrap());
        assert_eq!(plain.to_string(), "a.com:443");
    }
}
