//! Ways around the proxy: other addresses, other protocols, no proxy settings, other listeners.
//!
//! Not for: what the proxy is asked for (`destinations`).

use std::collections::BTreeMap;

use testkit::{Http, Response};

use super::probe::ask;
use crate::harness::Jail;

/// Tries to reach an address by TCP, UDP and ICMP, and says how that ended.
const DIALLING: &str = "
def dial(host, port):
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET); s.settimeout(5)
    t = time.monotonic()
    try:
        s.connect((host, port))
        if port == 3128:
            return 'proxy' 
        return 'ok'
    except TimeoutError: return 'TIMEOUT'
    except OSError as e: return errno.errorcode[e.errno]
def datagram(host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.7)
    try:
        s.connect((host, port)); s.send(b'x'); return 'answered' if s.recv(100) else 'empty'
    except TimeoutError: return 'silence'
    except OSError as e: return errno.errorcode[e.errno]
def ping():
    try: s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1); s.settimeout(0.7); s.sendto(bytes([8,0,0,0,0,0,0,0]), ('93.184.216.34', 0)); return 'answered' if s.recv(100) else ''
    except TimeoutError: return 'silence'
    except OSError as e: return errno.errorcode[e.errno]";

#[test]
fn services_of_the_host_are_not_at_any_address_that_a_jail_can_dial() {
    let service = Http::plain(|_| Response::ok("of the host"));
    let port = service.address().port();
    let own = super::probe::on_host(&["hostname", "-I"]);
    let mut calls = vec![
        ("loopback".to_owned(), format!("dial('127.0.0.1', {port})")),
        ("gateway".to_owned(), format!("dial('10.77.0.1', {port})")),
        (
            "anywhere".to_owned(),
            format!("dial('93.184.216.34', {port})"),
        ),
        (
            "proxy_port".to_owned(),
            "dial('93.184.216.34', 3128)".to_owned(),
        ),
        ("six".to_owned(), format!("dial('::1', {port})")),
        (
            "six_away".to_owned(),
            "dial('2606:4700::1111', 443)".to_owned(),
        ),
        (
            "udp_443".to_owned(),
            "datagram('93.184.216.34', 443)".to_owned(),
        ),
        (
            "udp_9".to_owned(),
            "datagram('93.184.216.34', 9)".to_owned(),
        ),
        (
            "multicast".to_owned(),
            "datagram('224.0.0.251', 5353)".to_owned(),
        ),
        ("ping".to_owned(), "ping()".to_owned()),
    ];
    let addresses = own.split(' ').filter(|one| one.contains('.')).enumerate();
    calls
        .extend(addresses.map(|(at, one)| (format!("own_{at}"), format!("dial('{one}', {port})"))));
    let calls: Vec<_> = calls
        .iter()
        .map(|(name, call)| (name.as_str(), call.as_str()))
        .collect();
    let found = ask(&Jail::new(), DIALLING, &calls);
    answers_are_refusals(&found);
    assert_eq!(service.traffic().connections(), 0);
    let control =
        format!("import socket; socket.create_connection(('127.0.0.1', {port})); print('ok')");
    assert_eq!(super::probe::on_host(&["python3", "-c", &control]), "ok");
}

#[track_caller]
fn answers_are_refusals(found: &BTreeMap<String, String>) {
    for (name, answer) in found {
        // Every address leads to the proxy's own port, which is not the host's service.
        let expected: &[&str] = match name.as_str() {
            "proxy_port" => &["proxy"],
            "udp_443" | "udp_9" | "multicast" | "ping" => &[
                "ECONNREFUSED",
                "ENETUNREACH",
                "EHOSTUNREACH",
                "EPERM",
                "EACCES",
            ],
            "six_away" => &["ENETUNREACH", "EADDRNOTAVAIL"],
            _ => &["ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL"],
        };
        assert!(
            expected.contains(&answer.as_str()),
            "{name} {answer}: {found:?}"
        );
    }
}

#[test]
fn without_proxy_settings_what_rules_do_not_allow_fails_fast_and_nothing_leaves() {
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new().connect("site.example:80", site.address());
    let script = "unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY; export NO_PROXY='*'; \
        t=$(date +%s); for u in http://site.example/ http://other.example/ https://site.example/ http://93.184.216.34/ http://93.184.216.34:8080/ http://[2606:4700::1111]/; do \
          curl -s -m 20 $u -o /dev/null -w '%{http_code} ' || true; done; \
        curl -s -m 20 --connect-to other.example:80:93.184.216.34:80 http://other.example/ -o /dev/null -w '%{http_code} '; \
        curl -s -m 20 --resolve site.example:443:93.184.216.34 https://site.example/ -o /dev/null -w '%{http_code} ' || true; \
        test $(( $(date +%s) - t )) -lt 4 && echo fast";
    let outcome = jail.shell(script).ok();
    assert_eq!(
        outcome.text(),
        "200 000 000 403 000 000 403 000 fast",
        "{outcome}"
    );
    assert_eq!(site.requests().len(), 1);
}

#[test]
fn the_proxy_listens_for_its_jails_and_for_nobody_else() {
    // From the host, neither the jails' side of the wire nor a port of the proxy can be reached. A
    // network that takes any connection must not pass for the proxy, so its words are what counts.
    let script = "import socket
for host in ('10.77.0.1', '10.77.0.2', '127.0.0.1', socket.gethostbyname(socket.gethostname())):
    s = socket.socket(); s.settimeout(2)
    try:
        s.connect((host, 3128)); s.sendall(b'CONNECT evil.example:443 HTTP/1.1\\r\\nHost: evil.example:443\\r\\n\\r\\n')
        print('reached' if b'sheriff' in s.recv(4000) else 'no')
    except OSError: print('no')";
    let jail = Jail::new();
    let mut child = jail.start_python("s = proxy(); s.sendall(b'CONNECT evil.example:443 HTTP/1.1\\r\\nHost: evil.example:443\\r\\n\\r\\n'); assert 'sheriff' in head(s); print('inside ok.', flush=True); sys.stdin.read()");
    child.await_text("inside ok.", crate::harness::PATIENCE);
    let text = super::probe::on_host(&["python3", "-c", script]);
    child.close_input();
    assert_eq!(text, "no\nno\nno\nno");
}
