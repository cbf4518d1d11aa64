//! curl over HTTP/2 through opened TLS, to a server that speaks HTTP/2 and to one that does not.
//!
//! Not for: streams, windows and frames (`crates/egress/tests/wire`).

use std::net::SocketAddr;

use testkit::http2::{Answering, Http2};
use testkit::{Http, Response};

use crate::harness::{Daemon, Jail, OWN_PROFILE, identity};

/// A daemon whose profile lets jails read from `api.example`, which is there.
fn daemon(address: SocketAddr) -> Daemon {
    let rule = format!("host = \"api.example\"\nconnect = \"{address}\"\nmethods = [\"GET\"]\n");
    let head = format!("version = 1\nname = \"{OWN_PROFILE}\"\nextends = \"base\"\n");
    Daemon::ephemeral_for(&format!("{head}[[egress.allow]]\n{rule}"), "")
}

/// Says which content was asked for, or sends zeros.
fn site() -> Http2 {
    Http2::start(&identity(&["api.example"]), |mut call| {
        Box::pin(async move {
            let path = call.path().to_owned();
            match path
                .strip_prefix("/zeros/")
                .and_then(|size| size.parse().ok())
            {
                Some(size) => call.ok(vec![0; size]).await,
                None => call.ok(path).await,
            }
        }) as Answering
    })
}

const ASK: &str = "
set -e
url=https://api.example
ask() { curl -sS -m 30 -w ' %{http_version} %{http_code} %header{x-sheriff-reason}\\n' \"$@\" | sed 's/ $//'; }
ask --http2 $url/hello
ask --http1.1 $url/hello
ask --http2 -o /dev/null -X POST -d x $url/hello
";

#[test]
fn curl_speaks_http_2_with_a_server_that_does_and_is_judged_all_the_same() {
    let site = site();
    let daemon = daemon(site.address());
    let jail = Jail::on(&daemon).profile(OWN_PROFILE);
    let script = format!(
        "{ASK}
ask --http2 -o /tmp/zeros $url/zeros/20000000; stat -c %s /tmp/zeros
curl -sS -m 30 -Z --parallel-max 50 --http2 \"$url/one/[1-50]\" -o '/tmp/one#1'; cat /tmp/one* | wc -c
env -u https_proxy -u HTTPS_PROXY curl -sS -m 30 --http2 $url/direct"
    );
    let outcome = jail.shell(&script).ok();
    let characters: usize = (1..=50).map(|number| format!("/one/{number}").len()).sum();
    let wanted = format!(
        "/hello 2 200\n/hello 1.1 200\n 2 403 method_not_allowed\n 2 200\n20000000\n{characters}\n/direct"
    );
    assert_eq!(outcome.text(), wanted, "{outcome}");
    assert!(
        site.requests()
            .iter()
            .all(|request| request.starts_with("GET "))
    );
}

#[test]
fn curl_speaks_http_2_with_the_proxy_where_the_server_speaks_http_1() {
    let site = Http::tls(&identity(&["api.example"]), |request| {
        Response::ok(request.target.clone())
    });
    let daemon = daemon(site.address());
    let jail = Jail::on(&daemon).profile(OWN_PROFILE);
    let outcome = jail.shell(ASK).ok();
    assert_eq!(
        outcome.text(),
        "/hello 2 200\n/hello 1.1 200\n 2 403 method_not_allowed"
    );
}
