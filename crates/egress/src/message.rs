//! One request sent upstream and its answer brought back, both at once.
//!
//! Not for: whether the request may be sent (`forward`).

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use crate::answer::Answer;
use crate::content::{Sink, Taps, carry};
use crate::fields::{Fields, Framing};
use crate::limits::INTERIM_MAX;
use crate::plan::Plan;
use crate::reason::Cause;
use crate::screen::Screen;
use crate::sides::{Answers, Asker, Replies, Server};

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
    /// Notes that the upstream server said something.
    pub(crate) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// True once the upstream server said anything.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// True when a client that gets a part of the answer knows that it is one (RFC 9112 8).
    pub(crate) fn is_framed(&self) -> bool {
        self.framed.load(Ordering::Relaxed)
    }

    /// The status of the final answer, once the client was sent a part of it.
    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }
}

/// Sends the request and brings the answer back. A server may answer before it has the whole body;
/// then the rest of the body is not sent, and neither connection can be used again.
pub(crate) async fn carry_out(
    asker: &mut impl Asker,
    server: &mut impl Server,
    (plan, screen, taps): (&Plan, &Screen, &mut Taps),
    progress: &Progress,
) -> Result<Outcome, Cause> {
    let (mut source, mut replies) = asker.sides(plan);
    let (mut sink, mut answers) = server.sides(plan, progress);
    let sending = carry(&mut source, &mut sink, taps);
    let answering = Answering {
        plan,
        screen,
        progress,
    };
    let answering = answering.run(&mut answers, &mut replies);
    if plan.framing == Framing::Length(0) {
        sending.await?;
        return answering.await;
    }
    let mut sending = std::pin::pin!(sending);
    let mut answered = std::pin::pin!(answering);
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
    plan: &'a Plan,
    screen: &'a Screen,
    progress: &'a Progress,
}

impl Answering<'_> {
    async fn run(
        &self,
        answers: &mut impl Answers,
        replies: &mut impl Replies,
    ) -> Result<Outcome, Cause> {
        for _ in 0..=INTERIM_MAX {
            let mut answer = answers.head().await?;
            match answer.status {
                101 => return self.switch(answer, replies).await,
                100..=199 => {
                    answer.framing(&self.plan.asked.method)?;
                    self.screen.clean(&mut answer);
                    replies.interim(&answer).await?;
                }
                _ => return self.pass(answer, answers, replies).await,
            }
        }
        Err(Cause::UpstreamProtocol)
    }

    /// The upgrade that the client asked for; any other is an attempt to get a tunnel unjudged.
    async fn switch(
        &self,
        mut answer: Answer,
        replies: &mut impl Replies,
    ) -> Result<Outcome, Cause> {
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
        self.screen.clean(&mut answer);
        self.progress.status.store(answer.status, Ordering::Relaxed);
        replies.switch(&answer).await?;
        Ok(Outcome {
            status: answer.status,
            then: Then::Tunnel,
        })
    }

    async fn pass(
        &self,
        mut answer: Answer,
        answers: &mut impl Answers,
        replies: &mut impl Replies,
    ) -> Result<Outcome, Cause> {
        let framing = answers.begin(&answer, &self.plan.asked.method)?;
        let _room = self.screen.room(&answer, framing).await?;
        let what = (framing, self.plan.is_head());
        let mut taps = self.screen.answer(&mut answer, what)?;
        let length = match framing {
            Framing::Length(length) if length == 0 || !taps.reframe() => Some(length),
            Framing::Length(_) | Framing::Chunked | Framing::UntilClose => None,
        };
        let delivery = replies.head(&answer, length);
        self.progress
            .framed
            .store(delivery.framed, Ordering::Relaxed);
        let mut sink = Told {
            replies,
            progress: self.progress,
            status: answer.status,
        };
        carry(answers, &mut sink, &mut taps).await?;
        Ok(Outcome {
            status: answer.status,
            then: Then::Http {
                client: delivery.again,
                upstream: answers.is_reusable(&answer),
            },
        })
    }
}

/// The way back of a final answer. It has begun once something of it leaves: until then another one can
/// take its place.
struct Told<'a, R> {
    replies: &'a mut R,
    progress: &'a Progress,
    status: u16,
}

impl<R: Replies> Sink for Told<'_, R> {
    fn put(&mut self, data: &[u8]) {
        self.replies.put(data);
    }

    fn end(&mut self, trailers: &Fields) {
        self.replies.end(trailers);
    }

    async fn flush(&mut self) -> Result<(), Cause> {
        self.progress.status.store(self.status, Ordering::Relaxed);
        self.replies.flush().await
    }
}
