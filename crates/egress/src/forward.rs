//! HTTP/1.1 requests, in clear or from an opened tunnel, one after the other.
//!
//! Not for: what becomes of one (`errand`), nor reading it into its form (`plan`).

use crate::conversation::{Conversation, Next};
use crate::errand::{Ended, Errand};
use crate::fields::Framing;
use crate::head::Head;
use crate::lines::Lines;
use crate::message::{Outcome, Then};
use crate::plan::{Manners, Plan};
use crate::reason::Cause;

/// Serves one request.
pub(crate) async fn serve(conversation: &mut Conversation, head: &Head, lines: &Lines) -> Next {
    let mut plan = match Plan::read(head, &conversation.form) {
        Ok(plan) => plan,
        Err(cause) => return conversation.refuse_head(head, cause).await,
    };
    // A body that nobody reads would be taken for the next request.
    let skippable = plan.manners == Manners::KeepAlive && plan.framing == Framing::Length(0);
    let (proxy, session) = (conversation.proxy.clone(), conversation.session.clone());
    let errand = Errand {
        proxy: &proxy,
        session: &session,
    };
    let never = std::future::pending();
    match errand.run(conversation, &mut plan, lines, never).await {
        Ended::Done { outcome, .. } => next(outcome),
        Ended::Refused { refusal, untouched } => {
            let manner = plan.manner(untouched && skippable);
            conversation.answer(&refusal, manner).await
        }
        Ended::Cut { cause, framed, .. } => cut_short(cause, framed),
    }
}

const fn next(outcome: Outcome) -> Next {
    match outcome.then {
        Then::Http { client: true, .. } => Next::Request,
        Then::Http { client: false, .. } => Next::Finish,
        Then::Tunnel => Next::Done,
    }
}

/// How a connection ends on which an answer, or a tunnel, was broken off. What came of an answer is to
/// arrive, so the connection closes in order where the client can tell that the answer lacks its end: by
/// its length, or by the last chunk that never comes. It is reset where only that would tell, and where
/// it is the client that is gone or takes nothing.
const fn cut_short(cause: Cause, framed: bool) -> Next {
    match cause {
        Cause::ClientAborted | Cause::IdleTimeout => Next::Abort,
        _ if framed => Next::Finish,
        _ => Next::Abort,
    }
}
