//! What must hold for whatever datagram arrives: see `fuzzing`.
//!
//! Not for: production.

#![expect(
    clippy::panic,
    reason = "a promise that is not kept is a find of the fuzzer"
)]

use std::net::Ipv4Addr;

use policy::{EgressPolicy, EgressRules, Rule};

use super::question::Question;
use super::reply::{Answer, complaint, reply};
use super::zone::Zone;
use crate::addresses::Addresses;
use crate::names::Names;

/// Longest message that every resolver takes (RFC 1035 2.3.4).
const REPLY_MAX: usize = 512;
/// Header of a plain question with the id 1.
const HEADER: [u8; 12] = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// A message to the resolver. True when it is a question.
///
/// # Panics
/// When a promise is not kept.
pub fn dns(message: &[u8]) -> bool {
    let question = match Question::read(message) {
        Ok(question) => question,
        Err(fault) => {
            if let Some(reply) = complaint(fault) {
                check(&reply, message);
            }
            return false;
        }
    };
    let plain = [&HEADER[..], question.section].concat();
    let Ok(again) = Question::read(&plain) else {
        panic!("its own section is no question");
    };
    assert_eq!(
        (&again.name, again.kind, again.class, again.ambiguous),
        (
            &question.name,
            question.kind,
            question.class,
            question.ambiguous
        )
    );
    let zone = &[rule("**.open.test"), rule("a.test")];
    check(&reply(&question, &found(&question, zone)), message);
    for answer in [
        Answer::Nothing,
        Answer::NoSuchName,
        Answer::Address(Ipv4Addr::LOCALHOST),
    ] {
        let reply = reply(&question, &answer);
        check(&reply, message);
        let section = reply.get(12..12 + question.section.len());
        assert_eq!(
            section,
            Some(question.section),
            "the question is not repeated"
        );
    }
    true
}

/// What the zone has, asked for twice.
fn found(question: &Question<'_>, rules: &[Rule]) -> Answer {
    let rules = rules.to_vec();
    let policy = EgressPolicy::new(1, EgressRules { rules });
    let Ok(policy) = policy else {
        panic!("constant rules");
    };
    let (names, addresses) = (Names::default(), Addresses::default());
    let zone = Zone {
        policy: &policy,
        names: &names,
        addresses: &addresses,
    };
    let first = zone.find(question);
    assert_eq!(zone.find(question), first);
    let Ok(answer) = first else {
        return Answer::NoSuchName;
    };
    if let Answer::Address(address) = &answer
        && !address.is_loopback()
    {
        let name = addresses.lookup(*address);
        let same = |text: &str| text.as_bytes().eq_ignore_ascii_case(&question.name);
        assert!(name.is_some_and(|name| same(name.as_str())));
        assert!(Addresses::is_synthetic(*address));
    }
    answer
}

#[expect(clippy::expect_used, reason = "constants")]
fn rule(host: &str) -> Rule {
    Rule::from_cli_allow(host, 0).expect("a rule")
}

fn check(reply: &[u8], asked: &[u8]) {
    assert!(reply.len() <= REPLY_MAX, "{} bytes", reply.len());
    assert_eq!(reply.get(..2), asked.get(..2), "another id");
    assert!(reply.get(2).is_some_and(|flags| flags & 0x80 != 0));
    assert!(
        Question::read(reply).is_err(),
        "a reply that is answered makes two resolvers talk for ever"
    );
}
