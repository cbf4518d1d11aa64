//! Writes an answer with the framing that its body asks for.
//!
//! Not for: deciding what to answer.

use std::fmt::Write as _;
use std::io::{self, BufReader, Write};

use super::{Body, Response};
use crate::server::Channel;

/// Bytes that a huge body is written by.
const BLOCK: usize = 256 * 1024;

/// Sends the answer; true when the connection can take another request.
pub(super) fn response(
    connection: &mut BufReader<Channel>,
    answer: Response,
    head_only: bool,
) -> io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} Test\r\n", answer.status);
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n").map_err(io::Error::other)?;
    }
    head.push_str(&framing(&answer.body));
    head.push_str("\r\n");
    let mut message = head.into_bytes();
    let output = connection.get_mut();
    match answer.body {
        Body::Bytes(bytes) if !head_only => {
            message.extend_from_slice(&bytes);
            output.write_all(&message)?;
        }
        _ if head_only => output.write_all(&message)?,
        Body::Cut(_, bytes) => {
            message.extend_from_slice(&bytes);
            output.write_all(&message)?;
            return Ok(false);
        }
        Body::Zeros(count) => {
            output.write_all(&message)?;
            zeros(output, count)?;
        }
        Body::Stream(writer) => {
            output.write_all(&message)?;
            writer(&mut Chunks(output))?;
            output.write_all(b"0\r\n\r\n")?;
        }
        Body::Takeover(takeover) => {
            output.write_all(&message)?;
            takeover(connection)?;
            return Ok(false);
        }
        Body::Bytes(_) => {}
    }
    Ok(true)
}

fn framing(body: &Body) -> String {
    match body {
        Body::Bytes(bytes) => format!("Content-Length: {}\r\n", bytes.len()),
        Body::Zeros(count) | Body::Cut(count, _) => format!("Content-Length: {count}\r\n"),
        Body::Stream(_) => "Transfer-Encoding: chunked\r\n".to_owned(),
        Body::Takeover(_) => String::new(),
    }
}

fn zeros(output: &mut Channel, count: u64) -> io::Result<()> {
    let block = vec![0; BLOCK];
    let mut left = count;
    while left > 0 {
        let size = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        output.write_all(block.get(..size).unwrap_or_default())?;
        left -= size as u64;
    }
    Ok(())
}

/// Makes a chunk of each write.
struct Chunks<'a>(&'a mut Channel);

impl Write for Chunks<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if !buffer.is_empty() {
            let mut chunk = format!("{:x}\r\n", buffer.len()).into_bytes();
            chunk.extend_from_slice(buffer);
            chunk.extend_from_slice(b"\r\n");
            self.0.write_all(&chunk)?;
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
