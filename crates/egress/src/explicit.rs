//! A connection to the proxy port: one request after the other until one ends it.
//!
//! Not for: carrying requests out (`connect`, `forward`).

use std::sync::Arc;

use bytes::BytesMut;
use model::Via;
use tokio::time::timeout;

use crate::authorize::{Unjudged, turn_away};
use crate::client::Client;
use crate::connect;
use crate::forward::{self, Kept};
use crate::head::{Head, Scanner};
use crate::limits::{HEAD_TIMEOUT, KEEP_ALIVE_IDLE};
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::respond::{Manner, denial};
use crate::session::Session;

/// A client that asks for the proxy, and what it has sent and nobody has read.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) session: Arc<Session>,
    pub(crate) client: Client,
    pub(crate) buffer: BytesMut,
}

/// What follows a request on the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another request may come.
    Request,
    /// Nothing; what was sent must still arrive.
    Finish,
    /// Nothing; the answer is broken off, and the client must be able to tell.
    Abort,
    /// The connection has been used up as a tunnel.
    Done,
}

/// Serves one connection to its end.
pub(crate) async fn serve(proxy: Arc<Proxy>, session: Arc<Session>, client: Client) {
    let mut conversation = Conversation {
        proxy,
        session,
        client,
        buffer: BytesMut::new(),
    };
    let mut kept: Option<Kept> = None;
    loop {
        let next = match conversation.next_head().await {
            Ok(Some(head)) if head.method == "CONNECT" => {
                drop(kept.take());
                connect::serve(&mut conversation, &head).await
            }
            Ok(Some(head)) => forward::serve(&mut conversation, &head, &mut kept).await,
            Ok(None) => Next::Done,
            Err(cause) => conversation.refuse_unread(cause).await,
        };
        match next {
            Next::Request => {}
            Next::Finish => return conversation.client.finish().await,
            Next::Abort => return conversation.client.abort(),
            Next::Done => return,
        }
    }
}

impl Conversation {
    /// Reads the next request's head. `None`: the client, or the session, wants no more.
    async fn next_head(&mut self) -> Result<Option<Head>, Cause> {
        if self.buffer.is_empty() && !self.first_bytes().await {
            return Ok(None);
        }
        let reading = timeout(HEAD_TIMEOUT, self.read_head()).await;
        reading.unwrap_or(Err(Cause::Malformed("head_timeout")))
    }

    async fn first_bytes(&mut self) -> bool {
        let stop = self.session.stop();
        let reading = timeout(KEEP_ALIVE_IDLE, self.client.read(&mut self.buffer));
        tokio::select! {
            read = reading => matches!(read, Ok(Ok(count)) if count > 0),
            () = stop.requested() => false,
        }
    }

    async fn read_head(&mut self) -> Result<Option<Head>, Cause> {
        let mut scanner = Scanner::default();
        loop {
            if let Some(length) = scanner.scan(&self.buffer)? {
                let bytes = self.buffer.split_to(length).freeze();
                return Head::read(&bytes).map(Some).inspect_err(|_| {
                    // For the record of what was refused.
                    self.buffer = BytesMut::from(&bytes[..]);
                });
            }
            match self.client.read(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }

    /// Refuses bytes that are no request.
    async fn refuse_unread(&mut self, cause: Cause) -> Next {
        let line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let line = self.buffer.as_ref().split(line_end).next();
        let mut words = line.unwrap_or_default().split(|byte| *byte == b' ');
        let method = words.next().unwrap_or_default();
        // What follows a question mark may hold secrets.
        let target = words
            .next()
            .unwrap_or_default()
            .split(|byte| *byte == b'?')
            .next();
        let unjudged = Unjudged {
            via: Via::Explicit,
            method,
            host: target.unwrap_or_default(),
            port: 0,
        };
        let refusal = turn_away(&self.session, &self.proxy.recorder, unjudged, cause).await;
        self.answer(&refusal, Manner::LAST).await
    }

    /// Refuses a well-formed head whose content is not.
    pub(crate) async fn refuse_head(&self, head: &Head, cause: Cause) -> Next {
        let host = head
            .target
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or_default();
        let method = head.method.as_bytes();
        let unjudged = Unjudged {
            via: Via::Explicit,
            method,
            host,
            port: 0,
        };
        let refusal = turn_away(&self.session, &self.proxy.recorder, unjudged, cause).await;
        let manner = Manner {
            head_only: head.method == "HEAD",
            keep_alive: false,
        };
        self.answer(&refusal, manner).await
    }

    /// Sends a denial.
    pub(crate) async fn answer(&self, refusal: &Refusal, manner: Manner) -> Next {
        match self.client.write(&denial(refusal, manner)).await {
            Ok(()) if manner.keep_alive => Next::Request,
            Ok(()) => Next::Finish,
            Err(_) => Next::Done,
        }
    }
}
