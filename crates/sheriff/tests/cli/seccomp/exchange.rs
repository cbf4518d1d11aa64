//! Files of other programs: export, import, coverage and its proposals.
//!
//! Not for: what is wrong with such files (`refusals`).

use std::fs;

use audit::{Event, Kind, Log, Options, Principal, Sync};
use seccomp::{Arch, Profile, compile};
use serde_json::{Value, json};

use super::{ROOT, folder, json as parsed, seccomp, told};
use crate::office::{stderr, stdout};
use crate::samples::SESSION;

const TRACE: &str = "1 execve(\"/bin/true\", [\"true\"], 0x7ffd /* 0 vars */) = 0\n\
                     1 socket(AF_ALG, SOCK_SEQPACKET, 0) = -1 EAFNOSUPPORT (Address family not supported by protocol)\n\
                     1 mbind(0, 0, MPOL_DEFAULT, NULL, 0, 0) = 0\n\
                     1 exit_group(0) = ?\n";

#[test]
fn export_writes_json_for_runtimes_and_says_where_it_differs() {
    let folder = folder();
    for format in ["oci", "docker"] {
        let output = seccomp(folder.path(), &["export", "narrow", "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let policy: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(policy["defaultAction"], "SCMP_ACT_ERRNO");
        assert!(stderr(&output).contains("sheriff: differs: "));
    }
}

#[test]
fn export_writes_the_very_program() {
    let folder = folder();
    let profile = Profile::parse("", seccomp::shipped("agent").unwrap()).unwrap();
    let program = compile(&profile, Arch::Aarch64).unwrap();
    let args = ["export", "agent", "--arch", "aarch64", "--format"];
    let raw = folder.path().join("agent.bpf");
    let to = ["bpf", "-o", raw.to_str().unwrap()];
    told(folder.path(), &[&args[..], &to].concat());
    assert_eq!(fs::read(&raw).unwrap(), seccomp::export::bpf(&program));
    let c = told(folder.path(), &[&args[..], &["c"]].concat());
    assert!(c.contains("static const struct sock_filter agent_filter["));
    assert!(c.contains(&program.hash()));
    // Without a file it goes to standard output, which is none of text.
    let output = seccomp(folder.path(), &[&args[..], &["bpf"]].concat());
    assert_eq!(output.stdout, seccomp::export::bpf(&program));
}

#[test]
fn imports_of_docker_and_systemd_are_profiles_that_can_be_compared() {
    let folder = folder();
    let made = folder.path().join("made.toml");
    let made = made.to_str().unwrap();
    let data = format!("{ROOT}/crates/seccomp/tests/data");
    let source = format!("{data}/docker-default.json");
    let import = |more: &[&str]| {
        let args = [
            "import", "--name", "theirs", "-o", made, &source, "--arch", "x86_64",
        ];
        let output = seccomp(folder.path(), &[&args, more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    let notes = import(&["--format", "docker"]);
    assert!(notes.contains("names are no calls of x86_64 or aarch64"));
    let text = stdout(&seccomp(folder.path(), &["diff", made, "agent"]));
    assert!(
        text.contains("== agent refuses what theirs permits =="),
        "{text}"
    );
    let mount = ["simulate", made, "--arch", "x86_64", "mount"];
    assert_eq!(told(folder.path(), &mount), "mount() = EPERM\n");
    import(&["--format", "docker", "--cap", "CAP_SYS_ADMIN"]);
    assert_eq!(told(folder.path(), &mount), "mount() = allow\n");

    let unit = folder.path().join("x.service");
    fs::write(&unit, "[Service]\nSystemCallFilter=@system-service\n").unwrap();
    let args = ["import", "--format", "systemd", "--name", "unit"];
    let text = told(
        folder.path(),
        &[&args[..], &[unit.to_str().unwrap()]].concat(),
    );
    assert!(text.contains("name = \"unit\"") && text.contains("\"keyctl\""));
}

#[test]
fn coverage_tells_used_refused_and_unused_calls_of_a_trace() {
    let folder = folder();
    let trace = folder.path().join("trace");
    fs::write(&trace, TRACE).unwrap();
    let args = ["coverage", "agent", "--arch", "x86_64", "--strace"];
    let args = [&args[..], &[trace.to_str().unwrap()]].concat();
    let text = told(folder.path(), &args);
    for part in [
        "used (4 calls)",
        "execve",
        "refused by agent (2)",
        "group \"numa\" would allow",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let coverage = parsed(folder.path(), &args);
    assert_eq!(coverage["used"].as_array().unwrap().len(), 4);
}

#[test]
fn a_proposal_is_a_profile_that_allows_what_was_called_and_no_more() {
    let folder = folder();
    let trace = folder.path().join("trace");
    fs::write(&trace, TRACE).unwrap();
    let made = folder.path().join("seccomp/small.toml");
    let args = ["coverage", "agent", "--arch", "x86_64", "--strace"];
    let to = [
        trace.to_str().unwrap(),
        "--propose",
        "small",
        "-o",
        made.to_str().unwrap(),
    ];
    let output = seccomp(folder.path(), &[&args[..], &to].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let notes = stderr(&output);
    assert!(notes.contains("it switches on numa") && notes.contains("stays refused: socket"));
    let answer = |call: &str| {
        told(
            folder.path(),
            &["simulate", "small", "--arch", "x86_64", call],
        )
    };
    for (call, action) in [
        ("execve", "allow"),
        ("mbind", "allow"),
        ("exit_group", "allow"),
        ("mq_open", "EPERM"),
    ] {
        assert_eq!(answer(call), format!("{call}() = {action}\n"));
    }
}

#[test]
fn coverage_reads_denials_from_the_audit_log() {
    let folder = folder();
    let log = folder.path().join("audit");
    let open = Log::open(&log, &Options::new(Sync::Group)).unwrap();
    let denied = |call: &str| {
        Event::new(Kind::SyscallDenied, Principal::Sheriff)
            .session(SESSION.parse().unwrap())
            .data(json!({ "syscall": call, "args": ["0x0"], "errno": "EPERM", "count": 1 }))
    };
    open.append(&denied("ptrace")).unwrap();
    open.append(&denied("mount")).unwrap();
    open.append(&denied("mount")).unwrap();
    open.close().unwrap();
    let args = ["coverage", "agent", "--audit", log.to_str().unwrap()];
    let coverage = parsed(folder.path(), &args);
    let first = &coverage["refused"][0];
    assert_eq!(
        (&first["call"], &first["count"]),
        (&json!("mount"), &json!(2))
    );
    let other = ["--session", "s-0000000000000002"];
    let coverage = parsed(folder.path(), &[&args[..], &other].concat());
    assert_eq!(coverage["used"], json!([]));
    // A log of refusals says nothing of what took place, and a reader is told so.
    let said = |more: &[&str]| stderr(&seccomp(folder.path(), &[&args[..], more].concat()));
    assert!(said(&[]).contains("refused calls only"));
    assert!(!said(&[]).contains("no refused call of session"));
    assert!(said(&other).contains("no refused call of session s-0000000000000002"));
    let trace = folder.path().join("trace");
    fs::write(&trace, TRACE).unwrap();
    let both = said(&["--arch", "x86_64", "--strace", trace.to_str().unwrap()]);
    assert_eq!(both, "");
}
