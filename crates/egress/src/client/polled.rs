//! A jail's connection for protocols of others on top of it; every byte is counted all the same.
//!
//! Not for: HTTP/1.1, which works on the connection itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Client, attempt, read_some};
use crate::tls::Wire;
use crate::upstream::Attempt;

/// The connection, which may still be ended by somebody else.
#[derive(Debug)]
pub(crate) struct Polled(pub(crate) Arc<Client>);

impl AsyncRead for Polled {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Client { wire, tls } = &*self.0;
        loop {
            let moved = match tls {
                Some(tls) => tls.try_read(wire, buffer)?,
                None => {
                    let room = buffer.remaining();
                    let read = read_some(&wire.stream, &mut BufMut::limit(&mut *buffer, room));
                    attempt(read.inspect(|count| wire.add_read(*count)))?
                }
            };
            match moved {
                Attempt::Moved(_) => return Poll::Ready(Ok(())),
                Attempt::Pending | Attempt::Contended => ready!(wire.stream.poll_read_ready(cx))?,
            }
        }
    }
}

impl AsyncWrite for Polled {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Client { wire, tls } = &*self.0;
        loop {
            let moved = match tls {
                Some(tls) => tls.try_write(wire, bytes)?,
                None => wire.try_write(bytes)?,
            };
            match moved {
                Attempt::Moved(count) => return Poll::Ready(Ok(count)),
                Attempt::Pending | Attempt::Contended => ready!(wire.stream.poll_write_ready(cx))?,
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Client { wire, tls } = &*self.0;
        let Some(tls) = tls else {
            return Poll::Ready(Ok(()));
        };
        loop {
            match tls.try_flush(wire)? {
                Attempt::Moved(_) => return Poll::Ready(Ok(())),
                Attempt::Pending | Attempt::Contended => ready!(wire.stream.poll_write_ready(cx))?,
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.end())
    }
}
