//! Verdicts: each denial beside the request that the same policy allows.

use super::*;

use crate::rule::RuleTable;

/// One rule per line: `+` or `-`, then the fields of its table.
fn policy(lines: &str) -> EgressPolicy {
    let mut rules = EgressRules::default();
    for (line, text) in (1..).zip(lines.lines().map(str::trim).filter(|l| !l.is_empty())) {
        let (effect, body) = match text.split_at(1) {
            ("+", body) => (Effect::Allow, body),
            (_, body) => (Effect::Deny, body),
        };
        let table: HashMap<String, RuleTable> = toml::from_str(&format!("r = {{{body}}}")).unwrap();
        let origin = Origin {
            source: "p".to_owned(),
            number: line,
        };
        rules.push(Rule::new(table.into_values().next().unwrap(), effect, origin).unwrap());
    }
    EgressPolicy::new(7, rules).unwrap()
}

fn ask(policy: &EgressPolicy, kind: RequestKind, to: &str, method: &str, path: &str) -> Decision {
    let destination = Destination::from_authority(to.as_bytes(), None).unwrap();
    policy.judge(&Request {
        destination: &destination,
        kind,
        method: Some(method),
        path: Some(path),
    })
}

fn tunnel(policy: &EgressPolicy, to: &str) -> String {
    ask(policy, RequestKind::Tunnel, to, "CONNECT", "/")
        .reason
        .to_string()
}

fn http(policy: &EgressPolicy, to: &str, method: &str, path: &str) -> String {
    ask(policy, RequestKind::Http, to, method, path)
        .reason
        .to_string()
}

fn name(policy: &EgressPolicy, host: &str) -> String {
    ask(policy, RequestKind::Name, &format!("{host}:1"), "DNS", "/")
        .reason
        .to_string()
}

#[test]
fn denies_everything_when_there_are_no_rules() {
    let policy = policy("");
    assert_eq!(tunnel(&policy, "a.com:443"), "not_in_allowlist");
    assert_eq!(tunnel(&policy, "8.8.8.8:443"), "ip_literal_not_allowed");
    assert_eq!(http(&policy, "a.com:80", "GET", "/"), "not_in_allowlist");
    assert_eq!(name(&policy, "a.com"), "not_in_allowlist");
    assert_eq!(policy.generation(), 7);
}

#[test]
fn deny_beats_allow_in_either_order_and_any_spelling() {
    for lines in [
        "+ host = '**.a.com'\n- host = 'gist.a.com'",
        "- host = 'gist.a.com'\n+ host = '**.a.com'",
        "+ host = 'gist.a.com'\n- host = 'gist.a.com'\n+ host = '**.a.com'",
    ] {
        let policy = policy(lines);
        assert_eq!(tunnel(&policy, "x.a.com:443"), "allowed");
        assert_eq!(tunnel(&policy, "gist.a.com:443"), "denied_by_rule");
        assert_eq!(tunnel(&policy, "GIST.a.com.:443"), "denied_by_rule");
        assert_eq!(name(&policy, "gist.a.com"), "denied_by_rule");
    }
}

#[test]
fn denies_ports_that_no_rule_of_the_host_names() {
    let policy = policy("+ host = 'a.com'\n+ host = 'b.com', ports = [80, 8080]");
    assert_eq!(tunnel(&policy, "a.com:443"), "allowed");
    assert_eq!(tunnel(&policy, "b.com:8080"), "allowed");
    for to in ["a.com:22", "a.com:25", "a.com:80", "b.com:443"] {
        assert_eq!(tunnel(&policy, to), "port_not_allowed", "{to}");
    }
    assert_eq!(name(&policy, "b.com"), "allowed");
}

#[test]
fn denies_addresses_even_when_names_are_allowed() {
    let policy = policy(
        "+ host = '**.a.com'\n+ host = '1.1.1.1'\n+ host = '10.0.0.5', connect = '10.0.0.5:5432'",
    );
    assert_eq!(tunnel(&policy, "1.1.1.1:443"), "allowed");
    assert_eq!(tunnel(&policy, "10.0.0.5:443"), "allowed");
    assert_eq!(tunnel(&policy, "8.8.8.8:443"), "ip_literal_not_allowed");
    assert_eq!(tunnel(&policy, "127.0.0.1:443"), "forbidden_address");
    assert_eq!(tunnel(&policy, "[::ffff:1.1.1.1]:443"), "forbidden_address");
}

#[test]
fn denies_metadata_services_even_under_a_wildcard() {
    let policy = policy("+ host = '**.google.internal', ports = [80]");
    assert_eq!(tunnel(&policy, "x.google.internal:80"), "allowed");
    for to in [
        "metadata.google.internal:80",
        "Metadata.Google.Internal.:80",
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "168.63.129.16:80",
    ] {
        assert_eq!(tunnel(&policy, to), "metadata_service", "{to}");
    }
    assert_eq!(
        name(&policy, "metadata.google.internal"),
        "metadata_service"
    );
}

#[test]
fn matches_methods_and_paths_of_plain_http_only() {
    let policy = policy("+ host = 'a.com', ports = [80], methods = ['GET'], paths = ['/v1/**']");
    assert_eq!(http(&policy, "a.com:80", "GET", "/v1/x"), "allowed");
    assert_eq!(
        http(&policy, "a.com:80", "POST", "/v1/x"),
        "method_not_allowed"
    );
    assert_eq!(
        http(&policy, "a.com:80", "get", "/v1/x"),
        "method_not_allowed"
    );
    assert_eq!(http(&policy, "a.com:80", "GET", "/v2"), "path_not_allowed");
    assert_eq!(
        http(&policy, "a.com:80", "GET", "/v1/../x"),
        "path_not_allowed"
    );
    assert_eq!(tunnel(&policy, "a.com:80"), "needs_interception");
    assert_eq!(name(&policy, "a.com"), "allowed");
}

#[test]
fn an_unrestricted_rule_opens_the_tunnel_that_a_restricted_one_does_not() {
    let policy = policy("+ host = 'a.com', methods = ['GET']\n+ host = '**.a.com'");
    assert_eq!(tunnel(&policy, "a.com:443"), "allowed");
}

#[test]
fn a_restricted_deny_closes_tunnels_and_what_it_names() {
    let policy = policy(
        "+ host = 'a.com', ports = [80, 443]\n- host = 'a.com', methods = ['POST'], paths = ['/admin/**']",
    );
    assert_eq!(http(&policy, "a.com:80", "GET", "/admin/x"), "allowed");
    assert_eq!(http(&policy, "a.com:80", "POST", "/x"), "allowed");
    assert_eq!(
        http(&policy, "a.com:80", "POST", "/admin/x"),
        "denied_by_rule"
    );
    assert_eq!(
        http(&policy, "a.com:80", "post", "/admin/x"),
        "denied_by_rule"
    );
    assert_eq!(
        http(&policy, "a.com:80", "POST", "/x/../admin/"),
        "denied_by_rule"
    );
    assert_eq!(tunnel(&policy, "a.com:443"), "needs_interception");
    assert_eq!(name(&policy, "a.com"), "allowed");
}

#[test]
fn the_narrowest_connect_decides_where_to_dial() {
    let policy = policy(
        "+ host = 'a.b.com'\n+ host = 'a.b.com', connect = '127.0.0.1:1'\n+ host = '*.b.com', connect = '127.0.0.1:2'\n+ host = '**.b.com', connect = '127.0.0.1:3'",
    );
    let dial = |to: &str| {
        let decision = ask(&policy, RequestKind::Tunnel, to, "CONNECT", "/");
        (decision.connect.map(|to| to.port()), decision.rule)
    };
    assert_eq!(dial("a.b.com:443"), (Some(1), Some("p:2".to_owned())));
    assert_eq!(dial("c.b.com:443"), (Some(2), Some("p:3".to_owned())));
    assert_eq!(dial("b.com:443"), (Some(3), Some("p:4".to_owned())));
    assert_eq!(dial("c.com:443"), (None, None));
    assert_eq!(dial("a.b.com:80"), (None, Some("p:2".to_owned())));
}

#[test]
fn refuses_rules_that_contradict_each_other_or_are_too_many() {
    let connect = |text: &str, index| Rule::from_cli_connect(text, index).unwrap();
    let same = EgressRules {
        rules: vec![
            connect("a.com=127.0.0.1:1", 0),
            connect("a.com=127.0.0.1:1", 1),
        ],
    };
    assert!(EgressPolicy::new(0, same).is_ok());
    let other = EgressRules {
        rules: vec![
            connect("a.com=127.0.0.1:1", 0),
            connect("a.com=127.0.0.1:2", 1),
        ],
    };
    let error = EgressPolicy::new(0, other).unwrap_err();
    assert!(matches!(
        error,
        PolicyError::ConflictingConnect { port: 443, .. }
    ));
    let many = EgressRules {
        rules: vec![connect("a.com=127.0.0.1:1", 0); RULES_MAX + 1],
    };
    assert!(EgressPolicy::new(0, many).is_err());
}
