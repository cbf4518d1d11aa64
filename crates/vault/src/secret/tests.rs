//! What a definition may say, with one good neighbour for each refusal.

use serde_json::{Value, json};

use super::*;

fn secret(more: &Value) -> Result<Secret, String> {
    let mut all = json!({ "name": "git-hub.1", "hosts": ["API.test", "b.test:8443"] });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    let definition: SecretDefinition =
        serde_json::from_value(all).map_err(|error| error.to_string())?;
    Secret::new(&definition).map_err(|error| error.to_string())
}

fn refused(more: &Value) -> String {
    secret(more).unwrap_err()
}

#[test]
fn what_is_left_out_means_a_bearer_token_for_port_443_under_the_name_in_capitals() {
    let secret = secret(&json!({})).unwrap();
    let hosts: Vec<String> = secret.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["api.test:443", "b.test:8443"]);
    let name = "authorization".to_owned();
    assert_eq!(secret.place, Place::Header { name });
    assert_eq!(
        (secret.format.before.as_str(), secret.format.after.as_str()),
        ("Bearer ", "")
    );
    assert_eq!(secret.env, "GIT_HUB_1");
    assert_eq!((secret.kind, secret.source), (Kind::Static, Source::Vault));
}

#[test]
fn goes_to_exact_hosts_and_ports_alone() {
    let secret = secret(&json!({})).unwrap();
    let host = |name: &str| Host::parse(name).unwrap();
    assert!(secret.is_for(&host("api.test"), 443) && secret.is_for(&host("b.test"), 8443));
    assert!(!secret.is_for(&host("api.test"), 80) && !secret.is_for(&host("b.test"), 443));
    assert!(!secret.is_for(&host("x.api.test"), 443) && !secret.is_for(&host("test"), 443));
}

#[test]
fn refuses_hosts_that_are_patterns_none_or_too_many() {
    for hosts in [
        json!([]),
        json!(["*.test"]),
        json!(["a.test:0"]),
        json!(["https://a.test"]),
    ] {
        refused(&json!({ "hosts": hosts }));
    }
    let many: Vec<String> = (0..=HOSTS_MAX).map(|at| format!("h{at}.test")).collect();
    assert!(secret(&json!({ "hosts": many[1..] })).is_ok());
    assert!(refused(&json!({ "hosts": many })).contains("32"));
}

#[test]
fn refuses_places_that_frame_a_message_or_could_end_a_field() {
    for good in [
        json!({ "header": "X-Api-Key" }),
        json!({ "basic": "x-access-token" }),
        json!({ "query": "api_key" }),
        json!("path"),
        json!("body"),
    ] {
        assert!(secret(&json!({ "place": good })).is_ok(), "{good}");
    }
    for bad in [
        json!({ "header": "Host" }),
        json!({ "header": "content-length" }),
        json!({ "header": "x y" }),
        json!({ "header": "x\r\ny" }),
        json!({ "header": "" }),
        json!({ "basic": "a:b" }),
        json!({ "query": "a=b" }),
        json!({ "trailer": "x" }),
    ] {
        refused(&json!({ "place": bad }));
    }
}

#[test]
fn a_format_has_one_place_for_the_value_and_belongs_to_a_header() {
    assert!(secret(&json!({ "format": "token {}" })).is_ok());
    for bad in ["token", "{} {}", "{}\n", "é{}"] {
        assert!(refused(&json!({ "format": bad })).contains("format"));
    }
    refused(&json!({ "format": "x{}", "place": "path" }));
    let own = secret(&json!({ "place": { "header": "x-key" } })).unwrap();
    assert_eq!(own.format.before, "");
}

#[test]
fn no_variable_that_steers_programs_and_no_prefix_that_breaks_a_token() {
    assert!(secret(&json!({ "env": "MY_KEY", "prefix": "ghp_" })).is_ok());
    for env in ["LD_PRELOAD", "PATH", "SHERIFF_SESSION", "A=B", "1A", ""] {
        refused(&json!({ "env": env }));
    }
    for prefix in ["a b", "\n", &"x".repeat(PREFIX_MAX + 1)] {
        refused(&json!({ "prefix": prefix }));
    }
}

#[test]
fn sources_are_the_four_that_there_are() {
    for good in [
        "vault",
        "env:TOKEN",
        "file:/etc/key",
        "credential:github.token",
    ] {
        assert_eq!(
            secret(&json!({ "source": good })).unwrap().source.text(),
            good
        );
    }
    for bad in [
        "",
        "vault:x",
        "env:",
        "env:A=B",
        "file:key",
        "credential:../x",
        "http:x",
    ] {
        refused(&json!({ "source": bad }));
    }
}

#[test]
fn token_endpoints_are_asked_over_tls_and_signatures_have_a_place_of_their_own() {
    let oauth = |url: &str| {
        json!({ "kind": { "oauth2": {
            "token_url": url, "grant": "client_credentials", "client_id": "me",
        }}})
    };
    let Kind::OAuth2(grant) = secret(&oauth("https://auth.test/token?x")).unwrap().kind else {
        panic!("another kind");
    };
    assert_eq!(
        (grant.endpoint.to_string().as_str(), grant.path.as_str()),
        ("auth.test:443", "/token?x")
    );
    for bad in [
        "http://auth.test/token",
        "https://me@auth.test/",
        "auth.test/token",
    ] {
        refused(&oauth(bad));
    }
    let aws = json!({ "kind": { "aws_sigv4": { "region": "eu-central-1", "service": "s3" } } });
    assert_eq!(secret(&aws).unwrap().env, "AWS_ACCESS_KEY_ID");
    let mut placed = aws.clone();
    placed["place"] = json!("path");
    refused(&placed);
    let mut odd = aws;
    odd["kind"]["aws_sigv4"]["region"] = json!("EU/central");
    refused(&odd);
}
