//! The gateway API as an agent sees it, over its socket in the jail.
//!
//! Not for: the operator's API (`control`).

use serde_json::{Value, json};
use testkit::{Http, Response};

use crate::harness::{Jail, identity};

const CURL: &str = "
S=/run/sheriff/gateway.sock; T=$(cat /run/sheriff/token)
get() { curl -sS --unix-socket $S -w '\\n%{http_code}\\n' \"$@\" | tr '\\n' ' '; echo; }
ask() { get -H \"X-Agent-Token: $T\" \"$@\"; }
";

/// Runs calls and gives status and body of each line that they print.
fn calls(jail: &Jail, script: &str) -> Vec<(u64, Value)> {
    let outcome = jail.shell(&format!("{CURL}\n{script}")).ok();
    let parse = |line: &str| {
        let (body, status) = line
            .trim()
            .rsplit_once(' ')
            .unwrap_or_else(|| ("null", line.trim()));
        let body = serde_json::from_str(body.trim()).unwrap_or_else(|_not_json| json!(body));
        (
            status
                .parse()
                .unwrap_or_else(|error| panic!("{error}: {outcome}")),
            body,
        )
    };
    outcome.text().lines().map(parse).collect()
}

fn fetch(url: &str) -> String {
    let body = json!({ "capability_id": "network.http_fetch", "inputs": { "url": url } });
    format!("ask -H 'Content-Type: application/json' -d '{body}' http://gateway/chat/execute")
}

#[test]
fn health_needs_no_token_and_everything_else_does() {
    let script = "get http://gateway/chat/health; get http://gateway/chat/capabilities; \
                  get -H 'X-Agent-Token: wrong' http://gateway/chat/policy; ask http://gateway/chat/capabilities";
    let answers = calls(&Jail::new(), script);
    let statuses: Vec<u64> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 401, 401, 200], "{answers:?}");
    assert_eq!(answers[0].1["status"], "ok");
    assert!(answers[1].1["code"].is_string(), "{answers:?}");
}

#[test]
fn the_session_is_the_sockets_own_and_no_other() {
    let script = "ask http://gateway/chat/session/$SHERIFF_SESSION; ask http://gateway/chat/session/s-0000000000000000";
    let answers = calls(&Jail::new(), script);
    assert_eq!(answers[0].0, 200, "{answers:?}");
    assert_eq!(answers[0].1["state"], "running", "{answers:?}");
    assert!(matches!(answers[1].0, 403 | 404), "{answers:?}");
}

#[test]
fn policy_and_capabilities_say_what_is_possible() {
    let jail = Jail::new().allow("api.example.com");
    let answers = calls(
        &jail,
        "ask http://gateway/chat/policy; ask http://gateway/chat/capabilities",
    );
    assert!(
        answers[0].1["allow"]
            .to_string()
            .contains("api.example.com:443"),
        "{answers:?}"
    );
    let list = answers[1].1["capabilities"].as_array().unwrap();
    let ids: Vec<&Value> = list.iter().map(|capability| &capability["id"]).collect();
    assert!(ids.contains(&&json!("network.http_fetch")), "{ids:?}");
}

#[test]
fn fetch_reaches_what_the_policy_allows_and_nothing_else() {
    let secure = Http::tls(&identity(&["site.example"]), |_| Response::ok("from tls"));
    let plain = Http::plain(|_| Response::ok("from plain"));
    let jail = Jail::new()
        .connect("site.example", secure.address())
        .connect("site.example:80", plain.address());
    let script = [
        fetch("https://site.example/"),
        fetch("http://site.example/"),
        fetch("https://evil.example/"),
        fetch("http://127.0.0.1/"),
        fetch("file:///etc/passwd"),
    ];
    let answers = calls(&jail, &script.join("\n"));
    assert_eq!(answers[0].0, 200, "{answers:?}");
    assert!(
        answers[0].1["result"].to_string().contains("from tls"),
        "{answers:?}"
    );
    assert!(
        answers[1].1["result"].to_string().contains("from plain"),
        "{answers:?}"
    );
    assert_eq!((answers[2].0, answers[3].0), (403, 403), "{answers:?}");
    assert!(matches!(answers[4].0, 400 | 403 | 422), "{answers:?}");
    assert_eq!((secure.requests().len(), plain.requests().len()), (1, 1));
}

#[test]
fn a_session_id_in_a_body_is_checked_and_unknown_routes_and_capabilities_are_refused() {
    let body = |session: &str| json!({ "capability_id": "network.http_fetch", "inputs": { "url": "http://evil.example/" }, "session_id": session });
    let post = "ask -H 'Content-Type: application/json' http://gateway/chat/execute -d";
    let unknown = json!({ "capability_id": "no.such", "inputs": {} });
    let script = format!(
        "{post} '{}'; {post} '{unknown}'; {post} 'not json'; ask http://gateway/chat/approve; ask -X POST http://gateway/v1/sessions",
        body("s-0000000000000000")
    );
    let answers = calls(&Jail::new(), &script);
    let statuses: Vec<u64> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses[0], 403, "{answers:?}");
    assert!(matches!(statuses[1], 403 | 404), "{answers:?}");
    assert!(matches!(statuses[2], 400 | 422), "{answers:?}");
    assert_eq!(statuses[3], 404, "{answers:?}");
    assert!(matches!(statuses[4], 403 | 404), "{answers:?}");
}
