//! A recorded session: what the client gets of it, and that no other session has any of that.

use std::fs::File;
use std::io::Read;

use api::attach::{FromOffice, Run};
use api::recording::Base;
use audit::Kind;
use model::{ExitRecord, Recorded};

use super::bench::{Bench, run};

/// The number of `read`.
const READ: u32 = if cfg!(target_arch = "x86_64") { 0 } else { 63 };

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_session_ends_with_names_and_the_profile_that_it_ran_under() {
    let bench = Bench::new();
    let wanted = Run {
        record: true,
        learn: false,
        ..run()
    };
    let (client, session) = bench.start(wanted).await;
    assert!(bench.warden.brought(&session, |brought| brought.record));
    let started = bench.entries(Kind::SessionStarted).remove(0);
    assert_eq!(started.data["recording"], true);
    // Numbers that have no name, whoever made them up, are only counted.
    let recorded = Recorded {
        calls: vec![(READ, 7), (1023, 2)],
        odd: 1,
    };
    let end = ExitRecord::exited(3);
    bench.warden.end_recorded(&session, end, Some(recorded));
    let (FromOffice::Ended { report, .. }, fds) = client.receive_all().await else {
        panic!("no end");
    };
    let recorded = report.recorded.unwrap();
    assert_eq!((recorded.profile.as_str(), recorded.odd), ("agent", 3));
    let [call] = recorded.calls.try_into().unwrap();
    assert_eq!((call.syscall.as_str(), call.count), ("read", 7));
    let mut text = String::new();
    let base = fds.into_iter().next().unwrap();
    File::from(base).read_to_string(&mut text).unwrap();
    let base: Base = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> = base.texts.iter().map(|text| text.name.as_str()).collect();
    assert_eq!(names, ["agent", "trunk"]);
    assert!(base.texts[0].text.contains("keep = "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_recorded_has_no_record_and_brings_no_profile() {
    let bench = Bench::new();
    let (client, session) = bench.start(run()).await;
    assert!(!bench.warden.brought(&session, |brought| brought.record));
    let started = bench.entries(Kind::SessionStarted).remove(0);
    assert_eq!(started.data["recording"], false);
    bench.warden.end(&session, ExitRecord::exited(0));
    let (FromOffice::Ended { report, .. }, fds) = client.receive_all().await else {
        panic!("no end");
    };
    assert!(report.recorded.is_none() && fds.is_empty());
}
