//! What operators see and do at their socket.

use audit::Kind;
use model::ExitRecord;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use warrant::KillReason;

use super::bench::{Bench, run};
use super::warden::{Refuses, Script, Seen};
use super::web::{Answer, request, send};

async fn call(bench: &Bench, line: &str) -> Answer {
    send(&bench.control(), &request(line, "", "")).await
}

/// The lines of a chunked body.
fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.body.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_shows_living_sessions() {
    let bench = Bench::new();
    let health = call(&bench, "GET /v1/health").await.json();
    assert_eq!(
        (
            health["sessions"].as_u64(),
            health["policy_generation"].as_u64()
        ),
        (Some(0), Some(5))
    );
    let (_client, session) = bench.start(run()).await;
    let list = call(&bench, "GET /v1/sessions").await.json();
    assert_eq!(list["sessions"][0]["session"], session.as_str());
    assert_eq!(list["sessions"][0]["command"], "true");
    let detail = call(&bench, &format!("GET /v1/sessions/{session}"))
        .await
        .json();
    assert_eq!(detail["state"], "running");
    assert_eq!(detail["layers"]["seccomp_mode"], 2);
    let unknown = call(&bench, "GET /v1/sessions/s-0000000000000000").await;
    assert_eq!(unknown.problem(), (404, "unknown_session".to_owned()));
    let profiles = call(&bench, "GET /v1/profiles").await.json();
    assert_eq!(profiles, serde_json::json!(["base", "small"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_resumes_and_kills_in_legal_order_only() {
    let bench = Bench::new();
    let (client, session) = bench.start(run()).await;
    let act = async |verb: &str| call(&bench, &format!("POST /v1/sessions/{session}/{verb}")).await;
    assert_eq!(
        act("resume").await.problem(),
        (409, "wrong_state".to_owned())
    );
    assert_eq!(act("pause").await.status, 204);
    assert_eq!(
        act("pause").await.problem(),
        (409, "wrong_state".to_owned())
    );
    let detail = call(&bench, &format!("GET /v1/sessions/{session}"))
        .await
        .json();
    assert_eq!(detail["state"], "paused");
    assert_eq!(act("resume").await.status, 204);
    assert_eq!(act("stop").await.status, 204);
    assert_eq!(
        act("explode").await.problem(),
        (404, "no_such_route".to_owned())
    );
    assert_eq!(act("kill").await.status, 204);
    client.receive().await.unwrap();
    let seen = bench.warden.seen();
    let verbs = [Seen::Freeze, Seen::Thaw, Seen::Kill(KillReason::Operator)];
    let asked: Vec<_> = seen
        .into_iter()
        .filter(|seen| verbs.contains(seen))
        .collect();
    assert_eq!(asked, verbs);
}

/// Principal and reason of each entry of a kind.
fn on_record(bench: &Bench, kind: Kind) -> Vec<(String, String)> {
    let entries = bench.entries(kind);
    let what = |entry: &audit::Entry| {
        let reason = entry.data["reason"].as_str().unwrap_or_default();
        (entry.principal.to_string(), reason.to_owned())
    };
    entries.iter().map(what).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_do_is_on_record_under_their_uid() {
    let bench = Bench::new();
    let (client, session) = bench.start(run()).await;
    let uid = sys::privileges::effective_user();
    let operator = |reason: &str| vec![(format!("operator:{uid}"), reason.to_owned())];
    for (verb, kind, reason) in [
        ("pause", Kind::SessionPaused, ""),
        ("resume", Kind::SessionResumed, ""),
        ("stop", Kind::SessionStopRequested, ""),
        ("kill", Kind::SessionKillRequested, "operator"),
    ] {
        assert_eq!(on_record(&bench, kind), []);
        let line = format!("POST /v1/sessions/{session}/{verb}");
        assert_eq!(call(&bench, &line).await.status, 204);
        assert_eq!(on_record(&bench, kind), operator(reason));
        let entry = bench.entries(kind).remove(0);
        assert_eq!(entry.session.as_ref(), Some(&session));
    }
    client.receive().await.unwrap();
    let late = call(&bench, &format!("POST /v1/sessions/{session}/kill")).await;
    assert_eq!(late.problem(), (404, "unknown_session".to_owned()));
    assert_eq!(bench.entries(Kind::SessionKillRequested).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_for_operators_that_is_not_on_record_but_a_left_jail_is_ended() {
    let bench = Bench::new();
    let (_running, first) = bench.start(run()).await;
    let (client, second) = bench.start(run()).await;
    let act = async |session: &model::SessionId, verb: &str| {
        call(&bench, &format!("POST /v1/sessions/{session}/{verb}")).await
    };
    assert_eq!(act(&second, "pause").await.status, 204);
    let before = bench.warden.seen();
    assert!(before.contains(&Seen::Freeze));
    bench.log.close().unwrap();
    for (session, verb) in [
        (&first, "pause"),
        (&first, "stop"),
        (&first, "kill"),
        (&second, "resume"),
    ] {
        let answer = act(session, verb).await;
        assert!(answer.json()["remedy"].as_str().unwrap().contains("room"));
        assert_eq!(answer.problem(), (503, "not_recorded".to_owned()));
    }
    assert_eq!(bench.warden.seen(), before);
    let list = call(&bench, "GET /v1/sessions").await.json();
    let states = [0, 1].map(|index| list["sessions"][index]["state"].clone());
    assert_eq!(states, ["running", "paused"]);
    drop(client);
    bench
        .warden
        .until(|seen| matches!(seen, Seen::Kill(_)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_fails_is_taken_back_on_record() {
    let bench = Bench::with(Script {
        refuses: Refuses::Freeze,
        ..Script::default()
    });
    let (_client, session) = bench.start(run()).await;
    let line = format!("POST /v1/sessions/{session}/pause");
    let answer = call(&bench, &line).await;
    assert_eq!(answer.problem(), (500, "host_failed".to_owned()));
    assert_eq!(bench.entries(Kind::SessionPaused).len(), 1);
    let alert = bench.entries(Kind::Alert).remove(0);
    assert_eq!(alert.data["what"], "the session could not be paused");
    let detail = call(&bench, &format!("GET /v1/sessions/{session}")).await;
    assert_eq!(detail.json()["state"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_filter_and_refuse_what_they_do_not_know() {
    let bench = Bench::new();
    let (client, session) = bench.start(run()).await;
    bench.start(run()).await;
    bench.warden.end(&session, ExitRecord::exited(0));
    client.receive().await.unwrap();
    let query = format!("GET /v1/audit?session={session}");
    let kinds: Vec<Value> = lines(&call(&bench, &query).await)
        .iter()
        .map(|line| line["kind"].clone())
        .collect();
    assert_eq!(
        kinds,
        ["session.prepared", "session.started", "session.ended"]
    );
    let started = call(&bench, "GET /v1/audit?kind=session.started&limit=1").await;
    assert_eq!(lines(&started).len(), 1);
    for bad in ["kind=x", "session=x", "since=x", "other=1"] {
        let answer = call(&bench, &format!("GET /v1/audit?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}");
        answer.problem();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_what_comes_after_it() {
    let bench = Bench::new();
    let mut stream = UnixStream::connect(bench.control()).await.unwrap();
    let line = "GET /v1/audit?kind=session.started&follow=true";
    stream.write_all(&request(line, "", "")).await.unwrap();
    let mut reader = BufReader::new(stream).lines();
    for _ in 0..3 {
        let (_client, session) = bench.start(run()).await;
        let entry = loop {
            let line = reader.next_line().await.unwrap().unwrap();
            if line.starts_with('{') {
                break serde_json::from_str::<Value>(&line).unwrap();
            }
        };
        assert_eq!(entry["session"], session.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explains_a_denial_by_its_id() {
    let bench = Bench::new();
    let (_client, session) = bench.start(run()).await;
    let token = bench
        .warden
        .brought(&session, |brought| brought.token.clone());
    let body = r#"{"capability_id":"network.http_fetch","inputs":{"url":"http://a.test/"}}"#;
    let fields = format!("x-agent-token: {token}\r\n");
    let fetch = request("POST /chat/execute", &fields, body);
    send(&bench.warden.gateway(&session), &fetch)
        .await
        .problem();
    let events = lines(&call(&bench, "GET /v1/egress/events").await);
    let id = events[0]["id"].as_str().unwrap();
    let why = call(&bench, &format!("GET /v1/egress/why/{id}"))
        .await
        .json();
    assert_eq!(why["decision"]["host"], "a.test");
    assert!(
        why["next_steps"][0]
            .as_str()
            .unwrap()
            .contains("--allow a.test:80")
    );
    let unknown = call(&bench, "GET /v1/egress/why/e-0000000000000000").await;
    assert_eq!(unknown.problem(), (404, "unknown_event".to_owned()));
    assert_eq!(bench.entries(Kind::CapabilityDenied).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_the_rule_of_a_verdict_as_it_was_when_it_decided() {
    let bench = Bench::new();
    let reload = |generation, own: &str| {
        let profiles = super::bench::profiles_with(own);
        bench.warden.reload(generation, &profiles.encode().unwrap());
    };
    reload(6, "# why\n[[egress.deny]]\nhost = \"a.test\"\n");
    while bench.office.policies().generation() != 6 {
        tokio::task::yield_now().await;
    }
    let small = api::attach::Run {
        profile: "small".parse().unwrap(),
        ..run()
    };
    let (_client, session) = bench.start(small).await;
    let token = bench
        .warden
        .brought(&session, |brought| brought.token.clone());
    let body = r#"{"capability_id":"network.http_fetch","inputs":{"url":"http://a.test/"}}"#;
    let fields = format!("x-agent-token: {token}\r\n");
    let fetch = request("POST /chat/execute", &fields, body);
    send(&bench.warden.gateway(&session), &fetch)
        .await
        .problem();
    reload(7, "");
    while bench.office.policies().generation() != 7 {
        tokio::task::yield_now().await;
    }
    let events = lines(&call(&bench, "GET /v1/egress/events").await);
    let id = events[0]["id"].as_str().unwrap();
    let why = call(&bench, &format!("GET /v1/egress/why/{id}"))
        .await
        .json();
    let place = serde_json::json!({
        "file": "test:small", "line": 5, "text": "[[egress.deny]]\nhost = \"a.test\""
    });
    assert_eq!(
        (&why["decision"]["rule"], &why["place"]),
        (&"small:5".into(), &place)
    );
}
