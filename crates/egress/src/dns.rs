//! Answers DNS questions of a jail with "no such name": names are resolved by the proxy, and nothing
//! that is asked here leaves the host (RFC 1035).
//!
//! Not for: resolving (`dial`).

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use model::Via;
use sys::socket::{Datagram, receive_datagram, send_datagram};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::authorize::{Unjudged, turn_away};
use crate::client::Client;
use crate::limits::{ACCEPT_PAUSE, DNS_IDLE, DNS_MESSAGE_MAX};
use crate::noise::Admission;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::session::Session;

const HEADER: usize = 12;
const NAME_MAX: usize = 255;
/// RCODEs (RFC 1035 4.1.1).
const FORMAT_ERROR: u8 = 1;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

/// Answers datagrams until the session stops.
pub(crate) async fn serve_datagrams(proxy: Arc<Proxy>, session: Arc<Session>, socket: UdpSocket) {
    let stop = session.stop();
    let mut buffer = vec![0_u8; DNS_MESSAGE_MAX];
    loop {
        let received = tokio::select! {
            () = stop.requested() => return,
            received = receive(&socket, &mut buffer) => received,
        };
        let Ok(datagram) = received else {
            // Errors of earlier answers come back here (ICMP); none of them lasts.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let message = buffer.get(..datagram.length).unwrap_or_default();
        let reply = if datagram.truncated {
            None
        } else {
            answer(&proxy, &session, message).await
        };
        if let Some(reply) = reply {
            reply_to(&socket, &datagram, &reply);
        }
    }
}

/// Answers the questions of one TCP connection (RFC 7766: each with two bytes of length before it).
pub(crate) async fn serve_stream(proxy: &Proxy, session: &Session, client: Client) {
    let mut buffer = BytesMut::new();
    loop {
        while let Some(message) = next_message(&mut buffer) {
            let Some(message) = message else { return };
            let Some(reply) = answer(proxy, session, &message).await else {
                return;
            };
            let length = u16::try_from(reply.len()).unwrap_or(u16::MAX).to_be_bytes();
            if client.write(&[&length[..], &reply].concat()).await.is_err() {
                return;
            }
        }
        match timeout(DNS_IDLE, client.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => {}
            _ => return,
        }
    }
}

async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Datagram> {
    let read = || receive_datagram(socket.as_fd(), buffer).map_err(|error| error.errno.into());
    socket.async_io(Interest::READABLE, read).await
}

/// Sends from the address that was asked; a stub resolver drops answers from another.
fn reply_to(socket: &UdpSocket, question: &Datagram, reply: &[u8]) {
    let sent = send_datagram(socket.as_fd(), reply, question.source, question.destination);
    if let Err(error) = sent {
        // A full queue loses an answer, as DNS over UDP may.
        tracing::debug!(%error, "a DNS answer was not sent");
    }
}

/// The next message of a stream; `Some(None)` for one that is too long to be a question.
fn next_message(buffer: &mut BytesMut) -> Option<Option<BytesMut>> {
    let length = usize::from(u16::from_be_bytes(*buffer.first_chunk::<2>()?));
    if length > DNS_MESSAGE_MAX {
        return Some(None);
    }
    if buffer.len() < length + 2 {
        return None;
    }
    buffer.advance(2);
    Some(Some(buffer.split_to(length)))
}

/// The answer to a message, once it is recorded. `None`: it deserves none, or there are too many.
async fn answer(proxy: &Proxy, session: &Session, message: &[u8]) -> Option<Vec<u8>> {
    if session.questions.admit() == Admission::Suppress {
        return None;
    }
    let (reply, name) = reply(message)?;
    let unjudged = Unjudged {
        via: Via::Dns,
        method: b"DNS",
        host: &name,
        port: 53,
    };
    drop(turn_away(session, &proxy.recorder, unjudged, Cause::DnsRefused).await);
    Some(reply)
}

/// A reply no longer than the message, and the name that was asked for.
fn reply(message: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (&[id_high, id_low, flags, _, count_high, count_low, ..], rest) =
        message.split_first_chunk::<HEADER>()?;
    if flags & 0x80 != 0 {
        // A response. Answering those makes two servers talk for ever.
        return None;
    }
    let head = |rcode: u8, questions: u8| {
        // QR, the opcode and "recursion desired" as asked, "recursion available".
        let flags = 0x80 | flags & 0x79;
        vec![
            id_high,
            id_low,
            flags,
            0x80 | rcode,
            0,
            questions,
            0,
            0,
            0,
            0,
            0,
            0,
        ]
    };
    if flags & 0x78 != 0 {
        return Some((head(NOT_IMPLEMENTED, 0), Vec::new()));
    }
    let one = [count_high, count_low] == [0, 1];
    let Some((name, length)) = question(rest).filter(|_| one) else {
        return Some((head(FORMAT_ERROR, 0), Vec::new()));
    };
    let mut reply = head(NO_SUCH_NAME, 1);
    reply.extend_from_slice(rest.get(..length)?);
    Some((reply, name))
}

/// The name of the first question with dots between its labels, and the question's length.
fn question(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut name = Vec::new();
    let mut at = 0_usize;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // 64 and above are pointers or unassigned (RFC 1035 4.1.4); a first name has no use for them.
        if length > 63 || at + length > NAME_MAX {
            return None;
        }
        if !name.is_empty() {
            name.push(b'.');
        }
        name.extend_from_slice(bytes.get(at..at + length)?);
        at += length;
    }
    let end = at + 4; // type and class
    (bytes.len() >= end).then_some((name, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question for the name `a.test` of this type, with `more` behind it.
    fn query(flags: u8, more: &[u8]) -> Vec<u8> {
        let head = [0xab, 0xcd, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        [&head[..], b"\x01a\x04test\0\0\x01\0\x01", more].concat()
    }

    fn rcode(message: &[u8]) -> Option<u8> {
        reply(message).map(|(reply, _)| reply[3] & 0x0f)
    }

    #[test]
    fn denies_every_name_and_echoes_id_and_question_only() {
        let (reply, name) = reply(&query(1, b"\0\0\x29\x10\0\0\0\0\0\0\0")).unwrap();
        assert_eq!(name, b"a.test");
        assert_eq!(reply[..4], [0xab, 0xcd, 0x81, 0x80 | NO_SUCH_NAME]);
        assert_eq!(reply[12..], *b"\x01a\x04test\0\0\x01\0\x01");
        assert_eq!(reply[6..12], [0; 6]);
    }

    #[test]
    fn never_answers_answers_and_calls_the_rest_by_its_name() {
        assert_eq!(rcode(&query(0x80, b"")), None);
        assert_eq!(rcode(b"short"), None);
        assert_eq!(rcode(&query(0x28, b"")), Some(NOT_IMPLEMENTED));
        let mut pointer = query(0, b"");
        pointer[12] = 0xc0;
        assert_eq!(rcode(&pointer), Some(FORMAT_ERROR));
        let mut two = query(0, b"");
        two[5] = 2;
        assert_eq!(rcode(&two), Some(FORMAT_ERROR));
        assert_eq!(rcode(&query(0, b"")[..20]), Some(FORMAT_ERROR));
        let long = [&query(0, b"")[..12], &b"\x01a".repeat(200), &[0; 5]].concat();
        assert_eq!(rcode(&long), Some(FORMAT_ERROR));
    }

    #[test]
    fn a_reply_is_never_longer_than_its_question() {
        for message in [
            query(0, b""),
            query(0x28, b""),
            query(0, b"")[..20].to_vec(),
        ] {
            let (reply, _) = reply(&message).unwrap();
            assert!(reply.len() <= message.len());
        }
    }
}
