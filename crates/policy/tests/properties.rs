//! Properties that hold for every input: no panic, one canonical form, order never matters, deny wins.

use std::sync::Arc;

use policy::path::CanonicalPath;
use policy::profile::{ResolvedProfile, Source};
use policy::rule::RuleTable;
use policy::{
    Decision, Destination, Effect, EgressPolicy, EgressRules, Handling, HostPattern, Origin,
    PathGlob, Reason, Request, RequestKind, Rule, Target, Terms,
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

const TERMS: [&str; 8] = [
    "",
    "",
    "",
    "\nmax_body = '1KiB'\nrate = '5/s'",
    "\nmax_body = '2KiB'\nllm = 'openai'",
    "\nwebsocket = false\nllm = 'anthropic'",
    "\nrate = '9/m'",
    "\nsecret = ['b', 'a']",
];

/// Effect and table of a rule. A ceiling's names no secret.
fn rule_text() -> impl Strategy<Value = (bool, String)> {
    (
        any::<bool>(),
        prop::sample::select(PATTERNS.to_vec()),
        prop::sample::select(vec!["", "\nports = [80]", "\nports = [80, 443]"]),
        prop::sample::select(vec!["", "\nmethods = ['GET']"]),
        prop::sample::select(vec!["", "\npaths = ['/v1/*']", "\npaths = ['/**']"]),
        any::<bool>(),
        prop::sample::select(TERMS.to_vec()),
    )
        .prop_map(|(allow, host, ports, methods, paths, dials, terms)| {
            let connect = if dials {
                "\nconnect = '127.0.0.1:9'"
            } else {
                ""
            };
            let bound = host.contains(".com") && ports.is_empty();
            let terms = if bound || !terms.contains("secret") {
                terms
            } else {
                ""
            };
            let (connect, terms) = if allow { (connect, terms) } else { ("", "") };
            (
                allow,
                format!("host = '{host}'{ports}{methods}{paths}{connect}{terms}"),
            )
        })
}

fn ceiling_rules() -> impl Strategy<Value = Vec<Rule>> {
    let without_secrets =
        |rules: Vec<Rule>| rules.into_iter().filter(|rule| rule.secrets().is_empty());
    rules().prop_map(move |rules| without_secrets(rules).collect())
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
fn judge_all(policy: &EgressPolicy) -> Vec<Decision> {
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
                            tls: port != "80",
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
        let text: Vec<&str> = text.lines().filter(|line| is_about_requests(line)).collect();
        let mut more = rules;
        more.push(rule(false, &text.join("\n"), 99));
        for (before, after) in before.iter().zip(judge_all(&policy_of(more))) {
            prop_assert!(before.is_allowed() || !after.is_allowed());
        }
    }

    #[test]
    fn adding_an_allow_never_denies_more_and_never_loosens_terms(rules in rules(), (_, text) in rule_text()) {
        let before = judge_all(&policy_of(rules.clone()));
        let mut more = rules;
        more.push(rule(true, &text, 99));
        for (before, after) in before.iter().zip(judge_all(&policy_of(more))) {
            prop_assert!(!before.is_allowed() || after.is_allowed());
            if before.is_allowed() {
                prop_assert!(is_as_strict(&after, before), "{after:?} {before:?}");
            }
        }
    }

    #[test]
    fn what_is_carried_unread_hides_nothing_that_a_rule_speaks_of(rules in rules()) {
        let policy = policy_of(rules);
        for authority in ["a.com:443", "b.a.com:443", "c.b.a.com:80", "d.com:443", "8.8.8.8:443"] {
            let tunnel = judge_one(&policy, authority, RequestKind::Tunnel, "GET", "/");
            for (method, path) in METHODS.iter().flat_map(|method| PATHS.map(|path| (method, path))) {
                let inside = judge_one(&policy, authority, RequestKind::Http, method, path);
                prop_assert!(tunnel.is_allowed() || !inside.is_allowed());
                if tunnel.is_allowed() && tunnel.handling == Handling::Tunnel {
                    prop_assert!(inside.is_allowed());
                    prop_assert_eq!(&inside.terms, &tunnel.terms);
                    let rates_only = Terms { rates: inside.terms.rates.clone(), ..Terms::NONE };
                    prop_assert_eq!(inside.terms, rates_only);
                }
            }
        }
    }

    #[test]
    fn a_ceiling_never_widens(own in rules(), ceiling in ceiling_rules()) {
        let (own, ceiling) = (policy_of(own), policy_of(ceiling));
        let bounds = judge_all(&ceiling);
        let has_allow = !ceiling.allow().is_empty();
        let under = judge_all(&own.clone().under(Arc::new(ceiling)));
        for ((under, own), bound) in under.iter().zip(judge_all(&own)).zip(bounds) {
            if !under.is_allowed() {
                continue;
            }
            prop_assert!(own.is_allowed());
            prop_assert!(bound.is_allowed() || !has_allow && bound.reason != Reason::DeniedByRule);
            prop_assert_eq!(under.connect, own.connect);
            prop_assert!(is_as_strict(under, &own), "{under:?} {own:?}");
            if bound.is_allowed() && own.connect.is_none() && bound.connect.is_none() {
                prop_assert!(under.handling == Handling::Intercept || bound.handling == Handling::Tunnel);
            }
        }
    }

    #[test]
    fn tightening_a_ceiling_never_widens(
        own in rules(),
        (ceiling, cut) in ceiling_rules().prop_flat_map(|rules| {
            let all = rules.len();
            (Just(rules), 0..=all)
        }),
        (_, text) in rule_text(),
    ) {
        let own = policy_of(own);
        let before = judge_all(&own.clone().under(Arc::new(policy_of(ceiling.clone()))));
        let mut less = ceiling;
        let removed = less.get(cut).is_some_and(|rule| rule.effect() == Effect::Allow);
        let allows = less.iter().filter(|rule| rule.effect() == Effect::Allow).count();
        // A ceiling that allows nothing by name is one that only denies.
        if removed && allows > 1 {
            less.remove(cut);
        }
        let text: Vec<&str> = text.lines().filter(|line| is_about_requests(line)).collect();
        less.push(rule(false, &text.join("\n"), 99));
        let after = judge_all(&own.under(Arc::new(policy_of(less))));
        for (before, after) in before.iter().zip(after) {
            prop_assert!(before.is_allowed() || !after.is_allowed());
        }
    }

    #[test]
    fn ceilings_add_up_in_either_order_and_one_of_no_rules_is_none(
        own in rules(), one in ceiling_rules(), other in ceiling_rules(),
    ) {
        let own = policy_of(own);
        let (one, other) = (Arc::new(policy_of(one)), Arc::new(policy_of(other)));
        let verdicts = |first: &Arc<EgressPolicy>, second: &Arc<EgressPolicy>| {
            let policy = own.clone().under(Arc::clone(first)).under(Arc::clone(second));
            let all = judge_all(&policy).into_iter();
            all.map(|decision| (decision.verdict, decision.handling, decision.connect)).collect::<Vec<_>>()
        };
        prop_assert_eq!(verdicts(&one, &other), verdicts(&other, &one));
        let none = Arc::new(policy_of(Vec::new()));
        prop_assert_eq!(judge_all(&own.clone().under(none)), judge_all(&own));
    }
}

/// What a deny rule may have, too.
fn is_about_requests(line: &str) -> bool {
    ["host", "ports", "methods", "paths"]
        .iter()
        .any(|key| line.starts_with(key))
}

/// Whether an allowed request has at least the terms of another one. A tunnel that is opened has its
/// terms inside.
fn is_as_strict(one: &Decision, other: &Decision) -> bool {
    let (strict, loose) = (&one.terms, &other.terms);
    let opened = one.handling == Handling::Intercept;
    let body = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    opened
        || other.handling == Handling::Tunnel
            && body(strict.max_body) <= body(loose.max_body)
            && (loose.websocket || !strict.websocket)
            && loose.rates.iter().all(|rate| strict.rates.contains(rate))
            && (loose.llm.is_none() || strict.llm.is_some())
}

#[expect(clippy::expect_used, reason = "the authorities are constants")]
fn judge_one(
    policy: &EgressPolicy,
    authority: &str,
    kind: RequestKind,
    method: &str,
    path: &str,
) -> Decision {
    let destination = Destination::from_authority(authority.as_bytes(), None).expect("constant");
    policy.judge(&Request {
        destination: &destination,
        kind,
        method: Some(method),
        path: Some(path),
        tls: true,
    })
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
