//! Moving bytes from socket to socket through a pipe, without a copy through user space.
//!
//! Not for: waiting until a socket is ready, nor for counting what moved.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;

use crate::error::{Context, SysError};

/// A pipe that lies between two sockets. Both ends are non-blocking and close-on-exec.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
    held: usize,
}

impl Pipe {
    /// Opens a pipe of about `wanted` bytes. The kernel refuses to grow pipes once a user holds too
    /// many pages of them (pipe(7), `pipe-user-pages-soft`); then the pipe has the default size.
    ///
    /// # Errors
    /// `pipe2`'s, for example `EMFILE`; `fcntl`'s if even the size can't be read.
    pub fn new(wanted: usize) -> Result<Self, SysError> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).call("pipe2")?;
        let asked = libc::c_int::try_from(wanted).unwrap_or(libc::c_int::MAX);
        let size = match fcntl(&write, FcntlArg::F_SETPIPE_SZ(asked)) {
            Ok(size) => size,
            Err(_kept_at_default) => {
                fcntl(&write, FcntlArg::F_GETPIPE_SZ).call_on("fcntl", "F_GETPIPE_SZ")?
            }
        };
        let capacity = usize::try_from(size).unwrap_or(0);
        Ok(Self {
            read,
            write,
            capacity,
            held: 0,
        })
    }

    /// Bytes that fit when each page of the pipe is full; less fits in small pieces.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes in the pipe.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Takes at most `most` bytes from a socket into the pipe, which should be empty: a full one
    /// answers `EAGAIN` as if the socket had nothing. 0 means the socket's end.
    ///
    /// # Errors
    /// `splice`'s; `WouldBlock` when the socket has nothing.
    pub fn fill(&mut self, from: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let count = transfer(from, self.write.as_fd(), most)?;
        self.held = self.held.saturating_add(count);
        Ok(count)
    }

    /// Gives bytes from the pipe to a socket, as many as it takes.
    ///
    /// Writing to a connection that its peer has closed raises `SIGPIPE` unless the process ignores
    /// that signal, as Rust programs do from their start.
    ///
    /// # Errors
    /// `splice`'s; `WouldBlock` when the socket takes nothing now.
    pub fn drain(&mut self, to: BorrowedFd<'_>) -> io::Result<usize> {
        if self.held == 0 {
            return Ok(0);
        }
        let count = transfer(self.read.as_fd(), to, self.held)?;
        self.held = self.held.saturating_sub(count);
        Ok(count)
    }
}

fn transfer(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    loop {
        match splice(from, None, to, None, most, flags) {
            Err(Errno::EINTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn moves_every_byte_and_reports_the_end() {
        let (mut source, inlet) = UnixStream::pair().unwrap();
        let (outlet, mut sink) = UnixStream::pair().unwrap();
        let mut pipe = Pipe::new(1 << 16).unwrap();
        source.write_all(b"hello").unwrap();
        drop(source);
        assert_eq!(pipe.fill(inlet.as_fd(), 3).unwrap(), 3);
        assert_eq!(pipe.held(), 3);
        assert_eq!(pipe.drain(outlet.as_fd()).unwrap(), 3);
        assert_eq!(pipe.fill(inlet.as_fd(), 64).unwrap(), 2);
        assert_eq!(pipe.drain(outlet.as_fd()).unwrap(), 2);
        assert_eq!(pipe.fill(inlet.as_fd(), 64).unwrap(), 0);
        drop(outlet);
        let mut got = String::new();
        sink.read_to_string(&mut got).unwrap();
        assert_eq!(got, "hello");
    }

    #[test]
    fn an_empty_socket_would_block() {
        let (_source, inlet) = UnixStream::pair().unwrap();
        inlet.set_nonblocking(true).unwrap();
        let mut pipe = Pipe::new(1 << 16).unwrap();
        assert_eq!(
            pipe.fill(inlet.as_fd(), 1).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }
}
