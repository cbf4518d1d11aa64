//! A TCP server that follows a script, for everything that an honest server never does.
//!
//! Not for: protocols; the script's bytes are all there is.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::authority::Identity;
use crate::server::{Channel, Server, Traffic};

/// One thing to do on each connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// Read until these bytes have come.
    Await(Vec<u8>),
    /// Send these bytes.
    Send(Vec<u8>),
    /// Say nothing for this long.
    Pause(Duration),
    /// Say FIN (after `close_notify` under TLS), and go on reading.
    HalfClose,
    /// End with a reset, so that what was sent may be lost.
    Reset,
    /// Send this block again and again until the peer ends it.
    Flood(Vec<u8>),
    /// Read and drop everything until the peer ends it.
    Drain,
    /// Keep the connection open without reading, until the server is dropped or the time is over.
    Stall(Duration),
}

/// A running script server.
#[derive(Debug)]
pub struct Raw {
    server: Server,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Raw {
    /// Follows the script on every connection, in clear.
    #[must_use]
    pub fn start(script: Vec<Step>) -> Self {
        Self::under(None, script)
    }

    /// Follows the script inside TLS when there is an identity.
    #[must_use]
    pub fn under(identity: Option<&Identity>, script: Vec<Step>) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let tls = identity.map(|identity| Arc::clone(&identity.config));
        let server = Server::start(tls, move |mut channel| {
            script
                .iter()
                .try_for_each(|step| follow(step, &mut channel, &kept))
        });
        Self { server, received }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Bytes on its sockets.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        self.server.traffic()
    }

    /// What was read by `Await` and `Drain`, of all connections.
    #[must_use]
    pub fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }
}

fn follow(step: &Step, channel: &mut Channel, kept: &Mutex<Vec<u8>>) -> io::Result<()> {
    match step {
        Step::Await(bytes) => read_until(channel, kept, |seen| {
            seen.windows(bytes.len()).any(|part| part == bytes)
        }),
        Step::Send(bytes) => channel.write_all(bytes),
        Step::Pause(time) | Step::Stall(time) => {
            // Silence of this length is the behaviour under test.
            thread::sleep(*time);
            Ok(())
        }
        Step::HalfClose => channel.finish(),
        Step::Reset => SockRef::from(channel.socket()).set_linger(Some(Duration::ZERO)),
        Step::Flood(block) => loop {
            channel.write_all(block)?;
        },
        Step::Drain => read_until(channel, kept, |_seen| false),
    }
}

fn read_until(
    channel: &mut Channel,
    kept: &Mutex<Vec<u8>>,
    enough: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    while !enough(&seen) {
        let count = channel.read(&mut buffer)?;
        let part = buffer.get(..count).unwrap_or_default();
        kept.lock().unwrap().extend_from_slice(part);
        seen.extend_from_slice(part);
        if count == 0 {
            return Ok(());
        }
    }
    Ok(())
}
