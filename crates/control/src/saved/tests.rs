//! The files of sessions under several writers.

use std::thread;

use super::*;
use crate::token::Token;

fn saved(running_ms: u64) -> Saved {
    Saved {
        version: VERSION,
        facts: Facts {
            session: SessionId::from_random([7; 8]),
            profile: "base".parse().unwrap(),
            // Long enough that a text written in between would show.
            command: "x".repeat(1 << 12),
            operator_uid: 0,
            token: Token::draw().unwrap().hash(),
            allow: Vec::new(),
            connect: Vec::new(),
            secrets: Vec::new(),
            secret_hosts: std::collections::BTreeMap::new(),
            learn: false,
            placeholders: std::collections::BTreeMap::new(),
        },
        started: "2026-01-01T00:00:00.000Z".to_owned(),
        running_ms,
        written_ms: 0,
        paused: false,
        carried: Carried::default(),
    }
}

#[test]
fn a_launch_and_the_clock_may_write_the_same_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let files = SavedFolder::open(&folder.path().join("sessions")).unwrap();
    let one = saved(0);
    files.write(&one).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let (files, one) = (files.clone(), &one);
            scope.spawn(move || {
                for round in 0..200 {
                    let running_ms = writer * 1000 + round;
                    let next = Saved {
                        running_ms,
                        ..one.clone()
                    };
                    files.write(&next).unwrap();
                    let found = files.read(&one.facts.session).unwrap().unwrap();
                    assert_eq!(found.facts, one.facts);
                }
            });
        }
    });
    let names = fs::read_dir(folder.path().join("sessions")).unwrap();
    assert_eq!(names.count(), 1, "a draft is left");
}

#[test]
fn an_ended_session_does_not_come_back_by_a_late_update() {
    let folder = tempfile::tempdir().unwrap();
    let files = SavedFolder::open(&folder.path().join("sessions")).unwrap();
    let id = saved(0).facts.session;
    files.write(&saved(1)).unwrap();
    files.update(&saved(2)).unwrap();
    assert_eq!(files.read(&id).unwrap().unwrap().running_ms, 2);
    files.remove(&id).unwrap();
    files.update(&saved(3)).unwrap();
    assert_eq!(files.read(&id).unwrap(), None);
}
