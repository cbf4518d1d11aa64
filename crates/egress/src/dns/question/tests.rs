//! Messages as resolvers send them, and as hostile programs do.

use super::*;
use crate::dns::reply::{Answer, complaint, reply};
use policy::DomainName;
use std::net::Ipv4Addr;

const OPT_RECORD: &[u8] = b"\0\0\x29\x10\0\0\0\0\0\0\0";

/// A question for `a.test` of this type, with so many records behind it.
fn query(flags: u8, kind: u16, additional: u8, more: &[u8]) -> Vec<u8> {
    let head = [0xab, 0xcd, flags, 0, 0, 1, 0, 0, 0, 0, 0, additional];
    let [k0, k1] = kind.to_be_bytes();
    [&head[..], b"\x01a\x04Test\0", &[k0, k1, 0, 1], more].concat()
}

fn plain() -> Vec<u8> {
    query(1, 1, 0, b"")
}

fn rcode(message: &[u8]) -> Option<u8> {
    match Question::read(message) {
        Ok(_question) => Some(0),
        Err(fault) => complaint(fault).map(|reply| reply[3] & 0x0f),
    }
}

#[test]
fn reads_a_question_and_answers_with_its_own_bytes_and_one_record() {
    let message = plain();
    let question = Question::read(&message).unwrap();
    assert_eq!((question.kind, question.class), (1, 1));
    assert_eq!(question.name, b"a.Test");
    let address = Ipv4Addr::new(198, 18, 1, 2);
    let bytes = reply(&question, &Answer::Address(address));
    assert_eq!(
        bytes[..12],
        [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
    );
    assert_eq!(bytes[12..24], message[12..]);
    let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x12\x01\x02";
    assert_eq!(bytes[24..], *record);
    let bytes = reply(&question, &Answer::Nothing);
    assert_eq!(
        (bytes[3], bytes[7], &bytes[12..]),
        (0x80, 0, &message[12..])
    );
    let bytes = reply(&question, &Answer::NoSuchName);
    assert_eq!(
        (bytes[3], bytes[7], &bytes[12..]),
        (0x83, 0, &message[12..])
    );
}

#[test]
fn answers_edns_with_edns_and_knows_one_version_of_it() {
    let message = query(1, 28, 1, OPT_RECORD);
    let question = Question::read(&message).unwrap();
    let bytes = reply(&question, &Answer::Nothing);
    assert_eq!(bytes[11], 1);
    assert!(bytes.ends_with(b"\0\0\x29\x04\xd0\0\0\0\0\0\0"));
    let next = query(1, 28, 1, b"\0\0\x29\x10\0\0\x01\0\0\0\0");
    let Err(fault @ Fault::Version(_)) = Question::read(&next) else {
        panic!("{:?}", Question::read(&next));
    };
    let bytes = complaint(fault).unwrap();
    assert_eq!((bytes[3] & 0x0f, bytes.len()), (0, 12 + 11));
    assert_eq!(bytes[12..], *b"\0\0\x29\x04\xd0\x01\0\0\0\0\0");
    // An option and another record beside it are gone over.
    let cookie = b"\0\0\x29\x10\0\0\0\0\0\0\x0c\0\x0a\0\x0801234567";
    let signed = [cookie, &b"\xc0\x0c\0\xfa\0\xff\0\0\0\0\0\x02xy"[..]].concat();
    assert_eq!(rcode(&query(1, 1, 2, &signed)), Some(0));
}

#[test]
fn a_name_of_255_bytes_is_the_longest_and_its_reply_fits_every_resolver() {
    let mut name = [&[63][..], &[b'a'; 63]].concat().repeat(3);
    name.extend_from_slice(&[&[61][..], &[b'a'; 61], &[0]].concat());
    assert_eq!(name.len(), 255);
    let message = |name: &[u8]| [&plain()[..12], name, b"\0\x0c\0\x01"].concat();
    let longest = message(&name);
    let question = Question::read(&longest).unwrap();
    let found = DomainName::parse(&question.name).unwrap();
    assert!(reply(&question, &Answer::Name(found)).len() > 512);
    // A name to which an address belongs is not the one that was asked for, which is that of an address.
    let reverse = message(b"\x03255\x03255\x03255\x03255\x07in-addr\x04arpa\0");
    let found = DomainName::parse(&question.name).unwrap();
    let question = Question::read(&reverse).unwrap();
    assert!(reply(&question, &Answer::Name(found)).len() <= 512);
    let longer = [&[62][..], &name[1..]].concat();
    assert_eq!(rcode(&message(&longer)), Some(1));
    let one_more = [b"\x01b", &name[..]].concat();
    assert_eq!(rcode(&message(&one_more)), Some(1));
}

#[test]
fn says_that_odd_messages_are_odd_and_nothing_to_answers() {
    assert_eq!(rcode(&plain()), Some(0));
    assert_eq!(rcode(&query(0x80, 1, 0, b"")), None);
    assert_eq!(rcode(&plain()[..11]), None);
    assert_eq!(rcode(&query(0x28, 1, 0, b"")), Some(4));
    assert_eq!(rcode(&query(0, 1, 0, b"trailing")), Some(1));
    assert_eq!(rcode(&query(0, 1, 1, b"")), Some(1));
    assert_eq!(rcode(&query(0, 1, 2, &OPT_RECORD.repeat(2))), Some(1));
    assert_eq!(
        rcode(&query(0, 1, 1, b"\x01x\0\0\x29\0\0\0\0\0\0\0\0")),
        Some(1)
    );
    assert_eq!(rcode(&query(0, 1, 9, &OPT_RECORD.repeat(9))), Some(1));
    for (at, value) in [
        (12, 0xc0),
        (12, 0x40),
        (5, 2),
        (5, 0),
        (7, 1),
        (9, 1),
        (4, 1),
    ] {
        let mut message = plain();
        message[at] = value;
        assert_eq!(rcode(&message), Some(1), "byte {at}");
    }
    for length in 12..plain().len() {
        assert_eq!(rcode(&plain()[..length]), Some(1), "{length} bytes");
    }
}

#[test]
fn a_dot_inside_of_a_label_does_not_make_two_labels() {
    let message = [&plain()[..12], b"\x06a.test\0\0\x01\0\x01"].concat();
    assert!(Question::read(&message).unwrap().ambiguous);
    assert!(!Question::read(&plain()).unwrap().ambiguous);
}

#[test]
fn whatever_the_bytes_are_a_reply_belongs_to_them() {
    let seed = query(1, 12, 2, &OPT_RECORD.repeat(2));
    for at in 0..seed.len() {
        for value in 0..=u8::MAX {
            let mut message = seed.clone();
            message[at] = value;
            for length in [at, at + 1, message.len()] {
                let message = &message[..length];
                let reply = match Question::read(message) {
                    Ok(question) => Some(reply(&question, &Answer::NoSuchName)),
                    Err(fault) => complaint(fault),
                };
                let asked = message.len() >= 12 && message[2] & 0x80 == 0;
                assert_eq!(reply.is_some(), asked, "{message:?}");
                if let Some(reply) = reply {
                    assert_eq!(reply[..2], message[..2]);
                    assert_eq!(reply[2], 0x80 | message[2] & 0x79);
                }
            }
        }
    }
}
