//! Reading while writing, filters, and bad lines.

use std::fs::File;
use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::{Event, Log, Options, Principal, Sync};

const PATIENCE: Duration = Duration::from_secs(20);

fn log(dir: &Path) -> Log {
    Log::open(
        dir,
        &Options {
            segment_bytes: 3000,
            ..Options::new(Sync::Group)
        },
    )
    .unwrap()
}

fn alert(n: u64) -> Event {
    Event::new(Kind::Alert, Principal::Sheriff).data(json!(n))
}

fn texts(reader: &mut Reader) -> Vec<u64> {
    reader
        .map(|entry| entry.unwrap().data.as_u64().unwrap())
        .collect()
}

#[test]
fn filters_by_kind_session_run_seq_and_limit_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let session = SessionId::from_random([1; 8]);
    let mut receipts = Vec::new();
    for n in 0..30 {
        let event = if n % 3 == 0 {
            alert(n).session(session.clone())
        } else {
            alert(n)
        };
        let run = (n % 2 == 0).then(|| "even".to_owned());
        receipts.push(log.append(&Event { run, ..event }).unwrap());
    }
    let alerts = Filter {
        kinds: vec![Kind::Alert],
        ..Filter::default()
    };
    let read = |filter: Filter| texts(&mut Reader::open(dir.path(), filter).unwrap());
    assert_eq!(read(alerts.clone()), Vec::from_iter(0..30));
    let of_session = Filter {
        session: Some(session.clone()),
        ..alerts.clone()
    };
    assert_eq!(read(of_session), Vec::from_iter((0..30).step_by(3)));
    let both = Filter {
        session: Some(session),
        run: Some("even".to_owned()),
        ..alerts.clone()
    };
    assert_eq!(read(both), Vec::from_iter((0..30).step_by(6)));
    for (n, receipt) in receipts.iter().enumerate() {
        let since = Filter {
            since: receipt.seq,
            limit: Some(2),
            ..alerts.clone()
        };
        assert_eq!(read(since), Vec::from_iter((n as u64..30).take(2)));
    }
}

#[test]
fn follows_a_log_over_segments_while_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let alerts = Filter {
        kinds: vec![Kind::Alert],
        ..Filter::default()
    };
    let mut reader = Reader::open(dir.path(), alerts).unwrap();
    assert!(reader.next().is_none());
    std::thread::scope(|scope| {
        scope.spawn(|| (0..200).for_each(|n| drop(log.append(&alert(n)).unwrap())));
        for n in 0..200 {
            let entry = reader.next_within(PATIENCE).unwrap().unwrap();
            assert_eq!(entry.data, json!(n));
        }
    });
    assert!(reader.next_within(Duration::ZERO).unwrap().is_none());
}

#[test]
fn begins_with_a_log_that_is_not_there_yet() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader = Reader::open(dir.path(), Filter::default()).unwrap();
    assert!(reader.next().is_none());
    drop(log(dir.path()));
    assert_eq!(reader.next().unwrap().unwrap().seq, 1);
}

#[test]
fn waits_for_the_rest_of_a_line_and_skips_a_bad_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(log(dir.path()));
    let whole: Vec<_> = Reader::open(dir.path(), Filter::default())
        .unwrap()
        .collect();
    let line = whole[0].as_ref().unwrap().to_line().unwrap();
    let mut reader = Reader::open(dir.path(), Filter::default()).unwrap();
    assert_eq!(reader.by_ref().count(), whole.len());
    let path = dir.path().join("audit-00000000000000000001.jsonl");
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(b"not an entry\n").unwrap();
    file.write_all(&line[..20]).unwrap();
    assert!(matches!(reader.next(), Some(Err(ReadError::Line { .. }))));
    assert!(reader.next().is_none());
    file.write_all(&line[20..]).unwrap();
    file.write_all(b"\n").unwrap();
    assert_eq!(reader.next().unwrap().unwrap().seq, 1);
}
