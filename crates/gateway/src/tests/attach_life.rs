//! A session from an operator's hello to its report, and all the ways in which it does not start.

use api::attach::{Exec, FromOffice, Hello, Run};
use audit::Kind;
use model::{ExitReason, ExitRecord, ProfileName};
use warrant::{KillReason, Notice, ProcessId};

use super::bench::{Bench, run};
use super::warden::{Refuses, Script, Seen};

/// What makes a good request a bad one.
type Change = fn(&mut Run);

fn name(text: &str) -> ProfileName {
    text.parse().unwrap()
}

async fn refusal(bench: &Bench, hello: &Hello) -> (u16, String) {
    match bench.client(hello).receive().await {
        Some(FromOffice::Refused(problem)) => (problem.status, problem.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_starts_after_its_record_and_ends_with_its_report() {
    let bench = Bench::new();
    let (client, session) = bench.start(run()).await;
    let started = bench.entries(Kind::SessionStarted).remove(0);
    assert_eq!(started.session.as_ref(), Some(&session));
    assert_eq!(started.data["argv"][0], "true");
    assert_eq!(started.data["layers"]["pivoted"], true);
    client.signal(15);
    bench
        .warden
        .until(|seen| *seen == Seen::Signal(ProcessId::MAIN, 15))
        .await;
    bench.warden.end(&session, ExitRecord::exited(3));
    let Some(FromOffice::Ended { record, report }) = client.receive().await else {
        panic!("no end");
    };
    assert_eq!(record, ExitRecord::exited(3));
    assert_eq!((report.kernel.bytes_up, report.memory_peak), (700, 4096));
    assert_eq!(report.policy_generation, 5);
    let ended = bench.entry(Kind::SessionEnded).await;
    assert_eq!(ended.data["exit"]["code"], 3);
    assert!(bench.office.registry().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jail_gets_a_token_and_the_way_to_the_proxy_unless_the_operator_set_one() {
    let bench = Bench::new();
    let mut wanted = run();
    wanted.env = vec![b"HTTP_PROXY=http://own".to_vec()];
    let (_client, session) = bench.start(wanted).await;
    let has = |entry: &str| {
        let wanted = entry.as_bytes();
        bench.warden.brought(&session, |brought| {
            brought.env.iter().any(|own| own == wanted)
        })
    };
    assert!(has("HTTP_PROXY=http://own"));
    assert!(!has("HTTP_PROXY=http://10.77.0.1:3128"));
    assert!(has("https_proxy=http://10.77.0.1:3128"));
    assert!(has(&format!("SHERIFF_SESSION={session}")));
    let (token, fds) = bench
        .warden
        .brought(&session, |brought| (brought.token.clone(), brought.fds));
    assert_eq!((token.len(), fds), (64, 5));
    let facts = std::fs::read_to_string(
        bench
            .folder
            .path()
            .join("sessions")
            .join(format!("{session}.json")),
    );
    assert!(!facts.unwrap().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_can_not_be_carried_out_are_refused_before_the_warden_hears_of_them() {
    let bench = Bench::new();
    let cases: [(&str, Change); 7] = [
        ("bad_command", |run| run.argv.clear()),
        ("bad_command", |run| run.env = vec![b"=x".to_vec()]),
        ("unknown_profile", |run| run.profile = name("other")),
        ("bad_rule", |run| run.allow = vec!["*.com".to_owned()]),
        ("bad_rule", |run| run.connect = vec!["a.test".to_owned()]),
        ("bad_limit", |run| {
            run.limits = vec!["memory=1MB".to_owned()];
        }),
        ("bad_descriptors", |run| run.workspace = true),
    ];
    for (code, change) in cases {
        let mut wanted = run();
        change(&mut wanted);
        let got = refusal(&bench, &Hello::Run(Box::new(wanted))).await;
        assert_eq!(got, (400, code.to_owned()));
    }
    assert!(bench.warden.seen().is_empty());
    assert_eq!(bench.entries(Kind::SessionRefused).len(), 7);
    bench.start(run()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jail_that_can_not_be_built_is_a_refusal_with_its_step() {
    let bench = Bench::with(Script {
        refuses: Refuses::Launch,
        ..Script::default()
    });
    let client = bench.client(&Hello::Run(Box::new(run())));
    let Some(FromOffice::Refused(problem)) = client.receive().await else {
        panic!("not refused");
    };
    assert_eq!(
        (problem.status, problem.code.as_str()),
        (500, "host_failed")
    );
    assert_eq!(
        (problem.detail.as_str(), problem.remedy.as_str()),
        ("step cgroup", "see the manual")
    );
    assert!(bench.office.registry().is_empty());
    assert!(bench.entries(Kind::SessionStarted).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_that_is_not_on_record() {
    let bench = Bench::new();
    let (client, first) = bench.start(run()).await;
    bench.log.close().unwrap();
    let got = refusal(&bench, &Hello::Run(Box::new(run()))).await;
    assert_eq!(got, (503, "not_recorded".to_owned()));
    let commits = bench.warden.seen();
    let commits = commits
        .iter()
        .filter(|seen| matches!(seen, Seen::Commit(_)));
    assert_eq!(commits.count(), 1);
    bench.warden.end(&first, ExitRecord::exited(0));
    assert!(matches!(
        client.receive().await,
        Some(FromOffice::Ended { .. })
    ));
}

/// The line of this start alone is too long for the log; its preparation was recorded.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_jail_is_ended_when_its_start_can_not_be_recorded() {
    let bench = Bench::new();
    let mut wanted = run();
    let long = |n: usize| format!("{n}.{0}.{0}.{0}.example", "y".repeat(60));
    wanted.allow = (0..256).map(long).collect();
    wanted.argv.push(vec![b'"'; 9000]);
    let got = refusal(&bench, &Hello::Run(Box::new(wanted))).await;
    assert_eq!(got, (503, "not_recorded".to_owned()));
    bench
        .warden
        .until(|seen| *seen == Seen::Kill(KillReason::NotRecorded))
        .await;
    assert!(
        !bench
            .warden
            .seen()
            .iter()
            .any(|seen| matches!(seen, Seen::Commit(_)))
    );
    assert!(bench.office.registry().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_an_end_like_any_other() {
    let bench = Bench::with(Script {
        no_program: true,
        ..Script::default()
    });
    let (client, _) = bench.start(run()).await;
    let Some(FromOffice::Ended { record, .. }) = client.receive().await else {
        panic!("no end");
    };
    assert_eq!(record, ExitRecord::ended(ExitReason::NotFound));
    assert_eq!(
        bench.entry(Kind::SessionEnded).await.data["exit"]["code"],
        127
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_jail_with_it() {
    let bench = Bench::new();
    let (staying, _) = bench.start(run()).await;
    let (leaving, gone) = bench.start(run()).await;
    drop(leaving);
    bench
        .warden
        .until(|seen| *seen == Seen::Kill(KillReason::Operator))
        .await;
    let ended = bench.entry(Kind::SessionEnded).await;
    assert_eq!(ended.session.as_ref(), Some(&gone));
    let request = bench.entry(Kind::SessionKillRequested).await;
    assert_eq!(request.principal, audit::Principal::Sheriff);
    assert_eq!(request.session, Some(gone));
    assert_eq!(request.data["reason"], "disconnected");
    assert!(request.seq < ended.seq);
    assert_eq!(bench.office.registry().len(), 1);
    drop(staying);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_process_is_recorded_and_its_exit_told() {
    let bench = Bench::new();
    let (_client, session) = bench.start(run()).await;
    let exec = |session| {
        Hello::Exec(Box::new(Exec {
            session,
            argv: vec![b"ls".to_vec()],
            env: Vec::new(),
            terminal: None,
        }))
    };
    let client = bench.client(&exec(session.clone()));
    assert!(matches!(
        client.receive().await,
        Some(FromOffice::Started { process: 1, .. })
    ));
    let exit = ExitRecord::exited(9);
    bench
        .warden
        .notice(Notice::Exited(session.clone(), ProcessId(1), exit));
    assert_eq!(
        client.receive().await,
        Some(FromOffice::Exited { record: exit })
    );
    assert_eq!(bench.entry(Kind::ExecStarted).await.data["argv"][0], "ls");
    assert_eq!(bench.entry(Kind::ExecEnded).await.data["exit"]["code"], 9);
    let leaving = bench.client(&exec(session));
    leaving.receive().await.unwrap();
    drop(leaving);
    bench
        .warden
        .until(|seen| *seen == Seen::Signal(ProcessId(1), 9))
        .await;
    let unknown = model::SessionId::from_random([0; 8]);
    assert_eq!(
        refusal(&bench, &exec(unknown)).await,
        (404, "unknown_session".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_program_that_is_not_there_ends_with_its_code_and_not_with_sheriffs() {
    for (reason, code) in [
        (ExitReason::NotFound, 127),
        (ExitReason::NotExecutable, 126),
    ] {
        let (bench, answer) = failed_exec(reason).await;
        let record = ExitRecord::ended(reason);
        assert_eq!(answer, FromOffice::Exited { record });
        assert_eq!(record.code, code);
        let ended = bench.entry(Kind::ExecEnded).await;
        assert_eq!(ended.data["exit"]["code"], code);
        assert_eq!(ended.data["cause"], "exec: the kernel said no");
    }
    // One that Sheriff could not start is another matter.
    let (bench, answer) = failed_exec(ExitReason::StartFailed).await;
    let FromOffice::Refused(problem) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(problem.title, "exec: the kernel said no");
    let ended = bench.entry(Kind::ExecEnded).await;
    assert_eq!(ended.data["exit"]["code"], 125);
}

/// What the client of a process hears first that does not start for this reason.
async fn failed_exec(reason: ExitReason) -> (Bench, FromOffice) {
    let bench = Bench::with(Script {
        exec_fails: Some(reason),
        ..Script::default()
    });
    let (_client, session) = bench.start(run()).await;
    let client = bench.client(&Hello::Exec(Box::new(Exec {
        session,
        argv: vec![b"missing".to_vec()],
        env: Vec::new(),
        terminal: None,
    })));
    let answer = client.receive().await.unwrap();
    (bench, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_that_is_no_hello_is_refused() {
    let bench = Bench::new();
    let path = bench.folder.path().join("attach.sock");
    for bytes in [&b"{"[..], b"{\"run\":{},\"run\":{}}", b"{\"stop\":{}}"] {
        let client = super::bench::Client::send_raw(&path, bytes);
        let Some(FromOffice::Refused(problem)) = client.receive().await else {
            panic!("not refused");
        };
        assert_eq!(problem.code, "malformed_json");
    }
}
