//! Recorded commands: what they called becomes a profile, under which they run again and nothing else
//! does.
//!
//! Not for: what a recording counts (`sheriff-jail`'s tests).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Daemon, Jail, Outcome, PATIENCE, sysroot};

/// Makes the named calls by number and prints each one's error number, 0 for none. Linked statically,
/// so that it needs no more than the recorded programs do.
const PROBE: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
int main(int count, char **names) {
    for (int i = 1; i < count; i++) {
        errno = 0;
        switch (*names[i]) {
        case 's': syscall(SYS_socket, 2, 1, 0); break;
        case 'q': syscall(SYS_semget, 0, 1, 0600); break;
        case 'm': syscall(SYS_mount, 0, 0, 0, 0, 0); break;
        case 'w': syscall(SYS_write, 1, "", 0); break;
        }
        printf("%d ", errno);
    }
    puts("");
}
"#;

/// A program to record, and what it must print each time.
struct Story<'a> {
    name: &'a str,
    /// The jail profile that it is recorded under.
    profile: &'a str,
    argv: &'a [&'a str],
    prints: &'a str,
    /// A call of the probe that the program does not make.
    left_out: &'a str,
}

/// Where the story happens: a daemon of its own, and a workspace with the probe in it.
struct Stage {
    daemon: Daemon,
}

impl Stage {
    fn new() -> Self {
        Self {
            daemon: Daemon::standing(),
        }
    }

    fn jail(&self) -> Jail {
        let jail = Jail::on(&self.daemon)
            .limit("memory=2GiB")
            .patience(Duration::from_secs(180))
            .file("probe.c", PROBE);
        let made = Command::new("gcc")
            .args(["-static", "-o"])
            .args([jail.path("probe"), jail.path("probe.c")])
            .status();
        assert!(made.unwrap().success());
        jail
    }

    /// Puts a proposal into the daemon's folder with a jail profile that names it.
    fn install(&mut self, story: &Story<'_>, proposal: &str) {
        let Story { name, profile, .. } = story;
        let jail = format!(
            "version = 1\nname = \"{name}\"\nextends = \"{profile}\"\n[seccomp]\nprofile = \"{name}\"\n"
        );
        for (kind, text) in [("seccomp", proposal), ("jail", jail.as_str())] {
            let folder = self.daemon.profiles().join(kind);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{name}.toml")), text).unwrap();
        }
        self.daemon.restart();
    }

    /// Records, installs the proposal, runs again, and tries what was left out. Each jail is made
    /// by `dress` from a new one. Returns the proposal.
    fn play(&mut self, story: &Story<'_>, dress: impl Fn(Jail) -> Jail) -> String {
        let jail = dress(self.jail()).profile(story.profile);
        let file = jail.path("../proposal.toml");
        let to = file.display().to_string();
        let outcome = jail.record(&["--name", story.name, "-o", &to], story.argv);
        let outcome = outcome.ok();
        assert_eq!(outcome.text(), story.prints, "{outcome}");
        let proposal = fs::read_to_string(&file).unwrap();
        self.install(story, &proposal);
        for round in 0..3 {
            let again = dress(self.jail()).profile(story.name).run(story.argv).ok();
            assert_eq!(again.text(), story.prints, "{round}: {again}");
        }
        // Mounting is refused by both profiles, and writing by neither.
        for (profile, left_out) in [(story.name, "1"), (story.profile, "0")] {
            let jail = dress(self.jail()).profile(profile);
            let probed = jail.run(&["/workspace/probe", story.left_out, "m", "w"]);
            assert_eq!(probed.ok().text(), format!("{left_out} 1 0"), "{profile}");
        }
        proposal
    }
}

fn keeps(proposal: &str, call: &str) -> bool {
    proposal.contains(&format!("  \"{call}\","))
}

#[test]
fn python_with_tls_sqlite_threads_and_children_runs_again_under_its_proposal() {
    let script = "
import json, os, socket, sqlite3, ssl, subprocess, tempfile, threading
context = ssl.create_default_context()
base = sqlite3.connect('/workspace/base')
base.execute('create table if not exists t (x)')
base.execute('insert into t values (42)')
base.commit()
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
with tempfile.TemporaryDirectory() as folder: open(folder + '/x', 'w').write('x')
child = subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip()
a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
try: context.wrap_bio(a, b, server_hostname='x.example').do_handshake()
except ssl.SSLWantReadError: pass
print(base.execute('select x from t').fetchone()[0], child, len(b.read()) > 100)";
    let story = Story {
        name: "recorded-python",
        profile: "base",
        argv: &["/usr/bin/python3", "-c", script],
        prints: "42 child True",
        left_out: "q",
    };
    let proposal = Stage::new().play(&story, |jail| jail);
    assert!(keeps(&proposal, "fcntl") && !keeps(&proposal, "mq_open"));
}

#[test]
fn node_with_workers_and_children_runs_again_under_its_proposal() {
    let script = "
const { Worker, isMainThread, parentPort } = require('worker_threads');
if (isMainThread) {
  const worker = new Worker(__filename);
  worker.on('message', text => {
    require('fs').writeFileSync('/workspace/out', text);
    console.log(text, require('child_process').execSync('echo child').toString().trim());
  });
} else parentPort.postMessage('worker');
";
    let story = Story {
        name: "recorded-node",
        profile: "base",
        argv: &["node", "/workspace/a.js"],
        prints: "worker child",
        left_out: "q",
    };
    Stage::new().play(&story, |jail| jail.file("a.js", script));
}

#[test]
fn git_makes_a_repository_and_commits_again_under_its_proposal() {
    let script = "export GIT_CONFIG_GLOBAL=/tmp/gitconfig; cd /workspace; rm -rf project; \
        git init -q -b main project; cd project; \
        git config user.name Agent; git config user.email agent@example.com; \
        echo text > file; git add file; git commit -q -m first; echo more >> file; \
        git commit -q -a -m second; git gc -q; git log --format=%s; git status --short";
    let story = Story {
        name: "recorded-git",
        profile: "base",
        argv: &["/bin/bash", "-euc", script],
        prints: "second\nfirst",
        left_out: "s",
    };
    Stage::new().play(&story, |jail| jail);
}

#[test]
fn gcc_compiles_and_the_program_runs_again_but_opens_no_socket() {
    let main = "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", 42); }\n";
    let script = "cd /workspace; gcc -O2 -Wall -o main main.c; ./main";
    let story = Story {
        name: "recorded-gcc",
        profile: "base",
        argv: &["/bin/bash", "-euc", script],
        prints: "42",
        left_out: "s",
    };
    let proposal = Stage::new().play(&story, |jail| jail.file("main.c", main));
    assert!(keeps(&proposal, "execve") && !keeps(&proposal, "socket"));
    assert!(proposal.contains("extends = \"agent\""), "{proposal}");
}

#[test]
fn cargo_builds_a_crate_again_under_its_proposal() {
    let sysroot = sysroot();
    let path = format!("{sysroot}/bin:/usr/bin:/bin");
    let script = "cd /workspace; export CARGO_HOME=/tmp/cargo; rm -rf target; \
        cargo build -q --offline; ./target/debug/tiny";
    let manifest =
        "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    let story = Story {
        name: "recorded-cargo",
        profile: "rust",
        argv: &["/bin/bash", "-euc", script],
        prints: "42",
        left_out: "q",
    };
    Stage::new().play(&story, |jail| {
        jail.env("PATH", &path)
            .file("Cargo.toml", manifest)
            .file("src/main.rs", "fn main() { println!(\"42\"); }\n")
    });
}

#[test]
fn a_bash_session_goes_again_under_its_proposal() {
    let session = "cd /workspace; mkdir -p a/b; for i in 1 2 3; do echo $i > a/b/$i; done\n\
        cat a/b/* | sort -r | head -n 2 | tr '\\n' ' '\n\
        (sleep 0.05; echo done > a/done) & wait; read -r line < a/done; echo $line\n\
        find a -type f | wc -l; trap 'echo trapped' USR1; kill -USR1 $$; cat <<end\nhere\nend\nrm -r a\nexit 0\n";
    let story = Story {
        name: "recorded-bash",
        profile: "base",
        argv: &["/bin/bash"],
        prints: "3 2 done\n4\ntrapped\nhere",
        left_out: "s",
    };
    Stage::new().play(&story, |jail| jail.stdin(session));
}

fn entries(daemon: &Daemon, kind: &str) -> Vec<Value> {
    let audit = daemon.audit();
    let dir = audit.display().to_string();
    let lines = daemon.sheriff(&["audit", "tail", "--dir", &dir, "--json"]);
    let lines = lines.ok().json_lines().into_iter();
    lines.filter(|entry| entry["kind"] == kind).collect()
}

fn notes(outcome: &Outcome) -> String {
    outcome.complaint()
}

#[test]
fn output_and_exit_code_are_the_commands_own_and_the_proposal_follows_on_standard_output() {
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon);
    let outcome = jail.record(&[], &["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    let outcome = outcome.ended_with(7);
    let (first, proposal) = outcome.text().split_once('\n').map(own).unwrap();
    assert_eq!(first, "out");
    assert!(proposal.starts_with("# Proposed") && proposal.contains("name = \"recorded\""));
    let said = notes(&outcome);
    assert!(said.starts_with("err\n"), "{said}");
    assert!(said.contains("refused calls are not seen"), "{said}");
    assert!(said.contains("ended with 7"), "{said}");
}

fn own((first, rest): (&str, &str)) -> (String, String) {
    (first.to_owned(), rest.to_owned())
}

#[test]
fn what_goes_wrong_on_our_side_is_125_and_leaves_no_file() {
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (missing, file) = (path("none/x.toml"), path("x.toml"));
    for (options, word) in [
        (vec!["-o", missing.as_str()], "No such file"),
        (
            vec!["--limit", "open_files=1000", "-o", &file],
            "open_files",
        ),
        (vec!["--profile", "none", "-o", &file], "none"),
        (vec!["--no-such-option", "-o", &file], "unexpected argument"),
    ] {
        let outcome = jail.record(&options, &["true"]).ended_with(125);
        assert!(notes(&outcome).contains(word), "{options:?}: {outcome}");
    }
    let outcome = jail
        .record(&["-o", &file], &["no-such-program"])
        .ended_with(127);
    assert!(
        notes(&outcome).contains("nothing was recorded"),
        "{outcome}"
    );
    assert!(!Path::new(&file).exists());
    jail.record(&["-o", &file], &["true"]).ok();
    assert!(Path::new(&file).exists());
}

#[test]
fn the_log_says_that_a_session_was_recorded_and_has_none_of_its_denials() {
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon);
    let probe = "
import ctypes
LIBC = ctypes.CDLL(None, use_errno=True)
print(LIBC.syscall(BPF, 0, 0, 0), ctypes.get_errno())"
        .replace(
            "BPF",
            if cfg!(target_arch = "x86_64") {
                "321"
            } else {
                "280"
            },
        );
    let argv = ["/usr/bin/python3", "-c", probe.as_str()];
    let file = jail.report().with_extension("toml");
    let to = file.display().to_string();
    let recorded = jail.record(&["-o", &to], &argv).ok();
    assert_eq!(recorded.text(), "-1 1");
    assert!(!keeps(&fs::read_to_string(&file).unwrap(), "bpf"));
    assert_eq!(entries(&daemon, "syscall.denied").len(), 0);
    let started = entries(&daemon, "session.started").pop().unwrap();
    assert_eq!(started["data"]["recording"], true);
    assert_eq!(
        started["data"]["layers"]["seccomp_enforce_hash"],
        Value::Null
    );
    // Without recording the same is told.
    assert_eq!(jail.run(&argv).ok().text(), "-1 1");
    assert_eq!(entries(&daemon, "syscall.denied").len(), 1);
    let started = entries(&daemon, "session.started").pop().unwrap();
    assert_eq!(started["data"]["recording"], false);
}

#[test]
fn nothing_else_can_be_started_in_a_recorded_session_and_its_end_by_timeout_keeps_the_record() {
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon);
    let file = jail.report().with_extension("toml");
    let to = file.display().to_string();
    let script = "echo up; while :; do mkdir /tmp/x; rmdir /tmp/x; done";
    let argv = ["/bin/sh", "-c", script];
    let child = jail.start_recording(&["--timeout", "4s", "-o", &to], &argv);
    child.await_text("up", PATIENCE);
    let sessions = daemon.json(&["ps", "--json"]);
    let session = sessions["sessions"][0]["session"].as_str().unwrap();
    let refused = daemon
        .sheriff(&["exec", session, "--", "true"])
        .ended_with(125);
    assert!(notes(&refused).contains("is recorded"), "{refused}");
    assert_eq!(child.wait(PATIENCE).code(), 124);
    let proposal = fs::read_to_string(&file).unwrap();
    assert!(
        keeps(&proposal, "mkdir") || keeps(&proposal, "mkdirat"),
        "{proposal}"
    );
}

#[test]
fn a_profile_of_the_hosts_own_is_the_base_even_when_its_file_has_changed_since() {
    let mut daemon = Daemon::standing();
    let folder = daemon.profiles();
    fs::create_dir_all(folder.join("seccomp")).unwrap();
    let seccomp = folder.join("seccomp/own.toml");
    let text = |drop: &str| {
        format!(
            "version = 1\nname = \"own\"\ndescription = \"d\"\nextends = \"agent\"\ndrop = [\"{drop}\"]\n"
        )
    };
    fs::write(&seccomp, text("mq_open")).unwrap();
    let jail = "version = 1\nname = \"own\"\nextends = \"base\"\n[seccomp]\nprofile = \"own\"\n";
    fs::write(folder.join("jail/own.toml"), jail).unwrap();
    daemon.restart();
    fs::write(&seccomp, "not a profile").unwrap();
    let outcome = Jail::on(&daemon)
        .profile("own")
        .record(&["--name", "own"], &["true"]);
    let proposal = outcome.ok().text();
    // Its own name is taken by the base.
    assert!(proposal.contains("name = \"recorded\""), "{proposal}");
    assert!(proposal.contains("extends = \"own\""), "{proposal}");
    // And one that forbids what recording needs says so.
    fs::write(&seccomp, text("seccomp")).unwrap();
    daemon.restart();
    let outcome = Jail::on(&daemon).profile("own").record(&[], &["true"]);
    let outcome = outcome.ended_with(125);
    assert!(
        notes(&outcome).contains("record under its parent"),
        "{outcome}"
    );
    Jail::on(&daemon).profile("own").run(&["true"]).ok();
}
