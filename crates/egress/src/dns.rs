//! Policy DNS: a name that rules allow has a synthetic address, and nothing else exists.
//!
//! Nothing that is asked here leaves the host: the address says no more than the name, and the name is
//! resolved by the proxy (`dial`) when a connection to it has been judged. An allowed look-up is counted
//! and is no event, since it does nothing; the connection that follows has one of its own.
//!
//! | question | answer |
//! | --- | --- |
//! | `A` of an allowed name | its address, for a minute |
//! | any other type of an allowed name | no data: no `AAAA` (the cell has no IPv6), no `HTTPS`, no `TXT` |
//! | `PTR` of an address that was given out | the name |
//! | `localhost` and below | the jail's own loopback (RFC 6761 6.3) |
//! | everything else | no such name, and a denial on record |
//!
//! Not for: rules (`policy`), nor for which address a name has (`addresses`).

mod question;
mod reply;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod trial;
mod zone;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use model::{TlsMode, Via};
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
use question::{Fault, Question, head_of_oversized};
use reply::{Answer, complaint, reply};
use zone::Zone;

/// Shortest message of which a head can be read.
const HEADER: usize = 12;

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
        let question = if datagram.truncated {
            Err(head_of_oversized(message))
        } else {
            Question::read(message)
        };
        if let Some(reply) = answer(&proxy, &session, question).await {
            reply_to(&socket, &datagram, &reply);
        }
    }
}

/// Answers the questions of one TCP connection (RFC 7766: each with two bytes of length before it).
pub(crate) async fn serve_stream(proxy: &Proxy, session: &Session, client: Client) {
    let mut buffer = BytesMut::new();
    loop {
        while let Some(message) = next_message(&mut buffer) {
            let (question, last) = match &message {
                Framed::Message(message) => (Question::read(message), false),
                Framed::Oversized(start) => (Err(head_of_oversized(start)), true),
            };
            let Some(reply) = answer(proxy, session, question).await else {
                return;
            };
            let length = u16::try_from(reply.len()).unwrap_or(u16::MAX).to_be_bytes();
            let written = client.write(&[&length[..], &reply].concat()).await;
            if written.is_err() {
                return;
            }
            if last {
                return client.finish().await;
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

/// What a stream brings.
enum Framed {
    Message(BytesMut),
    /// The beginning of one that is too long to be a question.
    Oversized(BytesMut),
}

/// The next message of a stream, once it is there.
fn next_message(buffer: &mut BytesMut) -> Option<Framed> {
    let length = usize::from(u16::from_be_bytes(*buffer.first_chunk::<2>()?));
    let oversized = length > DNS_MESSAGE_MAX;
    let needed = if oversized { HEADER } else { length };
    if buffer.len() < needed + 2 {
        return None;
    }
    buffer.advance(2);
    let message = buffer.split_to(needed);
    Some(if oversized {
        Framed::Oversized(message)
    } else {
        Framed::Message(message)
    })
}

/// The answer to a message, once a denial is recorded. `None`: it deserves none, or there are too many.
async fn answer(
    proxy: &Proxy,
    session: &Session,
    question: Result<Question<'_>, Fault>,
) -> Option<Vec<u8>> {
    if session.questions.admit() == Admission::Suppress {
        return None;
    }
    let (reply, refused) = match &question {
        Ok(question) => match look_up(session, question) {
            Ok(answer) => return Some(reply(question, &answer)),
            Err(cause) => {
                let denial = reply(question, &Answer::NoSuchName);
                (denial, (cause, question.name.as_slice()))
            }
        },
        Err(fault) => (complaint(*fault)?, (Cause::DnsRefused, &b""[..])),
    };
    let (cause, host) = refused;
    let unjudged = Unjudged {
        via: Via::Dns,
        tls: TlsMode::None,
        method: b"DNS",
        host,
        port: 53,
    };
    drop(turn_away(session, &proxy.recorder, unjudged, cause).await);
    Some(reply)
}

fn look_up(session: &Session, question: &Question<'_>) -> Result<Answer, Cause> {
    let policy = session.policy();
    let zone = Zone {
        policy: &policy,
        names: &session.names,
        addresses: &session.addresses,
    };
    let answer = zone.find(question)?;
    session.count_lookup();
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_stream_are_taken_whole_and_a_long_one_by_its_head() {
        let mut buffer = BytesMut::from(&b"\0\x03abc\0\x02d"[..]);
        let Some(Framed::Message(first)) = next_message(&mut buffer) else {
            panic!("a message");
        };
        assert_eq!(first[..], *b"abc");
        assert!(next_message(&mut buffer).is_none());
        let mut buffer = BytesMut::from(&b"\xff\xff0123456789a"[..]);
        assert!(next_message(&mut buffer).is_none());
        buffer.extend_from_slice(b"b");
        let Some(Framed::Oversized(start)) = next_message(&mut buffer) else {
            panic!("a head");
        };
        assert_eq!(start[..], *b"0123456789ab");
    }
}
