//! The log under use, restarts, crashes, full disks and many threads.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Condvar;
use std::time::{Duration, Instant};

use model::SessionId;
use serde_json::{Value, json};

use super::*;
use crate::{CanonicalError, Entry, Filter, LINE_MAX, Principal, Reader, TotalsError, verify};

/// Longest wait for something that must happen: far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

fn alert(text: &str) -> Event {
    Event::new(Kind::Alert, Principal::Sheriff).data(json!({ "text": text }))
}

fn close_of(up: u64, down: u64) -> Event {
    Event::new(Kind::EgressClose, Principal::Sheriff)
        .data(json!({ "bytes_up": up, "bytes_down": down }))
}

fn open(dir: &Path) -> Log {
    Log::open(dir, &Options::new(Sync::Group)).unwrap()
}

fn entries(dir: &Path) -> Vec<Entry> {
    Reader::open(dir, Filter::default())
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn assert_intact(dir: &Path) -> crate::Report {
    let key = PublicKey::read(&dir.join(crate::key::PUBLIC_FILE)).unwrap();
    let report = verify(dir, Some(&key)).unwrap();
    assert_eq!(report.problems, []);
    report
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// A disk that fails on demand.
#[derive(Debug, Default)]
struct Faulty {
    state: Mutex<Faults>,
    synced: Condvar,
}

#[derive(Debug, Default)]
struct Faults {
    /// Bytes that still fit; `None` for any number.
    room: Option<usize>,
    refuse_truncate: bool,
    refuse_sync: bool,
    syncs: u64,
}

impl Faulty {
    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state.lock().unwrap());
    }
}

impl Disk for Faulty {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let fits = state.room.unwrap_or(bytes.len()).min(bytes.len());
        state.room = state.room.map(|room| room - fits);
        file.write_all(&bytes[..fits])?;
        if fits < bytes.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        if self.state.lock().unwrap().refuse_truncate {
            return Err(io::Error::other("injected"));
        }
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let refuse = self.state.lock().unwrap().refuse_sync;
        let outcome = if refuse {
            Err(io::Error::other("injected"))
        } else {
            file.sync_data()
        };
        self.state.lock().unwrap().syncs += 1;
        self.synced.notify_all();
        outcome
    }
}

fn open_faulty(dir: &Path, sync: Sync) -> (Log, Arc<Faulty>) {
    let disk = Arc::new(Faulty::default());
    let log = Log::open_on(dir, &Options::new(sync), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
    (log, disk)
}

#[test]
fn continues_seq_hashes_and_totals_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 4000,
        ..Options::new(Sync::Group)
    };
    let mut last = None;
    for round in 0..4 {
        let log = Log::open(dir.path(), &options).unwrap();
        for n in 0..10 {
            let receipt = log.append(&close_of(round, n)).unwrap();
            assert!(last.is_none_or(|seq| receipt.seq > seq));
            last = Some(receipt.seq);
        }
        log.close().unwrap();
        let report = assert_intact(dir.path());
        assert_eq!(report.bytes_up, (0..=round).sum::<u64>() * 10);
        assert_eq!(report.bytes_down, (round + 1) * 45);
        assert_eq!(report.unsealed, 0);
    }
    assert!(assert_intact(dir.path()).segments > 3);
}

#[test]
fn seals_what_stands_behind_the_last_checkpoint_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(&alert("one")).unwrap();
    log.flush().unwrap();
    assert!(assert_intact(dir.path()).unsealed > 0);
    let sealed = log.seal().unwrap().unwrap();
    log.flush().unwrap();
    let report = assert_intact(dir.path());
    assert_eq!((report.unsealed, report.entries), (0, sealed.seq));
    assert!(log.seal().unwrap().is_none());
    assert_eq!(entries(dir.path()).last().unwrap().seq, sealed.seq);
}

#[test]
fn gives_receipts_that_are_found_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let session = SessionId::from_random([3; 8]);
    let event = Event {
        run: Some("r-1".to_owned()),
        step: Some("s-1".to_owned()),
        ..alert("x").session(session)
    };
    let receipt = log.append(&event).unwrap();
    let found = entries(dir.path())
        .into_iter()
        .find(|entry| entry.seq == receipt.seq)
        .unwrap();
    assert_eq!((found.hash, &found.time), (receipt.hash, &receipt.time));
    assert_eq!(
        (found.session, found.run, found.step),
        (event.session, event.run, event.step)
    );
    assert_eq!((found.kind, found.data), (event.kind, event.data));
    let mode = std::fs::metadata(dir.path().join("audit-00000000000000000001.jsonl")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o137, 0);
}

#[test]
fn admits_one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let second = Log::open(dir.path(), &Options::new(Sync::Group));
    assert!(matches!(second, Err(LogError::Locked { .. })));
    log.close().unwrap();
    assert!(matches!(log.append(&alert("late")), Err(LogError::Closed)));
    drop(open(dir.path()));
    assert_intact(dir.path());
}

#[test]
fn repairs_a_log_cut_at_any_byte_of_its_last_line() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(&alert("first")).unwrap();
    log.append(&alert("last")).unwrap();
    let segment = "audit-00000000000000000001.jsonl";
    let text = std::fs::read(dir.path().join(segment)).unwrap();
    let start = text[..text.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for cut in start..=text.len() {
        let crashed = copy(dir.path());
        std::fs::write(crashed.path().join(segment), &text[..cut]).unwrap();
        drop(open(crashed.path()));
        assert_intact(crashed.path());
        let recovered: Vec<_> = entries(crashed.path())
            .into_iter()
            .filter(|entry| entry.kind == Kind::LogRecovered)
            .map(|entry| (entry.data["bytes"].clone(), entry.data["text"].clone()))
            .collect();
        let torn = std::str::from_utf8(&text[start..cut]).unwrap();
        let is_torn = cut > start && cut < text.len();
        let expected = is_torn.then(|| (json!(cut - start), json!(torn)));
        assert_eq!(recovered, Vec::from_iter(expected), "cut at {cut}");
    }
}

#[test]
fn repairs_a_torn_opening_and_a_torn_tail_of_any_bytes() {
    for tail in [
        vec![0; 300_000],
        vec![b'"'; 70_000],
        vec![0x1b; 5000],
        vec![0xff],
    ] {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).close().unwrap();
        let segment = dir.path().join("audit-00000000000000000001.jsonl");
        File::options()
            .append(true)
            .open(&segment)
            .unwrap()
            .write_all(&tail)
            .unwrap();
        drop(open(dir.path()));
        assert_intact(dir.path());
        let found = entries(dir.path());
        assert!(
            found
                .iter()
                .any(|entry| entry.data["bytes"] == json!(tail.len()))
        );
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("audit-00000000000000000001.jsonl"),
        b"{\"da",
    )
    .unwrap();
    KeyPair::load(dir.path(), true).unwrap();
    drop(open(dir.path()));
    assert_intact(dir.path());
    assert_eq!(entries(dir.path())[0].kind, Kind::LogRecovered);
}

#[test]
fn opens_a_new_segment_with_a_checkpoint_even_when_a_crash_left_it_empty() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let last = log.append(&close_of(5, 7)).unwrap().seq;
    log.flush().unwrap();
    let crashed = copy(dir.path());
    let next = Segment::starting_at(crashed.path(), last + 1);
    std::fs::write(&next.path, b"").unwrap();
    drop(open(crashed.path()));
    assert_eq!(assert_intact(crashed.path()).bytes_down, 7);
    let first = entries(crashed.path())
        .into_iter()
        .find(|entry| entry.seq == last + 1);
    assert_eq!(first.unwrap().kind, Kind::Checkpoint);
}

#[test]
fn takes_a_partial_line_back_when_the_disk_is_full_and_goes_on_when_it_is_not() {
    for room in [0, 1, 100, 250] {
        let dir = tempfile::tempdir().unwrap();
        let (log, disk) = open_faulty(dir.path(), Sync::Group);
        let before = log.append(&alert("before")).unwrap();
        disk.set(|state| state.room = Some(room));
        for _ in 0..2 {
            let refused = log.append(&alert("refused")).unwrap_err();
            assert!(
                matches!(&refused, LogError::File(error) if error.is_disk_full()),
                "{refused}"
            );
        }
        disk.set(|state| state.room = None);
        let after = log.append(&alert("after")).unwrap();
        assert_eq!(after.seq, before.seq + 1);
        log.close().unwrap();
        assert_intact(dir.path());
        assert!(
            !entries(dir.path())
                .iter()
                .any(|entry| entry.data["text"] == json!("refused"))
        );
    }
}

#[test]
fn stops_for_good_when_a_partial_line_cannot_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (log, disk) = open_faulty(dir.path(), Sync::Group);
    disk.set(|state| (state.room, state.refuse_truncate) = (Some(10), true));
    assert!(matches!(log.append(&alert("x")), Err(LogError::File(_))));
    disk.set(|state| (state.room, state.refuse_truncate) = (None, false));
    assert!(matches!(
        log.append(&alert("x")),
        Err(LogError::Broken { .. })
    ));
    assert!(log.close().is_err());
    drop(log);
    drop(open(dir.path()));
    assert_intact(dir.path());
    assert!(
        entries(dir.path())
            .iter()
            .any(|entry| entry.kind == Kind::LogRecovered)
    );
}

#[test]
fn reports_a_failed_sync_at_once_with_always_and_at_the_next_append_with_group() {
    let dir = tempfile::tempdir().unwrap();
    let (log, disk) = open_faulty(dir.path(), Sync::Always);
    log.append(&alert("good")).unwrap();
    disk.set(|state| state.refuse_sync = true);
    assert!(matches!(
        log.append(&alert("x")),
        Err(LogError::Broken { .. })
    ));
    disk.set(|state| state.refuse_sync = false);
    assert!(matches!(
        log.append(&alert("x")),
        Err(LogError::Broken { .. })
    ));

    let dir = tempfile::tempdir().unwrap();
    let (log, disk) = open_faulty(dir.path(), Sync::Group);
    disk.set(|state| (state.refuse_sync, state.syncs) = (true, 0));
    log.append(&alert("written, never synced")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while log.append(&alert("x")).is_ok() {
        assert!(Instant::now() < deadline, "the failed sync never showed");
        std::thread::yield_now();
    }
    assert!(matches!(
        log.append(&alert("x")),
        Err(LogError::Broken { .. })
    ));
}

#[test]
fn syncs_in_the_background_without_further_calls() {
    let dir = tempfile::tempdir().unwrap();
    let (log, disk) = open_faulty(dir.path(), Sync::Group);
    for _ in 0..3 {
        disk.set(|state| state.syncs = 0);
        log.append(&alert("x")).unwrap();
        let state = disk.state.lock().unwrap();
        let idle = |state: &mut Faults| state.syncs == 0;
        let (_state, waited) = disk
            .synced
            .wait_timeout_while(state, PATIENCE, idle)
            .unwrap();
        assert!(!waited.timed_out());
    }
}

#[test]
fn keeps_one_chain_under_concurrent_appends_and_shares_syncs() {
    const THREADS: u64 = 8;
    const EACH: u64 = 60;
    for sync in [Sync::Group, Sync::Always] {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(Faulty::default());
        let options = Options {
            segment_bytes: 20_000,
            checkpoint_every: 37,
            ..Options::new(sync)
        };
        let log = Log::open_on(dir.path(), &options, Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let log = &log;
                scope.spawn(move || {
                    for _ in 0..EACH {
                        log.append(&close_of(thread, 1)).unwrap();
                    }
                });
            }
        });
        log.close().unwrap();
        let report = assert_intact(dir.path());
        assert_eq!(report.bytes_down, THREADS * EACH);
        assert!(report.checkpoints >= THREADS * EACH / 37);
        let syncs = disk.state.lock().unwrap().syncs;
        assert!(syncs < THREADS * EACH, "{sync:?}: {syncs} syncs");
    }
}

#[test]
fn keeps_hostile_text_on_one_line_and_gives_it_back_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let hostile = [
        "a\r\n{\"seq\":1}\n",
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\0\u{1}\u{1f}\u{7f}\u{9b}31m",
        "\u{202e}\u{2028}\u{feff}\u{10ffff}\\\"",
        &"x".repeat(LINE_MAX - 1000),
    ];
    for text in hostile {
        let run = Some(text.chars().take(50).collect());
        log.append(&Event { run, ..alert(text) }).unwrap();
    }
    log.close().unwrap();
    assert_intact(dir.path());
    let texts: Vec<_> = entries(dir.path())
        .into_iter()
        .filter(|entry| entry.kind == Kind::Alert)
        .map(|entry| entry.data["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, hostile);
    let bytes = std::fs::read(dir.path().join("audit-00000000000000000001.jsonl")).unwrap();
    assert!(bytes.iter().all(|byte| *byte >= 0x20 || *byte == b'\n'));
}

#[test]
fn refuses_whole_what_it_cannot_record_whole() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let before = log.append(&alert("before")).unwrap();
    let refused = |event: Event| log.append(&event).unwrap_err();
    assert!(matches!(
        refused(alert(&"x".repeat(LINE_MAX))),
        LogError::TooLong { .. }
    ));
    // Each newline takes two bytes in the line.
    assert!(matches!(
        refused(alert(&"\n".repeat(LINE_MAX / 2))),
        LogError::TooLong { .. }
    ));
    assert!(matches!(
        refused(alert("").data(json!(1.5))),
        LogError::Data {
            source: CanonicalError::Fraction { .. },
            ..
        }
    ));
    assert!(matches!(
        refused(alert("").data(json!(u64::MAX))),
        LogError::Data {
            source: CanonicalError::TooBig { .. },
            ..
        }
    ));
    for kind in [Kind::Checkpoint, Kind::LogOpened, Kind::LogRecovered] {
        let forged = Event::new(kind, Principal::Sheriff);
        assert!(matches!(refused(forged), LogError::Reserved { .. }));
    }
    let countless = Event::new(Kind::EgressClose, Principal::Sheriff);
    assert!(matches!(
        refused(countless),
        LogError::Totals(TotalsError::Missing)
    ));
    log.append(&close_of(1, 1)).unwrap();
    let max = crate::canonical::INTEGER_MAX;
    assert!(matches!(
        refused(close_of(max, 0)),
        LogError::Totals(TotalsError::Overflow)
    ));
    let after = log.append(&alert("after")).unwrap();
    assert_eq!(after.seq, before.seq + 2);
    log.close().unwrap();
    assert_intact(dir.path());
}

#[test]
fn refuses_to_continue_a_log_whose_end_was_tampered_with() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(&alert("original")).unwrap();
    log.close().unwrap();
    let segment = dir.path().join("audit-00000000000000000001.jsonl");
    let text = std::fs::read_to_string(&segment).unwrap();
    drop(open(copy(dir.path()).path()));

    std::fs::write(&segment, text.replace("original", "0riginal")).unwrap();
    let edited = Log::open(dir.path(), &Options::new(Sync::Group));
    assert!(
        matches!(edited, Err(LogError::Damaged { line: 3, .. })),
        "{edited:?}"
    );

    let (kept, _cut) = text.trim_end().rsplit_once('\n').unwrap();
    std::fs::write(&segment, format!("{kept}\n")).unwrap();
    let cut = Log::open(dir.path(), &Options::new(Sync::Group));
    assert!(
        matches!(cut, Err(LogError::Damaged { line: 0, .. })),
        "{cut:?}"
    );

    std::fs::write(&segment, &text).unwrap();
    std::fs::remove_file(dir.path().join(crate::checkpoint::HEAD_FILE)).unwrap();
    let headless = Log::open(dir.path(), &Options::new(Sync::Group));
    assert!(
        matches!(headless, Err(LogError::Damaged { .. })),
        "{headless:?}"
    );

    std::fs::remove_file(dir.path().join(crate::key::SECRET_FILE)).unwrap();
    let keyless = Log::open(dir.path(), &Options::new(Sync::Group));
    assert!(matches!(keyless, Err(LogError::Key(_))), "{keyless:?}");
}

#[test]
fn never_waits_for_a_slow_subscriber_and_counts_what_that_one_missed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut live = log.subscribe(2).unwrap();
    for n in 0..5 {
        log.append(&alert(&n.to_string())).unwrap();
    }
    let mut next = || {
        live.next_within(PATIENCE).map(|live| {
            (
                live.missed,
                live.entry.data["text"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            )
        })
    };
    assert_eq!(next().unwrap(), (0, "0".to_owned()));
    assert_eq!(next().unwrap(), (0, "1".to_owned()));
    log.append(&alert("5")).unwrap();
    assert_eq!(next().unwrap(), (3, "5".to_owned()));
    log.close().unwrap();
    assert_eq!(
        next().unwrap(),
        (0, String::new()),
        "the closing checkpoint"
    );
    assert!(next().is_err(), "closed");
}

#[test]
fn calls_hooks_with_the_entries_as_they_stand_in_the_files_until_they_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    log.on_append(Box::new(move |entry| {
        let mut seen = sink.lock().unwrap();
        seen.push(Entry::clone(entry));
        if seen.len() < 2 {
            crate::Interest::More
        } else {
            crate::Interest::Done
        }
    }))
    .unwrap();
    for text in ["a", "b", "c"] {
        log.append(&alert(text)).unwrap();
    }
    let written = entries(dir.path());
    let alerts: Vec<_> = written
        .into_iter()
        .filter(|entry| entry.kind == Kind::Alert)
        .collect();
    assert_eq!(*seen.lock().unwrap(), alerts[..2]);
}

/// The variable that tells this test binary to fill the disk at the path it holds.
const FILL: &str = "SHERIFF_AUDIT_TEST_FILL";

/// A real full disk: a tmpfs of 64 KiB in a mount namespace that ends with its process.
#[test]
fn fails_closed_on_a_real_full_disk_and_goes_on_when_there_is_room() {
    if let Some(dir) = std::env::var_os(FILL) {
        return fill(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=128k none \"$1\" || exit 77; exec \"$2\" --exact \
                  writer::tests::fails_closed_on_a_real_full_disk_and_goes_on_when_there_is_room";
    let child = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .env(FILL, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    if child.status.success() {
        assert!(said.contains("1 passed"), "the child ran no test: {said}");
    } else {
        assert!(
            matches!(child.status.code(), Some(1 | 77)) && !is_root(),
            "{child:?}"
        );
        println!("SKIPPED: a mount namespace of one's own needs root");
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn fill(disk: &Path) {
    let ballast = disk.join("ballast");
    let dir = disk.join("log");
    std::fs::write(&ballast, vec![0; 32 * 1024]).unwrap();
    let log = open(&dir);
    let event = alert(&"x".repeat(3000));
    let error = (0..1000)
        .find_map(|_| log.append(&event).err())
        .expect("the disk fills up");
    assert!(
        matches!(&error, LogError::File(error) if error.is_disk_full()),
        "{error}"
    );
    let report = assert_intact(&dir);
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(
        log.append(&event).unwrap().seq,
        report.last.unwrap().seq + 1
    );
    log.close().unwrap();
    assert_intact(&dir);
    assert_eq!(Value::Null, entries(&dir)[1].data["text"]);
}
