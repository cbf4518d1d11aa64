//! Connections that are opened and then held without a word.
//!
//! Not for: what they cost (`idle` of the chapters).

use std::any::Any;
use std::io::{self, BufRead, Read, Write};
use std::time::Instant;

use super::line::Line;
use super::way::Way;
use super::{Seen, io as during};
use crate::error::Error;

/// Connections, open for as long as this lives.
pub(super) struct Held<'w> {
    pub(super) seen: Seen,
    tunnels: Vec<Box<dyn Any>>,
    lines: Vec<Line<'w>>,
}

/// Opens so many, one after the other.
pub(super) fn open(way: &Way, connections: usize) -> Held<'_> {
    let mut held = Held {
        seen: Seen::default(),
        tunnels: Vec::new(),
        lines: Vec::new(),
    };
    let started = Instant::now();
    for _ in 0..connections {
        match held.add(way) {
            Ok(()) => held.seen.count += 1,
            Err(error) => {
                held.seen.errors += 1;
                held.seen.first_error = Some(error.to_string());
                break;
            }
        }
    }
    held.seen.seconds = started.elapsed().as_secs_f64();
    held
}

impl<'w> Held<'w> {
    fn add(&mut self, way: &'w Way) -> io::Result<()> {
        if way.is_tls() {
            let mut line = Line::new(way, "/small");
            line.request()?;
            self.lines.push(line);
            return Ok(());
        }
        let mut stream = way.tunnel()?;
        stream.write_all(b"1\n")?;
        stream.read_exact(&mut [0])?;
        self.tunnels.push(Box::new(stream));
        Ok(())
    }

    /// Holds them until standard input ends or says something.
    pub(super) fn until_told(self) -> Result<(), Error> {
        let mut line = String::new();
        let told = io::stdin().lock().read_line(&mut line);
        told.map_err(during("stdin"))?;
        Ok(())
    }
}
