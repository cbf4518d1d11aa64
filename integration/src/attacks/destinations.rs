//! Hosts, ports and addresses that no spelling may open.
//!
//! Not for: ways around the proxy (`detours`), how a request is written otherwise (`framing`), nor tunnels' content (`tunnels`).

use testkit::{Http, Raw, Response, Step};

use super::probe::{all_begin, exchange};
use crate::harness::Jail;

fn tunnel(name: &'static str, authority: &str) -> (&'static str, Vec<u8>) {
    (
        name,
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").into_bytes(),
    )
}

fn fetch(name: &'static str, host: &str) -> (&'static str, Vec<u8>) {
    (
        name,
        format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .into_bytes(),
    )
}

#[test]
fn other_spellings_of_a_host_are_the_same_host_or_none() {
    let site = Raw::start(vec![Step::Drain]);
    let jail = Jail::new().connect("site.example:9000", site.address());
    let cases = [
        (tunnel("exact", "site.example:9000"), "200"),
        (tunnel("case", "SITE.Example:9000"), "200"),
        (tunnel("dot", "site.example.:9000"), "200"),
        (tunnel("dots", "site.example..:9000"), "400"),
        (tunnel("brackets", "[site.example]:9000"), "400"),
        (tunnel("nul", "evil.example\0.site.example:9000"), "400"),
        (tunnel("user", "site.example@evil.example:9000"), "400"),
        (
            tunnel("user_reversed", "evil.example@site.example:9000"),
            "400",
        ),
        (tunnel("percent", "site%2eexample:9000"), "400"),
        (tunnel("space", "site.example :9000"), "400"),
        (tunnel("tab", "site.example\t:9000"), "400"),
        (tunnel("slash", "site.example/:9000"), "400"),
        (
            tunnel("backslash", "evil.example\\.site.example:9000"),
            "400",
        ),
        (tunnel("hash", "evil.example#.site.example:9000"), "400"),
        (tunnel("full_width", "site。example:9000"), "400"),
        (tunnel("kelvin", "\u{212a}site.example:9000"), "400"),
        (tunnel("no_port", "site.example"), "400"),
        (tunnel("port_zero", "site.example:0"), "400"),
        (tunnel("port_sign", "site.example:+9000"), "400"),
        (tunnel("port_zeros", "site.example:09000"), "400"),
        (tunnel("port_wrap", "site.example:74536"), "400"),
        (tunnel("two_ports", "site.example:9000:443"), "400"),
        (
            tunnel("below", "a.site.example:9000"),
            "403 not_in_allowlist",
        ),
        (
            tunnel("suffix", "notsite.example:9000"),
            "403 not_in_allowlist",
        ),
        (
            tunnel("prefix", "site.example.evil.example:9000"),
            "403 not_in_allowlist",
        ),
        (tunnel("ssh", "site.example:22"), "403 port_not_allowed"),
        (tunnel("smtp", "site.example:25"), "403 port_not_allowed"),
        (tunnel("https", "site.example:443"), "403 port_not_allowed"),
        (
            tunnel("long", &format!("{}.site.example:9000", "a".repeat(5000))),
            "400",
        ),
    ];
    judged(&jail, &cases);
    assert_eq!(
        site.traffic().connections(),
        3,
        "only the three spellings of it"
    );
    assert_eq!(site.traffic().received(), 0);
}

#[test]
fn patterns_mean_exactly_what_they_say() {
    let jail = Jail::new().allow("*.example.com").allow("**.example.net");
    // Allowed ones fail later, at the resolver: nothing of these names exists.
    let cases = [
        (tunnel("below", "nothing-here.example.com:443"), "502"),
        (tunnel("apex", "example.com:443"), "403 not_in_allowlist"),
        (tunnel("not", "notexample.com:443"), "403 not_in_allowlist"),
        (
            tunnel("after", "a.example.com.evil.example:443"),
            "403 not_in_allowlist",
        ),
        (
            tunnel("not_net", "notexample.net:443"),
            "403 not_in_allowlist",
        ),
        (tunnel("below_net", "nothing-here.example.net:443"), "502"),
    ];
    judged(&jail, &cases);
    for wide in [
        "*",
        "**",
        "*.com",
        "**.co.uk",
        "*.*.example.com",
        "a*.example.com",
        "*:443",
        "[::]/0",
        "0.0.0.0/0",
        "10.0.0.1",
        "metadata.google.internal",
    ] {
        let outcome = Jail::new().allow(wide).run(&["/bin/echo", "ran"]);
        assert!(matches!(outcome.code, 2 | 125), "{wide}: {outcome}");
        assert_eq!(outcome.text(), "", "{wide}: {outcome}");
    }
}

#[test]
fn addresses_are_refused_in_every_spelling_and_class() {
    let jail = Jail::new().allow("**.example.com");
    let cases = [
        (
            tunnel("public", "93.184.216.34:443"),
            "403 ip_literal_not_allowed",
        ),
        (
            tunnel("public6", "[2606:4700::1111]:443"),
            "403 ip_literal_not_allowed",
        ),
        (fetch("metadata", "169.254.169.254"), "403 metadata_service"),
        (
            fetch("metadata6", "[fd00:ec2::254]"),
            "403 metadata_service",
        ),
        (
            fetch("metadata_name", "metadata.google.internal"),
            "403 metadata_service",
        ),
        (
            fetch("metadata_name_dot", "METADATA.google.internal."),
            "403 metadata_service",
        ),
        (fetch("azure", "168.63.129.16"), "403 metadata_service"),
        (fetch("zero", "0.0.0.0"), "403 "),
        (fetch("any6", "[::]"), "403 "),
        (fetch("loopback", "127.0.0.1"), "403 "),
        (fetch("loopback6", "[::1]"), "403 "),
        (fetch("mapped", "[::ffff:127.0.0.1]"), "403 "),
        (fetch("mapped_hex", "[::ffff:7f00:1]"), "403 "),
        (fetch("nat64", "[64:ff9b::7f00:1]"), "403 "),
        (fetch("six_to_four", "[2002:7f00:1::]"), "403 "),
        (fetch("short", "127.1"), "400 odd_ipv4"),
        (fetch("number", "2130706433"), "400 odd_ipv4"),
        (fetch("hex", "0x7f.1"), "400 odd_ipv4"),
        (fetch("octal", "017700000001"), "400 odd_ipv4"),
        (fetch("octal_parts", "0177.0.0.1"), "400 odd_ipv4"),
        (fetch("dot", "127.0.0.1."), "40"),
        (fetch("zone", "[fe80::1%25eth0]"), "400"),
        (fetch("private", "10.0.0.1"), "403 "),
        (fetch("shared", "100.64.0.1"), "403 "),
        (fetch("benchmark", "198.18.0.1"), "403 "),
        (fetch("multicast", "224.0.0.1"), "403 "),
        (fetch("broadcast", "255.255.255.255"), "403 "),
        (fetch("test_net", "203.0.113.1"), "403 "),
        (fetch("link_local", "169.254.1.1"), "403 "),
        (fetch("proxy", "10.77.0.1:3128"), "403 "),
        (tunnel("proxy_tunnel", "10.77.0.1:3128"), "403 "),
        (fetch("localhost", "localhost"), "403 not_in_allowlist"),
    ];
    judged(&jail, &cases);
}

#[test]
fn further_services_and_addresses_that_embed_others_are_refused_as_well() {
    let jail = Jail::new().allow("**.example.com");
    let cases = [
        (fetch("pods", "169.254.170.23"), "403 metadata_service"),
        (fetch("tencent", "169.254.0.23"), "403 metadata_service"),
        (
            fetch("scaleway6", "[FD00:42:0:0:0:0:0:42]"),
            "403 metadata_service",
        ),
        (fetch("ec2_name", "instance-data"), "403 metadata_service"),
        (
            fetch("mapped_metadata", "[::ffff:a9fe:a9fe]"),
            "403 forbidden_address",
        ),
        (
            fetch("nat64_upper", "[64:FF9B::A9FE:A9FE]"),
            "403 forbidden_address",
        ),
        (
            fetch("nat64_local", "[64:ff9b:1::10.0.0.1]"),
            "403 forbidden_address",
        ),
        (
            fetch("teredo", "[2001:0:7f00:1::]"),
            "403 forbidden_address",
        ),
        (
            fetch("isatap", "[2606:4700::5efe:10.0.0.1]"),
            "403 forbidden_address",
        ),
        (fetch("site_local", "[fec0::1]"), "403 forbidden_address"),
        (fetch("discard", "[100::1]"), "403 forbidden_address"),
        (fetch("orchid", "[2001:20::1]"), "403 forbidden_address"),
        (fetch("segments", "[5f00::1]"), "403 forbidden_address"),
        (
            fetch("documentation", "[2001:db8::1]"),
            "403 forbidden_address",
        ),
        (
            fetch("documentation_new", "[3fff::1]"),
            "403 forbidden_address",
        ),
        (fetch("unique_local", "[fd12::1]"), "403 forbidden_address"),
        (fetch("multicast6", "[ff02::1]"), "403 forbidden_address"),
        (fetch("compatible", "[::7f00:1]"), "403 forbidden_address"),
        (fetch("protocols", "192.0.0.8"), "403 forbidden_address"),
        (fetch("relay", "192.88.99.1"), "403 forbidden_address"),
        (fetch("class_e", "240.0.0.1"), "403 forbidden_address"),
    ];
    judged(&jail, &cases);
}

#[test]
fn further_spellings_of_addresses_and_ports_are_none() {
    let jail = Jail::new().allow("**.example.com");
    let cases = [
        (fetch("short_dot", "127.1."), "400 odd_ipv4"),
        (fetch("hex_dot", "0x7f.0.0.1."), "400 odd_ipv4"),
        (fetch("hex_upper", "0X7F000001"), "400 odd_ipv4"),
        (fetch("number_dot", "2130706433."), "400 odd_ipv4"),
        (fetch("octal_leading", "127.0.0.01"), "400 odd_ipv4"),
        (fetch("five_parts", "1.2.3.4.5"), "400 odd_ipv4"),
        (fetch("dots", "127.0.0.1.."), "400 label_empty"),
        (fetch("percent", "%31%32%37.0.0.1"), "400"),
        (fetch("zone_bare", "[fe80::1%eth0]"), "400"),
        (fetch("bracketed_quad", "[127.0.0.1]"), "400"),
        (fetch("bare6", "::1"), "400"),
        (fetch("circled", "\u{2460}27.0.0.1"), "400"),
        (tunnel("port_padded", "127.0.0.1:0443"), "400 bad_port"),
        (tunnel("ports", "a.example.com:443:443"), "400"),
        (tunnel("port_high", "a.example.com:65536"), "400 bad_port"),
        (tunnel("port_none", "a.example.com:"), "400 bad_port"),
        (
            tunnel("user", "a.example.com@127.0.0.1:443"),
            "400 userinfo_refused",
        ),
    ];
    judged(&jail, &cases);
}

#[test]
fn labels_below_a_wildcard_carry_no_data_out() {
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new().connect("*.cdn.example.com:80", site.address());
    let data = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydc";
    let long = format!("{}cdn.example.com", "secret.".repeat(20));
    let cases = [
        (
            fetch("dense", &format!("{data}.cdn.example.com")),
            "403 opaque_name",
        ),
        (
            fetch("upper", &format!("{}.cdn.example.com", data.to_uppercase())),
            "403 opaque_name",
        ),
        (
            tunnel("tunnel", &format!("x.{data}.cdn.example.com:80")),
            "403 opaque_name",
        ),
        (fetch("long", &long), "403 opaque_name"),
    ];
    judged(&jail, &cases);
    assert_eq!(site.traffic().connections(), 0);
    let cases = [
        (fetch("cloud", "d111111abcdef8.cdn.example.com"), "200"),
        (fetch("region", "img-4.eu-west-1.cdn.example.com"), "200"),
        (
            fetch(
                "digest",
                &format!("{}.cdn.example.com", "0123456789abcdef".repeat(3)),
            ),
            "200",
        ),
    ];
    judged(&jail, &cases);
    // A name a request: most of a hundred don't get through, and what did gets through again.
    let script = "
def ask(number):
    s = proxy(); host = f'n{number}.cdn.example.com'
    s.sendall(f'GET http://{host}/ HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n'.encode())
    return everything(s).split()[1].decode()
found = [ask(number) for number in range(100)]
print(found.count('200'), found.count('429'), ask(1))";
    let before = site.requests().len();
    let outcome = jail.python(script).ok();
    assert_eq!(outcome.text(), "60 40 200", "{outcome}");
    assert_eq!(site.requests().len() - before, 61);
}

#[test]
fn an_allowed_name_that_resolves_inwards_is_not_dialled() {
    let site = Http::plain(|_| Response::ok("inner"));
    let port = site.address().port();
    let named = format!("localhost:{port}");
    let jail = Jail::new().allow(&named);
    let cases = [
        (fetch("forward", &named), "403 forbidden_address"),
        (tunnel("tunnel", &named), "403 forbidden_address"),
    ];
    judged(&jail, &cases);
    assert_eq!(site.traffic().connections(), 0);
    // An operator who wants just this says so, and then it works.
    let jail = Jail::new().connect(&named, site.address());
    judged(&jail, &[(fetch("forward", &named), "200")]);
    assert_eq!(site.requests().len(), 1);
}

#[test]
fn a_denial_is_fast_and_dials_nothing() {
    let script = "
t = time.monotonic()
s = proxy(); s.sendall(b'GET http://evil.example/ HTTP/1.1\\r\\nHost: evil.example\\r\\nConnection: close\\r\\n\\r\\n')
text = everything(s)
print(text.split()[1].decode(), time.monotonic() - t < 0.5)";
    let outcome = Jail::new().python(script).ok();
    assert_eq!(outcome.text(), "403 True");
    assert_eq!(outcome.egress("bytes_up"), 0, "{outcome}");
}

#[track_caller]
fn judged(jail: &Jail, cases: &[((&'static str, Vec<u8>), &str)]) {
    let sent: Vec<_> = cases.iter().map(|(case, _)| case.clone()).collect();
    let expected: Vec<_> = cases
        .iter()
        .map(|((name, _), expected)| (*name, *expected))
        .collect();
    all_begin(&exchange(jail, &sent), &expected);
}
