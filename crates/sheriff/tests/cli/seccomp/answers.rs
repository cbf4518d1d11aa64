//! Questions that have an answer: list, show, explain, diff, simulate, disasm, lint, matrix.
//!
//! Not for: files of other programs (`exchange`).

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::{folder, json, seccomp, told};
use crate::office::{command, stderr, stdout};

#[test]
fn list_has_shipped_and_own_profiles_and_says_what_is_broken() {
    let folder = folder();
    let output = seccomp(folder.path(), &["list"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "one of them is broken");
    for part in [
        "agent (shipped:seccomp/agent.toml)",
        "strict (shipped:seccomp/strict.toml)",
        "narrow (",
        "x86_64 to report: ",
        "aarch64 to enforce: ",
        "broken.toml:5: drop: system call \"mq_opne\" exists on no supported architecture",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let listed = json(folder.path(), &["list"]);
    let of = |name: &str| {
        let mut all = listed.as_array().unwrap().iter();
        all.find(|one| one["name"] == name).unwrap()
    };
    assert!(of("broken")["error"].is_string());
    let (agent, narrow) = (of("agent"), of("narrow"));
    assert_eq!(narrow["lineage"], serde_json::json!(["narrow", "agent"]));
    let calls = |one: &Value| one["counts"][0]["always"].as_u64().unwrap();
    assert_eq!(calls(narrow) + 2, calls(agent));
    let programs = agent["programs"].as_array().unwrap();
    assert_eq!(programs.len(), 4);
    assert!(programs.iter().all(|one| {
        one["sha256"].as_str().unwrap().len() == 64 && one["instructions"].as_u64().unwrap() <= 256
    }));
}

#[test]
fn show_makes_one_file_that_decides_as_the_profile_or_says_that_it_can_not() {
    let folder = folder();
    for name in ["agent", "narrow", "compute", "build", "office"] {
        let flat = folder.path().join("flat.toml");
        let path = flat.to_str().unwrap();
        told(folder.path(), &["show", name, "-o", path]);
        let text = fs::read_to_string(&flat).unwrap();
        assert!(!text.contains("extends =") && !text.contains("For reading only"));
        let same = told(folder.path(), &["diff", name, path]);
        assert!(same.contains("no difference"), "{same}");
        let stopped = |name: &str| {
            told(folder.path(), &["explain", name, "--cves"])
                .lines()
                .count()
        };
        assert_eq!(stopped(name), stopped(path));
    }
    let strict = told(folder.path(), &["show", "strict"]);
    assert!(strict.starts_with("# For reading only"), "{strict}");
    assert_eq!(
        json(folder.path(), &["show", "narrow"])["profile"],
        "narrow"
    );
}

#[test]
fn explain_tells_of_a_call_its_verdict_rule_reason_and_cves() {
    let folder = folder();
    let one = [
        "explain", "agent", "socket", "38", "3", "0", "--arch", "x86_64",
    ];
    let text = told(folder.path(), &one);
    assert!(text.starts_with("x86_64 socket (41) 0x26 0x3 0x0 under agent\nEAFNOSUPPORT: "));
    for part in ["shipped:seccomp/agent.toml:", "CVE-2026-31431 (2026-04)"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(
        json(folder.path(), &one)["outcomes"][0]["action"],
        "EAFNOSUPPORT"
    );
    let open = json(folder.path(), &["explain", "agent", "socket"]);
    assert!(open["outcomes"].as_array().unwrap().len() > 1);
    let whole = told(folder.path(), &["explain", "narrow"]);
    assert!(whole.contains("narrows agent") && whole.contains("== denied =="));
    // By number, and with a negative argument.
    let text = told(
        folder.path(),
        &["explain", "agent", "135", "-1", "--arch", "x86_64"],
    );
    assert!(text.contains("personality") && text.contains("\nallow: "));
}

#[test]
fn explain_lists_the_vulnerabilities_since_a_time_newest_first() {
    let folder = folder();
    let all = json(folder.path(), &["explain", "agent", "--cves"]);
    let some = json(
        folder.path(),
        &["explain", "agent", "--cves", "--since", "2024"],
    );
    let dates = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one["published"].as_str().unwrap().to_owned())
            .collect()
    };
    let (all, some) = (dates(&all), dates(&some));
    assert!(some.len() > 5 && all.len() > some.len());
    assert!(all.is_sorted_by(|one, next| one >= next));
    assert!(some.iter().all(|date| date.as_str() >= "2024"));
    let text = told(
        folder.path(),
        &["explain", "agent", "--cves", "--since", "2024"],
    );
    let last = format!(
        "agent keeps {} known vulnerabilities out of reach, published since 2024\n",
        some.len()
    );
    assert!(text.ends_with(&last), "{text}");
}

#[test]
fn diff_is_1_for_refusals_that_nobody_hears_of_any_more_and_for_what_may_be_enabled() {
    let folder = folder();
    let shipped = seccomp::shipped("agent").unwrap();
    for (from, to, words) in [
        (
            "quiet = true\n",
            "",
            "== reported.toml reports refusals that",
        ),
        (
            "optional = \"wine\"",
            "optional = \"w16\"",
            "only reported.toml offers modify_ldt",
        ),
    ] {
        let changed = folder.path().join("reported.toml");
        fs::write(&changed, shipped.replace(from, to)).unwrap();
        let changed = changed.to_str().unwrap();
        let output = seccomp(folder.path(), &["diff", "agent", changed]);
        assert_eq!(output.status.code(), Some(1));
        let text = stdout(&output).replace(changed, "reported.toml");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn diff_is_0_for_profiles_that_decide_alike_and_1_for_others() {
    let folder = folder();
    let same = seccomp(folder.path(), &["diff", "agent", "agent"]);
    assert_eq!(same.status.code(), Some(0));
    assert!(stdout(&same).contains("no difference"));
    let other = seccomp(folder.path(), &["diff", "agent", "narrow"]);
    assert_eq!(other.status.code(), Some(1), "{}", stderr(&other));
    let text = stdout(&other);
    assert!(text.contains("== narrow refuses what agent permits ==\nmq_open, mq_unlink\n"));
    let changes = json(folder.path(), &["diff", "agent", "narrow"]);
    assert_eq!(changes["changes"].as_array().unwrap().len(), 2);
    // Two versions of one profile are told apart by their files.
    let old = folder.path().join("seccomp/narrow.toml");
    let new = folder.path().join("new.toml");
    fs::write(&new, super::NARROW.replace(", \"mq_unlink\"", "")).unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let text = stdout(&seccomp(folder.path(), &["diff", old, new]));
    assert!(text.contains(&format!(
        "== {new} permits what {old} refuses ==\nmq_unlink\n"
    )));
}

#[test]
fn simulate_runs_the_program_for_each_purpose_on_one_call_or_a_file() {
    let folder = folder();
    let one = |args: &[&str]| {
        let all = [&["simulate", "agent", "--arch", "x86_64"], args].concat();
        told(folder.path(), &all)
    };
    assert_eq!(
        one(&["socket", "38", "3", "0"]),
        "socket(0x26, 0x3, 0x0) = EAFNOSUPPORT\n"
    );
    assert_eq!(one(&["read", "0"]), "read(0x0) = allow\n");
    assert_eq!(one(&["0x40000000"]), "0x40000000() = kill\n");
    assert_eq!(one(&["400"]), "0x190() = ENOSYS\n");
    assert_eq!(one(&["mount", "--purpose", "report"]), "mount() = notify\n");
    assert_eq!(one(&["read", "--purpose", "record"]), "read() = notify\n");
    let calls = folder.path().join("calls");
    fs::write(&calls, "# two calls\nsocket 2 1\n\n  101 0 # ptrace\n").unwrap();
    let expected = "socket(0x2, 0x1) = allow\nptrace(0x0) = EPERM\n";
    assert_eq!(one(&["--file", calls.to_str().unwrap()]), expected);
    let answers = json(
        folder.path(),
        &["simulate", "agent", "--file", calls.to_str().unwrap()],
    );
    assert_eq!(answers[1]["action"], "EPERM");
    assert_eq!(answers[1]["value"], 0x0005_0001);
}

#[test]
fn simulate_reads_standard_input() {
    let args = ["seccomp", "simulate", "agent", "--file", "-"];
    let mut child = command(Path::new("/nonexistent"), &args)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"read 0\n").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "read(0x0) = allow\n");
}

#[test]
fn disasm_lists_the_program_that_list_has_the_hash_of() {
    let folder = folder();
    let listed = json(folder.path(), &["list"]);
    let program = &listed[0]["programs"][1];
    assert_eq!(
        (&program["purpose"], &program["arch"]),
        (&"report".into(), &"x86_64".into())
    );
    let args = ["disasm", "agent", "--arch", "x86_64", "--purpose", "report"];
    let listing = json(folder.path(), &args);
    assert_eq!(listing["hash"], program["sha256"]);
    let text = told(folder.path(), &args);
    let lines = program["instructions"].as_u64().unwrap() + 1;
    assert_eq!(text.lines().count() as u64, lines);
}

#[test]
fn lint_is_1_for_errors_and_0_for_less() {
    let folder = folder();
    let output = seccomp(
        folder.path(),
        &["lint", "agent", "strict", "office", "narrow"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let dead = "version = 1\nname = \"dead\"\ndescription = \"d\"\n[[allow]]\nwhy = \"Needed by every program to end itself.\"\n\
                calls = [\"exit\"]\nwhen = [[{ arg = 0, width = 32, in = [0] }, { arg = 0, width = 32, in = [1] }]]\notherwise = \"EPERM\"\n";
    let path = folder.path().join("dead.toml");
    fs::write(&path, dead).unwrap();
    let path = path.to_str().unwrap();
    let output = seccomp(folder.path(), &["lint", "agent", path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("dead.toml:6: error: "));
    let output = seccomp(folder.path(), &["lint", "broken"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("broken.toml:5: drop: "));
    let found = json(folder.path(), &["lint", path]);
    assert_eq!(found[0]["findings"][0]["severity"], "error");
}

#[test]
fn matrix_has_every_call_by_every_profile_as_text_page_and_json() {
    let folder = folder();
    let text = told(folder.path(), &["matrix", "agent", "strict"]);
    assert!(text.starts_with("call ") && text.contains("== profiles differ: "));
    let page = folder.path().join("page.html");
    let path = page.to_str().unwrap();
    let args = ["matrix", "agent", "strict", "--html", "-o", path];
    assert_eq!(told(folder.path(), &args), "");
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("personality"));
    let matrix = json(folder.path(), &["matrix", "agent", "strict"]);
    assert!(matrix["rows"].as_array().unwrap().len() > 350);
    // Without names it is about all that there are, so a broken one is an error.
    let output = seccomp(folder.path(), &["matrix"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("broken.toml:5"));
}
