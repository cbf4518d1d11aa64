//! Other profiles while sessions run, as the warden announces them.

use api::attach::{FromOffice, Run};
use audit::Kind;
use model::{ExitRecord, SessionId};
use warrant::{Notice, Profiles, Reload};

use super::bench::{Bench, profiles_with, run};
use super::warden::{Refuses, Script, Seen};
use super::web::{request, send};

fn small() -> Run {
    Run {
        profile: "small".parse().unwrap(),
        ..run()
    }
}

/// Profiles of which `small` allows a host.
fn newer() -> Profiles {
    profiles_with("[[egress.allow]]\nhost = \"new.test\"\n")
}

/// Waits until this generation is in force.
async fn in_force(bench: &Bench, generation: u64) {
    while bench.office.policies().generation() != generation {
        tokio::task::yield_now().await;
    }
}

/// What a session may reach, by its own gateway.
async fn allowed(bench: &Bench, session: &SessionId) -> serde_json::Value {
    policy(bench, session).await["allow"].clone()
}

async fn policy(bench: &Bench, session: &SessionId) -> serde_json::Value {
    let token = bench
        .warden
        .brought(session, |brought| brought.token.clone());
    let fields = format!("x-agent-token: {token}\r\n");
    let asked = request("GET /chat/policy", &fields, "");
    send(&bench.warden.gateway(session), &asked).await.json()
}

fn generations(bench: &Bench) -> Vec<Option<u64>> {
    let entries = bench.entries(Kind::PolicyReloaded);
    let generation = |entry: &audit::Entry| entry.data["generation"].as_u64();
    entries.iter().map(generation).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_and_running_sessions_are_governed_by_the_new_profiles() {
    let bench = Bench::new();
    let (client, before) = bench.start(small()).await;
    assert_eq!(allowed(&bench, &before).await, serde_json::json!([]));
    bench.warden.reload(6, &newer().encode().unwrap());
    in_force(&bench, 6).await;
    let (_client, after) = bench.start(small()).await;
    let new = serde_json::json!(["new.test:443"]);
    while allowed(&bench, &before).await != new {}
    assert_eq!(allowed(&bench, &after).await, new);
    assert_eq!(policy(&bench, &before).await["generation"], 6);
    assert_eq!(generations(&bench), [Some(6)]);
    let started = bench.entries(Kind::SessionStarted);
    let of = |entry: &audit::Entry| entry.data["policy_generation"].as_u64();
    assert_eq!(started.iter().filter_map(of).collect::<Vec<_>>(), [5, 6]);
    bench.warden.end(&before, ExitRecord::exited(0));
    let Some(FromOffice::Ended { report, .. }) = client.receive().await else {
        panic!("no end");
    };
    assert_eq!(report.policy_generation, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_its_own_rules_over_a_reload_and_its_budget_counts_on() {
    let bench = Bench::new();
    let own = Run {
        allow: vec!["own.test".to_owned()],
        ..small()
    };
    let (_client, session) = bench.start(own).await;
    let budget = "[[egress.allow]]\nhost = \"new.test\"\n[budget]\negress_up = \"5MiB\"\n";
    bench
        .warden
        .put_on_disk(6, profiles_with(budget).encode().unwrap());
    reloaded(&bench).await;
    let policy = policy(&bench, &session).await;
    let both = serde_json::json!(["new.test:443", "own.test:443"]);
    let mut allow = policy["allow"].as_array().unwrap().clone();
    allow.sort_by_key(|rule| rule.to_string());
    assert_eq!(serde_json::Value::from(allow), both);
    assert_eq!(policy["budget"]["egress_up"], "5MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_profile_is_gone_may_send_nothing_until_it_is_back() {
    let bench = Bench::new();
    let allow = "[[egress.allow]]\nhost = \"new.test\"\n";
    bench
        .warden
        .reload(6, &profiles_with(allow).encode().unwrap());
    in_force(&bench, 6).await;
    let (_client, session) = bench.start(small()).await;
    let other = profiles_with(allow);
    let without = Profiles {
        texts: other
            .texts
            .into_iter()
            .filter(|text| text.name.as_str() != "small")
            .collect(),
    };
    bench.warden.put_on_disk(7, without.encode().unwrap());
    let done = reloaded(&bench).await;
    assert_eq!(done["troubles"][0]["session"], session.as_str());
    assert_eq!(allowed(&bench, &session).await, serde_json::json!([]));
    let alerts = bench.entries(Kind::Alert);
    let lost = |entry: &audit::Entry| entry.data["alert"] == "policy_lost";
    assert!(alerts.iter().any(lost), "{alerts:?}");
    bench
        .warden
        .put_on_disk(8, profiles_with(allow).encode().unwrap());
    let done = reloaded(&bench).await;
    assert_eq!(done["troubles"], serde_json::json!([]));
    assert_eq!(
        allowed(&bench, &session).await,
        serde_json::json!(["new.test:443"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_hears_of_the_generation_or_of_the_place_of_the_fault_and_both_are_on_record() {
    let bench = Bench::new();
    let (_client, _session) = bench.start(small()).await;
    let asked = request("POST /v1/reload", "", "");
    let refused = send(&bench.control(), &asked).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let problem = refused.json();
    assert_eq!(problem["code"], "reload_refused");
    let detail = problem["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("coder.toml:7"), "{detail}");
    bench.warden.put_on_disk(6, newer().encode().unwrap());
    let done = reloaded(&bench).await;
    assert_eq!(
        (&done["generation"], &done["sessions"]),
        (&6.into(), &1.into())
    );
    assert_eq!(done["restart_needed"], serde_json::json!(["jails"]));
    let uid = sys::privileges::effective_user();
    for kind in [Kind::PolicyReloadRefused, Kind::PolicyReloaded] {
        let entries = bench.entries(kind);
        assert_eq!(entries.len(), 1, "{kind}");
        assert_eq!(entries[0].principal, audit::Principal::Operator { uid });
    }
    // What the warden finds good and the office does not: the operator hears of that, too.
    let unusable = profiles_with("no such key = 1\n").encode().unwrap();
    bench.warden.put_on_disk(7, unusable);
    let refused = send(&bench.control(), &asked).await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert_eq!(bench.office.policies().generation(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_that_new_rules_name_are_asked_for_once_and_a_refusal_raises_an_alert() {
    for refuses in [Refuses::Nothing, Refuses::Ports] {
        let bench = Bench::with(Script {
            refuses,
            ..Script::default()
        });
        let (_client, _session) = bench.start(small()).await;
        let ports = "[[egress.allow]]\nhost = \"new.test\"\nports = [443, 5432, 22]\n";
        let bytes = profiles_with(ports).encode().unwrap();
        bench.warden.reload(6, &bytes);
        let asked = |seen: &Seen| matches!(seen, Seen::OpenPorts(_));
        let first = bench.warden.until(asked).await;
        assert_eq!(first, Seen::OpenPorts(vec![22, 5432]));
        if refuses == Refuses::Ports {
            let lost = |entry: &audit::Entry| entry.data["alert"] == "ports_not_opened";
            while !bench.entries(Kind::Alert).iter().any(lost) {
                tokio::task::yield_now().await;
            }
        }
        bench.warden.put_on_disk(7, bytes);
        reloaded(&bench).await;
        // Refused ones are tried again; open ones are not asked for again.
        let wanted = if refuses == Refuses::Ports { 2 } else { 1 };
        while bench
            .warden
            .seen()
            .iter()
            .filter(|seen| asked(seen))
            .count()
            < wanted
        {
            tokio::task::yield_now().await;
        }
        let seen = bench.warden.seen();
        assert_eq!(seen.iter().filter(|seen| asked(seen)).count(), wanted);
    }
}

/// Has an operator reload, and insists on it.
async fn reloaded(bench: &Bench) -> serde_json::Value {
    let answer = send(&bench.control(), &request("POST /v1/reload", "", "")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_that_are_broken_stale_or_missing_leave_the_old_ones_in_force() {
    let bench = Bench::new();
    let good = newer().encode().unwrap();
    bench.warden.reload(6, b"");
    bench.warden.reload(6, &good[..good.len() - 1]);
    bench.warden.reload(6, &[&good[..], b"x"].concat());
    bench.warden.reload(5, &good);
    bench.warden.notice(Notice::Profiles(Box::new(Reload {
        generation: 6,
        operator: None,
        prices: Default::default(),
    })));
    let unusable = profiles_with("no such key = 1\n").encode().unwrap();
    bench.warden.reload(6, &unusable);
    // Notices are heeded in order: after this end all of them were.
    let (client, session) = bench.start(small()).await;
    bench.warden.end(&session, ExitRecord::exited(0));
    client.receive().await.unwrap();
    assert_eq!(bench.office.policies().generation(), 5);
    let (_client, session) = bench.start(small()).await;
    assert_eq!(allowed(&bench, &session).await, serde_json::json!([]));
    bench.warden.reload(7, &good);
    in_force(&bench, 7).await;
    assert_eq!(generations(&bench), [Some(7)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_can_not_be_recorded_does_not_happen() {
    let bench = Bench::new();
    let (client, session) = bench.start(small()).await;
    bench.warden.reload(6, &newer().encode().unwrap());
    in_force(&bench, 6).await;
    bench.log.close().unwrap();
    bench.warden.reload(7, &newer().encode().unwrap());
    bench.warden.end(&session, ExitRecord::exited(0));
    client.receive().await.unwrap();
    assert_eq!(bench.office.policies().generation(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_comes_and_goes_with_the_profiles_and_a_broken_one_changes_nothing() {
    let bench = Bench::new();
    let under = |config: &str| {
        let mut profiles = newer();
        profiles.texts.push(warrant::ProfileText {
            kind: "ceiling".to_owned(),
            name: "egress".parse().unwrap(),
            source: "sheriffd.toml".to_owned(),
            text: config.to_owned(),
        });
        profiles.encode().unwrap()
    };
    let good = "[[ceilings.egress.deny]]\nhost = \"new.test\"\n";
    bench
        .warden
        .reload(6, &under(&good.replace("host", "hots")));
    bench.warden.reload(7, &under(good));
    in_force(&bench, 7).await;
    assert_eq!(generations(&bench), [Some(7)]);
    let (_client, bound) = bench.start(small()).await;
    let policy = policy(&bench, &bound).await;
    assert_eq!(policy["allow"], serde_json::json!(["new.test:443"]));
    let ceiling = serde_json::json!({ "allow": [], "deny": ["new.test"] });
    assert_eq!(policy["ceiling"], ceiling);
    assert_eq!(denial(&bench, &bound).await, "above_ceiling");
    bench.warden.reload(8, &newer().encode().unwrap());
    in_force(&bench, 8).await;
    let (_client, free) = bench.start(small()).await;
    assert_ne!(denial(&bench, &free).await, "above_ceiling");
}

/// The reason of the last event of a session that asks for `new.test`.
async fn denial(bench: &Bench, session: &SessionId) -> String {
    let token = bench
        .warden
        .brought(session, |brought| brought.token.clone());
    let body = r#"{"capability_id":"network.http_fetch","inputs":{"url":"https://new.test/"}}"#;
    let fields = format!("x-agent-token: {token}\r\n");
    let asked = request("POST /chat/execute", &fields, body);
    send(&bench.warden.gateway(session), &asked).await;
    let decisions = bench.entries(Kind::EgressDecision);
    let own = decisions.iter().rev();
    let mut own = own.filter(|entry| entry.session.as_ref() == Some(session));
    let last = own.next().unwrap();
    last.data["reason"].as_str().unwrap().to_owned()
}
