//! Which descriptors may become an agent's standard streams.
//!
//! A descriptor carries more than bytes: a socket of the host could be connected anew, past the
//! proxy, and a folder is a way out of the view. Not for: terminals that the jail makes itself.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use sys::peer_socket::{Kind, describe};

/// A descriptor that may not become a standard stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("{given} descriptors came along; standard streams need 3")]
    Count { given: usize },
    #[error("standard stream {number}: {source}")]
    Io {
        number: usize,
        source: std::io::Error,
    },
    #[error("standard stream {number}: {source}")]
    Sys {
        number: usize,
        source: sys::SysError,
    },
    #[error(
        "standard stream {number} is {found}; a pipe, a terminal, a file, a character device or a \
         connected Unix stream may be passed on, so put `cat` between"
    )]
    Kind { number: usize, found: &'static str },
}

/// Checks all three.
pub(crate) fn vet(fds: Vec<OwnedFd>) -> Result<[OwnedFd; 3], StreamError> {
    let given = fds.len();
    let streams: [OwnedFd; 3] = fds
        .try_into()
        .map_err(|_other| StreamError::Count { given })?;
    for (number, stream) in streams.iter().enumerate() {
        vet_one(number, stream)?;
    }
    Ok(streams)
}

fn vet_one(number: usize, stream: &OwnedFd) -> Result<(), StreamError> {
    let refuse = |found| Err(StreamError::Kind { number, found });
    if sys::fds::is_path_only(stream.as_fd())
        .map_err(|source| StreamError::Sys { number, source })?
    {
        return refuse("a path descriptor");
    }
    let copy = stream
        .try_clone()
        .map_err(|source| StreamError::Io { number, source })?;
    let kind = File::from(copy)
        .metadata()
        .map_err(|source| StreamError::Io { number, source })?;
    let kind = kind.file_type();
    if kind.is_fifo() || kind.is_char_device() || kind.is_file() {
        return Ok(());
    }
    if !kind.is_socket() {
        return refuse(if kind.is_dir() {
            "a folder"
        } else {
            "no stream of bytes"
        });
    }
    let socket = describe(stream.as_fd()).map_err(|source| StreamError::Sys { number, source })?;
    match socket {
        Some(socket) if socket.kind == Kind::Stream && socket.connected => Ok(()),
        Some(_other) => refuse("a Unix socket that is not connected"),
        None => refuse("a network socket of the host"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(stream: impl Into<OwnedFd>) -> Result<[OwnedFd; 3], StreamError> {
        let null = || File::open("/dev/null").unwrap().into();
        vet(vec![null(), stream.into(), null()])
    }

    #[test]
    fn passes_what_carries_bytes_and_nothing_more() {
        let (reader, writer) = std::io::pipe().unwrap();
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        with(reader).unwrap();
        with(writer).unwrap();
        with(one).unwrap();
        with(tempfile::tempfile().unwrap()).unwrap();
    }

    #[test]
    fn refuses_network_sockets_folders_and_unconnected_sockets() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let datagram = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let folder = File::open("/").unwrap();
        for refused in [
            with(udp),
            with(listener),
            with(tcp),
            with(datagram),
            with(folder),
        ] {
            assert!(
                matches!(refused, Err(StreamError::Kind { number: 1, .. })),
                "{refused:?}"
            );
        }
        assert!(matches!(
            vet(Vec::new()),
            Err(StreamError::Count { given: 0 })
        ));
    }
}
