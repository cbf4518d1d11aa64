//! What profiles, options and the operator's ceiling make of a session's rules.

use policy::{Destination, OnExceeded, Request, RequestKind};

use super::*;

const OWN: &str = "version = 1
name = \"own\"
extends = \"base\"
[[egress.allow]]
host = \"a.example.com\"
[budget]
egress_up = \"2MiB\"
on_exceeded = \"warn\"
";
const CEILING: &str = "[audit]
[ceilings.egress]
budget = { egress_up = \"1MiB\" }
[[ceilings.egress.allow]]
host = \"**.example.com\"
";

fn policies(ceiling: Option<&str>) -> Policies {
    let text = |kind: &str, name: &str, text: &str| ProfileText {
        kind: kind.to_owned(),
        name: name.parse().unwrap(),
        source: format!("/p/{kind}/{name}.toml"),
        text: text.to_owned(),
    };
    let base = policy::shipped(ProfileKind::Jail, "base").unwrap();
    let mut texts = vec![text(JAIL, "own", OWN), text(JAIL, "base", base)];
    texts.extend(ceiling.map(|config| text("ceiling", "egress", config)));
    Policies::new(Profiles { texts }, 3)
}

fn run() -> Run {
    Run {
        profile: "own".parse().unwrap(),
        argv: Vec::new(),
        env: Vec::new(),
        allow: vec!["b.example.com".to_owned(), "c.test".to_owned()],
        connect: vec!["d.example.com=10.0.0.1:1".to_owned()],
        secrets: Vec::new(),
        limits: Vec::new(),
        timeout: None,
        workspace: false,
        terminal: None,
        record: false,
        learn: false,
    }
}

/// Reason and rule for a tunnel.
fn judge(resolved: &Resolved, to: &str) -> (String, Option<String>) {
    let destination = Destination::from_authority(to.as_bytes(), None).unwrap();
    let decision = resolved.policy.judge(&Request {
        destination: &destination,
        kind: RequestKind::Tunnel,
        method: None,
        path: None,
        tls: true,
    });
    (decision.reason.to_string(), decision.rule)
}

#[test]
fn no_option_and_no_profile_goes_beyond_the_ceiling() {
    let free = policies(None).resolve(&run()).unwrap();
    for to in ["a", "b", "d"] {
        assert_eq!(judge(&free, &format!("{to}.example.com:443")).0, "allowed");
    }
    assert_eq!(judge(&free, "c.test:443").0, "allowed");
    let bound = policies(Some(CEILING)).resolve(&run()).unwrap();
    assert_eq!(judge(&bound, "a.example.com:443").0, "allowed");
    assert_eq!(judge(&bound, "b.example.com:443").0, "allowed");
    assert_eq!(judge(&bound, "c.test:443").0, "above_ceiling");
    let (reason, rule) = judge(&bound, "d.example.com:443");
    assert_eq!(
        (reason.as_str(), rule.as_deref()),
        ("above_ceiling", Some("ceiling:4"))
    );
    assert_eq!(judge(&bound, "e.example.com:443").0, "not_in_allowlist");
    assert_eq!(free.budget.egress_up, Some(ByteSize(2 << 20)));
    assert_eq!(bound.budget.egress_up, Some(ByteSize(1 << 20)));
    assert_eq!(bound.budget.on_exceeded, OnExceeded::Stop);
}

#[test]
fn a_ceiling_that_can_not_be_read_is_no_ceiling_to_start_under() {
    let broken = CEILING.replace("host", "hots");
    let error = policies(Some(&broken)).check().unwrap_err().to_string();
    assert!(error.contains("/p/ceiling/egress.toml:5"), "{error}");
    assert!(policies(Some(&broken)).resolve(&run()).is_err());
    policies(Some(CEILING)).check().unwrap();
}

#[test]
fn every_rule_of_a_session_has_a_name_of_its_own_and_a_text() {
    let policies = policies(Some(CEILING));
    let resolved = policies.resolve(&run()).unwrap();
    let rules = resolved.policy.allow().iter();
    let mut names: Vec<String> = rules.map(|rule| rule.origin().to_string()).collect();
    names.sort();
    assert_eq!(names, ["cli:0", "cli:1", "cli:2", "own:4"]);
    let set = policies.current();
    assert_eq!(set.text_of_rule("own").unwrap().text, OWN);
    assert_eq!(set.text_of_rule("ceiling").unwrap().text, CEILING);
    assert!(set.text_of_rule("egress/own").is_none());
}
