//! A name server over UDP whose answers are a closure's, with a time to live of 0: for names that lead
//! somewhere else each time they are asked for.
//!
//! Not for: TCP, recursion, or anything but addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Record types (RFC 1035 3.2.2, RFC 3596 2.1).
const A: u16 = 1;
const AAAA: u16 = 28;
const HEADER: usize = 12;
/// How soon a dropped server notices.
const GLANCE: Duration = Duration::from_millis(50);

/// A running name server. It ends when this value is dropped.
#[derive(Debug)]
pub struct Resolver {
    asked: Asked,
    stop: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

/// How often each name was asked for by record type.
type Asked = Arc<Mutex<BTreeMap<(String, u16), u64>>>;

impl Resolver {
    /// Answers on a socket that is bound already. `addresses` gets a name in lower case and how often
    /// this type of its addresses was asked for before; an empty answer means that there are none.
    pub fn on<F>(socket: UdpSocket, addresses: F) -> Self
    where
        F: Fn(&str, u64) -> Vec<IpAddr> + Send + 'static,
    {
        socket.set_read_timeout(Some(GLANCE)).unwrap();
        let (asked, stop) = (Asked::default(), Arc::new(AtomicBool::new(false)));
        let (counts, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let serve = move || {
            let mut buffer = [0; 512];
            while !stopped.load(Ordering::SeqCst) {
                if let Ok((length, client)) = socket.recv_from(&mut buffer) {
                    let question = buffer.get(..length).unwrap_or_default();
                    reply(&socket, client, question, |name, kind| {
                        let mut counts = counts.lock().unwrap();
                        let count = counts.entry((name.to_owned(), kind)).or_default();
                        *count += 1;
                        addresses(name, *count - 1)
                    });
                }
            }
        };
        let serving = thread::Builder::new().name("testkit-resolver".to_owned());
        Self {
            asked,
            stop,
            serving: Some(serving.spawn(serve).unwrap()),
        }
    }

    /// How often the IPv4 addresses of a name were asked for.
    #[must_use]
    pub fn asked(&self, name: &str) -> u64 {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&(name.to_owned(), A)).copied().unwrap_or(0)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

fn reply(
    socket: &UdpSocket,
    client: SocketAddr,
    question: &[u8],
    find: impl FnOnce(&str, u16) -> Vec<IpAddr>,
) {
    let Some((name, kind, end)) = read(question) else {
        return;
    };
    let suits = |ip: &IpAddr| matches!((ip, kind), (IpAddr::V4(_), A) | (IpAddr::V6(_), AAAA));
    let found: Vec<IpAddr> = find(&name, kind).into_iter().filter(suits).collect();
    let mut reply = question.get(..end).unwrap_or_default().to_vec();
    let count = u8::try_from(found.len()).unwrap();
    // A response to a recursive question, without error; one question, these answers and nothing else.
    let flags_and_counts = [0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0];
    reply.splice(2..HEADER, flags_and_counts);
    for ip in found {
        let data = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let length = u8::try_from(data.len()).unwrap();
        let kind = u8::try_from(kind).unwrap();
        // The name of the question, the type, class IN, no time to live.
        reply.extend_from_slice(&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, length]);
        reply.extend_from_slice(&data);
    }
    // A client that is gone asks again, or not at all.
    drop(socket.send_to(&reply, client));
}

/// The first question's name and type, and where it ends.
fn read(question: &[u8]) -> Option<(String, u16, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = question.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
    let kind = question.get(at..at + 2)?.try_into().ok()?;
    Some((labels.join("."), u16::from_be_bytes(kind), at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_otherwise_when_it_is_asked_again_and_counts_that() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let resolver = Resolver::on(socket, |_, before| {
            vec![IpAddr::from([10, 0, 0, u8::try_from(before).unwrap()])]
        });
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let question = b"\x07\x07\x01\0\0\x01\0\0\0\0\0\0\x01A\x04test\0\0\x01\0\x01";
        for last in 0..2 {
            client.send_to(question, address).unwrap();
            let mut reply = [0; 512];
            let length = client.recv(&mut reply).unwrap();
            assert_eq!(reply[..2], [7, 7]);
            assert_eq!(reply[length - 4..length], [10, 0, 0, last]);
        }
        assert_eq!(resolver.asked("a.test"), 2);
    }
}
