//! Verdicts on requests that nobody made, by the files of profiles.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::office::{command, stderr, stdout};

const JAIL: &str = r#"version = 1
name = "mine"
extends = "base"
[egress]
extends = ["github", "llm-openai"]
# The API of our own.
[[egress.allow]]
host = "api.example.com"
methods = ["GET", "POST"]
paths = ["/v1/**"]
secret = "example"
max_body = "1MiB"
rate = "60/m"
websocket = false
[[egress.allow]]
host = "**.cdn.example.com"
[[egress.deny]]
host = "bad.cdn.example.com"
"#;

const CONFIG: &str = r#"[ceilings]
pids = 512
[[ceilings.egress.deny]]
host = "x.cdn.example.com"
"#;

struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("jail")).unwrap();
        fs::write(folder.path().join("jail/mine.toml"), JAIL).unwrap();
        fs::write(folder.path().join("sheriffd.toml"), CONFIG).unwrap();
        Self { folder }
    }

    fn check(&self, args: &[&str]) -> Output {
        let config = self.folder.path().join("sheriffd.toml");
        let fixed = [
            "egress",
            "check",
            "--profile",
            "mine",
            "--profiles",
            self.folder.path().to_str().unwrap(),
            "--config",
            config.to_str().unwrap(),
        ];
        let args = [&fixed, args].concat();
        command(Path::new("/nonexistent"), &args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = self.check(&[args, &["--json"]].concat());
        assert!(output.stderr.is_empty(), "{}", stderr(&output));
        let value = serde_json::from_str(&stdout(&output)).unwrap();
        (output.status.code(), value)
    }

    fn reason(&self, method: &str, url: &str) -> String {
        let (code, ruling) = self.json(&[method, url]);
        let reason = ruling.get("reason").and_then(Value::as_str).unwrap();
        assert_eq!(code, Some(i32::from(reason != "allowed")), "{ruling}");
        reason.to_owned()
    }
}

#[test]
fn an_allowed_request_is_shown_with_rule_line_and_terms() {
    let host = Host::new();
    let output = host.check(&["POST", "https://api.example.com/v1/x?q=1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let file = host.folder.path().join("jail/mine.toml");
    let expected = format!(
        r#"ALLOW POST api.example.com:443/v1/x
reason     allowed
rule       mine:7
at         {}:7
    [[egress.allow]]
    host = "api.example.com"
    methods = ["GET", "POST"]
    paths = ["/v1/**"]
    secret = "example"
    max_body = "1MiB"
    rate = "60/m"
    websocket = false
handling   intercepted: TLS is opened, each request is seen
secret     example
body       at most 1MiB
websocket  no
rate       60/m (mine:7)
"#,
        file.display()
    );
    assert_eq!(stdout(&output), expected);
    let (code, ruling) = host.json(&["GET", "https://api.example.com/v1/x"]);
    assert_eq!((code, &ruling["verdict"]), (Some(0), &"allow".into()));
    assert_eq!(ruling["terms"]["max_body"], "1MiB");
    assert_eq!(ruling["place"]["line"], 7);
}

#[test]
fn each_denial_names_its_reason_beside_a_request_that_passes() {
    let host = Host::new();
    for (method, url, reason) in [
        ("GET", "https://api.example.com/v1/x", "allowed"),
        (
            "DELETE",
            "https://api.example.com/v1/x",
            "method_not_allowed",
        ),
        ("get", "https://api.example.com/v1/x", "method_not_allowed"),
        ("GET", "https://api.example.com/v2", "path_not_allowed"),
        (
            "GET",
            "https://api.example.com/v1/../v2",
            "path_not_allowed",
        ),
        (
            "GET",
            "https://api.example.com:8443/v1/x",
            "port_not_allowed",
        ),
        ("GET", "http://api.example.com/v1/x", "port_not_allowed"),
        ("GET", "wss://api.example.com/v1/x", "websocket_not_allowed"),
        ("GET", "wss://a.cdn.example.com/", "allowed"),
        ("CONNECT", "api.example.com:443", "allowed"),
        ("CONNECT", "api.example.com:22", "port_not_allowed"),
        ("POST", "https://a.cdn.example.com/", "allowed"),
        ("GET", "https://bad.cdn.example.com/", "denied_by_rule"),
        ("GET", "https://x.cdn.example.com/", "above_ceiling"),
        ("GET", "https://example.com/", "not_in_allowlist"),
        ("GET", "http://169.254.169.254/", "metadata_service"),
        ("GET", "https://127.0.0.1/", "forbidden_address"),
    ] {
        assert_eq!(host.reason(method, url), reason, "{method} {url}");
    }
    let data = "mzxw6ytboi2dcnrvgy3tqojqgezdgnbvgy3tqojqgezdgnbv";
    let url = format!("https://{data}.cdn.example.com/");
    assert_eq!(host.reason("GET", &url), "opaque_name");
}

#[test]
fn shipped_lists_allow_what_their_tools_do_and_little_else() {
    let host = Host::new();
    for (method, url, reason) in [
        (
            "GET",
            "https://github.com/o/r.git/info/refs?service=git-upload-pack",
            "allowed",
        ),
        (
            "POST",
            "https://github.com/o/r.git/git-upload-pack",
            "allowed",
        ),
        (
            "POST",
            "https://github.com/o/r.git/git-receive-pack",
            "path_not_allowed",
        ),
        ("POST", "https://github.com/o/r/issues", "path_not_allowed"),
        (
            "GET",
            "https://github.com/o/r/releases/download/v1/a.tgz",
            "allowed",
        ),
        (
            "GET",
            "https://codeload.github.com/o/r/tar.gz/main",
            "allowed",
        ),
        (
            "GET",
            "https://api.github.com/repos/o/r/contents/a",
            "allowed",
        ),
        ("POST", "https://api.github.com/gists", "method_not_allowed"),
        ("GET", "https://gist.github.com/", "not_in_allowlist"),
        (
            "POST",
            "https://api.openai.com/v1/chat/completions",
            "allowed",
        ),
        ("GET", "https://api.openai.com/v1/models/gpt", "allowed"),
        (
            "POST",
            "https://api.openai.com/v1/files",
            "path_not_allowed",
        ),
    ] {
        assert_eq!(host.reason(method, url), reason, "{method} {url}");
    }
    let (_, ruling) = host.json(&["POST", "https://api.openai.com/v1/responses"]);
    assert_eq!(ruling["terms"]["llm"], "openai");
    assert_eq!(ruling["terms"]["secrets"][0], "openai");
    assert_eq!(ruling["place"]["file"], "shipped:egress/llm-openai");
}

#[test]
fn a_tunnel_that_is_carried_unread_says_so_and_options_count_like_rules() {
    let host = Host::new();
    let asked = [
        "--allow",
        "new.example.com",
        "--connect",
        "in.example.com=10.0.0.1:8080",
    ];
    let (code, ruling) = host.json(&[&asked[..], &["PUT", "https://new.example.com/x"]].concat());
    assert_eq!((code, &ruling["handling"]), (Some(0), &"tunnel".into()));
    assert_eq!(ruling["place"]["text"], "--allow new.example.com");
    let (code, ruling) = host.json(&[&asked[..], &["PUT", "https://in.example.com/x"]].concat());
    assert_eq!(
        (code, &ruling["connect"]),
        (Some(0), &"10.0.0.1:8080".into())
    );
    assert_eq!(ruling["rule"], "cli:1");
    assert_eq!(
        ruling["place"]["text"],
        "--connect in.example.com=10.0.0.1:8080"
    );
    assert_eq!(host.json(&["PUT", "https://new.example.com/x"]).0, Some(1));
}

#[test]
fn the_ceilings_rule_is_shown_where_it_stands() {
    let host = Host::new();
    let (code, ruling) = host.json(&["GET", "https://x.cdn.example.com/"]);
    assert_eq!((code, &ruling["rule"]), (Some(1), &"ceiling:3".into()));
    let file = host.folder.path().join("sheriffd.toml");
    assert_eq!(ruling["place"]["file"], file.to_str().unwrap());
    assert!(
        ruling["place"]["text"]
            .as_str()
            .unwrap()
            .contains("x.cdn.example.com")
    );
}

#[test]
fn what_can_not_be_judged_is_neither_allowed_nor_denied() {
    let host = Host::new();
    for args in [
        ["GET", "ftp://a.example.com/"],
        ["GET", "https://a@b.example.com/"],
        ["GET", "api.example.com"],
        ["G T", "https://a.example.com/"],
        ["CONNECT", "https://a.example.com/"],
    ] {
        let output = host.check(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stdout(&output).is_empty() && !stderr(&output).is_empty());
    }
    let output = host.check(&[
        "--config",
        "/nonexistent.toml",
        "GET",
        "https://a.example.com/",
    ]);
    assert_eq!(output.status.code(), Some(2));
}
