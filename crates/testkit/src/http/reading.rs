//! Reads a request: head, then a body by length or in chunks.
//!
//! Not for: strictness; a malformed request is an I/O error and ends the connection.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::Request;
use crate::server::Channel;

/// Longest line of a head.
const LINE_MAX: u64 = 64 * 1024;
/// How much of a body is kept.
const KEPT_MAX: usize = 16 << 20;

/// The next request, `None` at the end of the connection.
pub(super) fn request(connection: &mut BufReader<Channel>) -> io::Result<Option<Request>> {
    let start = line(connection)?;
    if start.is_empty() {
        return Ok(None);
    }
    let mut words = start.split(' ').map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        let field = line(connection)?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(':').ok_or_else(malformed)?;
        request
            .headers
            .push((name.to_owned(), value.trim().to_owned()));
    }
    body(connection, &mut request)?;
    Ok(Some(request))
}

fn body(connection: &mut BufReader<Channel>, request: &mut Request) -> io::Result<()> {
    if request.header("expect").is_some() {
        connection
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").is_some() {
        loop {
            let size = line(connection)?;
            let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
                .map_err(io::Error::other)?;
            if size == 0 {
                while !line(connection)?.is_empty() {}
                return Ok(());
            }
            take(connection, size, request)?;
            line(connection)?;
        }
    }
    let length = request.header("content-length").unwrap_or("0");
    let length = length.parse().map_err(io::Error::other)?;
    take(connection, length, request)
}

fn take(connection: &mut BufReader<Channel>, size: u64, request: &mut Request) -> io::Result<()> {
    let mut left = size;
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let want = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = connection.read(buffer.get_mut(..want).unwrap_or_default())?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let room = KEPT_MAX.saturating_sub(request.body.len()).min(count);
        request
            .body
            .extend_from_slice(buffer.get(..room).unwrap_or_default());
        request.body_bytes += count as u64;
        left -= count as u64;
    }
    Ok(())
}

fn line(connection: &mut BufReader<Channel>) -> io::Result<String> {
    let mut line = String::new();
    connection.by_ref().take(LINE_MAX).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
