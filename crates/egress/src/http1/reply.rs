//! A client that speaks HTTP/1.1 as the side that asks.
//!
//! Not for: reading its requests (`conversation`, `plan`).

use crate::answer::Answer;
use crate::client::Client;
use crate::content::{Sink, Source};
use crate::conversation::Conversation;
use crate::fields::Fields;
use crate::held::hold;
use crate::http1::{Coding, Inflow, Outflow, cause};
use crate::limits::BODY_IDLE;
use crate::plan::{Manners, Plan};
use crate::reason::Cause;
use crate::sides::{Asker, Delivery, Replies, Tunnel};
use crate::tunnel::carry;
use crate::upstream::Upstream;

/// The way back to a client.
struct Return<'a> {
    flow: Outflow<'a, Client>,
    plan: &'a Plan,
}

impl Asker for Conversation {
    fn sides<'s>(&'s mut self, plan: &'s Plan) -> (impl Source, impl Replies) {
        let client = &self.client;
        let source = Inflow::new(client, &mut self.buffer, plan.framing, BODY_IDLE);
        let flow = Outflow::new(client, Coding::Plain, Vec::new());
        (source, Return { flow, plan })
    }

    async fn hold(&mut self, plan: &mut Plan) -> Result<[u8; 32], Cause> {
        hold(self, plan).await
    }

    async fn tunnel(&mut self, tunnel: Tunnel<'_>) -> Result<(), Cause> {
        let Tunnel {
            upstream,
            mut filters,
            ..
        } = tunnel;
        let early = filters.down(tunnel.rest)?;
        let written = self.client.write(&early).await;
        written.map_err(|_gone| Cause::ClientAborted)?;
        let early = filters.up(&self.buffer.split())?;
        let written = upstream.write(&early).await;
        written.map_err(|error| cause::<Upstream>(&error))?;
        carry(self, (tunnel.permit, tunnel.asked), upstream, filters).await
    }
}

impl Sink for Return<'_> {
    fn put(&mut self, data: &[u8]) {
        self.flow.put(data);
    }

    fn end(&mut self, trailers: &Fields) {
        self.flow.end(trailers);
    }

    async fn flush(&mut self) -> Result<(), Cause> {
        self.flow.flush().await
    }
}

impl Replies for Return<'_> {
    /// Interim answers mean nothing to HTTP/1.0.
    async fn interim(&mut self, answer: &Answer) -> Result<(), Cause> {
        if self.plan.manners == Manners::Old {
            return Ok(());
        }
        status_line(answer, &mut self.flow.out);
        answer.fields.end_to_end().write(&mut self.flow.out);
        self.flow.out.extend_from_slice(b"\r\n");
        self.flow.flush().await
    }

    async fn switch(&mut self, answer: &Answer) -> Result<(), Cause> {
        let out = &mut self.flow.out;
        status_line(answer, out);
        answer.fields.end_to_end().write(out);
        out.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n");
        self.flow.flush().await
    }

    fn head(&mut self, answer: &Answer, length: Option<u64>) -> Delivery {
        let again = self.plan.manners == Manners::KeepAlive;
        self.flow.coding = match self.plan.manners {
            _ if length.is_some() => Coding::Plain,
            Manners::Old => Coding::Plain,
            Manners::Once | Manners::KeepAlive if self.plan.trailers => Coding::Trailed,
            Manners::Once | Manners::KeepAlive => Coding::Chunked,
        };
        let out = &mut self.flow.out;
        status_line(answer, out);
        answer.fields.end_to_end().write(out);
        if self.flow.coding != Coding::Plain {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        } else if length.is_some()
            && answer.status != 204
            && let Ok(Some(announced)) = answer.fields.one("content-length")
        {
            // Of an answer without content: the length that it would have.
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(announced);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(if again {
            b"connection: keep-alive\r\n\r\n"
        } else {
            b"connection: close\r\n\r\n"
        });
        Delivery {
            framed: length.is_some() || self.flow.coding != Coding::Plain,
            again,
        }
    }
}

fn status_line(answer: &Answer, out: &mut Vec<u8>) {
    out.reserve(512);
    out.extend_from_slice(format!("HTTP/1.1 {} {}\r\n", answer.status, answer.phrase).as_bytes());
}
