//! Rules from the command line and from tables: what they mean and what they refuse.

use super::*;

fn shown(rule: Result<Rule, RuleError>) -> Result<String, String> {
    let rule = rule.map_err(|error| error.to_string())?;
    let connect = rule
        .connect()
        .map(|to| format!("={to}"))
        .unwrap_or_default();
    Ok(format!(
        "{} {}:{:?}{connect}",
        rule.origin(),
        rule.host(),
        rule.ports().unwrap_or_default()
    ))
}

fn allow(text: &str) -> Result<String, String> {
    shown(Rule::from_cli_allow(text, 3))
}

fn connect(text: &str) -> Result<String, String> {
    shown(Rule::from_cli_connect(text, 0))
}

fn table(toml: &str) -> RuleTable {
    toml::from_str(toml).unwrap()
}

#[test]
fn reads_hosts_patterns_and_ports_of_allow_options() {
    assert_eq!(
        allow("Example.com").as_deref(),
        Ok("cli:3 example.com:[443]")
    );
    assert_eq!(
        allow("example.com:80").as_deref(),
        Ok("cli:3 example.com:[80]")
    );
    assert_eq!(
        allow("*.example.com:8443").as_deref(),
        Ok("cli:3 *.example.com:[8443]")
    );
    assert_eq!(
        allow("[2606:4700::1111]:53").as_deref(),
        Ok("cli:3 [2606:4700::1111]:[53]")
    );
    assert_eq!(
        allow("[2606:4700::1111]").as_deref(),
        Ok("cli:3 [2606:4700::1111]:[443]")
    );
}

#[test]
fn refuses_allow_options_that_have_two_readings_or_none() {
    for bad in [
        "",
        ":443",
        "a.com:",
        "a.com:0",
        "a.com:+1",
        "a.com:99999",
        "a.com:443:80",
        "2606:4700::5:1",
        "https://a.com",
        "*",
        "*.com",
        "127.1",
    ] {
        assert!(allow(bad).is_err(), "{bad}");
    }
}

#[test]
fn reads_connect_options_with_and_without_a_port_of_the_host() {
    assert_eq!(
        connect("api.internal=127.0.0.1:8080").as_deref(),
        Ok("cli:0 api.internal:[443]=127.0.0.1:8080")
    );
    assert_eq!(
        connect("api.internal:80=[::1]:8080").as_deref(),
        Ok("cli:0 api.internal:[80]=[::1]:8080")
    );
    for bad in [
        "api.internal",
        "api.internal=",
        "api.internal=127.0.0.1",
        "api.internal=localhost:80",
        "api.internal=127.1:80",
        "api.internal=0.0.0.0:80",
        "api.internal=224.0.0.1:80",
        "api.internal=[fe80::1%eth0]:80",
        "=127.0.0.1:80",
    ] {
        assert!(connect(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_address_out_of_reach_is_opened_only_by_connect() {
    assert!(allow("8.8.8.8:53").is_ok());
    let error = allow("10.0.0.5:5432").unwrap_err();
    assert!(
        error.contains("private") && error.contains("connect"),
        "{error}"
    );
    assert!(connect("10.0.0.5:5432=10.0.0.5:5432").is_ok());
}

#[test]
fn no_rule_opens_a_metadata_service() {
    for host in ["169.254.169.254:80", "metadata.google.internal:80"] {
        assert!(allow(host).unwrap_err().contains("metadata"), "{host}");
        let via = connect(&format!("{host}=127.0.0.1:80"));
        assert!(via.unwrap_err().contains("metadata"), "{host}");
    }
}

#[test]
fn refuses_malformed_tables_by_the_type_of_each_key() {
    assert!(
        toml::from_str::<RuleTable>("host = 'a.com'\nports = [443]\nmethods = ['GET']").is_ok()
    );
    for (bad, says) in [
        ("ports = [443]", "missing field `host`"),
        ("host = 'a.com'\nports = []", "empty list"),
        ("host = 'a.com'\nports = [0]", "port 0"),
        ("host = 'a.com'\nports = [65536]", "port 65536"),
        ("host = 'a.com'\nmethods = []", "empty list"),
        ("host = 'a.com'\nmethods = ['get']", "upper-case"),
        ("host = 'a.com'\nmethods = ['CONNECT']", "CONNECT"),
        ("host = 'a.com'\npaths = []", "empty list"),
        ("host = 'a.com'\npaths = ['v1']", "slash"),
        (
            "host = 'a.com'\nconnect = 'localhost:80'",
            "connect address",
        ),
        ("host = 'a.com'\nsecret = 'X'", "secret name"),
        ("host = 'a.com'\nsecret = []", "empty list"),
        ("host = 'a.com'\nsecret = ['x', 'x']", "named twice"),
        ("host = 'a.com'\nsecret = 1", "name of a secret"),
        (
            "host = 'a.com'\nsecret = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']",
            "more than 8",
        ),
        ("host = 'a.com'\nmax_body = '1MB'", "malformed"),
        ("host = 'a.com'\nmax_body = -1", "string"),
        ("host = 'a.com'\nwebsocket = 'no'", "boolean"),
        ("host = 'a.com'\nllm = 'gemini'", "unknown variant"),
        ("host = 'a.com'\nrate = '0/s'", "rate \"0/s\""),
        ("host = 'a.com'\nsecrets = 'x'", "unknown field `secrets`"),
    ] {
        let error = toml::from_str::<RuleTable>(bad).unwrap_err().to_string();
        assert!(error.contains(says), "{bad}: {error}");
    }
}

#[test]
fn a_deny_rule_covers_every_port_unless_it_names_some_and_dials_nothing() {
    let origin = || Origin::cli(0);
    let every = Rule::new(table("host = 'a.com'"), Effect::Deny, origin()).unwrap();
    assert!(every.has_port(22) && every.ports().is_none());
    let some = Rule::new(
        table("host = 'a.com'\nports = [80]"),
        Effect::Deny,
        origin(),
    )
    .unwrap();
    assert!(some.has_port(80) && !some.has_port(443));
    for (key, value) in [
        ("connect", "'127.0.0.1:80'"),
        ("secret", "'x'"),
        ("max_body", "'1KiB'"),
        ("websocket", "false"),
        ("llm", "'openai'"),
        ("rate", "'1/s'"),
    ] {
        let term = table(&format!("host = 'a.com'\n{key} = {value}"));
        assert!(Rule::new(term.clone(), Effect::Allow, origin()).is_ok());
        assert_eq!(
            Rule::new(term, Effect::Deny, origin()),
            Err(RuleError::KeyOnDeny { key })
        );
    }
}

#[test]
fn terms_that_contradict_host_or_port_are_refused() {
    let make = |text: &str| Rule::new(table(text), Effect::Allow, Origin::cli(0));
    for good in [
        "host = 'a.com'\nsecret = 'x'",
        "host = '**.a.com'\nports = [443, 8443]\nsecret = ['y', 'x']",
        "host = 'a.com'\nports = [80]\nmax_body = '1B'",
    ] {
        assert!(make(good).is_ok(), "{good}");
    }
    for (bad, says) in [
        (
            "host = 'a.com'\nports = [443, 80]\nsecret = 'x'",
            "plain HTTP",
        ),
        ("host = '8.8.8.8'\nsecret = 'x'", "bound to names"),
        ("host = 'a.com'\nmax_body = '0B'", "max_body = 0"),
    ] {
        let error = make(bad).unwrap_err().to_string();
        assert!(error.contains(says), "{bad}: {error}");
    }
}

#[test]
fn only_what_a_tunnel_hides_restricts_a_rule() {
    let restricted = |key: &str| {
        let table = table(&format!("host = 'a.com'\n{key}"));
        Rule::new(table, Effect::Allow, Origin::cli(0))
            .unwrap()
            .is_restricted()
    };
    for key in [
        "methods = ['GET']",
        "paths = ['/']",
        "secret = 'x'",
        "max_body = '1B'",
        "websocket = false",
        "llm = 'anthropic'",
    ] {
        assert!(restricted(key), "{key}");
    }
    for key in ["", "ports = [80]", "websocket = true", "rate = '1/s'"] {
        assert!(!restricted(key), "{key}");
    }
}

#[test]
fn travels_between_processes_and_is_checked_again_on_arrival() {
    let text = "host = '*.a.com'\nports = [80, 443]\nmethods = ['GET']\npaths = ['/v1/**']\nconnect = '127.0.0.1:80'\nmax_body = '1KiB'\nwebsocket = false\nllm = 'openai'\nrate = '60/m'";
    let rule = Rule::new(table(text), Effect::Allow, Origin::cli(1)).unwrap();
    let json = serde_json::to_string(&rule).unwrap();
    assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
    let forged = json.replace("allow", "deny");
    assert!(serde_json::from_str::<Rule>(&forged).is_err());
}
