//! Secrets from outside: what operators set, what sessions get of it, and what nobody ever reads.

use api::attach::{FromOffice, Hello, Run};
use api::control::SECRET_MEDIA_TYPE;
use audit::{Event, Kind};
use model::{EgressEvent, ExitRecord};
use serde_json::{Value, json};

use super::bench::{Bench, run};
use super::warden::Script;
use super::web::{Answer, request, send};

const VALUE: &str = "ghp_the-value-that-nobody-reads";

async fn call(bench: &Bench, line: &str) -> Answer {
    send(&bench.control(), &request(line, "", "")).await
}

async fn put(bench: &Bench, name: &str, change: &Value, value: &str) -> Answer {
    let fields = format!("content-type: {SECRET_MEDIA_TYPE}\r\n");
    let body = format!("{change}\n{value}");
    let line = format!("PUT /v1/secrets/{name}");
    send(&bench.control(), &request(&line, &fields, &body)).await
}

fn definition(name: &str) -> Value {
    json!({ "definition": {
        "name": name, "hosts": ["api.test"], "env": "GITHUB_TOKEN", "prefix": "ghp_",
    }})
}

fn with_secret(name: &str) -> Run {
    Run {
        secrets: vec![name.parse().unwrap()],
        ..run()
    }
}

fn variable(env: &[Vec<u8>], name: &str) -> Option<String> {
    let start = format!("{name}=").into_bytes();
    let found = env
        .iter()
        .find_map(|entry| entry.strip_prefix(&start[..]))?;
    Some(String::from_utf8(found.to_vec()).unwrap())
}

/// Whether any file below the bench's folder has the value in the clear.
fn is_on_disk(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => is_on_disk(&path),
            // Sockets can't be read.
            false => std::fs::read(&path)
                .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(VALUE)),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_set_listed_replaced_and_removed_and_its_value_is_nowhere_to_be_read() {
    let bench = Bench::new();
    let set = put(&bench, "github", &definition("github"), VALUE).await;
    assert_eq!(set.status, 200, "{}", set.body);
    let list = call(&bench, "GET /v1/secrets").await;
    for answer in [&set, &list] {
        assert!(!answer.body.contains(VALUE) && !answer.body.contains("length"));
    }
    let line = list.json()["secrets"][0].clone();
    assert_eq!(
        (&line["name"], &line["version"]),
        (&json!("github"), &json!(1))
    );
    assert_eq!(line["definition"]["hosts"], json!(["api.test:443"]));
    assert_eq!(line["definition"]["format"], "Bearer {}");
    let again = put(
        &bench,
        "github",
        &json!({ "definition": null }),
        "another value",
    )
    .await;
    assert_eq!(again.json()["version"], 2);
    let recorded = bench.entries(Kind::SecretSet);
    assert_eq!(
        recorded[0].data,
        json!({ "name": "github", "hosts": ["api.test:443"] })
    );
    assert_eq!(call(&bench, "DELETE /v1/secrets/github").await.status, 204);
    assert_eq!(bench.entries(Kind::SecretRemoved).len(), 1);
    let gone = call(&bench, "DELETE /v1/secrets/github").await;
    assert_eq!(gone.problem(), (404, "unknown_secret".to_owned()));
    assert!(!is_on_disk(bench.folder.path()));
    std::fs::write(bench.folder.path().join("control"), VALUE).unwrap();
    assert!(
        is_on_disk(bench.folder.path()),
        "the search finds what is there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_changes_that_are_malformed_too_large_or_for_another_name() {
    let bench = Bench::new();
    let plain = send(&bench.control(), &request("PUT /v1/secrets/a", "", "{}\nx")).await;
    assert_eq!(plain.problem(), (415, "not_a_secret".to_owned()));
    let code = async |name: &str, change: &Value, value: &str| {
        put(&bench, name, change, value).await.problem().1
    };
    let large = "x".repeat(100 * 1024);
    assert_eq!(code("a", &definition("a"), &large).await, "body_too_large");
    assert_eq!(code("a", &definition("a"), "short").await, "bad_value");
    assert_eq!(code("a", &definition("b"), VALUE).await, "bad_parameter");
    assert_eq!(code("a", &json!({ "x": 1 }), VALUE).await, "malformed_json");
    assert_eq!(
        code("a", &json!({ "definition": null }), VALUE).await,
        "no_definition"
    );
    assert_eq!(code("A", &definition("a"), VALUE).await, "malformed_id");
    let mut file = definition("a");
    file["definition"]["source"] = json!("file:/etc/shadow");
    assert_eq!(code("a", &file, VALUE).await, "configured_by_root");
    let mut host = definition("a");
    host["definition"]["hosts"] = json!(["*.test"]);
    assert_eq!(code("a", &host, VALUE).await, "bad_definition");
    assert!(bench.entries(Kind::SecretSet).is_empty());
    assert_eq!(put(&bench, "a", &definition("a"), VALUE).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_gets_a_placeholder_of_its_own_and_keeps_it_under_the_next_office() {
    let bench = Bench::new();
    put(&bench, "github", &definition("github"), VALUE).await;
    let (one, first) = bench.start(with_secret("github")).await;
    let (_two, second) = bench.start(with_secret("github")).await;
    let held = |session| {
        bench.warden.brought(session, |brought| {
            assert!(
                !brought
                    .env
                    .iter()
                    .any(|own| own.ends_with(VALUE.as_bytes()))
            );
            variable(&brought.env, "GITHUB_TOKEN").unwrap()
        })
    };
    let placeholder = held(&first);
    assert!(
        placeholder.starts_with("ghp_") && placeholder.len() > 30,
        "{placeholder}"
    );
    assert_ne!(placeholder, held(&second));
    let detail = call(&bench, &format!("GET /v1/sessions/{first}"))
        .await
        .json();
    assert!(detail["allow"].to_string().contains("api.test"), "{detail}");
    let folder = bench.crash().await;
    drop(one);
    let bench = Bench::in_folder(folder, Script::default(), 1);
    bench.warden.adopt(&first, "base");
    bench.adopted(&first).await;
    let session = bench.office.registry().get(&first).unwrap();
    let wallet = &session.rules().wallet;
    let (_, kept) = wallet.get(&"github".parse().unwrap()).unwrap();
    assert_eq!(kept.as_str(), placeholder);
    bench.warden.end(&first, ExitRecord::exited(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_names_an_unknown_secret_is_refused_with_the_remedy() {
    let bench = Bench::new();
    let client = bench.client(&Hello::Run(Box::new(with_secret("nope"))));
    let Some(FromOffice::Refused(problem)) = client.receive().await else {
        panic!("not refused");
    };
    assert_eq!(problem.code, "unknown_secret");
    assert!(
        problem.remedy.contains("sheriff secret set nope"),
        "{}",
        problem.remedy
    );
    assert_eq!(bench.entries(Kind::SessionRefused).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_are_the_events_that_name_the_secret_and_no_others() {
    let bench = Bench::new();
    let event = |id: &str, secret: Value| {
        let text = json!({
            "id": id, "time": "2026-01-01T00:00:00.000Z", "session": "s-0000000000000001",
            "run": null, "phase": "close", "method": "GET", "host": "api.test", "port": 443,
            "path": "/", "via": "explicit", "tls": "intercept", "verdict": "allow",
            "reason": "allowed", "rule": null, "secret": secret, "status": 200, "bytes_up": 1,
            "bytes_down": 1, "duration_ms": 1, "policy_generation": 1, "llm": null,
        });
        let event: EgressEvent = serde_json::from_value(text).unwrap();
        bench.log.append(&Event::egress(&event).unwrap()).unwrap();
    };
    event("e-0000000000000001", json!("github"));
    event("e-0000000000000002", json!("git"));
    event("e-0000000000000003", json!("a,github"));
    event("e-0000000000000004", Value::Null);
    let uses = call(&bench, "GET /v1/secrets/github/uses").await.body;
    let ids = |id: &str| uses.contains(id);
    assert!(
        ids("e-0000000000000001") && ids("e-0000000000000003"),
        "{uses}"
    );
    assert!(
        !ids("e-0000000000000002") && !ids("e-0000000000000004"),
        "{uses}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_defined_anew_opens_no_further_host_to_a_session_that_lives() {
    let bench = Bench::new();
    put(&bench, "github", &definition("github"), VALUE).await;
    let (one, first) = bench.start(with_secret("github")).await;
    let mut wider = definition("github");
    wider["definition"]["hosts"] = json!(["api.test", "evil.test"]);
    assert_eq!(put(&bench, "github", &wider, VALUE).await.status, 200);
    let folder = bench.crash().await;
    drop(one);
    let bench = Bench::in_folder(folder, Script::default(), 1);
    bench.warden.adopt(&first, "base");
    bench.adopted(&first).await;
    let allowed = async |session| {
        let line = format!("GET /v1/sessions/{session}");
        call(&bench, &line).await.json()["allow"].to_string()
    };
    let old = allowed(&first).await;
    assert!(
        old.contains("api.test") && !old.contains("evil.test"),
        "{old}"
    );
    let (_two, second) = bench.start(with_secret("github")).await;
    let new = allowed(&second).await;
    assert!(
        new.contains("api.test") && new.contains("evil.test"),
        "{new}"
    );
    bench.warden.end(&first, ExitRecord::exited(0));
}
