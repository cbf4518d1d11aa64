//! Which TCP ports a jail's cell needs for its rules, beside those that every cell has.
//!
//! Not for: opening them (the warden does, and judges their number again).

use std::collections::BTreeSet;

use crate::learning;
use policy::{EgressPolicy, Rule};
use warrant::{PortsError, check_ports, is_further_port};

/// The further ports that allow rules name, in ascending order.
///
/// # Errors
/// For more than [`warrant::PORTS_MAX`]: opening only some of them would leave rules without effect.
pub(crate) fn further_ports(policy: &EgressPolicy) -> Result<Vec<u16>, PortsError> {
    let named = policy.allow().iter().filter_map(Rule::ports).flatten();
    let mut further: BTreeSet<u16> = named.filter(|port| is_further_port(*port)).collect();
    if policy.is_learning() {
        // Beside those of rules, as far as there is room.
        let room = warrant::PORTS_MAX.saturating_sub(further.len());
        further.extend(learning::PORTS.into_iter().take(room));
    }
    let ports: Vec<u16> = further.into_iter().collect();
    check_ports(&ports)?;
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use policy::EgressRules;

    use super::*;

    fn policy(allow: impl IntoIterator<Item = String>) -> EgressPolicy {
        let mut rules = EgressRules::default();
        for (index, text) in (0..).zip(allow) {
            rules.push(Rule::from_cli_allow(&text, index).unwrap());
        }
        EgressPolicy::new(1, rules).unwrap()
    }

    #[test]
    fn names_each_port_once_and_none_that_every_cell_has() {
        let hosts = [
            "a.test:5432",
            "b.test:22",
            "c.test:5432",
            "d.test",
            "e.test:80",
            "f.test:3128",
        ];
        let ports = further_ports(&policy(hosts.map(str::to_owned)));
        assert_eq!(ports, Ok(vec![22, 5432]));
        assert_eq!(further_ports(&policy([])), Ok(Vec::new()));
    }

    #[test]
    fn refuses_rules_with_more_ports_than_a_cell_can_have() {
        let hosts = |count: u16| (0..count).map(|number| format!("a.test:{}", 9000 + number));
        assert_eq!(
            further_ports(&policy(hosts(64))).map(|ports| ports.len()),
            Ok(64)
        );
        let refused = further_ports(&policy(hosts(65)));
        assert_eq!(refused, Err(PortsError::TooMany { count: 65 }));
    }
}
