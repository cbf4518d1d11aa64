//! The shell and its usual companions: pipes, streams, curl through the proxy in every way.
//!
//! Not for: terminals (`terminal`).

use testkit::{Http, Response};

use crate::harness::{Jail, identity};

#[test]
fn pipes_streams_and_standard_input_work_as_outside() {
    let script = "sort | uniq -c | awk '{print $2 $1}' | tr '\\n' ' '; echo problem >&2";
    let outcome = Jail::new().stdin("b\na\nb\n").shell(script).ok();
    assert_eq!(outcome.text(), "a1 b2");
    assert!(outcome.complaint().contains("problem"), "{outcome}");
}

#[test]
fn binary_output_arrives_byte_for_byte() {
    let script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4096)";
    let outcome = Jail::new().python(script).ok();
    let expected: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(4096);
    assert!(outcome.stdout == expected, "{} bytes", outcome.stdout.len());
}

#[test]
fn curl_reaches_an_allowed_site_by_https_and_no_other() {
    let site = Http::tls(&identity(&["site.example"]), |_| Response::ok("hello\n"));
    let other = Http::tls(&identity(&["other.example"]), |_| Response::ok("never\n"));
    let jail = Jail::new()
        .trusting_us()
        .connect("site.example", site.address());
    let script = "curl -sS https://site.example/a; \
                  curl -sS -o /dev/null -w '%{http_connect}' https://other.example/ || true";
    let outcome = jail.shell(script).ok();
    assert_eq!(outcome.text(), "hello\n403");
    assert_eq!(site.requests().len(), 1);
    assert_eq!(other.traffic().connections(), 0);
    assert_eq!(outcome.egress("allowed"), 1, "{outcome}");
    assert_eq!(outcome.egress("denied"), 1, "{outcome}");
    let denials = outcome.denials();
    assert!(denials[0].starts_with("other.example:443 "), "{denials:?}");
}

#[test]
fn plain_http_is_forwarded_to_an_allowed_port_and_denied_legibly_elsewhere() {
    let site = Http::plain(|_| Response::ok("hello\n"));
    let jail = Jail::new().connect("site.example:80", site.address());
    let script = "curl -sS http://site.example/a; \
                  curl -sS -D head -o body -w '%{http_code}\\n' http://site.example:8080/b; \
                  grep -i x-sheriff-reason head >/dev/null; cat body";
    let outcome = jail
        .scratch()
        .shell(&format!("cd /workspace; {script}"))
        .ok();
    let text = outcome.text();
    let body = text
        .strip_prefix("hello\n403\n")
        .unwrap_or_else(|| panic!("{outcome}"));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    for key in ["error", "reason", "host", "port", "id", "next_steps"] {
        assert!(!body[key].is_null(), "no {key} in {body}");
    }
    assert_eq!(
        (&body["host"], &body["port"]),
        (&"site.example".into(), &8080.into())
    );
    assert_eq!(site.requests().len(), 1);
}

/// Runs curl past the proxy, to an address of TEST-NET-1, where nobody is: every connection is the
/// proxy's all the same, and what the client says decides.
const PAST_PROXY: &str =
    "past() { curl -sS --noproxy '*' --connect-to ::192.0.2.1: \"$@\" 2>/dev/null; }; ";

#[test]
fn connections_past_the_proxy_go_where_they_say_or_end_at_once_with_its_reason() {
    let site = Http::plain(|_| Response::ok("plain\n"));
    let jail = Jail::new()
        .connect("site.example:80", site.address())
        .connect("site.example", site.address());
    let script = "past http://site.example/; \
                  past -o /dev/null -w '%{http_code} %header{x-sheriff-reason}\\n' http://other.example/; \
                  past https://site.example/ || echo no tls; \
                  past http://site.example:8080/ || echo refused";
    let outcome = jail.shell(&format!("{PAST_PROXY}{script}")).ok();
    assert_eq!(
        outcome.text(),
        "plain\n403 not_in_allowlist\nno tls\nrefused"
    );
    assert_eq!(site.requests().len(), 1);
    assert!(outcome.counter("/duration_ms") < 10_000, "{outcome}");
}

#[test]
fn the_environment_is_sheriffs_and_not_the_callers() {
    let jail = Jail::new().env("GREETING", "hi there");
    let outcome = jail.shell("env -0 | tr '\\0' '\\n'").ok();
    let text = outcome.text();
    for expected in ["GREETING=hi there", "HTTPS_PROXY=", "SHERIFF_SESSION=s-"] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!text.contains("CARGO"), "{text}");
}

#[test]
fn workspace_files_belong_to_the_operator_on_disk() {
    use std::os::unix::fs::MetadataExt;
    let jail = Jail::new().scratch();
    jail.shell("cd /workspace; mkdir d; echo made > d/f; stat -c %u d/f")
        .ok();
    let made = std::fs::metadata(jail.path("d/f")).unwrap();
    let folder = std::fs::metadata(jail.path("")).unwrap();
    assert_eq!((made.uid(), made.gid()), (folder.uid(), folder.gid()));
    assert_eq!(std::fs::read_to_string(jail.path("d/f")).unwrap(), "made\n");
}
