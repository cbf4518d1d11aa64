//! Spellings of destinations: each class that fooled another proxy, beside one that is fine.

use super::*;

fn connect(text: &str) -> Result<String, DestinationError> {
    Destination::from_authority(text.as_bytes(), None).map(|d| d.to_string())
}

#[test]
fn one_host_has_one_form_whatever_its_case_and_trailing_dot() {
    for text in [
        "evil.com:443",
        "Evil.COM:443",
        "evil.com.:443",
        "EVIL.com.:443",
    ] {
        assert_eq!(connect(text).as_deref(), Ok("evil.com:443"), "{text}");
    }
}

#[test]
fn accepts_names_with_underscores_hyphens_digits_and_punycode() {
    for text in [
        "_dmarc.a-b.com:1",
        "xn--mnchen-3ya.de:65535",
        "3com.com:80",
        "localhost:80",
    ] {
        assert_eq!(connect(text).as_deref(), Ok(text));
    }
}

#[test]
fn accepts_brackets_only_around_an_ipv6_address() {
    assert_eq!(
        connect("[2001:DB8:0::1]:443").as_deref(),
        Ok("[2001:db8::1]:443")
    );
    for bad in [
        "[evil.com]:443",
        "[127.0.0.1]:443",
        "[::1%eth0]:443",
        "[::1:443",
        "::1:443",
        "[::1]443",
        "[::1]]:443",
        "a[::1]:443",
        "[]:443",
        "[[::1]]:443",
        "[0x7f.1]:443",
        "[2130706433]:443",
        "[::ffff:127.1]:443",
        "[::ffff:0177.0.0.1]:443",
        "[::1.]:443",
        "[::1].:443",
        "[:::]:443",
        "[1::2::3]:443",
        "[12345::]:443",
        "[::g]:443",
        "[1:2:3:4:5:6:7:8:9]:443",
        "[v1.x]:443",
        "2001:db8::1:443",
        "::ffff:127.0.0.1:443",
    ] {
        assert!(connect(bad).is_err(), "{bad}");
    }
}

#[test]
fn refuses_every_odd_spelling_of_an_ipv4_address() {
    assert_eq!(connect("127.0.0.1:80").as_deref(), Ok("127.0.0.1:80"));
    for odd in [
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0x",
        "a.0x7f",
        "A.0X7F",
        "017700000001",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4.",
        "example.1",
        "example.09",
        "0177.0.0.01",
        "0300.0250.0.1",
        "0X7F000001",
        "0x7F.0.0.1",
        "0xC0A80001",
        "1.0x2",
        "127.0.0.1.",
        "127.1.",
        "0x7f.1.",
        "2130706433.",
        "4294967296",
        "0",
        "1.2.3.4.5.",
        "1.2.3.-4.5",
    ] {
        let text = format!("{odd}:80");
        assert_eq!(connect(&text), Err(DestinationError::OddIpv4), "{odd}");
        assert!(DomainName::parse(odd.as_bytes()).is_err(), "{odd}");
    }
}

#[test]
fn refuses_bytes_that_split_or_hide_a_name() {
    for bad in [
        &b"evil\0.google.com:443"[..],
        b"evil.com\r\nX: y:443",
        b"evil.com :443",
        b"evil%2ecom:443",
        b"ev\xc3\xadl.com:443",
        b"evil.com/x:443",
        b"evil.com#:443",
        b"evil.com\\x:443",
        b"*.evil.com:443",
        b"evil.com%00.good.com:443",
        b"%65vil.com:443",
        b"evil.com%:443",
        b"evil.com\t:443",
        b"\tevil.com:443",
        b" evil.com:443",
        b"evil.com\x0b:443",
        b"evil.com\x7f:443",
        b"evil.com?good.com:443",
        b"evil.com;good.com:443",
        b"evil.com,good.com:443",
        b"//evil.com:443",
        b"http://evil.com:443",
        b"evil\xe3\x80\x82com:443",
        b"evil\xef\xbc\x8ecom:443",
        b"g\xd0\xbe\xd0\xbegle.com:443",
        b"\xe2\x84\xaaevin.com:443",
        b"evil.com\xc2\xad:443",
        b"\xff\xfe:443",
        b"[::1%25eth0]:443",
        b"[fe80::1%1]:443",
    ] {
        let error = Destination::from_authority(bad, None).unwrap_err();
        assert_eq!(error.code(), "host_bad_byte", "{bad:?}");
    }
    for user in [
        "good.com@evil.com:443",
        "good.com:443@evil.com:443",
        "@evil.com:443",
        "a:b@evil.com:443",
        "good.com@[::1]:443",
    ] {
        assert_eq!(connect(user), Err(DestinationError::UserInfo), "{user}");
    }
}

#[test]
fn refuses_labels_and_names_outside_the_limits_of_dns() {
    let label = "a".repeat(LABEL_MAX);
    assert!(connect(&format!("{label}.com:1")).is_ok());
    assert_eq!(
        connect(&format!("{label}a.com:1")),
        Err(DestinationError::LabelTooLong)
    );
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), NAME_MAX);
    assert!(connect(&format!("{longest}.:65535")).is_ok());
    assert_eq!(
        connect(&format!("{longest}a:1")),
        Err(DestinationError::TooLong)
    );
    for bad in [
        ".com:1",
        "a..com:1",
        "a.com..:1",
        ".:1",
        "..:1",
        "a.com...:1",
        ".a.com.:1",
        "1.2.3.4..:1",
    ] {
        assert_eq!(connect(bad), Err(DestinationError::EmptyLabel), "{bad}");
    }
    for bad in [
        "-a.com:1",
        "a-.com:1",
        "-:1",
        "a.-:1",
        // An `xn--` label of ASCII alone would be `evil` to a decoder.
        "xn--evil-.com:1",
        "xn--.com:1",
    ] {
        assert_eq!(connect(bad), Err(DestinationError::Hyphen), "{bad}");
    }
}

#[test]
fn reads_ports_only_as_plain_decimal_digits() {
    for bad in [
        "",
        "0",
        "00443",
        "0443",
        "+443",
        "-1",
        "65536",
        "65979",
        "443a",
        " 443",
        "4 43",
        "443:443",
        ":443",
        "443:",
        "0x1bb",
        "4294967739",
        "4e2",
        "443.",
        "443/",
        "443#",
        "443?",
    ] {
        assert!(connect(&format!("a.com:{bad}")).is_err(), "{bad:?}");
    }
    assert_eq!(connect("a.com"), Err(DestinationError::MissingPort));
    let host = Destination::from_authority(b"a.com", Some(80));
    assert_eq!(host.map(|d| d.port), Ok(80));
    let own = Destination::from_authority(b"a.com:81", Some(80));
    assert_eq!(own.map(|d| d.port), Ok(81));
    let zero = Destination::from_authority(b"a.com", Some(0));
    assert_eq!(zero, Err(DestinationError::BadPort));
}

#[test]
fn walks_a_name_to_its_parents() {
    let name = DomainName::parse(b"a.b.com").unwrap();
    assert_eq!(
        name.suffixes().collect::<Vec<_>>(),
        ["a.b.com", "b.com", "com"]
    );
    assert_eq!(name.labels(), 3);
}
