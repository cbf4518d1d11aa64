//! Writes the reply to one DNS question: its own bytes back, and at most one record.
//!
//! The longest reply has 512 bytes at most, which every resolver takes over UDP (RFC 1035 2.3.4), so
//! none is ever cut.
//!
//! Not for: what to answer (`dns`).

use std::net::Ipv4Addr;

use policy::DomainName;

use super::question::{Fault, Head, Question};

/// Seconds for which an answer may be kept. Short, since a newer policy may allow or deny the name; not
/// zero, since some programs ask anew for every connection then.
const TTL: [u8; 4] = 60_u32.to_be_bytes();

/// Response codes (RFC 1035 4.1.1; the last one RFC 6891 9, of which the header has the low half).
const NO_ERROR: u16 = 0;
const FORMAT_ERROR: u16 = 1;
const NO_SUCH_NAME: u16 = 3;
const NOT_IMPLEMENTED: u16 = 4;
const BAD_VERSION: u16 = 16;

/// Record types (RFC 1035 3.2.2).
pub(super) const A: u16 = 1;
pub(super) const PTR: u16 = 12;
/// The internet's class.
pub(super) const IN: u16 = 1;

/// Length of UDP message that we could take, for EDNS (<https://www.dnsflagday.net/2020/>).
const PAYLOAD: [u8; 2] = 1232_u16.to_be_bytes();

/// What a question is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The name has this address.
    Address(Ipv4Addr),
    /// The address has this name.
    Name(DomainName),
    /// The name exists, and has nothing of this type.
    Nothing,
    /// There is no such name.
    NoSuchName,
}

/// The reply to a question.
pub(super) fn reply(question: &Question<'_>, answer: &Answer) -> Vec<u8> {
    let code = match answer {
        Answer::NoSuchName => NO_SUCH_NAME,
        _ => NO_ERROR,
    };
    let (kind, data) = match answer {
        Answer::Address(address) => (A, address.octets().to_vec()),
        Answer::Name(name) => (PTR, on_the_wire(name)),
        Answer::Nothing | Answer::NoSuchName => (0, Vec::new()),
    };
    let mut reply = header(question.head, code, [1, u8::from(!data.is_empty())]);
    reply.extend_from_slice(question.section);
    if let Ok(length) = u16::try_from(data.len())
        && length > 0
    {
        // A pointer to the name of the question, right behind the header.
        reply.extend_from_slice(&[0xc0, 12]);
        reply.extend_from_slice(&kind.to_be_bytes());
        reply.extend_from_slice(&IN.to_be_bytes());
        reply.extend_from_slice(&TTL);
        reply.extend_from_slice(&length.to_be_bytes());
        reply.extend_from_slice(&data);
    }
    finish(reply, question.head, code)
}

/// The reply to what is no question; `None` when it deserves none.
pub(super) fn complaint(fault: Fault) -> Option<Vec<u8>> {
    let (head, code) = match fault {
        Fault::Silence => return None,
        Fault::Form(head) => (head, FORMAT_ERROR),
        Fault::Operation(head) => (head, NOT_IMPLEMENTED),
        Fault::Version(head) => (head, BAD_VERSION),
    };
    Some(finish(header(head, code, [0, 0]), head, code))
}

fn header(head: Head, code: u16, [questions, answers]: [u8; 2]) -> Vec<u8> {
    let [_, low] = code.to_be_bytes();
    let [id_high, id_low] = head.id;
    // "Response", the opcode and "recursion desired" as asked; "recursion available", the code.
    let (flags, code) = (0x80 | head.flags, 0x80 | low & 0x0f);
    let additional = u8::from(head.edns);
    vec![
        id_high, id_low, flags, code, 0, questions, 0, answers, 0, 0, 0, additional,
    ]
}

/// Adds the record of EDNS, if the asker sent one: the root's name, our payload, the high half of the
/// code, version 0, no flags, no options.
fn finish(mut reply: Vec<u8>, head: Head, code: u16) -> Vec<u8> {
    if head.edns {
        let [high, low] = PAYLOAD;
        let [_, code] = (code >> 4).to_be_bytes();
        reply.extend_from_slice(&[0, 0, 41, high, low, code, 0, 0, 0, 0, 0]);
    }
    reply
}

/// A canonical name has labels of 1 to 63 bytes and 253 in all, so it fits.
fn on_the_wire(name: &DomainName) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.as_str().len() + 2);
    for label in name.as_str().split('.') {
        let [.., length] = label.len().to_be_bytes();
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
