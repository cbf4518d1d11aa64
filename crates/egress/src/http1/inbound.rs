//! A server that speaks HTTP/1.1 as the side that answers.
//!
//! Not for: the connection to it (`line`).

use tokio::time::timeout;

use crate::answer::Answer;
use crate::body::Body;
use crate::content::{Piece, Sink, Source};
use crate::fields::Framing;
use crate::head::Scanner;
use crate::http1::{Coding, End, Inflow, Outflow, cause};
use crate::limits::ANSWER_IDLE;
use crate::line::Line;
use crate::message::Progress;
use crate::plan::Plan;
use crate::reason::Cause;
use crate::sides::{Answers, Server};
use crate::upstream::Upstream;

/// What comes back from a server.
struct Inbound<'a> {
    flow: Inflow<'a, Upstream>,
    /// How the final answer's content is framed.
    framing: Framing,
    progress: &'a Progress,
}

impl Server for Line {
    fn sides<'s>(
        &'s mut self,
        plan: &'s Plan,
        progress: &'s Progress,
    ) -> (impl Sink, impl Answers) {
        let coding = match plan.outgoing() {
            Framing::Chunked => Coding::Chunked,
            Framing::Length(_) | Framing::UntilClose => Coding::Plain,
        };
        let upstream = &self.upstream;
        let flow = Inflow::new(upstream, &mut self.rest, Framing::Length(0), ANSWER_IDLE);
        let answers = Inbound {
            flow,
            framing: Framing::Length(0),
            progress,
        };
        (Outflow::new(upstream, coding, plan.head()), answers)
    }
}

impl Source for Inbound<'_> {
    fn take(&mut self) -> Result<Option<Piece<'_>>, Cause> {
        self.flow.take()
    }

    async fn wait(&mut self) -> Result<(), Cause> {
        self.flow.wait().await
    }
}

impl Answers for Inbound<'_> {
    async fn head(&mut self) -> Result<Answer, Cause> {
        let mut scanner = Scanner::default();
        let Inflow { end, buffer, .. } = &mut self.flow;
        loop {
            let length = scanner
                .scan(buffer)
                .map_err(|_fault| Cause::UpstreamProtocol)?;
            if let Some(length) = length {
                return Answer::take(buffer, length);
            }
            let read = timeout(ANSWER_IDLE, end.read(buffer)).await;
            match read.map_err(|_elapsed| Cause::UpstreamTimeout)? {
                Ok(0) => return Err(Upstream::ABORTED),
                Ok(_) => self.progress.hear(),
                Err(error) => return Err(cause::<Upstream>(&error)),
            }
        }
    }

    fn begin(&mut self, answer: &Answer, method: &str) -> Result<Framing, Cause> {
        self.framing = answer.framing(method)?;
        self.flow.body = Body::new(self.framing);
        Ok(self.framing)
    }

    /// Bytes behind the answer belong to no request.
    fn is_reusable(&self, answer: &Answer) -> bool {
        let framed = self.framing != Framing::UntilClose && self.flow.buffer.is_empty();
        framed && answer.keeps_alive()
    }
}
