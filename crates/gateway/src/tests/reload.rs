//! Other profiles while sessions run, as the warden announces them.

use api::attach::{FromOffice, Run};
use audit::Kind;
use model::{ExitRecord, SessionId};
use warrant::{Notice, Profiles};

use super::bench::{Bench, profiles_with, run};
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
    let token = bench
        .warden
        .brought(session, |brought| brought.token.clone());
    let fields = format!("x-agent-token: {token}\r\n");
    let asked = request("GET /chat/policy", &fields, "");
    let policy = send(&bench.warden.gateway(session), &asked).await.json();
    policy["allow"].clone()
}

fn generations(bench: &Bench) -> Vec<Option<u64>> {
    let entries = bench.entries(Kind::PolicyReloaded);
    let generation = |entry: &audit::Entry| entry.data["generation"].as_u64();
    entries.iter().map(generation).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_sessions_get_the_new_profiles_and_running_ones_keep_theirs() {
    let bench = Bench::new();
    let (client, before) = bench.start(small()).await;
    bench.warden.reload(6, &newer().encode().unwrap());
    in_force(&bench, 6).await;
    let (_client, after) = bench.start(small()).await;
    assert_eq!(allowed(&bench, &before).await, serde_json::json!([]));
    assert_eq!(
        allowed(&bench, &after).await,
        serde_json::json!(["new.test:443"])
    );
    assert_eq!(generations(&bench), [Some(6)]);
    let started = bench.entries(Kind::SessionStarted);
    let of = |entry: &audit::Entry| entry.data["policy_generation"].as_u64();
    assert_eq!(started.iter().filter_map(of).collect::<Vec<_>>(), [5, 6]);
    bench.warden.end(&before, ExitRecord::exited(0));
    let Some(FromOffice::Ended { report, .. }) = client.receive().await else {
        panic!("no end");
    };
    assert_eq!(report.policy_generation, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_that_are_broken_stale_or_missing_leave_the_old_ones_in_force() {
    let bench = Bench::new();
    let good = newer().encode().unwrap();
    bench.warden.reload(6, b"");
    bench.warden.reload(6, &good[..good.len() - 1]);
    bench.warden.reload(6, &[&good[..], b"x"].concat());
    bench.warden.reload(5, &good);
    bench.warden.notice(Notice::Profiles(6));
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
