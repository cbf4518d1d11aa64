//! curl through opened TLS: each request judged by itself, streams, uploads, and no proxy settings at all.
//!
//! Not for: certificates (`nginx`), or secrets (`placeholders`).

use std::net::SocketAddr;
use std::time::Duration;

use testkit::http::Body;
use testkit::{Http, Request, Response, events};

use super::stand::{ASK, Stand};
use crate::harness::identity;

/// Reads below `/v1`, and uploads of at most 64 KiB to one place.
fn rules(address: SocketAddr) -> String {
    format!(
        "[[egress.allow]]\nhost = \"api.example\"\nconnect = \"{address}\"\nmethods = [\"GET\", \"HEAD\"]\npaths = [\"/v1/**\"]\n\
         [[egress.allow]]\nhost = \"api.example\"\nconnect = \"{address}\"\nmethods = [\"PUT\", \"POST\"]\npaths = [\"/upload\"]\nmax_body = \"64KiB\"\n"
    )
}

fn api() -> Http {
    let to = |place: &str| Response::new(302, Body::Bytes(Vec::new())).header("Location", place);
    Http::tls(
        &identity(&["api.example"]),
        move |request: &Request| match request.path() {
            "/v1/inside" => to("/v1/hello"),
            "/v1/down" => to("/admin"),
            "/v1/away" => to("https://other.example/v1/hello"),
            "/v1/clear" => to("http://api.example/v1/hello"),
            "/upload" => Response::ok(request.body_bytes.to_string()),
            _ => Response::ok("hello"),
        },
    )
}

#[test]
fn a_redirect_is_followed_only_where_its_target_is_allowed_by_itself() {
    let site = api();
    let stand = Stand::new(&rules(site.address()));
    let script = format!(
        "{ASK}
for place in inside down away clear; do ask -L https://api.example/v1/$place; done
ask -X DELETE https://api.example/v1/hello; ask https://api.example/; ask -I https://api.example/v1/hello"
    );
    let outcome = stand.jail().shell(&script);
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    // Of a tunnel that is refused curl has no status.
    let wanted = [
        "200",
        "403 path_not_allowed",
        "000",
        "403 port_not_allowed",
        "403 method_not_allowed",
        "403 path_not_allowed",
        "200",
    ];
    assert_eq!(lines, wanted, "{outcome}");
    let paths: Vec<String> = site
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(
        paths,
        [
            "/v1/inside",
            "/v1/hello",
            "/v1/down",
            "/v1/away",
            "/v1/clear",
            "/v1/hello"
        ]
    );
}

#[test]
fn every_request_of_one_connection_is_judged_afresh() {
    let site = api();
    let stand = Stand::new(&rules(site.address()));
    let script = "
one='-sS -o /dev/null -w %{http_code}:%{num_connects}\\n'
for how in --http1.1 --http2 '--http1.1 --noproxy *' '--http2 --noproxy *'; do set -f
  curl $one $how https://api.example/v1/a --next $one $how https://api.example/admin --next $one $how https://api.example/v1/b \\
    --next $one $how -X DELETE https://api.example/v1/b --next $one $how -d x https://api.example/upload --next $one $how https://api.example/v1/c
done";
    let outcome = stand.jail().shell(script).ok();
    let text = outcome.text();
    let statuses: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    let once = ["200", "403", "200", "403", "200", "200"];
    assert_eq!(statuses, [once; 4].concat(), "{outcome}");
    // A refusal does not cost the connection: the second request goes over that of the first.
    assert!(text.lines().nth(1).unwrap().ends_with(":0"), "{outcome}");
    let paths: Vec<String> = site
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    let seen = ["/v1/a", "/v1/b", "/upload", "/v1/c"];
    assert_eq!(paths, [seen; 4].concat());
    assert_eq!(outcome.egress("denied"), 8, "{outcome}");
}

#[test]
fn another_host_inside_of_the_connection_is_a_misdirected_request() {
    let site = api();
    let stand = Stand::new(&rules(site.address()));
    let script = format!(
        "{ASK}
for how in --http1.1 --http2 '--http1.1 --noproxy *' '--http2 --noproxy *'; do set -f
ask $how -H 'Host: evil.example' https://api.example/v1/x
ask $how -H 'Host: api.example.evil.example' https://api.example/v1/x
ask $how -H 'Host: api.example:8443' https://api.example/v1/x
ask $how -H 'Host: API.example:443' https://api.example/v1/x
ask $how -H 'Host;' https://api.example/v1/x
ask $how -H 'Host:' https://api.example/v1/x
done"
    );
    let outcome = stand.jail().shell(&script).ok();
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    for half in lines.chunks(6) {
        assert_eq!(
            half[..4],
            [
                "421 host_mismatch",
                "421 host_mismatch",
                "421 host_mismatch",
                "200"
            ],
            "{outcome}"
        );
        // Without any the request is malformed; in HTTP/2 its stream is.
        let refused = |line: &&str| line.starts_with('4') || **line == *"000";
        assert!(half[4..].iter().all(refused), "{outcome}");
    }
    assert_eq!(lines.len(), 24, "{outcome}");
    assert_eq!(site.requests().len(), 4);
    assert!(
        site.requests()
            .iter()
            .all(|request| request.header("host") == Some("api.example"))
    );
}

#[test]
fn spellings_of_a_path_lead_nowhere_that_the_rule_does_not_name() {
    let site = api();
    let stand = Stand::new(&rules(site.address()));
    let odd = "/v1/../admin /v1/%2e%2e/admin /v1/%2E./admin /v1/..%2fadmin /v1/..%5cadmin /v1/.%252e/admin /v1/%252e%252e/admin \
        //v1/../admin /v1/..;/admin /v1;/../admin /./admin /v1/..\\admin /%61dmin /v1/%00/../../admin /v1/x/../../admin \
        /v1/%c0%ae%c0%ae/admin /V1/x /v1";
    let fine = "/v1/a%2Db /v1/./b /v1/x/../c /v1/d%20e?q=../../admin";
    let script = format!(
        "{ASK}
for how in --http1.1 --http2; do for path in {}; do ask $how --path-as-is \"https://api.example$path\"; done; done; echo fine
for how in --http1.1 --http2; do for path in {}; do ask $how --path-as-is \"https://api.example$path\"; done; done",
        quoted(odd),
        quoted(fine)
    );
    let outcome = stand.jail().shell(&script).ok();
    let text = outcome.text();
    let (refused, let_through) = text.split_once("fine\n").unwrap();
    for (line, path) in refused.lines().zip(odd.split_whitespace().cycle()) {
        // Some are harmless names below /v1 in canonical form; none may be read as /admin by a server.
        assert!(
            line.starts_with("403") || line.starts_with("400") || line == "200",
            "{path} {line}"
        );
    }
    assert_eq!(
        refused.lines().count(),
        2 * odd.split_whitespace().count(),
        "{outcome}"
    );
    assert!(let_through.lines().all(|line| line == "200"), "{outcome}");
    for request in site.requests() {
        let path = request.path();
        assert!(path.starts_with("/v1/"), "{path}");
        let lower = path.to_lowercase();
        let risky = ["..", "%2e", "%2f", "%5c", "\\", "//", "%25", "%00", ";"];
        assert!(
            !risky.iter().any(|part| lower.contains(part)),
            "{path} reached the server"
        );
    }
    assert!(site.requests().len() >= 4);
}

fn quoted(words: &str) -> String {
    words
        .split_whitespace()
        .map(|word| format!("'{word}' "))
        .collect()
}

#[test]
fn an_upload_of_unknown_length_ends_at_the_rules_limit() {
    let site = api();
    let stand = Stand::new(&rules(site.address()));
    let script = format!(
        "{ASK}
for how in --http1.1 --http2; do
head -c 65536 /dev/zero | ask $how -T - https://api.example/upload; cat /tmp/out; echo
head -c 65536 /dev/zero | ask $how --data-binary @- https://api.example/upload; cat /tmp/out; echo
head -c 65537 /dev/zero | ask $how --data-binary @- https://api.example/upload
head -c 65537 /dev/zero | ask $how -T - https://api.example/upload
head -c 9000000 /dev/zero | ask $how -T - https://api.example/upload
head -c 9000000 /dev/zero | ask $how -H 'Expect:' -T - --noproxy '*' https://api.example/upload
head -c 9000000 /dev/zero | ask $how --data-binary @- https://api.example/upload
done"
    );
    let outcome = stand.jail().shell(&script).ok();
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    let refused = "413 body_too_large";
    let taken = ["200", "65536", "200", "65536"];
    let once = [&taken[..], &[refused; 5]].concat();
    assert_eq!(lines, [once.clone(), once].concat(), "{outcome}");
    // The server never saw the end of a longer one.
    let whole: Vec<u64> = site
        .requests()
        .iter()
        .map(|request| request.body_bytes)
        .collect();
    assert!(whole.iter().all(|bytes| *bytes <= 65536), "{whole:?}");
}

#[test]
fn events_come_through_opened_tls_as_they_are_sent() {
    const EVENTS: u32 = 60;
    let site = events::serve(
        Some(&identity(&["live.example"])),
        EVENTS,
        Duration::from_millis(50),
    );
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"live.example\"\nconnect = \"{}\"\nmethods = [\"GET\"]\n",
        site.address()
    ));
    let script = "
cat >/tmp/late.py <<'END'
import sys, time
worst = count = 0
for line in sys.stdin:
    if line.startswith('data: '):
        worst = max(worst, time.time() - float(line.split()[2])); count += 1
print(count, int(worst * 1000))
END
for how in --http2 '--http1.1 --noproxy *'; do set -f; curl -sSN $how https://live.example/events | python3 -u /tmp/late.py; done
";
    let outcome = stand.jail().shell(script).ok();
    for line in outcome.text().lines() {
        let (count, worst) = line.split_once(' ').unwrap();
        assert_eq!(count, EVENTS.to_string());
        // Far above scheduling noise, far below the length of the stream.
        assert!(
            worst.parse::<u64>().unwrap() < 2000,
            "held back for {worst} ms"
        );
    }
    assert_eq!(outcome.text().lines().count(), 2);
}

#[test]
fn programs_without_proxy_settings_are_under_the_same_rules() {
    let site = api();
    let stand = Stand::new(&rules(site.address()));
    let script = format!(
        "unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
{ASK}
ask https://api.example/v1/x; ask https://api.example/admin; ask -d x https://api.example/upload; ask -X DELETE https://api.example/v1/x
ask https://other.example/v1/x
ask --connect-to other.example:443:api.example:443 https://other.example/v1/x
ask http://api.example/v1/x"
    );
    let outcome = stand.jail().shell(&script).ok();
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "200", "{outcome}");
    assert!(lines[1].starts_with("403 path"), "{outcome}");
    assert_eq!(lines[2], "200", "{outcome}");
    assert!(lines[3].starts_with("403 "), "{outcome}");
    assert!(!lines[4..].contains(&"200"), "{outcome}");
    assert_eq!(site.requests().len(), 2, "{outcome}");
}
