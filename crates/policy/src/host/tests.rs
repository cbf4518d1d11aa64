//! Which hosts each form of a pattern speaks of, and which patterns are refused.

use super::*;

fn matched<'a>(pattern: &str, hosts: &[&'a str]) -> Vec<&'a str> {
    let pattern = HostPattern::parse(pattern).unwrap();
    let mut matched = hosts.to_vec();
    matched.retain(|host| pattern.matches(&Host::parse(host).unwrap()));
    matched
}

#[test]
fn each_form_matches_exactly_its_documented_set() {
    let hosts = [
        "example.com",
        "Example.COM.",
        "a.example.com",
        "a.b.example.com",
        "notexample.com",
        "example.com.evil.com",
        "192.0.2.1",
    ];
    assert_eq!(
        matched("example.com", &hosts),
        ["example.com", "Example.COM."]
    );
    assert_eq!(
        matched("*.example.com", &hosts),
        ["a.example.com", "a.b.example.com"]
    );
    assert_eq!(
        matched("**.EXAMPLE.com", &hosts),
        [
            "example.com",
            "Example.COM.",
            "a.example.com",
            "a.b.example.com"
        ]
    );
    assert_eq!(matched("192.0.2.1", &hosts), ["192.0.2.1"]);
    assert_eq!(matched("2606:4700::1111", &["[2606:4700::1111]"]).len(), 1);
}

#[test]
fn tells_how_much_of_a_name_it_leaves_open() {
    for (pattern, host, open) in [
        ("*.example.com", "ab.cd.example.com", Some(5)),
        ("**.example.com", "A.example.com.", Some(1)),
        ("**.example.com", "example.com", None),
        ("a.example.com", "a.example.com", None),
        ("*.example.com", "a.example.org", None),
        ("192.0.2.1", "192.0.2.1", None),
    ] {
        let pattern = HostPattern::parse(pattern).unwrap();
        let given = Host::parse(host).unwrap();
        assert_eq!(pattern.open(&given), open, "{pattern} {host}");
    }
}

#[test]
fn refuses_a_wildcard_directly_on_a_public_suffix() {
    for open in [
        "*.com",
        "**.com",
        "*.co.uk",
        "*.github.io",
        "*.internal",
        "*.xn--p1ai",
        "*.xn--55qx5d.cn",
        "*.foo.ck",
    ] {
        let error = HostPattern::parse(open).unwrap_err();
        assert!(
            matches!(error, PatternError::PublicSuffix { .. }),
            "{open}: {error}"
        );
    }
    for closed in [
        "*.example.com",
        "*.example.co.uk",
        "*.me.github.io",
        "*.corp.internal",
    ] {
        assert!(HostPattern::parse(closed).is_ok(), "{closed}");
    }
}

#[test]
fn refuses_asterisks_anywhere_but_at_the_head() {
    for bad in [
        "*",
        "**",
        "*.",
        "a.*.com",
        "*a.example.com",
        "***.example.com",
        "*.*.example.com",
    ] {
        assert!(HostPattern::parse(bad).is_err(), "{bad}");
    }
    for bad in ["", "a b", "127.1", "*.1.2.3.4", "a@b.com", "a.com:443"] {
        assert!(HostPattern::parse(bad).is_err(), "{bad}");
    }
}
