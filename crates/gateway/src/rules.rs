//! Egress rules as text, for those who may read them.
//!
//! Not for: judging by them; addresses that rules connect to are left out.

use policy::effective::EffectiveRule;
use policy::{EgressPolicy, Rule};

/// The allow rules, for example `api.example.com:443`.
pub(crate) fn allow(policy: &EgressPolicy) -> Vec<String> {
    texts(policy.allow())
}

/// The deny rules.
pub(crate) fn deny(policy: &EgressPolicy) -> Vec<String> {
    texts(policy.deny())
}

fn texts(rules: &[Rule]) -> Vec<String> {
    let mut texts: Vec<String> = rules
        .iter()
        .map(|rule| EffectiveRule::from(rule).to_string())
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use policy::EgressRules;

    use super::*;

    #[test]
    fn names_host_and_port_but_never_the_address_behind() {
        let rules = vec![
            Rule::from_cli_connect("b.test=127.0.0.1:99", 1).unwrap(),
            Rule::from_cli_allow("a.test:80", 0).unwrap(),
        ];
        let policy = EgressPolicy::new(1, EgressRules { rules }).unwrap();
        assert_eq!(allow(&policy), ["a.test:80", "b.test:443"]);
        assert!(deny(&policy).is_empty());
    }
}
