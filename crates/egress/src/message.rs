//! One request sent upstream and its answer brought back, both at once.
//!
//! Not for: whether the request may be sent (`forward`).

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use bytes::BytesMut;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::body::{Body, Coding, End, Transfer, cause};
use crate::client::Client;
use crate::explicit::Conversation;
use crate::fields::Framing;
use crate::forward::{Manners, Plan};
use crate::head::Scanner;
use crate::limits::{ANSWER_IDLE, BODY_IDLE, INTERIM_MAX};
use crate::reason::Cause;
use crate::upstream::Upstream;

/// How far an exchange got; decides how a failure can still be told.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    heard: AtomicBool,
    /// The status that the client was sent; 0 for none.
    status: AtomicU16,
    /// The client can tell by the framing whether it has the whole answer.
    framed: AtomicBool,
}

/// An exchange that was carried out to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) then: Then,
}

/// What can follow on the two connections of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// They are the two ends of a tunnel now.
    Tunnel,
    /// Whether each can be used for another exchange.
    Http { client: bool, upstream: bool },
}

impl Progress {
    /// True once the upstream server said anything.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// True once the client was sent a part of the final answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.status().is_some()
    }

    /// True when a client that gets a part of the answer knows that it is one (RFC 9112 8).
    pub(crate) fn is_framed(&self) -> bool {
        self.framed.load(Ordering::Relaxed)
    }

    /// The status of that answer.
    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }
}

/// Sends the request and brings the answer back. A server may answer before it has the whole body;
/// then the rest of the body is not sent, and neither connection can be used again.
pub(crate) async fn carry_out(
    conversation: &mut Conversation,
    plan: &Plan,
    upstream: &Upstream,
    rest: &mut BytesMut,
    progress: &Progress,
) -> Result<Outcome, Cause> {
    let Conversation { client, buffer, .. } = conversation;
    let client = &*client;
    let mut request = Transfer {
        buffer,
        body: Body::new(plan.framing),
        coding: coding(plan.framing),
        out: plan.head.clone(),
        idle: BODY_IDLE,
    };
    let answering = Answering {
        client,
        upstream,
        plan,
        progress,
    };
    if plan.framing == Framing::Length(0) {
        request.run(client, upstream).await?;
        return answering.run(rest).await;
    }
    let mut sending = std::pin::pin!(request.run(client, upstream));
    let mut answered = std::pin::pin!(answering.run(rest));
    let mut sent = Sent::No;
    loop {
        tokio::select! {
            result = &mut sending, if sent == Sent::No => sent = match result {
                Ok(()) => Sent::Whole,
                // It may have said why before it stopped reading.
                Err(Cause::UpstreamAborted) => Sent::Part,
                Err(cause) => return Err(cause),
            },
            outcome = &mut answered => return outcome.map(|outcome| outcome.after(sent)),
        }
    }
}

/// How much of the request has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    No,
    Part,
    Whole,
}

impl Outcome {
    fn after(self, sent: Sent) -> Self {
        match sent {
            Sent::Whole => self,
            Sent::No | Sent::Part => Self {
                then: Then::Http {
                    client: false,
                    upstream: false,
                },
                ..self
            },
        }
    }
}

/// The way back.
struct Answering<'a> {
    client: &'a Client,
    upstream: &'a Upstream,
    plan: &'a Plan,
    progress: &'a Progress,
}

impl Answering<'_> {
    async fn run(&self, buffer: &mut BytesMut) -> Result<Outcome, Cause> {
        for _ in 0..=INTERIM_MAX {
            let answer = self.read_head(buffer).await?;
            match answer.status {
                101 => return self.switch(&answer).await,
                100..=199 => self.pass_interim(&answer).await?,
                _ => return self.pass(&answer, buffer).await,
            }
        }
        Err(Cause::UpstreamProtocol)
    }

    async fn read_head(&self, buffer: &mut BytesMut) -> Result<Answer, Cause> {
        let mut scanner = Scanner::default();
        loop {
            let length = scanner
                .scan(buffer)
                .map_err(|_fault| Cause::UpstreamProtocol)?;
            if let Some(length) = length {
                return Answer::take(buffer, length);
            }
            let read = timeout(ANSWER_IDLE, self.upstream.read(buffer)).await;
            match read.map_err(|_elapsed| Cause::UpstreamTimeout)? {
                Ok(0) => return Err(Upstream::ABORTED),
                Ok(_) => self.progress.heard.store(true, Ordering::Relaxed),
                Err(error) => return Err(cause::<Upstream>(&error)),
            }
        }
    }

    /// Interim answers mean nothing to HTTP/1.0.
    async fn pass_interim(&self, answer: &Answer) -> Result<(), Cause> {
        answer.framing(&self.plan.asked.method)?;
        if self.plan.manners == Manners::Old {
            return Ok(());
        }
        let mut out = status_line(answer);
        answer.fields.write_end_to_end(&mut out);
        out.extend_from_slice(b"\r\n");
        self.write(&out).await
    }

    /// The upgrade that the client asked for; any other is an attempt to get a tunnel unjudged.
    async fn switch(&self, answer: &Answer) -> Result<Outcome, Cause> {
        let protocol = answer
            .fields
            .one("upgrade")
            .map_err(|_fault| Cause::UpstreamProtocol)?;
        let agreed = self.plan.websocket
            && protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
            && answer.fields.lists("connection", "upgrade")
            && answer.fields.framing() == Ok(None);
        if !agreed {
            return Err(Cause::UpstreamProtocol);
        }
        let mut out = status_line(answer);
        answer.fields.write_end_to_end(&mut out);
        out.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n");
        self.progress.status.store(answer.status, Ordering::Relaxed);
        self.write(&out).await?;
        Ok(Outcome {
            status: answer.status,
            then: Then::Tunnel,
        })
    }

    async fn pass(&self, answer: &Answer, buffer: &mut BytesMut) -> Result<Outcome, Cause> {
        let framing = answer.framing(&self.plan.asked.method)?;
        let coding = match framing {
            Framing::Length(_) => Coding::Plain,
            Framing::Chunked | Framing::UntilClose => match self.plan.manners {
                Manners::Old => Coding::Plain,
                Manners::Once | Manners::KeepAlive => Coding::Chunked,
            },
        };
        let client = self.plan.manners == Manners::KeepAlive;
        let mut transfer = Transfer {
            out: self.head(answer, coding, client),
            buffer,
            body: Body::new(framing),
            coding,
            idle: ANSWER_IDLE,
        };
        let told = coding == Coding::Chunked || matches!(framing, Framing::Length(_));
        self.progress.framed.store(told, Ordering::Relaxed);
        self.progress.status.store(answer.status, Ordering::Relaxed);
        transfer.run(self.upstream, self.client).await?;
        // Bytes behind the answer belong to no request.
        let framed = framing != Framing::UntilClose && transfer.buffer.is_empty();
        let upstream = framed && answer.keeps_alive();
        Ok(Outcome {
            status: answer.status,
            then: Then::Http { client, upstream },
        })
    }

    fn head(&self, answer: &Answer, coding: Coding, keep_alive: bool) -> Vec<u8> {
        let mut out = status_line(answer);
        answer.fields.write_end_to_end(&mut out);
        if coding == Coding::Chunked {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        } else if answer.status != 204
            && let Ok(Some(length)) = answer.fields.one("content-length")
        {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(length);
            out.extend_from_slice(b"\r\n");
        }
        let connection: &[u8] = if keep_alive {
            b"connection: keep-alive\r\n\r\n"
        } else {
            b"connection: close\r\n\r\n"
        };
        out.extend_from_slice(connection);
        out
    }

    async fn write(&self, bytes: &[u8]) -> Result<(), Cause> {
        self.client
            .write(bytes)
            .await
            .map_err(|error| cause::<Client>(&error))
    }
}

const fn coding(framing: Framing) -> Coding {
    match framing {
        Framing::Chunked => Coding::Chunked,
        Framing::Length(_) | Framing::UntilClose => Coding::Plain,
    }
}

fn status_line(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(format!("HTTP/1.1 {} {}\r\n", answer.status, answer.phrase).as_bytes());
    out
}
