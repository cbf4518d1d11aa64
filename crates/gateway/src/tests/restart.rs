//! An office that takes over from one that died.

use audit::Kind;
use model::{ExitRecord, SessionId};
use warrant::KillReason;

use super::bench::{Bench, run};
use super::warden::{Script, Seen};
use super::web::{self, request, send};

/// A session with one denied request, then the office is gone.
async fn crashed() -> (tempfile::TempDir, SessionId, String) {
    let bench = Bench::new();
    let address = web::hello(&bench.group).await;
    let mut wanted = run();
    wanted.profile = "small".parse().unwrap();
    wanted.connect = vec![format!("api.test:80={address}")];
    let (client, session) = bench.start(wanted).await;
    let token = bench
        .warden
        .brought(&session, |brought| brought.token.clone());
    let body = r#"{"capability_id":"network.http_fetch","inputs":{"url":"http://other.test/"}}"#;
    let fetch = request(
        "POST /chat/execute",
        &format!("x-agent-token: {token}\r\n"),
        body,
    );
    assert_eq!(
        send(&bench.warden.gateway(&session), &fetch).await.status,
        403
    );
    let folder = bench.crash().await;
    drop(client);
    (folder, session, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_session_goes_on_with_its_token_counters_and_rules() {
    let (folder, session, token) = crashed().await;
    let bench = Bench::in_folder(folder, Script::default(), 1);
    bench.warden.adopt(&session, "small");
    let fields = format!("x-agent-token: {token}\r\n");
    let line = format!("GET /chat/session/{session}");
    let gateway = bench.warden.gateway(&session);
    bench.adopted(&session).await;
    let own = send(&gateway, &request(&line, &fields, "")).await.json();
    assert_eq!(
        (own["state"].as_str(), own["egress"]["denied"].as_u64()),
        (Some("running"), Some(1))
    );
    let wrong = send(&gateway, &request(&line, "x-agent-token: 00\r\n", "")).await;
    assert_eq!(wrong.status, 401);
    let policy = send(&gateway, &request("GET /chat/policy", &fields, ""))
        .await
        .json();
    assert_eq!(policy["allow"][0], "api.test:80");
    bench.warden.end(&session, ExitRecord::exited(0));
    let ended = bench.entry(Kind::SessionEnded).await;
    assert_eq!(ended.data["egress"]["denied"], 1);
}

/// The profile allows 64 bytes in; an answer takes more than half of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_was_half_used_runs_out_under_the_next_office() {
    let bench = Bench::new();
    let web = tasks::Group::new("web");
    let mut wanted = run();
    wanted.profile = "small".parse().unwrap();
    wanted.connect = vec![format!("api.test:80={}", web::hello(&web).await)];
    let (client, session) = bench.start(wanted).await;
    let token = bench
        .warden
        .brought(&session, |brought| brought.token.clone());
    let body = r#"{"capability_id":"network.http_fetch","inputs":{"url":"http://api.test/"}}"#;
    let fetch = request(
        "POST /chat/execute",
        &format!("x-agent-token: {token}\r\n"),
        body,
    );
    assert_eq!(
        send(&bench.warden.gateway(&session), &fetch).await.status,
        200
    );
    let bench = Bench::in_folder(bench.crash().await, Script::default(), 1);
    bench.warden.adopt(&session, "small");
    bench.adopted(&session).await;
    let second = send(&bench.warden.gateway(&session), &fetch).await;
    assert_eq!(second.problem(), (429, "budget_exceeded".to_owned()));
    bench
        .warden
        .until(|seen| *seen == Seen::Kill(KillReason::Budget))
        .await;
    let request = bench.entries(Kind::SessionKillRequested).remove(0);
    assert_eq!(request.principal, audit::Principal::Sheriff);
    assert_eq!(request.data["reason"], "budget");
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jail_of_which_nothing_is_known_is_ended() {
    let (folder, known, _) = crashed().await;
    let bench = Bench::in_folder(folder, Script::default(), 1);
    bench.warden.adopt(&SessionId::from_random([9; 8]), "base");
    bench
        .warden
        .until(|seen| matches!(seen, Seen::Kill(_)))
        .await;
    assert_eq!(
        bench.entry(Kind::Alert).await.data["what"],
        "adoption failed"
    );
    // One that ended meanwhile is accounted for.
    bench.warden.end(&known, ExitRecord::exited(7));
    let ended = bench.entry(Kind::SessionEnded).await;
    assert_eq!(
        (
            ended.data["exit"]["code"].as_u64(),
            ended.data["egress"]["denied"].as_u64()
        ),
        (Some(7), Some(1))
    );
}
