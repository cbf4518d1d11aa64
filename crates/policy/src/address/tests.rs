//! Both edges of each forbidden range, and the public address next to it.

use super::*;

fn class(text: &str) -> Option<&'static str> {
    forbidden(text.parse().unwrap()).map(AddressClass::code)
}

#[test]
fn forbids_special_ipv4_ranges_from_edge_to_edge() {
    for (first, last, code) in [
        ("0.0.0.0", "0.255.255.255", "unspecified"),
        ("10.0.0.0", "10.255.255.255", "private"),
        ("100.64.0.0", "100.127.255.255", "shared_nat"),
        ("127.0.0.0", "127.255.255.255", "loopback"),
        ("169.254.0.0", "169.254.255.255", "link_local"),
        ("172.16.0.0", "172.31.255.255", "private"),
        ("192.0.0.0", "192.0.0.255", "protocol_assignment"),
        ("192.0.2.0", "192.0.2.255", "documentation"),
        ("192.88.99.0", "192.88.99.255", "reserved"),
        ("192.168.0.0", "192.168.255.255", "private"),
        ("198.18.0.0", "198.19.255.255", "benchmark"),
        ("198.51.100.0", "198.51.100.255", "documentation"),
        ("203.0.113.0", "203.0.113.255", "documentation"),
        ("224.0.0.0", "239.255.255.255", "multicast"),
        ("240.0.0.0", "255.255.255.254", "reserved"),
        ("255.255.255.255", "255.255.255.255", "broadcast"),
    ] {
        assert_eq!(
            (class(first), class(last)),
            (Some(code), Some(code)),
            "{first}"
        );
    }
}

#[test]
fn lets_public_ipv4_addresses_beside_those_ranges_pass() {
    for public in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "8.8.8.8",
    ] {
        assert_eq!(class(public), None, "{public}");
    }
}

const SPECIAL_V6: &[(&str, &str)] = &[
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::7f00:1", "v4_compatible"),
    ("::ffff:8.8.8.8", "v4_mapped"),
    ("::ffff:127.0.0.1", "v4_mapped"),
    ("64:ff9b::a00:1", "nat64"),
    ("64:ff9b:1:ffff::1", "nat64"),
    ("100::1", "discard"),
    ("fc00::1", "unique_local"),
    ("fdff::1", "unique_local"),
    ("fe80::1", "link_local"),
    ("febf::1", "link_local"),
    ("fec0::1", "site_local"),
    ("ff02::1", "multicast"),
    ("2001::1", "teredo"),
    ("2001:2::1", "benchmark"),
    ("2001:1f::1", "orchid"),
    ("2001:2f::1", "orchid"),
    ("2001:1ff::1", "protocol_assignment"),
    ("2001:db8:ffff::1", "documentation"),
    ("2002:7f00:1::1", "six_to_four"),
    ("3fff:fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("1fff::1", "reserved"),
    ("5f00::1", "reserved"),
    ("64:ff9a::1", "reserved"),
    ("::ffff:0:127.0.0.1", "reserved"),
    ("::ffff:a9fe:a9fe", "v4_mapped"),
    ("64:ff9b::169.254.169.254", "nat64"),
    ("64:ff9b:1::10.0.0.1", "nat64"),
    ("100::ffff:ffff:ffff:ffff", "discard"),
    ("2001:0:7f00:1::", "teredo"),
    ("2001:10::1", "orchid"),
    ("2001:20::1", "orchid"),
    ("2001:30::1", "protocol_assignment"),
    ("2001:db8::1", "documentation"),
    ("2002:a9fe:a9fe::1", "six_to_four"),
    ("2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "six_to_four"),
    ("3fff::1", "documentation"),
    ("5f00:ffff::1", "reserved"),
    ("8000::1", "reserved"),
    ("f000::1", "reserved"),
    ("fbff::1", "reserved"),
    ("fe00::1", "reserved"),
    ("feff::1", "site_local"),
    ("ff05::1:3", "multicast"),
    ("2606:4700::5efe:a00:1", "isatap"),
    ("2606:4700::200:5efe:127.0.0.1", "isatap"),
    ("fe80::5efe:10.0.0.1", "isatap"),
];

#[test]
fn forbids_everything_but_global_unicast_in_ipv6() {
    for (ip, code) in SPECIAL_V6 {
        assert_eq!(class(ip), Some(*code), "{ip}");
    }
    for public in [
        "2000::1",
        "2606:4700::100:5efe:a00:1",
        "2606:4700::5eff:a00:1",
        "2606:4700:5efe::1",
        "2001:200::1",
        "2001:4860::8888",
        "2003::1",
        "2606:4700::1",
        "3fff:1000::1",
    ] {
        assert_eq!(class(public), None, "{public}");
    }
}

#[test]
fn knows_metadata_services_by_address_and_by_name() {
    for ip in [
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "169.254.170.2",
        "169.254.170.23",
        "169.254.0.23",
        "169.254.42.42",
        "fd00:ec2::254",
        "FD00:EC2:0:0:0:0:0:23",
        "fd20:ce::254",
        "fd00:42::42",
    ] {
        assert_eq!(class(ip), Some("metadata"), "{ip}");
    }
    let named = |name: &str| is_metadata_name(&DomainName::parse(name.as_bytes()).unwrap());
    assert!(named("Metadata.Google.Internal."));
    assert!(named("x.metadata.google.internal"));
    assert!(named("instance-data") && named("INSTANCE-data.ec2.internal."));
    assert!(!named("instance-data.example.com"));
    assert!(!named("google.internal"));
    assert!(!named("xmetadata.google.internal"));
}
