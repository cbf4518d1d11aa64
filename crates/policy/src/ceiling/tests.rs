//! Ceilings as files write them, and what they leave of policies and budgets.

use super::*;

use crate::decision::{Handling, Reason};
use crate::destination::Destination;
use crate::egress::{Request, RequestKind};

const CONFIG: &str = "[audit]
sync = \"always\"
[ceilings]
memory = \"1GiB\"
[ceilings.egress]
budget = { egress_up = \"1MiB\" }
[[ceilings.egress.allow]]
host = \"**.a.com\"
methods = [\"GET\"]
max_body = \"1KiB\"
[[ceilings.egress.allow]]
host = \"b.com\"
connect = \"127.0.0.1:1\"
[[ceilings.egress.deny]]
host = \"x.a.com\"
";

fn read(text: &str) -> Result<EgressCeiling, ProfileError> {
    EgressCeiling::read(&Source {
        file: "sheriffd.toml".to_owned(),
        text: text.to_owned(),
    })
}

fn policy(rules: &[(&str, bool)]) -> EgressPolicy {
    let rules = rules.iter().zip(0..).map(|((text, dials), index)| {
        if *dials {
            Rule::from_cli_connect(text, index).unwrap()
        } else {
            Rule::from_cli_allow(text, index).unwrap()
        }
    });
    let rules = EgressRules {
        rules: rules.collect(),
    };
    EgressPolicy::new(1, rules).unwrap()
}

fn judge(policy: &EgressPolicy, kind: RequestKind, to: &str) -> (String, Option<String>) {
    let destination = Destination::from_authority(to.as_bytes(), None).unwrap();
    let decision = policy.judge(&Request {
        destination: &destination,
        kind,
        method: Some("POST"),
        path: Some("/"),
        tls: true,
    });
    let said = match decision.handling {
        Handling::Intercept => format!("{} inside", decision.reason),
        Handling::Tunnel => decision.reason.to_string(),
    };
    (said, decision.rule)
}

#[test]
fn a_ceiling_takes_away_and_says_by_which_of_its_rules() {
    let ceiling = read(CONFIG).unwrap();
    let own = policy(&[
        ("a.com", false),
        ("*.a.com", false),
        ("c.com", false),
        ("b.com=127.0.0.1:1", true),
        ("d.a.com=10.0.0.1:1", true),
    ]);
    let under = ceiling.over(own.clone()).unwrap();
    let says = |reason: &str, rule: &str| (reason.to_owned(), Some(rule.to_owned()));
    let tunnel = |policy: &EgressPolicy, to| judge(policy, RequestKind::Tunnel, to);
    assert_eq!(tunnel(&own, "a.com:443"), says("allowed", "cli:0"));
    assert_eq!(tunnel(&under, "a.com:443"), says("allowed inside", "cli:0"));
    assert_eq!(
        tunnel(&under, "x.a.com:443"),
        says("above_ceiling", "ceiling:14")
    );
    assert_eq!(
        tunnel(&under, "c.com:443"),
        ("above_ceiling".to_owned(), None)
    );
    assert_eq!(tunnel(&under, "b.com:443"), says("allowed", "cli:3"));
    // A name that may be reached is no way to an address that may not.
    assert_eq!(tunnel(&own, "d.a.com:443"), says("allowed", "cli:4"));
    assert_eq!(
        tunnel(&under, "d.a.com:443"),
        says("above_ceiling", "ceiling:7")
    );
    let http = judge(&under, RequestKind::Http, "a.com:443");
    assert_eq!(http, says("above_ceiling", "ceiling:7"));
    let name = judge(&under, RequestKind::Name, "d.a.com:443");
    assert_eq!(name, says("allowed", "cli:4"));
    assert_eq!(tunnel(&under, "e.com:443").0, "not_in_allowlist");
}

#[test]
fn a_ceiling_that_only_denies_leaves_the_rest_as_it_is() {
    let ceiling = read("[[ceilings.egress.deny]]\nhost = 'x.a.com'").unwrap();
    let under = ceiling.over(policy(&[("**.a.com", false)])).unwrap();
    assert_eq!(judge(&under, RequestKind::Tunnel, "a.com:443").0, "allowed");
    let denied = judge(&under, RequestKind::Tunnel, "x.a.com:443").0;
    assert_eq!(denied, Reason::AboveCeiling.code());
}

#[test]
fn a_configuration_without_one_bounds_nothing() {
    for text in ["", "[ceilings]\nmemory = '1GiB'", "[ceilings.egress]"] {
        let ceiling = read(text).unwrap();
        assert!(ceiling.is_empty(), "{text}");
        assert!(ceiling.over(policy(&[])).unwrap().ceiling().is_none());
    }
    assert!(!read(CONFIG).unwrap().is_empty());
}

#[test]
fn budgets_are_the_lower_of_both_and_the_ceilings_is_not_exceeded() {
    let profile = Budget {
        egress_up: Some(ByteSize(2 << 20)),
        egress_down: Some(ByteSize(5)),
        on_exceeded: OnExceeded::Warn,
        ..Budget::UNLIMITED
    };
    let bounded = read(CONFIG).unwrap().over_budget(profile);
    assert_eq!(bounded.egress_up, Some(ByteSize(1 << 20)));
    assert_eq!(bounded.egress_down, Some(ByteSize(5)));
    assert_eq!(bounded.on_exceeded, OnExceeded::Stop);
    assert_eq!(EgressCeiling::default().over_budget(profile), profile);
}

#[test]
fn refusals_name_file_line_and_key() {
    for (text, says) in [
        (
            "[ceilings.egress]\nallow = []",
            "sheriffd.toml:2: `ceilings.egress.allow`: an empty list",
        ),
        (
            "[ceilings.egress]\nhosts = 1",
            "sheriffd.toml:2: `ceilings.egress.hosts`: unknown field",
        ),
        (
            "[[ceilings.egress.allow]]\nhost = 'a.com'\nsecret = 'x'",
            "sheriffd.toml: `ceilings.egress`: the rule in line 1 names a secret",
        ),
        (
            "[[ceilings.egress.allow]]\nhost = '*.com'",
            "sheriffd.toml:2: `ceilings.egress.allow.host`: host pattern",
        ),
        (
            "[[ceilings.egress.allow]]\nhost = 'a.com'\n[[ceilings.egress.deny]]\nhost = 'a.com'",
            "sheriffd.toml:1: `ceilings.egress.allow`: the rule allows what",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}
