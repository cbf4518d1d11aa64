//! One client's connection: one request after the other until one ends it. Where its requests go is
//! the business of its [`Form`], which changes when a tunnel is opened.
//!
//! Not for: carrying requests out (`connect`, `forward`).

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::timeout;

use crate::authorize::{Unjudged, turn_away};
use crate::client::Client;
use crate::connect;
use crate::form::Form;
use crate::forward;
use crate::head::{Head, Scanner};
use crate::http2::connection;
use crate::limits::{HEAD_TIMEOUT, KEEP_ALIVE_IDLE};
use crate::lines::Lines;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::respond::{Manner, denial};
use crate::session::Session;

/// A client, and what it has sent and nobody has read.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) session: Arc<Session>,
    pub(crate) client: Client,
    pub(crate) buffer: BytesMut,
    pub(crate) form: Form,
    /// The buffer was the room of a content that was held whole.
    pub(crate) held: bool,
}

/// What follows a request on the same connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another request may come.
    Request,
    /// Requests of another form may come: a tunnel was opened.
    Within(Form),
    /// Requests of this form come in HTTP/2.
    Http2(Form),
    /// Nothing; what was sent must still arrive.
    Finish,
    /// Nothing; the answer is broken off, and the client must be able to tell.
    Abort,
    /// The connection has been used up as a tunnel.
    Done,
}

impl Conversation {
    pub(crate) fn new(
        proxy: Arc<Proxy>,
        session: Arc<Session>,
        client: Client,
        form: Form,
    ) -> Self {
        Self {
            proxy,
            session,
            client,
            buffer: BytesMut::new(),
            form,
            held: false,
        }
    }

    /// Serves the connection to its end, from what has happened on it so far.
    pub(crate) async fn run(mut self, mut next: Next) {
        let mut lines = Lines::default();
        loop {
            match next {
                Next::Request => {}
                Next::Within(form) => {
                    self.form = form;
                    lines = Lines::default();
                }
                Next::Http2(form) => {
                    let parts = (self.proxy, self.session);
                    return connection::serve(parts, self.client, form).await;
                }
                Next::Finish => return self.client.finish().await,
                Next::Abort => return self.client.abort(),
                Next::Done => return,
            }
            next = match self.next_head().await {
                Ok(Some(head)) if head.method == "CONNECT" && self.form == Form::Proxy => {
                    lines = Lines::default();
                    connect::serve(&mut self, head).await
                }
                Ok(Some(head)) => forward::serve(&mut self, &head, &lines).await,
                Ok(None) => Next::Done,
                Err(cause) => self.refuse_unread(cause).await,
            };
        }
    }

    /// Reads the next request's head. `None`: the client, or the session, wants no more.
    async fn next_head(&mut self) -> Result<Option<Head>, Cause> {
        if std::mem::take(&mut self.held) {
            // Its memory is for others while this connection rests.
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
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
        let refusal = self
            .turn_away(method, target.unwrap_or_default(), cause)
            .await;
        self.answer(&refusal, Manner::LAST).await
    }

    /// Refuses what policy is not asked about, where it would have gone as far as that is known.
    async fn turn_away(&self, method: &[u8], target: &[u8], cause: Cause) -> Refusal {
        let presumed = self.form.presumed();
        let (host, port) = match &presumed {
            Some((host, port)) => (host.as_bytes(), *port),
            None => (target, 0),
        };
        let unjudged = Unjudged {
            via: self.form.via(),
            tls: self.form.tls(),
            method,
            host,
            port,
        };
        turn_away(&self.session, &self.proxy.recorder, unjudged, cause).await
    }

    /// Refuses a well-formed head whose content is not.
    pub(crate) async fn refuse_head(&self, head: &Head, cause: Cause) -> Next {
        let host = head
            .target
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or_default();
        let refusal = self.turn_away(head.method.as_bytes(), host, cause).await;
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
