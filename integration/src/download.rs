//! Bulk: 1 GiB through a tunnel and by plain forward, counted to the byte at both ends.
//!
//! Not for: throughput figures; those are benchmarks.

use std::time::Duration;

use testkit::{Body, Http, Request, Response};

use crate::harness::{Jail, identity};

const SIZE: u64 = 1 << 30;
/// A debug build on a busy machine is slow; a stall is far slower.
const PATIENCE: Duration = Duration::from_secs(180);

fn zeros(_request: &Request) -> Response {
    Response::new(200, Body::Zeros(SIZE))
}

const COUNT: &str = "
def count(s, request):
    s.sendall(request.encode())
    text = head(s)
    assert ' 200 ' in text, text
    buffer, total = bytearray(1 << 20), 0
    while n := s.recv_into(buffer):
        total += n
    print(total)
";

#[test]
fn a_gibibyte_through_a_tunnel_is_whole_and_metered_exactly() {
    let site = Http::tls(&identity(&["big.example"]), zeros);
    let jail = Jail::new()
        .patience(PATIENCE)
        .trusting_us()
        .connect("big.example", site.address());
    let fetch = "s, status = connect('big.example')
count(tls(s, 'big.example'), 'GET / HTTP/1.1\\r\\nHost: big.example\\r\\nConnection: close\\r\\n\\r\\n')";
    let outcome = jail.python(&format!("{COUNT}\n{fetch}")).ok();
    assert_eq!(outcome.text(), SIZE.to_string());
    assert_eq!(
        outcome.host("big.example", "bytes_down"),
        site.traffic().sent()
    );
    assert_eq!(
        outcome.host("big.example", "bytes_up"),
        site.traffic().received()
    );
    assert_eq!(outcome.counter("/kernel/unexplained_bytes"), 0, "{outcome}");
}

#[test]
fn a_gibibyte_by_plain_forward_is_whole_and_metered_exactly() {
    let site = Http::plain(zeros);
    let jail = Jail::new()
        .patience(PATIENCE)
        .connect("big.example:80", site.address());
    let fetch = "count(proxy(), 'GET http://big.example/ HTTP/1.1\\r\\nHost: big.example\\r\\nConnection: close\\r\\n\\r\\n')";
    let outcome = jail.python(&format!("{COUNT}\n{fetch}")).ok();
    assert_eq!(outcome.text(), SIZE.to_string());
    assert_eq!(
        outcome.host("big.example", "bytes_down"),
        site.traffic().sent()
    );
    assert_eq!(
        outcome.host("big.example", "bytes_up"),
        site.traffic().received()
    );
    assert_eq!(outcome.counter("/kernel/unexplained_bytes"), 0, "{outcome}");
}

#[test]
fn an_upload_of_64_mebibytes_is_whole_and_metered_exactly() {
    let site = Http::plain(|request| Response::ok(request.body_bytes.to_string()));
    let jail = Jail::new()
        .patience(PATIENCE)
        .connect("big.example:80", site.address());
    let script = "head -c 64M /dev/zero | curl -sSf -T - http://big.example/";
    let outcome = jail.shell(script).ok();
    assert_eq!(outcome.text(), (64 << 20).to_string());
    assert_eq!(
        outcome.host("big.example", "bytes_up"),
        site.traffic().received()
    );
}

#[test]
fn a_truncated_download_is_seen_as_truncated() {
    let site = Http::plain(|_| Response::new(200, Body::Cut(1000, vec![b'x'; 400])));
    let jail = Jail::new().connect("big.example:80", site.address());
    let outcome = jail.shell("curl -sS -o /dev/null http://big.example/");
    // curl's codes for a transfer that ended early: by an orderly end, or by a reset.
    assert!(matches!(outcome.code, 18 | 56), "{outcome}");
    assert_eq!(
        outcome.host("big.example", "bytes_down"),
        site.traffic().sent()
    );
}
