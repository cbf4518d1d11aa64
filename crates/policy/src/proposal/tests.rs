//! What a proposal promises, on drawn records and on some that people know.

use model::{EgressEvent, EventId, Phase, SessionId, TlsMode, Verdict, Via};
use proptest::prelude::*;

use super::*;
use crate::Rule;

fn event(number: u64, method: &str, to: (&str, u16), path: Option<&str>) -> EgressEvent {
    EgressEvent {
        id: EventId::from_random(number.to_be_bytes()),
        time: "2026-01-01T00:00:00.000Z".to_owned(),
        session: SessionId::from_random([1; 8]),
        run: None,
        phase: Phase::Decision,
        method: method.to_owned(),
        host: to.0.to_owned(),
        port: to.1,
        path: path.map(str::to_owned),
        via: Via::Explicit,
        tls: match (path, to.1) {
            (None, _) => TlsMode::Tunnel,
            (_, 80) => TlsMode::None,
            _ => TlsMode::Intercept,
        },
        verdict: Verdict::Allow,
        reason: "allowed".to_owned(),
        rule: Some("learning".to_owned()),
        secret: None,
        status: None,
        bytes_up: 0,
        bytes_down: 0,
        duration_ms: 0,
        policy_generation: 1,
        note: None,
        llm: None,
    }
}

fn closed(event: &EgressEvent, (up, down): (u64, u64)) -> EgressEvent {
    EgressEvent {
        phase: Phase::Close,
        bytes_up: up,
        bytes_down: down,
        ..event.clone()
    }
}

fn denied(event: EgressEvent, reason: &str) -> EgressEvent {
    EgressEvent {
        verdict: Verdict::Deny,
        reason: reason.to_owned(),
        ..event
    }
}

fn observed<'a>(events: impl IntoIterator<Item = &'a EgressEvent>) -> Observed {
    let mut observed = Observed::default();
    for event in events {
        let _skipped = observed.take(event);
    }
    observed
}

fn proposed(observed: &Observed) -> Proposal {
    propose(&"learned".parse().unwrap(), observed).unwrap()
}

fn get(number: u64, host: &str, path: &str) -> EgressEvent {
    event(number, "GET", (host, 443), Some(path))
}

/// What is proposed for the session of the first test.
const EXPECTED: &str = r##"# learned: proposed from 6 requests to 4 hosts. It allows what was seen and, where a pattern
# says so, a little more: read each rule before you put it in force.

version = 1
name = "learned"

# == only read ==

# 1 request, 0 B up, 0 B down
[[allow]]
host = "old.example.org"
ports = [80]
methods = ["GET"]
paths = [
  "/",
]

# 2 requests, 300 B up, 5.0 MiB down
[[allow]]
host = "pypi.example.org"
methods = ["GET"]
paths = [
  "/files/requests-*.tar.gz", # was /files/requests-2.31.0.tar.gz
  "/simple/requests/",
]

# == written to ==

# 1 request, 0 B up, 0 B down
[[allow]]
host = "api.example.com"
methods = ["GET"]
paths = [
  "/v1/models",
]

# 1 request, 0 B up, 0 B down
[[allow]]
host = "api.example.com"
methods = ["POST"]
paths = [
  "/v1/chat",
]

# == tunnels: nobody sees what is inside ==

# 1 request, 0 B up, 0 B down
# No HTTP that could be read was seen in it.
[[allow]]
host = "ssh.example.net"
ports = [22]

# Refused meanwhile, and not allowed by these rules:
#   1 x GET 169.254.169.254:443: metadata_service
"##;

#[test]
fn a_session_becomes_rules_with_reasons_and_the_readers_hosts_come_first() {
    let mut events = vec![
        event(1, "POST", ("api.example.com", 443), Some("/v1/chat")),
        get(2, "api.example.com", "/v1/models"),
        get(3, "pypi.example.org", "/simple/requests/"),
        get(4, "pypi.example.org", "/files/requests-2.31.0.tar.gz"),
        event(5, "CONNECT", ("ssh.example.net", 22), None),
        event(6, "GET", ("old.example.org", 80), Some("/")),
    ];
    events.push(closed(&events[3], (300, 5 << 20)));
    events.push(denied(
        get(8, "169.254.169.254", "/latest"),
        "metadata_service",
    ));
    let proposal = proposed(&observed(&events));
    assert_eq!(proposal.text, EXPECTED, "{}", proposal.text);
    assert_eq!(proposal.rules.len(), 5);
}

#[test]
fn a_host_that_its_client_pins_is_a_tunnel_whatever_else_was_read() {
    let pin = denied(
        event(1, "CONNECT", ("pin.example.com", 443), None),
        "client_tls_failed",
    );
    let events = [get(2, "pin.example.com", "/a"), pin];
    let proposal = proposed(&observed(&events));
    assert_eq!(proposal.rules.len(), 1);
    assert_eq!(proposal.rules[0].tunnel, Some(Closed::Pinned));
    assert!(proposal.refused.is_empty());
    assert!(!proposal.text.contains("methods"), "{}", proposal.text);
}

#[test]
fn an_address_that_was_connected_to_stays_the_address_and_others_can_not_be_said() {
    let rule = Rule::from_cli_connect("10.0.0.1=127.0.0.1:8080", 0).unwrap();
    let mut known = Observed::under(vec![rule]);
    for host in ["10.0.0.1", "10.0.0.2"] {
        let _skipped = known.take(&get(1, host, "/x"));
    }
    let proposal = proposed(&known);
    assert!(proposal.text.contains("connect = \"127.0.0.1:8080\""));
    assert_eq!(proposal.unsaid, ["1 x GET 10.0.0.2:443/x"]);
}

#[test]
fn many_hosts_of_one_domain_are_mentioned_and_not_put_together() {
    let hosts = ["a", "b", "c", "d", "e"].map(|it| format!("{it}.cdn.example.com"));
    let events: Vec<_> = hosts
        .iter()
        .zip(0..)
        .map(|(host, n)| get(n, host, "/"))
        .collect();
    let text = proposed(&observed(&events)).text;
    assert!(text.contains("# 5 hosts are example.com or below it. `**.example.com`"));
    assert!(!text.contains("host = \"**"));
    let few = proposed(&observed(&events[1..])).text;
    assert!(!few.contains("**.example.com"));
}

#[test]
fn hostile_words_stay_in_their_comment() {
    let bad = denied(get(1, "x\n[[allow]]\nhost = 'evil.com'", "/"), "malformed");
    let odd = event(2, "get\n", ("a.com", 443), Some("/\u{1b}"));
    let proposal = proposed(&observed([&bad, &odd]));
    assert!(proposal.rules.is_empty());
    assert!(proposal.text.lines().all(|line| !line.starts_with("[[")));
    assert!(proposal.text.is_ascii() && !proposal.text.contains('\u{1b}'));
}

#[test]
fn what_is_beyond_the_bounds_is_counted_and_said() {
    let hosts = PLACES_MAX + 3;
    let name = |number: usize| format!("h{number}.example{}.com", number % 300);
    let events: Vec<_> = (0..hosts)
        .map(|number| get(number as u64, &name(number), "/"))
        .collect();
    let proposal = proposed(&observed(&events));
    assert_eq!((proposal.rules.len(), proposal.beyond), (PLACES_MAX, 3));
    assert!(
        proposal
            .text
            .contains("so these rules may deny them: 3 requests.")
    );
}

fn a_segment() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "a", "b", "api", "v1", "x*y", "", "%20", "me:do", "1.2"
        ])
        .prop_map(str::to_owned),
        "[a-c]{1,2}",
        "[0-9]{1,6}",
        "[0-9a-f]{12}",
        "[a-z]{3}-[0-9]{1,2}\\.[0-9]\\.tgz",
    ]
}

fn a_path() -> impl Strategy<Value = String> {
    prop::collection::vec(a_segment(), 1..6)
        .prop_map(|path| format!("/{}", path.join("/")).replace("//", "/"))
}

fn an_event() -> impl Strategy<Value = EgressEvent> {
    let host = prop::sample::select(vec!["a.com", "b.a.com", "b.org", "192.0.3.1", "10.0.0.1"]);
    let port = prop::sample::select(vec![80, 443, 8443]);
    let method = prop::sample::select(vec!["GET", "HEAD", "POST", "CONNECT", "CONNECT!", "get"]);
    (any::<u64>(), host, port, method, a_path(), 0..20_u8).prop_map(
        |(id, host, port, method, path, odds)| {
            let (method, path) = match method {
                "CONNECT" if odds > 2 => ("GET", Some(path.as_str())),
                "CONNECT" => ("CONNECT", None),
                other => (other, Some(path.as_str())),
            };
            let event = event(id, method, (host, port), path);
            match odds {
                19 => denied(event, "denied_by_rule"),
                18 if method == "CONNECT" => denied(event, "client_tls_failed"),
                _ => event,
            }
        },
    )
}

proptest! {
    /// `propose` checks itself that all is allowed and every rule needed, and fails otherwise.
    #[test]
    fn whatever_was_seen_is_allowed_by_rules_that_are_all_needed_in_whatever_order_it_came(
        mixed in prop::collection::vec(an_event(), 0..60),
        paths in prop::collection::vec(a_path(), 0..300),
    ) {
        let many = paths.iter().zip(1000..).map(|(path, number)| get(number, "b.org", path));
        let events: Vec<_> = mixed.into_iter().chain(many).collect();
        let proposal = proposed(&observed(&events));
        let back = proposed(&observed(events.iter().rev()));
        prop_assert_eq!(&proposal.text, &back.text);
        prop_assert_eq!(proposal.rules, back.rules);
        // A control that the check can fail: with nothing observed every rule is superfluous.
        let rules = proposal.text.matches("[[allow]]").count();
        let nothing = check::hold(&"learned".parse().unwrap(), &proposal.text, &Observed::default());
        prop_assert_eq!(nothing.is_err(), rules > 0);
    }
}

#[test]
fn a_list_that_denies_something_is_found_out() {
    let observed = observed(&[get(1, "a.com", "/x")]);
    let name = "learned".parse().unwrap();
    let text = |path: &str| {
        format!(
            "version = 1\nname = \"learned\"\n[[allow]]\nhost = \"a.com\"\npaths = [\"{path}\"]\n"
        )
    };
    assert_eq!(check::hold(&name, &text("/x"), &observed), Ok(()));
    let error = check::hold(&name, &text("/y"), &observed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the proposal denies GET a.com:443/x, which was seen"
    );
}
