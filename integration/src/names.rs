//! Programs that know no proxy: names have addresses, and connections to those lead to the right host.
//!
//! Not for: what rules say of a request (`attacks::destinations`), nor the wire form of DNS (`egress`).

use testkit::{Http, Raw, Response, Step};

use crate::harness::{Daemon, Jail, PATIENCE, eventually, identity};

/// Forgets every proxy setting.
const UNSET: &str = "unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY; export NO_PROXY='*'; ";

/// Says how a connection to a host's port ended, or what a server said first on it.
const DIALLING: &str = "
import time
def dial(host, port, words=b'hello'):
    t = time.monotonic()
    try:
        s = socket.create_connection((host, port), timeout=30)
        s.sendall(words)
        said = s.recv(100).decode() or 'closed'
    except socket.gaierror: said = 'no name'
    except ConnectionRefusedError: said = 'refused'
    except ConnectionResetError: said = 'closed'
    return said if time.monotonic() - t < 1 else f'{said} late'
";

fn database() -> Raw {
    Raw::start(vec![
        Step::Await(b"hello".to_vec()),
        Step::Send(b"world".to_vec()),
        Step::Drain,
    ])
}

#[test]
fn an_allowed_name_has_an_address_that_leads_back_and_others_have_none_at_once() {
    let jail = Jail::new().allow("site.example").allow("*.cdn.example");
    let script = "
        getent ahostsv4 site.example | awk '$2 == \"STREAM\" { print $1 }' > /tmp/address; read a < /tmp/address; \
        case $a in 198.18.*|198.19.*) echo synthetic;; *) echo \"$a\";; esac; \
        getent hosts $a | awk '{ print $2 }'; \
        getent ahostsv4 SITE.example | awk 'NR == 1 { print ($1 == \"'$a'\") }'; \
        { getent ahostsv6 site.example || true; } | wc -l; \
        getent hosts x.cdn.example > /dev/null && echo below; \
        getent hosts localhost > /dev/null && echo local; \
        t=$(date +%s%N); for n in other.example cdn.example a.site.example 8.8.8.8.in-addr.arpa; do \
          getent hosts $n && echo found; done; getent hosts 8.8.8.8 && echo found; \
        test $(( $(date +%s%N) - t )) -lt 1000000000 && echo fast";
    let outcome = jail.shell(script).ok();
    assert_eq!(
        outcome.text(),
        "synthetic\nsite.example\n1\n0\nbelow\nlocal\nfast",
        "{outcome}"
    );
    assert_eq!(outcome.egress("bytes_up"), 0, "{outcome}");
    assert_eq!(outcome.egress("allowed"), 0, "{outcome}");
}

#[test]
fn tools_without_proxy_settings_reach_allowed_hosts_and_fail_at_once_for_others() {
    let plain = Http::plain(|_| Response::ok("plain"));
    let safe = Http::tls(&identity(&["site.example"]), |_| Response::ok("safe"));
    let jail = Jail::new()
        .trusting_us()
        .connect("site.example:80", plain.address())
        .connect("site.example:443", safe.address());
    let script = "get() { curl -sS -m 30 --noproxy '*' \"$@\" 2>/dev/null || echo \"failed $?\"; echo; }; \
        get http://site.example/; get https://site.example/; \
        t=$(date +%s%N); get http://other.example/; get https://other.example/; get http://site.example:8080/; \
        test $(( $(date +%s%N) - t )) -lt 1000000000 && echo fast";
    let outcome = jail.shell(&format!("{UNSET}{script}")).ok();
    let lines: Vec<String> = outcome.text().lines().map(str::to_owned).collect();
    // 6: no such host, 7: refused.
    assert_eq!(
        lines.join("|"),
        "plain|safe|failed 6||failed 6||failed 7||fast",
        "{outcome}"
    );
    assert_eq!((plain.requests().len(), safe.requests().len()), (1, 1));
    assert_eq!(
        outcome.egress("bytes_up"),
        plain.traffic().received() + safe.traffic().received()
    );
}

#[test]
fn a_port_that_a_rule_names_is_open_to_its_host_and_every_other_port_is_refused() {
    let database = database();
    let jail = Jail::new()
        .connect("db.example:5432", database.address())
        .allow("site.example");
    let script = format!(
        "{DIALLING}
print(dial('db.example', 5432), dial('db.example', 5433), dial('db.example', 22), sep='|')
print(dial('site.example', 5432), dial('other.example', 5432), sep='|')
print(dial('93.184.216.34', 5432), dial('198.18.3.4', 5432), dial('10.77.0.1', 5432), sep='|')"
    );
    let outcome = jail.python(&script).ok();
    assert_eq!(
        outcome.text(),
        "world|refused|refused\nclosed|no name\nclosed|closed|closed",
        "{outcome}"
    );
    assert_eq!(database.received(), b"hello");
    assert_eq!(outcome.host("db.example", "bytes_up"), 5, "{outcome}");
    assert_eq!(outcome.host("db.example", "bytes_down"), 5, "{outcome}");
    // The control: what is open for this jail is open for no other.
    let other = Jail::new().allow("site.example");
    let outcome = other
        .python(&format!("{DIALLING}\nprint(dial('93.184.216.34', 5432))"))
        .ok();
    assert_eq!(outcome.text(), "refused");
}

#[test]
fn tls_on_a_further_port_must_name_the_host_whose_address_was_dialled() {
    let safe = Http::tls(&identity(&["api.example", "other.example"]), |_| {
        Response::ok("safe")
    });
    let jail = Jail::new()
        .trusting_us()
        .connect("api.example:8443", safe.address())
        .connect("other.example:8443", safe.address());
    let script = "curl -sS https://api.example:8443/; echo; \
        a=$(getent ahostsv4 api.example | awk 'NR == 1 { print $1 }'); \
        curl -sS --resolve other.example:8443:$a https://other.example:8443/ 2>/dev/null || echo no tls";
    let outcome = jail.shell(&format!("{UNSET}{script}")).ok();
    assert_eq!(outcome.text(), "safe\nno tls", "{outcome}");
    assert_eq!(safe.requests().len(), 1);
}

#[test]
fn more_ports_than_a_jail_can_have_are_refused_by_name_before_anything_starts() {
    let ports = |count: u16| {
        let jail = Jail::new();
        (0..count).fold(jail, |jail, at| {
            jail.allow(&format!("a.example:{}", 9000 + at))
        })
    };
    let refused = ports(65).shell("echo ran").ended_with(125);
    assert!(refused.complaint().contains("65 TCP ports"), "{refused}");
    let outcome = ports(64)
        .python(&format!("{DIALLING}\nprint(dial('93.184.216.34', 9063))"))
        .ok();
    assert_eq!(outcome.text(), "closed");
}

#[test]
fn a_new_office_serves_the_further_ports_of_jails_that_outlived_the_last() {
    let database = database();
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon).connect("db.example:5432", database.address());
    let script = format!(
        "{DIALLING}
address = socket.gethostbyname('db.example')
print(dial(address, 5432), 'before.', flush=True)
sys.stdin.readline()
for _ in range(300):
    said = dial(address, 5432)
    if said == 'world': break
    time.sleep(0.1)
print(said, 'after.', flush=True)"
    );
    let mut child = jail.start_python(&script);
    child.await_text("world before.", PATIENCE);
    let office = || {
        let warden = daemon.process().pid();
        crate::crash::children(warden, "sheriff-office")
            .first()
            .copied()
    };
    let old = eventually("an office", office);
    assert!(crate::crash::kill(old));
    eventually("a new office", || office().filter(|new| *new != old));
    child.send("on\n");
    child.await_text("world after.", PATIENCE);
}
