//! Verdicts: each denial beside the request that the same policy allows.

use super::*;

use crate::rule::RuleTable;
use crate::terms::Terms;

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
        tls: false,
    })
}

fn tunnel(policy: &EgressPolicy, to: &str) -> String {
    let decision = ask(policy, RequestKind::Tunnel, to, "CONNECT", "/");
    match decision.handling {
        Handling::Intercept => format!("{} inside", decision.reason),
        Handling::Tunnel => decision.reason.to_string(),
    }
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
fn matches_methods_and_paths_where_they_can_be_seen() {
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
    assert_eq!(tunnel(&policy, "a.com:80"), "allowed inside");
    assert_eq!(tunnel(&policy, "a.com:443"), "port_not_allowed");
    assert_eq!(name(&policy, "a.com"), "allowed");
}

#[test]
fn a_tunnel_is_opened_exactly_when_a_rule_about_its_port_speaks_of_requests() {
    for term in [
        "methods = ['GET']",
        "paths = ['/']",
        "secret = 'x'",
        "max_body = '1KiB'",
        "websocket = false",
        "llm = 'openai'",
    ] {
        let policy = policy(&format!(
            "+ host = 'a.com', {term}\n+ host = '**.a.com', ports = [443, 8443]\n+ host = 'a.com', rate = '1/s'"
        ));
        assert_eq!(tunnel(&policy, "a.com:443"), "allowed inside", "{term}");
        assert_eq!(tunnel(&policy, "a.com:8443"), "allowed", "{term}");
        assert_eq!(tunnel(&policy, "b.a.com:443"), "allowed", "{term}");
    }
}

#[test]
fn the_terms_are_the_strictest_of_all_rules_that_allow() {
    let policy = policy(
        "+ host = 'a.com', secret = ['s', 'r'], max_body = '2KiB', rate = '5/s'
         + host = '**.a.com', secret = 's', max_body = '1KiB', websocket = false, llm = 'openai', rate = '9/m'
         + host = 'a.com', paths = ['/v1'], llm = 'anthropic', max_body = '1B'
         + host = 'b.a.com', ports = [80], max_body = '1B'",
    );
    let terms = |kind, path| {
        let destination = Destination::from_authority(b"a.com:443", None).unwrap();
        let decision = policy.judge(&Request {
            destination: &destination,
            kind,
            method: Some("POST"),
            path: Some(path),
            tls: true,
        });
        decision.terms
    };
    let root = terms(RequestKind::Http, "/");
    let names: Vec<&str> = root.secrets.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["r", "s"]);
    assert_eq!((root.max_body, root.websocket), (Some(1024), false));
    assert_eq!(root.llm, Some(model::LlmKind::Openai));
    let rates: Vec<_> = root
        .rates
        .iter()
        .map(|(at, rate)| format!("{at} {rate}"))
        .collect();
    assert_eq!(rates, ["p:1 5/s", "p:2 9/m"]);
    let narrow = terms(RequestKind::Http, "/v1");
    assert_eq!(
        (narrow.max_body, narrow.llm),
        (Some(1), Some(model::LlmKind::Anthropic))
    );
    assert_eq!(terms(RequestKind::Tunnel, "/"), Terms::NONE);
}

#[test]
fn a_rule_with_a_secret_opens_only_what_travels_over_tls() {
    let policy =
        policy("+ host = 'a.com', ports = [8080], secret = 'x'\n+ host = 'b.com', ports = [8080]");
    let judge = |to: &str, tls| {
        let destination = Destination::from_authority(to.as_bytes(), None).unwrap();
        let request = Request {
            destination: &destination,
            kind: RequestKind::Http,
            method: Some("GET"),
            path: Some("/"),
            tls,
        };
        policy.judge(&request).reason.code()
    };
    assert_eq!(judge("a.com:8080", true), "allowed");
    assert_eq!(judge("a.com:8080", false), "secret_needs_tls");
    assert_eq!(judge("b.com:8080", false), "allowed");
}

#[test]
fn a_restricted_deny_has_tunnels_opened_and_closes_what_it_names() {
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
    assert_eq!(tunnel(&policy, "a.com:443"), "allowed inside");
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
