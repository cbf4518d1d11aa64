//! A proxy as large networks have one: takes CONNECT, wants credentials if told to, and leads every
//! tunnel to one server, whatever host it was asked for.
//!
//! Not for: forwarding requests in absolute form; it answers those 405.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::server::{Channel, Server, Traffic};

/// A running proxy.
#[derive(Debug)]
pub struct Hop {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hop {
    /// Leads all tunnels to `to`; with `credentials` (`USER:PASSWORD`) only for who shows them.
    #[must_use]
    pub fn start(to: SocketAddr, credentials: Option<&str>) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let wanted = credentials.map(|text| format!("Basic {}", STANDARD.encode(text)));
        let heads = Arc::clone(&asked);
        let server = Server::start(None, move |mut channel| {
            let head = read_head(&mut channel)?;
            heads.lock().unwrap().push(head.clone());
            let shown = field(&head, "proxy-authorization");
            let refusal = if !head.starts_with("CONNECT ") {
                Some("405 Method Not Allowed")
            } else if wanted.is_some() && shown != wanted.as_deref() {
                Some("407 Proxy Authentication Required")
            } else {
                None
            };
            match refusal {
                Some(status) => {
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    channel.write_all(answer.as_bytes())
                }
                None => tunnel(channel, to),
            }
        });
        Self { server, asked }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Bytes on its sockets with clients.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        self.server.traffic()
    }

    /// The heads of all requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn tunnel(mut channel: Channel, to: SocketAddr) -> io::Result<()> {
    let mut upstream = TcpStream::connect(to)?;
    // With fields, and in one write with what the server says first, as real ones do.
    channel.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 hop\r\n\r\n")?;
    let (mut back, mut down) = (upstream.try_clone()?, channel.socket().try_clone()?);
    let return_all = move || {
        let copied = io::copy(&mut back, &mut down);
        drop(down.shutdown(Shutdown::Write));
        copied
    };
    let named = thread::Builder::new().name("testkit-return".to_owned());
    let returning = named.spawn(return_all)?;
    io::copy(&mut channel, &mut upstream)?;
    upstream.shutdown(Shutdown::Write)?;
    drop(returning.join());
    Ok(())
}

fn read_head(channel: &mut Channel) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        channel.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(given, _)| given.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim())
}
