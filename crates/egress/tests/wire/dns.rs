//! Policy DNS on the wire: what allowed names have, and what others cost.

use std::io::{Read, Write};
use std::net::UdpSocket;

use model::Via;
use serde_json::json;

use crate::stand::{PATIENCE, Stand, dial, read_exact};

const A: u16 = 1;
const TXT: u16 = 16;
const AAAA: u16 = 28;

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message
}

fn socket(stand: &Stand) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(stand.dns_udp).unwrap();
    socket
}

/// The code of the answer and the data of its record.
fn ask(socket: &UdpSocket, message: &[u8]) -> (u8, Vec<u8>) {
    socket.send(message).unwrap();
    let mut reply = vec![0; 1024];
    let length = socket.recv(&mut reply).unwrap();
    reply.truncate(length);
    understood(&reply, message)
}

fn understood(reply: &[u8], message: &[u8]) -> (u8, Vec<u8>) {
    let (&[i0, i1, _, code, _, _, _, answers, ..], _) = reply.split_first_chunk::<12>().unwrap();
    assert_eq!(Some(&[i0, i1]), message.first_chunk());
    // A pointer, type, class, time to live and length stand before the data.
    let data = reply.get(message.len() + 12..).filter(|_| answers == 1);
    (code & 15, data.unwrap_or_default().to_vec())
}

/// One exchange on a connection.
fn ask_stream(stream: &mut std::net::TcpStream, message: &[u8]) -> (u8, Vec<u8>) {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], message].concat()).unwrap();
    let length = read_exact(stream, 2);
    let length = u16::from_be_bytes(length.try_into().unwrap());
    let reply = read_exact(stream, usize::from(length));
    understood(&reply, message)
}

#[test]
fn an_allowed_name_has_one_address_over_both_transports_and_is_no_event() {
    // Nothing of this name exists, and a look-up of it would fail.
    let stand = Stand::new(&[json!({ "host": "a.invalid" })]);
    let socket = socket(&stand);
    let (code, address) = ask(&socket, &question("A.Invalid", A));
    assert_eq!((code, address.len(), address[0]), (0, 4, 198));
    let mut stream = dial(stand.dns_tcp);
    for _ in 0..2 {
        let again = ask_stream(&mut stream, &question("a.invalid", A));
        assert_eq!(again, (0, address.clone()));
    }
    for kind in [AAAA, TXT] {
        let nothing = ask(&socket, &question("a.invalid", kind));
        assert_eq!(nothing, (0, Vec::new()));
    }
    assert!(stand.events().is_empty());
    assert_eq!(stand.session.lookups_allowed(), 5);
    assert_eq!(ask(&socket, &question("b.invalid", TXT)).0, 3);
    let event = stand.events().remove(0);
    assert_eq!((event.via, event.host.as_str()), (Via::Dns, "b.invalid"));
    assert_eq!(event.reason, "dns_refused");
    assert_eq!(stand.session.usage().bytes_up, 0);
}

#[test]
fn an_address_leads_back_to_its_name() {
    let stand = Stand::new(&[json!({ "host": "a.invalid" })]);
    let socket = socket(&stand);
    let (_, address) = ask(&socket, &question("a.invalid", A));
    let [a, b, c, d] = address.try_into().unwrap();
    let reverse = question(&format!("{d}.{c}.{b}.{a}.in-addr.arpa"), 12);
    assert_eq!(ask(&socket, &reverse), (0, b"\x01a\x07invalid\0".to_vec()));
    let other = question(&format!("{d}.{c}.{b}.8.in-addr.arpa"), 12);
    assert_eq!(ask(&socket, &other).0, 3);
}

#[test]
fn malformed_and_oversized_messages_are_told_so_and_the_next_one_is_answered() {
    let stand = Stand::new(&[json!({ "host": "a.invalid" })]);
    let socket = socket(&stand);
    let good = question("a.invalid", A);
    let mut two = good.clone();
    two[5] = 2;
    let mut pointer = good.clone();
    pointer[12] = 0xc0;
    let huge = [&good[..], &[0; 5000]].concat();
    for bad in [two, pointer, huge.clone()] {
        assert_eq!(ask(&socket, &bad).0, 1);
        assert_eq!(ask(&socket, &good).0, 0);
    }
    let mut stream = dial(stand.dns_tcp);
    assert_eq!(ask_stream(&mut stream, &good).0, 0);
    assert_eq!(ask_stream(&mut stream, &huge[..5000]).0, 1);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn names_below_a_wildcard_are_bounded_before_any_connection() {
    let stand = Stand::new(&[json!({ "host": "*.cdn.invalid" })]);
    let socket = socket(&stand);
    let data = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydc.cdn.invalid";
    assert_eq!(ask(&socket, &question(data, A)).0, 3);
    for number in 0..sheriff_egress::limits::NEW_NAMES {
        let name = format!("n{number}.cdn.invalid");
        assert_eq!(ask(&socket, &question(&name, A)).0, 0, "{name}");
    }
    assert_eq!(ask(&socket, &question("more.cdn.invalid", A)).0, 3);
    assert_eq!(ask(&socket, &question("n1.cdn.invalid", A)).0, 0);
    let reasons: Vec<_> = stand.events().into_iter().map(|e| e.reason).collect();
    assert_eq!(reasons, ["opaque_name", "too_many_names"]);
}
