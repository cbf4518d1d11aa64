//! What is found for a name, without a socket.

use policy::{EgressRules, Rule};

use super::*;

struct Jail {
    policy: EgressPolicy,
    names: Names,
    addresses: Addresses,
}

impl Jail {
    fn new(allow: &[&str]) -> Self {
        let mut rules = EgressRules::default();
        for (index, text) in (0..).zip(allow) {
            rules.push(Rule::from_cli_allow(text, index).unwrap());
        }
        Self {
            policy: EgressPolicy::new(1, rules).unwrap(),
            names: Names::default(),
            addresses: Addresses::default(),
        }
    }

    fn ask(&self, name: &str, kind: u16) -> Result<Answer, Cause> {
        let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
        self.ask_in(&labels, kind, IN)
    }

    fn ask_in(&self, labels: &[&[u8]], kind: u16, class: u16) -> Result<Answer, Cause> {
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label);
        }
        message.push(0);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&class.to_be_bytes());
        let (policy, names, addresses) = (&self.policy, &self.names, &self.addresses);
        let zone = Zone {
            policy,
            names,
            addresses,
        };
        zone.find(&Question::read(&message).unwrap())
    }

    fn address(&self, name: &str) -> Ipv4Addr {
        match self.ask(name, A) {
            Ok(Answer::Address(address)) => address,
            other => panic!("{name}: {other:?}"),
        }
    }
}

const REFUSED: Result<Answer, Cause> = Err(Cause::DnsRefused);

#[test]
fn an_allowed_name_has_an_address_and_nothing_of_any_other_type() {
    let jail = Jail::new(&["a.test:8443"]);
    let name = jail.addresses.lookup(jail.address("A.tesT")).unwrap();
    assert_eq!(name.as_str(), "a.test");
    // NS, SOA, MX, TXT, AAAA, SRV, HTTPS, NULL, AXFR, ANY, and one that nobody has heard of.
    for kind in [2, 6, 15, 16, 28, 33, 65, 10, 252, 255, 4711] {
        assert_eq!(jail.ask("a.test", kind), Ok(Answer::Nothing), "{kind}");
        assert_eq!(jail.ask("b.test", kind), REFUSED, "{kind}");
    }
    for other in ["b.test", "x.a.test", "test", "1.2.3.4", "a.test.b"] {
        assert_eq!(jail.ask(other, A), REFUSED, "{other}");
    }
    assert_eq!(jail.ask_in(&[], 2, IN), REFUSED);
}

#[test]
fn another_class_and_a_dot_within_a_label_lead_to_no_name() {
    let jail = Jail::new(&["a.test"]);
    let whole: &[&[u8]] = &[b"a", b"test"];
    assert!(jail.ask_in(whole, A, IN).is_ok());
    for class in [0, 3, 4, 254, 255] {
        assert_eq!(jail.ask_in(whole, A, class), REFUSED, "{class}");
    }
    for odd in [&b"a.test"[..], b"a\0", b"a ", b"\xe4"] {
        assert_eq!(jail.ask_in(&[odd, b"test"], A, IN), REFUSED, "{odd:?}");
        assert_eq!(jail.ask_in(&[odd], A, IN), REFUSED, "{odd:?}");
    }
}

#[test]
fn an_address_has_a_name_only_after_it_was_given_out() {
    let jail = Jail::new(&["a.test"]);
    let reverse = |[a, b, c, d]: [u8; 4]| format!("{d}.{c}.{b}.{a}.in-addr.arpa");
    let own = reverse(Jail::new(&["a.test"]).address("a.test").octets());
    assert_eq!(jail.ask(&own, PTR), REFUSED);
    assert_eq!(reverse(jail.address("a.test").octets()), own);
    let name = DomainName::parse(b"a.test").unwrap();
    assert_eq!(jail.ask(&own, PTR), Ok(Answer::Name(name)));
    assert_eq!(jail.ask(&own, A), Ok(Answer::Nothing));
    for other in [[198, 18, 0, 1], [8, 8, 8, 8], [10, 77, 0, 1]] {
        assert_eq!(jail.ask(&reverse(other), PTR), REFUSED, "{other:?}");
    }
    assert_eq!(jail.ask(&format!("0{own}"), PTR), REFUSED);
    assert_eq!(jail.ask(&format!("9.{own}"), PTR), REFUSED);
    let localhost = DomainName::parse(b"localhost").unwrap();
    let found = jail.ask("1.0.0.127.in-addr.arpa", PTR);
    assert_eq!(found, Ok(Answer::Name(localhost)));
}

#[test]
fn localhost_is_the_jails_own_and_a_name_that_ends_like_it_is_not() {
    let jail = Jail::new(&[]);
    let loopback = Ok(Answer::Address(Ipv4Addr::LOCALHOST));
    for name in ["localhost", "LOCALHOST", "app.localhost"] {
        assert_eq!(jail.ask(name, A), loopback, "{name}");
        assert_eq!(jail.ask(name, 28), Ok(Answer::Nothing), "{name}");
    }
    assert_eq!(jail.ask("notlocalhost", A), REFUSED);
}

#[test]
fn names_below_a_wildcard_are_bounded_in_look_and_number_here_too() {
    let jail = Jail::new(&["*.cdn.test"]);
    let data = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydc.cdn.test";
    assert_eq!(jail.ask(data, A), Err(Cause::OpaqueName));
    let most = crate::limits::NEW_NAMES;
    for number in 0..most {
        jail.address(&format!("n{number}.cdn.test"));
    }
    for kind in [A, 16] {
        let found = jail.ask("more.cdn.test", kind);
        assert_eq!(found, Err(Cause::TooManyNames));
    }
    jail.address("n0.cdn.test");
}
