//! Properties that hold for every input: no panic, one canonical form, order never matters, deny wins.

use policy::path::CanonicalPath;
use policy::profile::{ResolvedProfile, Source};
use policy::rule::RuleTable;
use policy::{
    Destination, Effect, EgressPolicy, EgressRules, HostPattern, Origin, PathGlob, Request,
    RequestKind, Rule, Target,
};
use proptest::prelude::*;
use sheriff_policy as policy;

const HOSTS: [&str; 6] = [
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "d.com",
    "8.8.8.8",
    "[2606:4700::1]",
];
const PATTERNS: [&str; 8] = [
    "a.com",
    "*.a.com",
    "**.a.com",
    "b.a.com",
    "**.b.a.com",
    "d.com",
    "8.8.8.8",
    "2606:4700::1",
];
const PATHS: [&str; 4] = ["/", "/v1/x", "/v1/x/y", "/admin"];
const METHODS: [&str; 3] = ["GET", "POST", "get"];
const KINDS: [RequestKind; 3] = [RequestKind::Tunnel, RequestKind::Http, RequestKind::Name];

fn rule_text() -> impl Strategy<Value = (bool, String)> {
    (
        any::<bool>(),
        prop::sample::select(PATTERNS.to_vec()),
        prop::sample::select(vec!["", "\nports = [80]", "\nports = [80, 443]"]),
        prop::sample::select(vec!["", "\nmethods = ['GET']"]),
        prop::sample::select(vec!["", "\npaths = ['/v1/*']", "\npaths = ['/**']"]),
        any::<bool>(),
    )
        .prop_map(|(allow, host, ports, methods, paths, dials)| {
            let connect = if allow && dials {
                "\nconnect = '127.0.0.1:9'"
            } else {
                ""
            };
            (
                allow,
                format!("host = '{host}'{ports}{methods}{paths}{connect}"),
            )
        })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(rule_text(), 0..8).prop_map(|texts| {
        (0..)
            .zip(texts)
            .map(|(index, (allow, text))| rule(allow, &text, index))
            .collect()
    })
}

#[expect(clippy::expect_used, reason = "every generated table is well-formed")]
fn rule(allow: bool, text: &str, index: u32) -> Rule {
    let table: RuleTable = toml::from_str(text).expect("generated table");
    let effect = if allow { Effect::Allow } else { Effect::Deny };
    Rule::new(table, effect, Origin::cli(index)).expect("generated rule")
}

#[expect(
    clippy::expect_used,
    reason = "generated rules never contradict each other"
)]
fn policy_of(rules: Vec<Rule>) -> EgressPolicy {
    EgressPolicy::new(1, EgressRules { rules }).expect("generated policy")
}

/// Every request of a small world, judged.
#[expect(clippy::expect_used, reason = "the hosts are constants")]
fn judge_all(policy: &EgressPolicy) -> Vec<policy::Decision> {
    let mut decisions = Vec::new();
    for host in HOSTS {
        for port in ["80", "443", "22"] {
            let authority = format!("{host}:{port}");
            let destination =
                Destination::from_authority(authority.as_bytes(), None).expect("constant");
            for kind in KINDS {
                for method in METHODS {
                    decisions.extend(PATHS.map(|path| {
                        policy.judge(&Request {
                            destination: &destination,
                            kind,
                            method: Some(method),
                            path: Some(path),
                        })
                    }));
                }
            }
        }
    }
    decisions
}

proptest! {
    #[test]
    fn parsers_never_panic_on_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let outcomes = [
            Destination::from_authority(&bytes, Some(80)).is_ok(),
            Target::from_absolute_uri(&bytes).is_ok(),
            Target::from_absolute_uri(&[b"http://", &bytes[..]].concat()).is_ok(),
            CanonicalPath::parse(&[b"/", &bytes[..]].concat()).is_ok(),
            HostPattern::parse(&text).is_ok(),
            PathGlob::parse(&text).is_ok(),
            Rule::from_cli_allow(&text, 0).is_ok(),
            Rule::from_cli_connect(&text, 0).is_ok(),
        ];
        prop_assert_eq!(outcomes.len(), 8);
    }

    #[test]
    fn parsers_never_panic_on_near_misses(text in "[a-zA-Z0-9.:@%/\\[\\]*=_x-]{0,40}") {
        let allow = Rule::from_cli_allow(&text, 0);
        let connect = Rule::from_cli_connect(&format!("{text}=127.0.0.1:1"), 0);
        // The option with an address takes every host that the one without takes, and some more.
        prop_assert!(allow.is_err() || connect.is_ok());
    }

    #[test]
    fn profiles_never_panic_on_arbitrary_text(body in "(\\[[a-z.]{1,10}\\]|[a-z_]{1,8}|[ =\"'\n\\[\\]{},0-9])*") {
        let name = "p".parse().unwrap();
        let text = format!("version = 1\nname = \"p\"\n{body}");
        let resolved = ResolvedProfile::resolve(&name, &mut |_, _| {
            Ok(Source { file: "p.toml".to_owned(), text: text.clone() })
        });
        // Nothing so short names every key that a jail needs.
        prop_assert!(resolved.is_err());
    }

    #[test]
    fn destinations_render_and_parse_back_equal(
        text in "([a-zA-Z0-9_-]{1,12}\\.){0,4}[a-zA-Z0-9]{1,12}\\.?|[0-9]{1,3}(\\.[0-9]{1,3}){3}|\\[[0-9a-fA-F:]{2,20}\\]",
        port in 1..=u16::MAX,
    ) {
        if let Ok(parsed) = Destination::from_authority(format!("{text}:{port}").as_bytes(), None) {
            let shown = parsed.to_string();
            prop_assert_eq!(&shown, &shown.to_ascii_lowercase());
            prop_assert_eq!(Destination::from_authority(shown.as_bytes(), None), Ok(parsed));
        }
    }

    #[test]
    fn every_address_renders_and_parses_back_equal(v4 in any::<u32>(), v6 in any::<u128>(), port in 1..=u16::MAX) {
        let v4 = std::net::Ipv4Addr::from_bits(v4);
        let v6 = std::net::Ipv6Addr::from_bits(v6);
        for shown in [format!("{v4}:{port}"), format!("[{v6}]:{port}")] {
            let parsed = Destination::from_authority(shown.as_bytes(), None);
            prop_assert_eq!(parsed.map(|destination| destination.to_string()), Ok(shown));
        }
    }

    #[test]
    fn canonical_paths_are_their_own_canonical_form(text in "/([a-zA-Z./~@|*?-]|%[0-9a-fA-F]{2}|%2[eE]|/\\.\\.){0,30}") {
        if let Ok(path) = CanonicalPath::parse(text.as_bytes()) {
            prop_assert!(CanonicalPath::is_canonical(path.as_str()));
            prop_assert_eq!(CanonicalPath::parse(path.to_string().as_bytes()), Ok(path.clone()));
            let segments: Vec<&str> = path.as_str().split('/').collect();
            prop_assert!(!segments.contains(&".") && !segments.contains(&".."));
        }
    }

    #[test]
    fn a_glob_agrees_with_a_naive_matcher(pattern in "/[a/*]{0,7}", path in "/[ab/]{0,8}") {
        if let Ok(glob) = PathGlob::parse(&pattern) {
            prop_assert_eq!(glob.matches(&path), naive(pattern.as_bytes(), path.as_bytes()));
        }
    }

    #[test]
    fn the_order_of_rules_never_matters(
        (rules, shuffled) in rules().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
    ) {
        prop_assert_eq!(judge_all(&policy_of(rules)), judge_all(&policy_of(shuffled)));
    }

    #[test]
    fn adding_a_deny_never_allows_more(rules in rules(), (_, text) in rule_text()) {
        let before = judge_all(&policy_of(rules.clone()));
        let text = text.replace("\nconnect = '127.0.0.1:9'", "");
        let mut more = rules;
        more.push(rule(false, &text, 99));
        for (before, after) in before.iter().zip(judge_all(&policy_of(more))) {
            prop_assert!(before.is_allowed() || !after.is_allowed());
        }
    }

    #[test]
    fn adding_an_allow_never_denies_more(rules in rules(), (_, text) in rule_text()) {
        let before = judge_all(&policy_of(rules.clone()));
        let mut more = rules;
        more.push(rule(true, &text, 99));
        for (before, after) in before.iter().zip(judge_all(&policy_of(more))) {
            prop_assert!(!before.is_allowed() || after.is_allowed());
        }
    }
}

/// The definition of the patterns, in exponential time.
fn naive(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([b'*', b'*', rest @ ..], _) => {
            naive(rest, path)
                || path
                    .split_first()
                    .is_some_and(|(_, tail)| naive(pattern, tail))
        }
        ([b'*', rest @ ..], _) => {
            let part = path.split_first().filter(|(byte, _)| **byte != b'/');
            naive(rest, path) || part.is_some_and(|(_, tail)| naive(pattern, tail))
        }
        ([byte, rest @ ..], [head, tail @ ..]) => byte == head && naive(rest, tail),
        _ => false,
    }
}
