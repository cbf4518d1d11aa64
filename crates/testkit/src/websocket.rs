//! A WebSocket server that says everything back (RFC 6455), messages and pings alike.
//!
//! Not for: extensions, or clients that break the protocol.

use std::io::{self, BufReader, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::authority::Identity;
use crate::http::{Body, Http, Request, Response};
use crate::server::Channel;

/// RFC 6455 section 1.3.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Largest frame taken.
const FRAME_MAX: u64 = 16 << 20;

/// Echoes on every path; answers 400 to requests that ask for no upgrade.
#[must_use]
pub fn echo(identity: Option<&Identity>) -> Http {
    Http::start(identity, upgrade)
}

/// The answer to an upgrade request: 101 and the echo.
#[must_use]
pub fn upgrade(request: &Request) -> Response {
    let Some(key) = request.header("sec-websocket-key") else {
        return Response::new(400, Body::Bytes(b"no key\n".to_vec()));
    };
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{KEY_SUFFIX}")));
    Response::new(101, Body::Takeover(Box::new(talk)))
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Accept", &accept)
}

fn talk(connection: &mut BufReader<Channel>) -> io::Result<()> {
    loop {
        let mut frame = Frame::read(connection)?;
        let closes = frame.opcode() == 8;
        if frame.opcode() == 9 {
            // A ping's answer is a pong with the same content.
            frame.start = (frame.start & 0xf0) | 10;
        }
        connection.get_mut().write_all(&frame.bytes())?;
        if closes {
            return Ok(());
        }
    }
}

/// A frame without its mask; continuation frames are echoed as they come.
struct Frame {
    start: u8,
    payload: Vec<u8>,
}

impl Frame {
    const fn opcode(&self) -> u8 {
        self.start & 15
    }

    fn read(input: &mut impl Read) -> io::Result<Self> {
        let [start, size] = array(input)?;
        let length = match size & 127 {
            126 => u64::from(u16::from_be_bytes(array(input)?)),
            127 => u64::from_be_bytes(array(input)?),
            short => u64::from(short),
        };
        if size & 128 == 0 || length > FRAME_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mask: [u8; 4] = array(input)?;
        let mut payload = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        input.read_exact(&mut payload)?;
        for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        Ok(Self { start, payload })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.start];
        match self.payload.len() {
            length @ 0..126 => bytes.extend(u8::try_from(length)),
            length @ 126..65_536 => {
                bytes.push(126);
                bytes.extend(u16::try_from(length).iter().flat_map(|it| it.to_be_bytes()));
            }
            length => {
                bytes.push(127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

fn array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}
