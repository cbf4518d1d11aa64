//! What operators learn about bytes: sums with a verdict, one-shot views, metrics; and that jails learn none
//! of it.
//!
//! Not for: the routes' details, which have tests of their own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use testkit::{Http, Response};

use crate::harness::{Daemon, Jail};

const ASK: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn scrape(mut stream: impl Read + Write) -> String {
    stream.write_all(ASK).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn one_command_says_how_much_went_where_and_that_this_is_all() {
    let daemon = Daemon::ephemeral();
    let server = Http::plain(|_| Response::ok("0123456789"));
    let jail = Jail::on(&daemon).connect("a.example.com:80", server.address());
    let outcome = jail.shell("curl -sS http://a.example.com/ && curl -sS http://b.example.com/");
    assert!(outcome.text().contains("0123456789"), "{outcome:?}");
    let usage = daemon.json(&["egress", "usage", "--since", "1h", "--json"]);
    let session = &usage["sessions"][0];
    let host = &session["hosts"]["a.example.com"];
    assert_eq!(host["allowed"], 1, "{usage}");
    assert!(host["bytes_down"].as_u64().unwrap() >= 10);
    assert_eq!(host["open_down"], 0);
    assert_eq!(session["hosts"]["b.example.com"]["denied"], 1);
    assert_eq!(session["account"]["unexplained_bytes"], 0);
    assert!(session["kernel"]["bytes_up"].as_u64() > session["kernel"]["socket_up"].as_u64());
    let id = session["session"].as_str().unwrap();
    let words = daemon.sheriff(&["egress", "usage", id, "--host", "a.example.com"]);
    assert!(words.text().contains("That is all"), "{words:?}");
    let denied = daemon.sheriff(&["egress", "tail", "--denied", "--since", "1h"]);
    assert_eq!(denied.text().lines().count(), 1, "{denied:?}");
    assert!(denied.text().contains("b.example.com"));
    let top = daemon.sheriff(&["egress", "top", "--once"]);
    assert!(top.text().starts_with("SESSION"), "{top:?}");
}

#[test]
fn metrics_are_for_the_host_and_no_jail_reaches_them() {
    let port = free_port();
    let daemon = Daemon::ephemeral_with(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\""));
    let socket = daemon.runtime().join("metrics.sock");
    let metadata = std::fs::metadata(&socket).unwrap();
    assert_eq!(
        (metadata.permissions().mode() & 0o777, metadata.uid()),
        (0o660, 0)
    );
    let script = format!(
        "for url in http://127.0.0.1:{port}/metrics http://localhost:{port}/metrics http://10.77.0.1:{port}/metrics; do \
         curl -s -m 5 $url | grep -c sheriff_jails || true; curl -s -m 5 --noproxy '*' $url | grep -c sheriff_jails || true; done; \
         ls /run/sheriff/metrics.sock 2>&1 | grep -c cannot; true"
    );
    let outcome = Jail::on(&daemon)
        .allow(&format!("localhost:{port}"))
        .shell(&script);
    assert_eq!(outcome.text(), "0\n0\n0\n0\n0\n0\n1", "{outcome:?}");
    // The control: the host gets the page both ways, and what the jail tried is in it.
    for page in [
        scrape(TcpStream::connect(("127.0.0.1", port)).unwrap()),
        scrape(UnixStream::connect(&socket).unwrap()),
    ] {
        assert!(page.contains("sheriff_jails 0"), "{page}");
        assert!(
            page.contains("sheriff_egress_requests_total{verdict=\"deny\""),
            "{page}"
        );
        assert!(!page.contains("10.77.0.1"), "a host became a label");
    }
}
