//! Each way to tamper with a log, against the same log untouched.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::key::{KeyPair, PUBLIC_FILE};
use crate::{Event, Log, Options, Principal, Sync};

/// A closed log of several segments, and its public key.
struct Sample {
    dir: tempfile::TempDir,
    key: PublicKey,
}

impl Sample {
    /// Makes the log and is the positive control: it is intact.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes: 3200,
            checkpoint_every: 5,
            ..Options::new(Sync::Group)
        };
        let log = Log::open(dir.path(), &options).unwrap();
        for n in 0..20 {
            let data = json!({ "bytes_up": n, "bytes_down": 1, "host": "a.example" });
            let event = Event::new(Kind::EgressClose, Principal::Sheriff).data(data);
            log.append(&event).unwrap();
        }
        log.close().unwrap();
        let key = log.public_key();
        let sample = Self { dir, key };
        let report = sample.report();
        assert_eq!(report.problems, []);
        assert_eq!((report.bytes_up, report.bytes_down), (190, 20));
        assert!(report.segments >= 3, "{report:?}");
        sample
    }

    fn report(&self) -> Report {
        verify(self.dir.path(), Some(&self.key)).unwrap()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let listing = segment::list(self.dir.path()).unwrap();
        listing
            .segments
            .into_iter()
            .map(|segment| segment.path)
            .collect()
    }

    /// Rewrites the lines of segment `index`.
    fn edit(&self, index: usize, change: impl FnOnce(&mut Vec<String>)) {
        let path = &self.segments()[index];
        let mut lines: Vec<_> = fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        let before = lines.clone();
        change(&mut lines);
        assert_ne!(lines, before, "the test changed nothing");
        fs::write(
            path,
            lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>(),
        )
        .unwrap();
    }

    /// Rewrites all entries and links them anew, as somebody without the key could.
    fn forge(&self, change: impl Fn(&mut Entry)) {
        let mut chain = Chain::new();
        for path in self.segments() {
            let mut out = Vec::new();
            for line in fs::read_to_string(&path).unwrap().lines() {
                let mut entry = Entry::from_line(line.as_bytes()).unwrap();
                change(&mut entry);
                (entry.seq, entry.prev) = (chain.next_seq, chain.prev);
                if entry.kind == Kind::Checkpoint {
                    entry.data["head"] = json!(chain.prev);
                    entry.data["bytes_up"] = json!(chain.totals.bytes_up);
                }
                entry.hash = entry.computed_hash().unwrap();
                follow(&mut chain, &entry);
                out.extend(entry.to_line().unwrap());
                out.push(b'\n');
            }
            fs::write(path, out).unwrap();
        }
    }

    fn assert_found(&self, expected: impl Fn(&Fault) -> bool) {
        let report = self.report();
        assert!(
            report
                .problems
                .iter()
                .any(|problem| expected(&problem.what)),
            "{report:#?}"
        );
    }
}

fn rehash(line: &str, change: impl FnOnce(&mut Entry)) -> String {
    let mut entry = Entry::from_line(line.as_bytes()).unwrap();
    change(&mut entry);
    entry.hash = entry.computed_hash().unwrap();
    String::from_utf8(entry.to_line().unwrap()).unwrap()
}

#[test]
fn finds_a_change_of_any_single_byte() {
    let sample = Sample::new();
    let path = &sample.segments()[1];
    let original = fs::read(path).unwrap();
    for at in (0..original.len()).step_by(7) {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        fs::write(path, &bytes).unwrap();
        assert!(!sample.report().is_intact(), "byte {at}");
    }
    fs::write(path, &original).unwrap();
    assert!(sample.report().is_intact());
}

#[test]
fn finds_an_edited_entry_even_with_its_hash_made_anew() {
    let sample = Sample::new();
    sample.edit(1, |lines| {
        lines[2] = lines[2].replace("a.example", "b.example");
    });
    sample.assert_found(|fault| *fault == Fault::Hash);
    let sample = Sample::new();
    sample.edit(1, |lines| {
        lines[2] = rehash(&lines[2], |entry| entry.data["host"] = json!("b"));
    });
    sample.assert_found(|fault| *fault == Fault::Prev);
}

#[test]
fn finds_an_edit_that_means_the_same_json() {
    let sample = Sample::new();
    sample.edit(1, |lines| lines[2] = lines[2].replace(":", ": "));
    sample.assert_found(|fault| {
        matches!(
            fault,
            Fault::Line {
                line: LineError::NotCanonical
            }
        )
    });
    let sample = Sample::new();
    sample.edit(0, |lines| {
        lines[3] = lines[3].replace("{\"bytes_down\"", "{\"bytes_down\":9,\"bytes_down\"");
    });
    sample.assert_found(|fault| matches!(fault, Fault::Line { .. }));
}

#[test]
fn finds_removed_inserted_swapped_and_repeated_lines() {
    let sample = Sample::new();
    sample.edit(1, |lines| drop(lines.remove(2)));
    sample.assert_found(|fault| matches!(fault, Fault::Seq { .. }));
    let sample = Sample::new();
    sample.edit(0, |lines| drop(lines.remove(0)));
    sample.assert_found(|fault| matches!(fault, Fault::BeginningCut { first: 2, .. }));
    let sample = Sample::new();
    sample.edit(1, |lines| {
        lines.insert(2, rehash(&lines[1], |entry| entry.seq += 1));
    });
    sample.assert_found(|fault| *fault == Fault::Prev);
    let sample = Sample::new();
    sample.edit(1, |lines| lines.swap(1, 2));
    sample.assert_found(|fault| matches!(fault, Fault::Seq { .. }));
    let sample = Sample::new();
    sample.edit(1, |lines| lines.insert(2, lines[2].clone()));
    sample.assert_found(|fault| matches!(fault, Fault::Seq { .. }));
}

#[test]
fn finds_removed_renamed_emptied_and_added_segments() {
    let sample = Sample::new();
    fs::remove_file(&sample.segments()[1]).unwrap();
    sample.assert_found(|fault| matches!(fault, Fault::Seq { .. }));
    let sample = Sample::new();
    fs::remove_file(&sample.segments()[0]).unwrap();
    sample.assert_found(|fault| matches!(fault, Fault::BeginningCut { allowed: 0, .. }));
    let sample = Sample::new();
    fs::rename(
        &sample.segments()[0],
        Segment::starting_at(sample.dir.path(), 2).path,
    )
    .unwrap();
    sample.assert_found(|fault| matches!(fault, Fault::Name { named: 2, found: 1 }));
    let sample = Sample::new();
    fs::write(&sample.segments()[1], b"").unwrap();
    sample.assert_found(|fault| *fault == Fault::EmptySegment);
    let sample = Sample::new();
    fs::copy(
        &sample.segments()[0],
        Segment::starting_at(sample.dir.path(), 900).path,
    )
    .unwrap();
    sample.assert_found(|fault| matches!(fault, Fault::Seq { found: 1, .. }));
    let sample = Sample::new();
    fs::write(sample.dir.path().join("audit-1.jsonl"), b"").unwrap();
    sample.assert_found(|fault| *fault == Fault::Misnamed);
}

#[test]
fn finds_a_cut_end_by_the_signed_head() {
    let sample = Sample::new();
    let last = sample.segments().len() - 1;
    sample.edit(last, |lines| drop(lines.pop()));
    sample.assert_found(|fault| matches!(fault, Fault::Cut { .. }));
    let sample = Sample::new();
    fs::remove_file(&sample.segments()[last]).unwrap();
    sample.assert_found(|fault| matches!(fault, Fault::Cut { .. }));
    fs::remove_file(sample.dir.path().join(HEAD_FILE)).unwrap();
    sample.assert_found(|fault| *fault == Fault::HeadMissing);
    fs::write(sample.dir.path().join(HEAD_FILE), b"{}").unwrap();
    sample.assert_found(|fault| *fault == Fault::HeadMalformed);
    let sample = Sample::new();
    sample
        .segments()
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
    sample.assert_found(|fault| *fault == Fault::Empty);
}

#[test]
fn finds_a_head_signed_for_another_seq() {
    let sample = Sample::new();
    let path = sample.dir.path().join(HEAD_FILE);
    let mut head: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    head["seq"] = json!(2);
    fs::write(&path, head.to_string()).unwrap();
    sample.assert_found(|fault| *fault == Fault::Signature);
}

#[test]
fn finds_a_torn_end_and_an_overlong_line() {
    let sample = Sample::new();
    let path = sample.segments().pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    sample.assert_found(|fault| matches!(fault, Fault::Torn { .. }));
    let sample = Sample::new();
    sample.edit(1, |lines| lines[1] = "x".repeat(crate::LINE_MAX));
    sample.assert_found(|fault| {
        matches!(
            fault,
            Fault::Line {
                line: LineError::TooLong
            }
        )
    });
}

#[test]
fn finds_a_chain_forged_throughout_without_the_key() {
    let sample = Sample::new();
    sample.forge(|_| ());
    assert!(
        sample.report().is_intact(),
        "relinking what was there changes nothing"
    );
    sample.forge(|entry| {
        if entry.kind == Kind::EgressClose {
            entry.data["bytes_up"] = json!(0);
        }
    });
    let report = sample.report();
    let signatures = report
        .problems
        .iter()
        .filter(|problem| problem.what == Fault::Signature);
    assert!(signatures.count() > 1, "{report:#?}");
}

#[test]
fn finds_byte_totals_that_disagree_even_in_a_signed_checkpoint() {
    let sample = Sample::new();
    let keys = KeyPair::load(sample.dir.path(), false).unwrap();
    sample.edit(0, |lines| {
        let at = lines
            .iter()
            .position(|line| line.contains("\"checkpoint\""))
            .unwrap();
        lines[at] = rehash(&lines[at], |entry| {
            let totals = Totals {
                bytes_up: 1_000_000,
                bytes_down: 0,
            };
            let chain = Chain {
                next_seq: entry.seq,
                prev: entry.prev,
                totals,
                unsealed: 0,
            };
            entry.data = json!(Checkpoint::sign(&keys, &chain));
        });
    });
    sample.assert_found(|fault| {
        matches!(
            fault,
            Fault::CheckpointTotals {
                stated_up: 1_000_000,
                ..
            }
        )
    });
}

#[test]
fn finds_a_log_made_anew_with_another_key_when_given_the_right_one() {
    let (sample, other) = (Sample::new(), Sample::new());
    let report = verify(other.dir.path(), Some(&sample.key)).unwrap();
    assert!(
        report
            .problems
            .iter()
            .any(|p| matches!(p.what, Fault::Key { .. })),
        "{report:#?}"
    );
    let unpinned = verify(other.dir.path(), None).unwrap();
    assert!(unpinned.is_intact());
    assert_eq!(unpinned.key, Some(other.key));
    let file = other.dir.path().join(PUBLIC_FILE);
    assert_eq!(PublicKey::read(&file).unwrap(), other.key);
}

#[test]
fn lists_no_more_problems_than_its_limit_and_counts_the_rest() {
    let sample = Sample::new();
    let path = sample.segments().pop().unwrap();
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str(&"x\n".repeat(PROBLEMS_MAX + 5));
    fs::write(&path, text).unwrap();
    let report = sample.report();
    assert_eq!(
        (report.problems.len(), report.more_problems),
        (PROBLEMS_MAX, 5)
    );
}

/// What the module's documentation says can't be found: the other side of the promise.
#[test]
fn cannot_find_a_cut_after_the_last_checkpoint_but_says_how_much_stands_unsealed() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), &Options::new(Sync::Group)).unwrap();
    let event = Event::new(Kind::Alert, Principal::Sheriff);
    log.append(&event).unwrap();
    log.append(&event).unwrap();
    let key = log.public_key();
    assert_eq!(verify(dir.path(), Some(&key)).unwrap().unsealed, 2);
    let path = Segment::starting_at(dir.path(), 1).path;
    let text = fs::read_to_string(&path).unwrap();
    let (kept, _cut) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(&path, format!("{kept}\n")).unwrap();
    let report = verify(dir.path(), Some(&key)).unwrap();
    assert_eq!((report.problems.len(), report.unsealed), (0, 1));
}

/// A log that removes all but the newest segments, written and closed, with a copy of what was removed.
fn pruning(bytes: u64) -> Sample {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 3200,
        checkpoint_every: 5,
        retention: crate::Retention {
            age: None,
            bytes: Some(bytes),
        },
        ..Options::new(Sync::Group)
    };
    let log = Log::open(dir.path(), &options).unwrap();
    for _ in 0..60 {
        let data = json!({ "bytes_up": 2, "bytes_down": 1, "host": "a.example" });
        let event = Event::new(Kind::EgressClose, Principal::Sheriff).data(data);
        log.append(&event).unwrap();
    }
    log.close().unwrap();
    let key = log.public_key();
    Sample { dir, key }
}

#[test]
fn a_log_that_removed_its_own_beginning_is_intact_and_keeps_its_totals() {
    let sample = pruning(9000);
    let report = sample.report();
    assert_eq!(report.problems, []);
    assert!(report.pruned_through > 20, "{report:?}");
    assert_eq!((report.bytes_up, report.bytes_down), (120, 60));
    assert!((2..=4).contains(&report.segments), "{report:?}");
    // It is opened again and goes on.
    let log = Log::open(sample.dir.path(), &Options::new(Sync::Group)).unwrap();
    log.close().unwrap();
    assert_eq!(sample.report().problems, []);
    // Without the key, too, it is consistent.
    assert!(verify(sample.dir.path(), None).unwrap().is_intact());
}

#[test]
fn cutting_one_segment_more_than_the_log_removed_is_found() {
    let sample = pruning(9000);
    fs::remove_file(&sample.segments()[0]).unwrap();
    let problems = sample.report().problems;
    assert!(
        problems
            .iter()
            .any(|problem| matches!(problem.what, Fault::BeginningCut { .. })),
        "{problems:?}"
    );
    // The same for a log that never removed anything.
    let whole = Sample::new();
    fs::remove_file(&whole.segments()[0]).unwrap();
    let what = &whole.report().problems[0].what;
    assert!(
        matches!(what, Fault::BeginningCut { allowed: 0, .. }),
        "{what:?}"
    );
}

#[test]
fn a_removal_that_is_not_sealed_allows_nothing() {
    let sample = Sample::new();
    let log = Log::open(sample.dir.path(), &Options::new(Sync::Group)).unwrap();
    log.close().unwrap();
    let segments = sample.segments();
    let text = fs::read_to_string(segments.last().unwrap()).unwrap();
    let last = Entry::from_line(text.lines().last().unwrap().as_bytes()).unwrap();
    let mut chain = Chain::new();
    (chain.next_seq, chain.prev) = (last.seq + 1, last.hash);
    let second = segment::list(sample.dir.path()).unwrap().segments[1].first;
    let data = json!(Pruned {
        through: second - 1,
        segments: 1,
        bytes: 1
    });
    let event = Event::new(Kind::LogPruned, Principal::Sheriff).data(data);
    let draft = crate::entry::Draft::of(&event).unwrap();
    let (line, _receipt) = chain.place(&draft, last.time);
    let forged = text
        .into_bytes()
        .into_iter()
        .chain(line)
        .collect::<Vec<_>>();
    fs::write(segments.last().unwrap(), forged).unwrap();
    assert_eq!(
        sample.report().problems,
        [],
        "an unsealed entry alone is no fault"
    );
    fs::remove_file(&segments[0]).unwrap();
    let what = &sample.report().problems[0].what;
    assert!(
        matches!(what, Fault::BeginningCut { allowed: 0, .. }),
        "{what:?}"
    );
}
