//! What real traces and audit logs say, and what a profile makes of it.
//!
//! Not for: proposals.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sheriff_seccomp::coverage::{self, CoverageError, Garbage, Observed, compare};
use sheriff_seccomp::{Arch, Profile, shipped};

const THREADS: &str = include_str!("../data/strace-threads.log");
const TERMINAL: &str = include_str!("../data/strace-terminal.log");
const TIMED: &str = include_str!("../data/strace-timed.log");
const RAW: &str = include_str!("../data/strace-raw.log");
const GARBAGE: &str = include_str!("../data/strace-garbage.log");

fn read(text: &str) -> Observed {
    coverage::strace("s.log", text, Arch::X86_64).unwrap_or_else(|error| panic!("{error}"))
}

fn agent() -> Profile {
    Profile::parse("agent.toml", shipped("agent").unwrap()).unwrap()
}

/// Counts the lines on which a call starts, without any regard for what follows.
fn starts(text: &str) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let Some((head, _)) = line.split_once('(') else {
            continue;
        };
        let name = head.rsplit([' ', ']']).next().unwrap();
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.is_empty() && name.chars().all(letter) {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts
}

#[test]
fn every_call_of_a_trace_is_counted_once_however_its_line_is_torn() {
    for text in [THREADS, TERMINAL, TIMED, RAW] {
        let observed = read(text);
        assert_eq!(observed.garbage, Garbage::default());
        let counts: BTreeMap<&str, u64> = observed
            .calls
            .iter()
            .map(|(name, usage)| (name.as_str(), usage.count))
            .collect();
        assert_eq!(counts, starts(text));
    }
}

#[test]
fn results_and_arguments_are_read_also_from_torn_lines() {
    let observed = read(THREADS);
    let socket = &observed.calls["socket"];
    assert_eq!((socket.count, socket.failures["EAFNOSUPPORT"]), (2, 1));
    assert!(
        socket
            .samples
            .contains_key(&[Some(38), Some(5), Some(0), None, None, None])
    );
    assert!(
        socket
            .samples
            .contains_key(&[Some(2), Some(1), Some(0), None, None, None])
    );
    assert_eq!(observed.calls["syscall_0x3e7"].failures["ENOSYS"], 1);
    assert!(observed.calls["rt_sigprocmask"].failures.is_empty());
    let raw = read(RAW);
    let clone = &raw.calls["clone"];
    assert!(
        clone
            .samples
            .contains_key(&[Some(0x0120_0011), None, None, None, None, None])
    );
    let timed = read(TIMED);
    assert_eq!(timed.calls["statx"].failures["ENOENT"], 2);
    assert!(
        timed.calls["ioctl"]
            .samples
            .keys()
            .any(|sample| sample[1] == Some(0x5401))
    );
}

#[test]
fn a_call_newer_than_strace_is_known_by_its_number() {
    let observed = read("1 syscall_0x1cf(0x3, 0x1) = -1 ENOSYS (Function not implemented)\n");
    assert!(observed.calls.contains_key("setxattrat"), "{observed:?}");
}

#[test]
fn a_few_broken_lines_are_counted_and_many_are_refused() {
    let observed = read(GARBAGE);
    // The last line is cut off, too.
    assert_eq!(
        observed.garbage,
        Garbage {
            lines: 6,
            first: 21
        }
    );
    let whole = read(THREADS);
    assert_eq!(observed.calls["openat"], whole.calls["openat"]);
    let log = "{\"kind\": \"x\"}\n".repeat(3);
    let error = coverage::strace("s", &format!("{log}1 read(0, \"\", 1) = 0\n"), Arch::X86_64);
    assert_eq!(
        error,
        Err(CoverageError::Garbage {
            file: "s".to_owned(),
            first: 1,
            others: 2,
            lines: 4
        })
    );
    for nothing in ["", "\n\n", &log, "+++ exited with 0 +++\n"] {
        let error = coverage::strace("s", nothing, Arch::X86_64).unwrap_err();
        assert!(
            matches!(error, CoverageError::Nothing { .. }),
            "{nothing}: {error}"
        );
    }
}

#[test]
fn a_trace_is_split_into_used_unused_and_refused() {
    let found = compare(&agent(), Arch::X86_64, &read(THREADS));
    let used = |call: &str| found.used.iter().find(|one| one.call == call).unwrap();
    assert_eq!((used("socket").allowed, used("socket").refused), (1, 1));
    assert_eq!((used("brk").refused, used("brk").undecided), (0, 0));
    let refused: Vec<&str> = found.refused.iter().map(|one| one.call.as_str()).collect();
    assert_eq!(refused, ["clone3", "socket", "syscall_0x3e7"]);
    let socket = &found.refused[1];
    assert_eq!(socket.arguments, Some([38, 5, 0, 0, 0, 0]));
    assert_eq!(socket.decision.action.to_string(), "EAFNOSUPPORT");
    let rule = socket.decision.rule.as_ref().unwrap();
    let line = shipped("agent")
        .unwrap()
        .lines()
        .nth(rule.line - 1)
        .unwrap();
    assert!(line.contains("\"socket\""), "{line}");
    let unused: Vec<&str> = found.unused.iter().map(|one| one.call).collect();
    assert!(
        unused.contains(&"bind") && !unused.contains(&"brk"),
        "{unused:?}"
    );
    let text = found.to_string();
    assert!(
        text.contains("socket(0x26, 0x5, 0x0, 0x0, 0x0, 0x0) EAFNOSUPPORT"),
        "{text}"
    );
}

#[test]
fn what_depends_on_arguments_that_a_trace_does_not_tell_is_left_open() {
    let found = |text: &str| {
        let used = compare(&agent(), Arch::X86_64, &read(text)).used.remove(0);
        (used.allowed, used.refused, used.undecided)
    };
    assert_eq!(found("1 socket(AF_UNIX, SOCK_STREAM, 0) = 3\n"), (1, 0, 0));
    assert_eq!(found("1 socket(AF_VSOCK, SOCK_STREAM, 0) = 3\n"), (0, 1, 0));
    assert_eq!(found("1 socket(AF_NEW, SOCK_STREAM, 0) = 3\n"), (0, 0, 1));
    assert_eq!(found("1 socket( <unfinished ...>\n"), (0, 0, 1));
    // Without O_CREAT the mode, which strace leaves out, makes no difference.
    assert_eq!(found("1 open(\"f\", O_RDONLY) = 3\n"), (1, 0, 0));
    assert_eq!(found("1 open(\"f\", O_CREAT, 0644) = 3\n"), (1, 0, 0));
    assert_eq!(found("1 open(\"f\", O_CREAT, 04755) = 3\n"), (0, 1, 0));
    assert_eq!(found("1 open(\"f\", O_CREAT <unfinished ...>\n"), (0, 0, 1));
}

#[test]
fn denials_in_an_audit_log_are_read_with_arguments_and_counts() {
    let line = |session: &str, data: &str| {
        format!(
            "{{\"seq\": 1, \"kind\": \"syscall.denied\", \"session\": \"{session}\", \"data\": {data}}}\n"
        )
    };
    let log = line(
        "s-1",
        "{\"syscall\": \"socket\", \"number\": 41, \"args\": [\"0x26\", \"0x5\", \"0x0\", \"0x0\", \"0x0\", \"0x0\"], \"errno\": \"EAFNOSUPPORT\", \"count\": 7}",
    ) + &line(
        "s-2",
        "{\"syscall\": \"mount\", \"number\": 165, \"args\": [], \"errno\": 1}",
    ) + "\n{\"kind\": \"session.ended\", \"session\": \"s-1\", \"data\": {}}\n";
    let all = coverage::log("audit.jsonl", &log, None).unwrap();
    assert_eq!(all.calls.len(), 2);
    assert_eq!(all.calls["mount"].failures["EPERM"], 1);
    let one = coverage::log("audit.jsonl", &log, Some("s-1")).unwrap();
    let found = compare(&agent(), Arch::X86_64, &one);
    assert_eq!((found.used.len(), found.refused.len()), (1, 1));
    assert_eq!(
        (found.refused[0].count, found.refused[0].arguments),
        (7, Some([38, 5, 0, 0, 0, 0]))
    );
    let none = coverage::log("audit.jsonl", "", None).unwrap();
    assert!(none.calls.is_empty());
}

#[test]
fn refused_calls_that_a_log_counts_without_a_name_are_not_lost() {
    let log = "{\"kind\": \"syscall.denied\", \"data\": {\"syscall\": \"mount\", \"suppressed\": 40}}\n\
               {\"kind\": \"syscall.denied\", \"data\": {\"syscall\": null, \"number\": 900}}\n\
               {\"kind\": \"alert\", \"data\": {\"alert\": \"denials_suppressed\", \"kind\": \"syscall.denied\", \"count\": 2}}\n\
               {\"kind\": \"alert\", \"data\": {\"alert\": \"denials_suppressed\", \"count\": 1000}}\n";
    let observed = coverage::log("audit.jsonl", log, None).unwrap();
    assert_eq!((observed.calls.len(), observed.untold), (1, 43));
    let text = compare(&agent(), Arch::X86_64, &observed).to_string();
    assert!(
        text.contains("and 43 that were counted and not named"),
        "{text}"
    );
}

#[test]
fn a_log_with_a_broken_line_is_refused_with_its_number() {
    let sound = "{\"kind\": \"session.ended\", \"data\": {}}\n";
    for broken in [
        "{\"kind\": \"sess",
        "read(0) = 1",
        "[]",
        "{\"kind\": \"syscall.denied\", \"data\": {\"syscall\": \"\\u001b[2J\"}}",
        "{\"kind\": \"syscall.denied\", \"data\": {\"number\": 1}}",
    ] {
        let error = coverage::log("a", &format!("{sound}{broken}"), None).unwrap_err();
        assert!(
            error.to_string().starts_with("a:2: not an event"),
            "{error}"
        );
    }
}

#[test]
fn traces_add_up() {
    let mut both = read(THREADS);
    both.merge(read(RAW));
    let (one, other) = (read(THREADS), read(RAW));
    for (name, usage) in &both.calls {
        let count = |of: &Observed| of.calls.get(name).map_or(0, |usage| usage.count);
        assert_eq!(usage.count, count(&one) + count(&other), "{name}");
    }
}

/// A piece of a trace.
fn fragment() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[pid ",
        "12]",
        "12 ",
        " ",
        "\n",
        "read(",
        ")",
        " = ",
        "-1 EPERM",
        "\"",
        "\\",
        "<unfinished ...>",
        "<... ",
        "read",
        " resumed>",
        "+++ ",
        "--- ",
        "strace: Process 1 attached",
        "flags=",
        "0x",
        "|",
        ",",
        "?",
        "10:11:12.13 ",
        "clone(",
    ]);
    prop_oneof![words.prop_map(str::to_owned), ".{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_reader_panic(parts in prop::collection::vec(fragment(), 0..60)) {
        let text = parts.concat();
        if let Ok(observed) = coverage::strace("s", &text, Arch::Aarch64) {
            let _found = compare(&agent(), Arch::Aarch64, &observed).to_string();
        }
        let _log = coverage::log("l", &text, Some("s"));
    }

    #[test]
    fn damaged_traces_never_make_a_reader_panic(at in 0..THREADS.len(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut text = THREADS.as_bytes().to_vec();
        text.splice(at..(at + bytes.len()).min(THREADS.len()), bytes);
        let _outcome = coverage::strace("s", &String::from_utf8_lossy(&text), Arch::X86_64);
    }
}
