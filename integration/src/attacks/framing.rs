//! Requests with two readings: refused before a byte leaves, or forwarded in the one that was judged.
//!
//! Not for: where a request may go (`destinations`).

use testkit::{Http, Raw, Response, Step};

use super::probe::{all_begin, exchange};
use crate::harness::Jail;

/// A request for `/` of the allowed site with these further lines.
fn with(lines: &str) -> Vec<u8> {
    format!("POST http://site.example/ HTTP/1.1\r\nHost: site.example\r\n{lines}").into_bytes()
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n").into_bytes()
}

#[test]
fn heads_with_two_readings_are_refused_and_no_byte_of_them_leaves() {
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new().connect("site.example:80", site.address());
    let long = "a".repeat(9000);
    let many = "A: b\r\n".repeat(150);
    let huge = format!("A: {}\r\n\r\n", "b".repeat(40_000));
    let cases = [
        ("bare_lf", b"GET http://site.example/ HTTP/1.1\nHost: site.example\n\n".to_vec(), "400 bare_lf closed"),
        ("lf_in_field", with("A: b\nB: c\r\n\r\n"), "400 bare_lf closed"),
        ("bare_cr", with("A: b\rB: c\r\n\r\n"), "400 bare_cr closed"),
        ("nul", with("A: b\0c\r\n\r\n"), "400 nul_byte closed"),
        ("fold", with("A: b\r\n c\r\n\r\n"), "400"),
        ("space_before_colon", with("Content-Length : 5\r\n\r\nhello"), "400"),
        ("length_and_chunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400 length_and_chunked closed"),
        ("chunked_and_length", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), "400 length_and_chunked closed"),
        ("two_lengths", with("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), "400"),
        ("same_length_twice", with("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), "400"),
        ("plus_length", with("Content-Length: +5\r\n\r\nhello"), "400 content_length_malformed closed"),
        ("minus_length", with("Content-Length: -5\r\n\r\n"), "400 content_length_malformed closed"),
        ("list_length", with("Content-Length: 5,5\r\n\r\nhello"), "400 content_length_malformed closed"),
        ("hex_length", with("Content-Length: 0x5\r\n\r\nhello"), "400 content_length_malformed closed"),
        ("endless_length", with("Content-Length: 99999999999999999999999\r\n\r\n"), "400 content_length_malformed closed"),
        ("empty_length", with("Content-Length:\r\n\r\n"), "400"),
        ("coding_list", with("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "400 transfer_encoding_refused closed"),
        ("coding_twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400"),
        ("coding_odd", with("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), "400 transfer_encoding_refused closed"),
        ("coding_tab", with("Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"), "400"),
        ("coding_in_1_0", b"POST http://site.example/ HTTP/1.0\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(), "400"),
        ("no_host", b"GET http://site.example/ HTTP/1.1\r\n\r\n".to_vec(), "400 host_missing closed"),
        ("two_hosts", with("Host: evil.example\r\n\r\n"), "400 duplicate_field closed"),
        ("other_host", b"GET http://site.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec(), "400 host_mismatch closed"),
        ("other_port", b"GET http://site.example/ HTTP/1.1\r\nHost: site.example:81\r\n\r\n".to_vec(), "400 host_mismatch closed"),
        ("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "400 http2_refused closed"),
        ("version", b"GET http://site.example/ HTTP/1.2\r\nHost: site.example\r\n\r\n".to_vec(), "400 version_unsupported closed"),
        ("lower_case", b"get http://site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n".to_vec(), "400 method_malformed closed"),
        ("two_spaces", b"GET  http://site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n".to_vec(), "400"),
        ("origin_form", get("/"), "400"),
        ("asterisk", b"OPTIONS * HTTP/1.1\r\nHost: site.example\r\n\r\n".to_vec(), "400"),
        ("https", get("https://site.example/"), "400 https_needs_connect closed"),
        ("other_scheme", get("ftp://site.example/"), "400"),
        ("long_target", get(&format!("http://site.example/{long}")), "400 uri_too_long closed"),
        ("many_fields", with(&format!("{many}\r\n")), "400 too_many_fields closed"),
        ("huge_field", with(&huge), "400 head_too_large closed"),
        ("tls", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n".to_vec(), "400"),
    ];
    let sent: Vec<_> = cases
        .iter()
        .map(|(name, bytes, _)| (*name, bytes.clone()))
        .collect();
    let expected: Vec<_> = cases
        .iter()
        .map(|(name, _, expected)| (*name, *expected))
        .collect();
    all_begin(&exchange(&jail, &sent), &expected);
    assert_eq!(site.traffic().connections(), 0, "{:?}", site.requests());
    // The same helper, with a request that has one reading.
    let good = [(
        "good",
        with("Content-Length: 5\r\nConnection: close\r\n\r\nhello"),
    )];
    all_begin(&exchange(&jail, &good), &[("good", "200 - closed")]);
    assert_eq!(site.requests()[0].body, b"hello");
}

#[test]
fn bodies_with_broken_chunks_end_the_exchange_and_smuggle_no_second_request() {
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new().connect("site.example:80", site.address());
    let chunked = |body: &str| with(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"));
    let smuggled = "GET http://site.example/smuggled HTTP/1.1\r\nHost: site.example\r\n\r\n";
    let cases = [
        ("hex_prefix", chunked("0x5\r\nhello\r\n0\r\n\r\n")),
        ("sign", chunked("+5\r\nhello\r\n0\r\n\r\n")),
        ("negative", chunked("-1\r\n\r\n0\r\n\r\n")),
        ("space", chunked("5 \r\nhello\r\n0\r\n\r\n")),
        ("bare_lf", chunked("5\nhello\r\n0\r\n\r\n")),
        ("overflow", chunked("fffffffffffffffff\r\n")),
        ("no_crlf_after", chunked("5\r\nhelloXX0\r\n\r\n")),
        (
            "long_extension",
            chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(4000))),
        ),
        (
            "smuggle",
            chunked(&format!("5\r\nhello\r\n0\r\nX: y\n\r\n{smuggled}")),
        ),
        (
            "trailer_length",
            chunked(&format!("0\r\nContent-Length: 9\nA\r\n\r\n{smuggled}")),
        ),
    ];
    let found = exchange(&jail, &cases);
    for (name, answer) in &found {
        assert!(
            answer.starts_with("400 ") || answer == "cut",
            "{name}: {found:?}"
        );
        assert!(!answer.ends_with("open"), "{name}: {found:?}");
    }
    assert_eq!(found.len(), cases.len(), "{found:?}");
    let targets: Vec<_> = site
        .requests()
        .iter()
        .map(|request| request.target.clone())
        .collect();
    assert!(
        !targets.iter().any(|target| target.contains("smuggled")),
        "{targets:?}"
    );
    let good = [(
        "good",
        with("Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    )];
    all_begin(&exchange(&jail, &good), &[("good", "200 - closed")]);
}

#[test]
fn one_canonical_path_is_judged_and_forwarded_or_none() {
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new().connect("site.example:80", site.address());
    let path = |name, path: &str| (name, get(&format!("http://site.example{path}")));
    let cases = [
        path("slash", "/%2fadmin"),
        path("backslash", "/ok\\..\\admin"),
        path("encoded_backslash", "/ok%5c..%5cadmin"),
        path("double", "/%252e%252e/admin"),
        path("nul", "/a%00b"),
        path("bad_escape", "/a%zz"),
        path("above", "/../../etc"),
        path("empty_segment", "/a//admin"),
        path("parameter", "/a;x=1/admin"),
        path("fragment", "/a#b"),
        path("space", "/a b"),
        path("dots", "/ok/../admin"),
        path("encoded_dots", "/ok/%2e%2e/admin"),
        path("mixed_case", "/%61dmin"),
    ];
    let found = exchange(&jail, &cases);
    for (name, answer) in &found {
        let forwards = matches!(name.as_str(), "dots" | "encoded_dots" | "mixed_case");
        assert!(
            answer.starts_with("400 ") || (forwards && answer.starts_with("200 ")),
            "{name}: {found:?}"
        );
    }
    assert_eq!(found.len(), cases.len());
    for request in site.requests() {
        assert_eq!(
            request.target, "/admin",
            "forwarded as it was written: {found:?}"
        );
    }
    let good = [("good", get("http://site.example/a/b%20c?q=1%2f2"))];
    all_begin(&exchange(&jail, &good), &[("good", "200")]);
    assert_eq!(site.requests().last().unwrap().target, "/a/b%20c?q=1%2f2");
}

#[test]
fn an_answer_that_its_server_cuts_short_arrives_as_far_as_it_came_and_looks_cut_short() {
    let cut = |head: &str, body: &str| {
        Raw::start(vec![
            Step::Await(b"\r\n\r\n".to_vec()),
            Step::Send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into()),
        ])
    };
    let chunked = cut("Transfer-Encoding: chunked", "5\r\nhello\r\n5\r\nwo");
    let length = cut("Content-Length: 50", "hellowo");
    let whole = cut("Content-Length: 7", "hellowo");
    let jail = Jail::new()
        .connect("chunked.example:80", chunked.address())
        .connect("length.example:80", length.address())
        .connect("whole.example:80", whole.address());
    let script = "
import http.client
for name in ('chunked', 'length', 'whole'):
    line = http.client.HTTPConnection(PROXY.hostname, PROXY.port, timeout=30)
    line.request('GET', f'http://{name}.example/')
    try: print(name, line.getresponse().read().decode())
    except http.client.IncompleteRead as error: print(name, 'cut', error.partial.decode())
";
    let outcome = jail.python(script).ok();
    assert_eq!(
        outcome.text(),
        "chunked cut hellowo\nlength cut hellowo\nwhole hellowo"
    );
}

#[test]
fn a_second_request_on_a_kept_connection_is_judged_afresh() {
    let site = Http::plain(|_| Response::ok("ok"));
    let other = Http::plain(|_| Response::ok("never"));
    let jail = Jail::new().connect("site.example:80", site.address());
    let script = "
def request(s, host, path='/'):
    s.sendall(f'GET http://{host}{path} HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n'.encode())
    text = head(s); left = int(text.lower().split('content-length: ')[1].split()[0])
    while left: left -= len(s.recv(left))
    return text.split()[1]
s = proxy()
print(request(s, 'site.example'), request(s, 'site.example', '/two'))
print(request(s, 'evil.example'))
# Both at once: what follows the first is a request of its own.
s = proxy()
s.sendall(b'GET http://site.example/3 HTTP/1.1\\r\\nHost: site.example\\r\\n\\r\\nGET http://evil.example/ HTTP/1.1\\r\\nHost: evil.example\\r\\nConnection: close\\r\\n\\r\\n')
text = everything(s).decode()
print([line.split()[1] for line in text.split('\\r\\n') if line.startswith('HTTP/') or 'HTTP/1.1 ' in line][:2])
";
    let outcome = jail.python(script).ok();
    assert_eq!(outcome.text(), "200 200\n403\n['200', '403']", "{outcome}");
    assert_eq!(site.requests().len(), 3);
    assert_eq!(other.traffic().connections(), 0);
    assert_eq!(outcome.egress("denied"), 2, "{outcome}");
}

#[test]
fn upgrades_lead_to_websockets_and_to_nothing_else() {
    let forged = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nTUNNELLED";
    let forger = Raw::start(vec![
        Step::Await(b"\r\n\r\n".to_vec()),
        Step::Send(forged.into()),
        Step::Drain,
    ]);
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new()
        .connect("forger.example:80", forger.address())
        .connect("site.example:80", site.address());
    let upgrade = |host: &str, to: &str| {
        format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, close\r\nUpgrade: {to}\r\n\r\n").into_bytes()
    };
    let cases = [
        ("h2c", upgrade("site.example", "h2c")),
        ("notwebsocket", upgrade("site.example", "notwebsocket")),
        ("both", upgrade("site.example", "h2c, websocket")),
        (
            "unasked",
            b"GET http://forger.example/ HTTP/1.1\r\nHost: forger.example\r\n\r\n".to_vec(),
        ),
        ("forged", upgrade("forger.example", "notwebsocket")),
    ];
    let found = exchange(&jail, &cases);
    for (name, answer) in &found {
        assert!(
            !answer.starts_with("101") && !answer.ends_with("more"),
            "{name}: {found:?}"
        );
        let status = answer.split(' ').next().unwrap();
        assert!(["400", "403", "502"].contains(&status), "{name}: {found:?}");
    }
    assert_eq!(found.len(), cases.len());
    assert_eq!(site.traffic().connections(), 0, "{found:?}");
    all_begin(
        &exchange(&jail, &[("plain", get("http://site.example/"))]),
        &[("plain", "200")],
    );
}
