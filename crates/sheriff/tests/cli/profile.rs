//! `sheriff profile` on shipped and written profiles.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::office::{command, stderr, stdout};

const CHILD: &str =
    "version = 1\nname = \"mine\"\nextends = \"base\"\n[egress]\nextends = [\"web\"]\n";
const LIST: &str = "version = 1\nname = \"web\"\n[[allow]]\nhost = \"api.example.com\"\n";

/// A folder of host profiles: `jail/mine` and `egress/web`.
fn folder(list: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (kind, name, text) in [("jail", "mine", CHILD), ("egress", "web", list)] {
        fs::create_dir(folder.path().join(kind)).unwrap();
        fs::write(folder.path().join(kind).join(format!("{name}.toml")), text).unwrap();
    }
    folder
}

fn profile(folder: &Path, args: &[&str]) -> Output {
    let args = [
        &["profile"],
        args,
        &["--profiles", folder.to_str().unwrap()],
    ]
    .concat();
    command(Path::new("/nonexistent"), &args).output().unwrap()
}

#[test]
fn shipped_profiles_and_good_files_pass() {
    let good = folder(LIST);
    let list = good.path().join("egress/web.toml");
    let output = profile(
        good.path(),
        &["check", "base", "coder", "mine", list.to_str().unwrap()],
    );
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert_eq!(stdout(&output).matches(": ok").count(), 4);
    let output = profile(good.path(), &["check", "--kind", "seccomp", "agent"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
}

#[test]
fn faults_name_file_line_and_key_also_those_of_a_list() {
    let bad =
        folder("version = 1\nname = \"web\"\n[[allow]]\nhost = \"x.example.com\"\nport = 1\n");
    let list = bad.path().join("egress/web.toml");
    for given in ["mine", list.to_str().unwrap()] {
        let output = profile(bad.path(), &["check", given]);
        assert_eq!(output.status.code(), Some(1));
        let text = stdout(&output);
        assert!(
            text.contains(&format!("{}:5: ", list.display())) && text.contains("port"),
            "{text}"
        );
        let output = profile(bad.path(), &["check", "--json", given]);
        let findings: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(
            (&findings[0]["ok"], &findings[0]["line"]),
            (&Value::from(false), &Value::from(5))
        );
    }
}

#[test]
fn a_filter_that_is_not_there_is_a_fault_of_the_profile_that_names_it() {
    let folder = folder(LIST);
    let file = folder.path().join("jail/mine.toml");
    fs::write(&file, format!("{CHILD}[seccomp]\nprofile = \"nowhere\"\n")).unwrap();
    let output = profile(folder.path(), &["check", "mine"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("nowhere"), "{}", stdout(&output));
}

#[test]
fn names_that_are_not_there_are_named() {
    let folder = folder(LIST);
    for (args, word) in [
        (["check", "missing"], "no jail profile missing"),
        (["check", "./missing.toml"], "missing.toml"),
        (["show", "missing"], "missing"),
    ] {
        let output = profile(folder.path(), &args);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
}

#[test]
fn what_is_no_regular_file_is_refused_before_it_is_opened() {
    let dir = folder("");
    let pipe = dir.path().join("pipe.toml");
    // Opening a socket's name fails and opening a pipe's waits; neither is tried.
    let _socket = std::os::unix::net::UnixListener::bind(&pipe).unwrap();
    let refused = profile(dir.path(), &["check", pipe.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("pipe.toml: not a regular file"), "{said}");
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn show_merges_parents_and_lists() {
    let folder = folder(LIST);
    let output = profile(folder.path(), &["show", "mine"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "mine extends base",
        "api.example.com:443",
        "memory=",
        "otherwise   deny",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let output = profile(folder.path(), &["show", "--json", "mine"]);
    let shown: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(shown["policy"]["allow"][0]["host"], "api.example.com");
}

#[test]
fn list_puts_the_hosts_own_before_shipped_ones() {
    let folder = folder(LIST);
    fs::write(folder.path().join("jail/coder.toml"), CHILD).unwrap();
    let output = profile(folder.path(), &["list", "--json"]);
    let listed: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
    let source = |kind: &str, name: &str| {
        let found = listed
            .iter()
            .find(|one| one["kind"] == kind && one["name"] == name);
        found.unwrap()["source"].as_str().unwrap().to_owned()
    };
    assert_eq!(source("jail", "base"), "shipped");
    assert!(source("jail", "coder").ends_with("jail/coder.toml"));
    assert!(source("egress", "web").ends_with("egress/web.toml"));
    assert_eq!(source("seccomp", "agent"), "shipped");
    assert_eq!(profile(folder.path(), &["list"]).status.code(), Some(0));
}

#[test]
fn explain_shows_every_layer_and_where_each_rule_stands() {
    let folder = folder(LIST);
    let output = profile(folder.path(), &["explain", "mine"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let list = folder.path().join("egress/web.toml");
    for part in [
        "profile mine extends base",
        "/workspace ",
        "/tmp ",
        "256MiB",
        "at least ABI 2 is needed",
        "agent (shipped:seccomp/agent.toml)",
        "known vulnerabilities out of reach",
        "memory 1GiB, no swap",
        &format!("allow api.example.com:443 ({}:3)", list.display()),
        "bytes are counted, not limited",
        "nothing is set",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let output = profile(folder.path(), &["explain", "--json", "mine"]);
    let page: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(page["seccomp"]["lineage"][0], "agent");
    assert_eq!(page["seccomp"]["sha256"].as_str().unwrap().len(), 64);
    let rules = page["landlock"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["path"] == "/workspace"));
    assert_eq!(
        profile(folder.path(), &["explain", "no"]).status.code(),
        Some(1)
    );
}

#[test]
fn explain_and_show_name_what_a_rule_asks_of_requests() {
    let list = "version = 1\nname = \"web\"\n[[allow]]\nhost = \"api.example.com\"\nmethods = [\"POST\"]\npaths = [\"/v1/*\"]\nsecret = [\"own\", \"key\"]\nmax_body = \"1MiB\"\nwebsocket = false\nllm = \"openai\"\nrate = \"60/m\"\nconnect = \"10.0.0.1:8\"\n";
    let folder = folder(list);
    let words = "api.example.com:443 POST /v1/* secret=key,own max_body=1MiB websocket=no llm=openai rate=60/m (";
    for command in ["explain", "show"] {
        let output = profile(folder.path(), &[command, "mine"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains(words), "{}", stdout(&output));
    }
    let output = profile(folder.path(), &["show", "--json", "mine"]);
    let shown: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let rule = &shown["policy"]["allow"][0];
    assert_eq!(
        (&rule["max_body"], &rule["rate"]),
        (&"1MiB".into(), &"60/m".into())
    );
}

#[test]
fn a_filter_may_extend_one_of_the_host_and_must_let_the_jails_init_work() {
    let folder = folder(LIST);
    let filters = folder.path().join("seccomp");
    fs::create_dir(&filters).unwrap();
    let put = |name: &str, rest: &str| {
        let text = format!("version = 1\nname = \"{name}\"\ndescription = \"d\"\n{rest}");
        fs::write(filters.join(format!("{name}.toml")), text).unwrap();
    };
    put("first", "extends = \"agent\"\ndrop = [\"mq_open\"]\n");
    put("second", "extends = \"first\"\ndrop = [\"mq_unlink\"]\n");
    put("third", "extends = \"first\"\ndrop = [\"mq_open\"]\n");
    put("mute", "extends = \"first\"\ndrop = [\"sendmsg\"]\n");
    let check = |args: &[&str]| {
        let output = profile(folder.path(), &[&["check"], args].concat());
        (output.status.code(), stdout(&output))
    };
    let (code, text) = check(&["--kind", "seccomp", "first", "second", "strict", "office"]);
    assert_eq!((code, text.matches(": ok").count()), (Some(0), 4), "{text}");
    let (code, text) = check(&["--kind", "seccomp", "third"]);
    assert!(
        code == Some(1) && text.contains("third.toml:5: drop: "),
        "{text}"
    );
    let (code, text) = check(&["--kind", "seccomp", "mute"]);
    assert!(code == Some(1) && text.contains("sendmsg"), "{text}");
    // A jail may have the second and not the one that its init can't work under.
    let jail = folder.path().join("jail/mine.toml");
    let with = |filter: &str| {
        fs::write(&jail, format!("{CHILD}[seccomp]\nprofile = \"{filter}\"\n")).unwrap();
        check(&["mine"])
    };
    assert_eq!(with("second").0, Some(0));
    let (code, text) = with("office");
    assert!(
        code == Some(1) && text.contains("`seccomp.profile`"),
        "{text}"
    );
    let (code, text) = with("mute");
    assert!(code == Some(1) && text.contains("sendmsg"), "{text}");
}
