//! Sums, live figures and metrics at the operator's sockets.

use serde_json::Value;

use super::bench::{Bench, run};
use super::web::{Answer, request, send};
use crate::Metrics;

async fn call(bench: &Bench, line: &str) -> Answer {
    send(&bench.control(), &request(line, "", "")).await
}

/// Has the session's agent ask for something that its rules don't allow.
async fn denied(bench: &Bench, session: &model::SessionId) {
    let token = bench
        .warden
        .brought(session, |brought| brought.token.clone());
    let body = r#"{"capability_id":"network.http_fetch","inputs":{"url":"http://a.test/"}}"#;
    let fields = format!("x-agent-token: {token}\r\n");
    let fetch = request("POST /chat/execute", &fields, body);
    send(&bench.warden.gateway(session), &fetch).await.problem();
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_sums_by_session_and_host_and_says_whether_that_is_all() {
    let bench = Bench::new();
    let (_client, session) = bench.start(run()).await;
    let (_other, second) = bench.start(run()).await;
    denied(&bench, &session).await;
    let usage = call(&bench, &format!("GET /v1/egress/usage?session={session}")).await;
    let usage = usage.json();
    let sums = &usage["sessions"][0];
    assert_eq!(sums["session"], session.as_str());
    assert_eq!(sums["hosts"]["a.test"]["denied"], 1);
    assert_eq!(sums["account"]["is_complete"], true);
    let verdict = sums["account"]["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("That is all"), "{verdict}");
    let all = call(&bench, "GET /v1/egress/usage").await.json();
    let ids = all["sessions"].as_array().unwrap().iter();
    assert!(ids.map(|it| &it["session"]).any(|id| id == second.as_str()));
    let host = call(&bench, "GET /v1/egress/usage?host=b.test")
        .await
        .json();
    assert_eq!(host["sessions"], Value::Array(Vec::new()));
    let recent = call(&bench, "GET /v1/egress/usage?within_ms=3600000&host=a.test").await;
    assert_eq!(
        recent.json()["sessions"][0]["hosts"]["a.test"]["requests"],
        1
    );
    for bad in [
        "session=x",
        "within_ms=x",
        "within_ms=99999999999999",
        "other=1",
    ] {
        let answer = call(&bench, &format!("GET /v1/egress/usage?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_figures_come_without_the_log() {
    let bench = Bench::new();
    let (_client, session) = bench.start(run()).await;
    denied(&bench, &session).await;
    let live = call(&bench, "GET /v1/egress/live").await.json();
    assert_eq!(live["sessions"][0]["session"], session.as_str());
    assert_eq!(live["sessions"][0]["egress"]["denied"], 1);
    assert_eq!(live["sessions"][0]["unexplained_bytes"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_sessions_and_denials_without_naming_hosts() {
    let bench = Bench::new();
    let metrics = Metrics::new(std::sync::Arc::clone(&bench.office)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.sock");
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let group = tasks::Group::new("metrics");
    let (page, stop) = (metrics.clone(), group.stop());
    group.spawn(
        "unix",
        async move { page.run(unix.into(), stop).await.unwrap() },
    );
    let stop = group.stop();
    group.spawn("tcp", async move {
        metrics.run_tcp(tcp.into(), stop).await.unwrap();
    });
    let (_client, session) = bench.start(run()).await;
    denied(&bench, &session).await;
    let answer = send(&path, &request("GET /metrics", "", "")).await;
    assert_eq!(answer.status, 200);
    for line in [
        "sheriff_jails 1",
        "sheriff_egress_requests_total{verdict=\"deny\",reason=\"not_in_allowlist\"} 1",
        &format!("sheriff_session_egress_requests{{session=\"{session}\",verdict=\"deny\"}} 1"),
        "sheriff_jail_start_seconds_count 1",
    ] {
        assert!(
            answer.body.contains(line),
            "{line} is not in\n{}",
            answer.body
        );
    }
    assert!(!answer.body.contains("a.test"));
    let other = send(&path, &request("GET /v1/sessions", "", "")).await;
    assert_eq!(other.status, 404, "nothing but metrics is there");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = request("GET /metrics", "", "");
    tokio::io::AsyncWriteExt::write_all(&mut stream, &ask)
        .await
        .unwrap();
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text)
        .await
        .unwrap();
    assert!(text.contains("sheriff_jails 1"), "{text}");
}
