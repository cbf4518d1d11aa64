//! Requests to the kernel about one network namespace, and its answers to them.
//!
//! Not for: which requests make a hub or a cell.

use std::fmt::Display;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::Stats64;
use netlink_packet_route::stats::StatsAttribute;
use sys::Errno;
use sys::netlink::NetlinkSocket;

use crate::error::{NetworkError, Step};
use crate::request::Request;

/// Room for one answer. Acknowledgements of failures repeat the request (below 512 bytes), counters
/// take 200.
const ANSWER_BYTES: usize = 4096;

/// How long a new wire may take to carry; it is some hundred microseconds, on a loaded host more. Without
/// a bound a privileged process could hang.
const WIRE_PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two looks at a wire.
const WIRE_NAP: Duration = Duration::from_micros(50);

/// Length that messages are padded to within one datagram (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;

/// A netlink socket with its namespace.
#[derive(Debug)]
pub(crate) struct Conversation {
    socket: NetlinkSocket,
}

type Answer = NetlinkMessage<RouteNetlinkMessage>;

impl Conversation {
    /// Opens one about the calling thread's network namespace, and about that one for good.
    pub(crate) fn open() -> Result<Self, NetworkError> {
        let socket = NetlinkSocket::open().step("open a netlink socket")?;
        Ok(Self { socket })
    }

    /// Has the kernel carry out all requests, in order, in one system call. The first refusal is
    /// the error; `object` is what the requests are about.
    pub(crate) fn apply(
        &self,
        object: &dyn Display,
        requests: &[Request],
    ) -> Result<(), NetworkError> {
        let Some(first) = requests.first() else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        let mut pending = Vec::with_capacity(requests.len());
        for request in requests {
            let sequence = self.socket.next_sequence();
            append(&mut bytes, request, NLM_F_ACK, sequence);
            pending.push((sequence, request.step));
        }
        self.socket.send(&bytes).step(first.step)?;
        self.acknowledged(object, &mut pending)
    }

    /// An interface's counters.
    pub(crate) fn statistics(
        &self,
        object: &dyn Display,
        request: &Request,
    ) -> Result<Stats64, NetworkError> {
        let mut bytes = Vec::new();
        let sequence = self.socket.next_sequence();
        append(&mut bytes, request, 0, sequence);
        self.socket.send(&bytes).step(request.step)?;
        for answer in self.receive(request.step)? {
            if answer.header.sequence_number != sequence {
                return Err(confused(request.step, object));
            }
            check(&answer, request.step, object)?;
            if let Some(counters) = counters_of(answer) {
                return Ok(counters);
            }
        }
        Err(confused(request.step, object))
    }

    /// Waits until an interface's wire carries. The kernel starts the queue of an interface that was up
    /// before its peer some time after the peer comes up, by itself, and until then drops what is sent.
    pub(crate) fn wait_for_wire(&self, interface: &dyn Display) -> Result<(), NetworkError> {
        let (step, name) = ("wait for a cell's wire", interface.to_string());
        let begun = Instant::now();
        while !self.socket.has_carrier(&name).step(step)? {
            if begun.elapsed() > WIRE_PATIENCE {
                return Err(NetworkError::new(step, name, Errno::ETIMEDOUT));
            }
            std::thread::sleep(WIRE_NAP);
        }
        Ok(())
    }

    /// Takes answers until each pending request has its own. All are taken, also after a refusal, so
    /// that none is left for the next conversation.
    fn acknowledged(
        &self,
        object: &dyn Display,
        pending: &mut Vec<(u32, &'static str)>,
    ) -> Result<(), NetworkError> {
        let mut outcome = Ok(());
        while let Some(&(_, step)) = pending.first() {
            for answer in self.receive(step)? {
                let sequence = answer.header.sequence_number;
                let Some(at) = pending.iter().position(|(known, _)| *known == sequence) else {
                    return Err(confused(step, object));
                };
                let (_, step) = pending.remove(at);
                outcome = outcome.and_then(|()| check(&answer, step, object));
            }
        }
        outcome
    }

    /// The messages of the next datagram; at least one.
    fn receive(&self, step: &'static str) -> Result<Vec<Answer>, NetworkError> {
        let mut buffer = [0; ANSWER_BYTES];
        let length = self.socket.receive(&mut buffer).step(step)?;
        let answers = parse(buffer.get(..length).unwrap_or_default());
        match answers {
            Some(answers) if !answers.is_empty() => Ok(answers),
            _ => Err(confused(step, &"netlink")),
        }
    }
}

/// Writes a request behind those that are already there.
fn append(bytes: &mut Vec<u8>, request: &Request, flags: u16, sequence: u32) {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags | request.flags;
    header.sequence_number = sequence;
    let payload = NetlinkPayload::InnerMessage(request.message.clone());
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();

    let mut own = vec![0; message.buffer_len().next_multiple_of(ALIGNMENT)];
    message.serialize(&mut own);
    bytes.append(&mut own);
}

fn parse(mut bytes: &[u8]) -> Option<Vec<Answer>> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let answer = Answer::deserialize(bytes).ok()?;
        let length = usize::try_from(answer.header.length).ok()?;
        answers.push(answer);
        let next = length.next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        bytes = bytes.get(next..).unwrap_or_default();
    }
    Some(answers)
}

/// The kernel's refusal, if the answer is one.
fn check(answer: &Answer, step: &'static str, object: &dyn Display) -> Result<(), NetworkError> {
    let NetlinkPayload::Error(error) = &answer.payload else {
        return Ok(());
    };
    let Some(code) = error.code else {
        return Ok(());
    };
    let errno = Errno::from_raw(code.get().saturating_neg());
    Err(NetworkError::new(step, object.to_string(), errno))
}

fn counters_of(answer: Answer) -> Option<Stats64> {
    let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewStats(message)) = answer.payload
    else {
        return None;
    };
    message.attributes.into_iter().find_map(|part| match part {
        StatsAttribute::Link64(counters) => Some(counters),
        _ => None,
    })
}

/// An answer that does not belong to the question.
fn confused(step: &'static str, object: &dyn Display) -> NetworkError {
    NetworkError::new(step, object.to_string(), Errno::EBADMSG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;

    #[test]
    fn requests_in_one_datagram_are_aligned_and_parse_back_in_order() {
        let mut bytes = Vec::new();
        append(&mut bytes, &request::rule(10, 100, true), NLM_F_ACK, 7);
        append(&mut bytes, &request::up(1), NLM_F_ACK, 8);
        let found: Vec<_> = parse(&bytes)
            .unwrap()
            .iter()
            .map(|message| message.header.sequence_number)
            .collect();
        assert_eq!(found, [7, 8]);
        assert_eq!(bytes.len() % ALIGNMENT, 0);
    }

    #[test]
    fn a_cut_answer_is_refused() {
        let mut bytes = Vec::new();
        append(&mut bytes, &request::up(1), NLM_F_ACK, 1);
        assert!(parse(&bytes).is_some());
        assert!(parse(&bytes[..bytes.len() - 1]).is_none());
    }
}
