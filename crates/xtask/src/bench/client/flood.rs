//! A jail that wants to be in the way of others: all that one agent can do to a proxy at once.
//!
//! Not for: what the others notice (`flood` of the chapters).

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use super::way::Way;
use super::{Seen, io as during};
use crate::error::Error;

/// Connections that send a byte of a head now and then; with the rest less than a session may have.
const SLOW: usize = 400;
/// Connections with an answer under way that nobody reads.
const DEAF: usize = 100;
/// Threads that open connections as fast as they can.
const CALLERS: usize = 3;
/// What a deaf client asks for: more than all buffers on its way hold.
const MUCH: &[u8] = b"1000000000\n";
/// Pause between two bytes of a slow head.
const SLOWNESS: Duration = Duration::from_secs(1);

/// Floods for so long. What is counted are connections; that many of them are refused is part of it.
pub(super) fn run(way: &Way, seconds: f64) -> Result<Seen, Error> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let deaf: Vec<TcpStream> = (0..DEAF).map_while(|_| deafen(way).ok()).collect();
    let slow: Vec<TcpStream> = (0..SLOW).map_while(|_| way.dial().ok()).collect();
    if deaf.is_empty() || slow.is_empty() {
        let cause = io::Error::other("nothing could be opened");
        return Err(during("flood")(cause));
    }
    let count = thread::scope(|scope| {
        let mut work: Vec<_> = (0..CALLERS)
            .map(|_| scope.spawn(|| call(way, until)))
            .collect();
        work.push(scope.spawn(|| ask_names(until)));
        work.push(scope.spawn(|| dribble(&slow, until)));
        work.into_iter().filter_map(|it| it.join().ok()).sum()
    });
    Ok(Seen {
        count,
        seconds,
        ..Seen::default()
    })
}

/// A tunnel with much on its way that is never read.
fn deafen(way: &Way) -> io::Result<TcpStream> {
    let mut stream = way.tunnel()?;
    stream.write_all(MUCH)?;
    Ok(stream)
}

/// Requests for hosts that no rule names, each on a connection of its own.
fn call(way: &Way, until: Instant) -> u64 {
    let mut count = 0;
    while Instant::now() < until {
        let ask = format!(
            "GET http://h{count}.example.org/ HTTP/1.1\r\nHost: h{count}.example.org\r\n\r\n"
        );
        let asked = way.dial().and_then(|mut stream| {
            stream.write_all(ask.as_bytes())?;
            stream.read(&mut [0; 64])
        });
        count += u64::from(asked.is_ok());
    }
    count
}

/// Look-ups of names, one after the other.
fn ask_names(until: Instant) -> u64 {
    let mut count = 0;
    while Instant::now() < until {
        // Nearly all of them fail, which is not what matters.
        drop((format!("h{count}.example.org").as_str(), 80).to_socket_addrs());
        count += 1;
    }
    count
}

/// A byte of a head on each, again and again.
fn dribble(slow: &[TcpStream], until: Instant) -> u64 {
    while Instant::now() < until {
        for mut stream in slow {
            // Those that the proxy has given up stay so.
            drop(stream.write_all(b"G"));
        }
        thread::sleep(SLOWNESS);
    }
    slow.len() as u64
}
