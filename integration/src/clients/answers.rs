//! Servers that misbehave under TLS which the proxy has opened: what real clients see of them, that the next
//! request is not harmed, and that a value hides in no odd part of an answer.
//!
//! Not for: well-formed answers (`echoes`).

use std::time::Duration;

use testkit::{Raw, Step};

use super::stand::{ASK, Stand};
use crate::harness::identity;

const VALUE: &str = "ghp_R3alValueThatNoJailMayEverSee00";
/// What no part of the placeholder is.
const BARE: &str = "R3alValueThatNoJailMayEverSee00";

/// Most servers of a row.
const SERVERS_MAX: usize = 20;

/// One server for each of many scripts, each under a name of its own: `a0.example`, `a1.example` and so on.
#[derive(Debug)]
struct Row {
    servers: Vec<Raw>,
    stand: Stand,
}

impl Row {
    fn new(scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        let names: Vec<String> = (0..SERVERS_MAX)
            .map(|at| format!("a{at}.example"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let identity = identity(&names);
        let servers: Vec<Raw> = scripts
            .into_iter()
            .map(|steps| Raw::under(Some(&identity), steps))
            .collect();
        let rule = |(at, server): (usize, &Raw)| {
            format!(
                "[[egress.allow]]\nhost = \"a{at}.example\"\nconnect = \"{}\"\nmethods = [\"GET\", \"HEAD\"]\nsecret = \"github\"\n",
                server.address()
            )
        };
        let rules: String = servers.iter().enumerate().map(rule).collect();
        let hosts: String = (0..servers.len())
            .map(|at| format!("--host a{at}.example "))
            .collect();
        let stand = Stand::new(&rules).secret(
            "github",
            &format!("{hosts}--env TOKEN --prefix ghp_"),
            VALUE,
        );
        Self { servers, stand }
    }

    /// Runs the script for each server with its URL in `$url`, and gives what it printed for each.
    fn each(&self, script: &str) -> Vec<String> {
        let count = self.servers.len();
        let whole = format!(
            "{ASK}\nfor n in $(seq 0 {}); do url=https://a$n.example\n{script}\necho; echo ==; done",
            count - 1
        );
        let outcome = self.stand.jail().run(&["/bin/bash", "-c", &whole]).ok();
        let text = outcome.text();
        let parts: Vec<String> = text
            .split("==")
            .take(count)
            .map(|part| part.trim().to_owned())
            .collect();
        assert_eq!(parts.len(), count, "{outcome}");
        parts
    }
}

/// Waits for a request's head and then says this, and nothing more.
fn saying(answer: &str) -> Vec<Step> {
    vec![
        Step::Await(b"\r\n\r\n".to_vec()),
        Step::Send(answer.as_bytes().to_vec()),
        Step::HalfClose,
        Step::Drain,
    ]
}

/// Answers with the value, which is written as `@` here, in every part that an answer has; and the status that the
/// jail sees.
const LEAKS: [(&str, &str); 16] = [
    ("200", "HTTP/1.1 200 @\r\nContent-Length: 2\r\n\r\nok"),
    (
        "200",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nok\r\n0\r\nX-T: @\r\n\r\n",
    ),
    (
        "200",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=@\r\nok\r\n0\r\n\r\n",
    ),
    (
        "200",
        "HTTP/1.1 103 Early Hints\r\nLink: <https://api.example/@>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "200",
        "HTTP/1.1 200 OK\r\nWWW-Authenticate: Bearer realm=\"@\"\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "200",
        "HTTP/1.1 200 OK\r\nX-A:\r\nX-B: @\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "200",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; v=@\r\n\r\nto the end @",
    ),
    ("404", "HTTP/1.1 404 Nope\r\nContent-Length: 35\r\n\r\n@"),
    (
        "200",
        "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 35\r\n\r\n@",
    ),
    (
        "502",
        "HTTP/1.1 200 OK\r\nContent-Encoding: made-up\r\nContent-Length: 35\r\n\r\n@",
    ),
    (
        "502",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 35\r\n\r\n@",
    ),
    (
        "206",
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-34/99\r\nContent-Length: 35\r\n\r\n@",
    ),
    ("502", "@\r\n\r\n"),
    ("502", "HTTP/1.1 999 @\r\n@: @\r\n\r\n"),
    (
        "502",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n@\r\nok\r\n0\r\n\r\n",
    ),
    (
        "502",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n@",
    ),
];

#[test]
fn the_value_is_taken_out_of_every_part_of_an_answer() {
    let row = Row::new(LEAKS.map(|(_, answer)| saying(&answer.replace('@', VALUE))));
    let parts = row.each("ask $url/; curl -sS -m 20 -i --raw --http1.1 $url/ 2>&1; echo; curl -sS -m 20 -v --noproxy '*' -H 'TE: trailers' -H 'Connection: TE' $url/ 2>&1");
    for (((wanted, answer), part), server) in LEAKS.iter().zip(&parts).zip(&row.servers) {
        assert!(part.starts_with(wanted), "{wanted} {answer}\n{part}");
        assert!(!part.contains(BARE), "{answer}\n{part}");
        let told = String::from_utf8_lossy(&server.received())
            .matches(VALUE)
            .count();
        assert_eq!(
            told, 3,
            "the control: the server was told; {answer}\n{part}"
        );
    }
    // The control: where the value stood in what came through, the placeholder stands now.
    for at in [3, 4, 5, 6, 7, 8, 11] {
        assert!(
            parts[at].matches("ghp_").count() >= 2,
            "{:?}\n{}",
            LEAKS[at],
            parts[at]
        );
    }
    // Trailers are for those who ask for them (RFC 9110 6.5.1).
    assert!(
        parts[1].to_lowercase().contains("x-t: ghp_"),
        "{}",
        parts[1]
    );
    assert!(!row.stand.record().contains(BARE));
}

#[test]
fn answers_that_break_the_protocol_end_in_order_and_harm_no_later_one() {
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let answers = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(), "502"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!".to_owned(), "502"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok".to_owned(), "502"),
        ("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok".to_owned(), "502"),
        ("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 2\r\n\r\nok".to_owned(), "502"),
        ("HTTP/2 200 OK\r\n\r\n".to_owned(), "502"),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), "502"),
        (String::new(), "502"),
        (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(1 << 20)), "502"),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000), "502"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n".to_owned(), "502"),
        // What follows an answer is nobody's.
        (format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{smuggled}"), "200"),
        (format!("HTTP/1.1 204 None\r\n\r\n{smuggled}"), "204"),
        (format!("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n{smuggled}"), "304"),
    ];
    let row = Row::new(answers.iter().map(|(answer, _)| saying(answer)));
    let parts = row.each(
        "ask $url/; cat /tmp/out; echo
curl -sS --http1.1 -m 20 -w '%{http_code}\\n' $url/a --next --http1.1 -sS -m 20 -w '%{http_code}\\n' $url/b",
    );
    for ((answer, wanted), part) in answers.iter().zip(parts) {
        let shown: String = answer.chars().take(120).collect();
        assert!(part.starts_with(wanted), "{wanted} {shown:?} {part}");
        assert!(!part.contains("evil"), "{shown:?} {part}");
        assert!(part.matches(wanted).count() >= 3, "{shown:?} {part}");
    }
}

#[test]
fn a_server_that_hangs_up_resets_or_floods_is_no_harm() {
    let head = b"\r\n\r\n".to_vec();
    let begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf".to_vec();
    let scripts = [
        vec![Step::Await(head.clone()), Step::Reset],
        vec![
            Step::Await(head.clone()),
            Step::Send(begun.clone()),
            Step::Reset,
        ],
        vec![
            Step::Await(head.clone()),
            Step::Send(begun),
            Step::Pause(Duration::from_millis(100)),
            Step::HalfClose,
        ],
        vec![
            Step::Await(head.clone()),
            Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
            Step::Flood(b"X: y\r\n".repeat(1000)),
        ],
        vec![Step::Await(head), Step::Flood(b"\0".repeat(4096))],
    ];
    let row = Row::new(scripts.clone());
    let parts = row.each(
        "for how in --http1.1 --http2; do curl $how -sSf -m 20 -o /dev/null $url/ 2>/dev/null; echo -n \"$? \"; done",
    );
    for (steps, part) in scripts.iter().zip(parts) {
        // 18: cut short; 22: the proxy's 502; 56 and 92: the connection or stream broke. 28 would be curl's own deadline.
        let ends: Vec<&str> = part.split(' ').collect();
        assert!(
            ends.len() == 2
                && ends
                    .iter()
                    .all(|end| ["18", "22", "56", "92"].contains(end)),
            "{steps:?} {part}"
        );
    }
}
