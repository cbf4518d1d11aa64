//! CONNECT (RFC 9110 9.3.6): a tunnel to one host, left closed or opened, as its rules want it.
//!
//! On ports of TLS clients speak only after `200`, so that answer comes before the server is dialled,
//! and one that can't be reached is told by an alert. What can be known without dialling (the name
//! resolves, to addresses that are permitted) is still answered with a status.
//!
//! Not for: what happens in the tunnel (`tunnel`, `intercept`).

use model::{TlsMode, Via};
use policy::{Destination, RequestKind};

use crate::authorize::{Asked, Passage, open};
use crate::conversation::{Conversation, Next};
use crate::form::same_host;
use crate::head::Head;
use crate::intercept;
use crate::lesson;
use crate::reason::Cause;
use crate::tunnel::{self, Greeting};

/// Serves one CONNECT.
pub(crate) async fn serve(conversation: &mut Conversation, head: Head) -> Next {
    match read(&head) {
        Ok(asked) => {
            // A tunnel may be silent for hours, and the head holds the buffer that it was read into.
            drop(head);
            ask(conversation, &asked, Greeting::Connect).await
        }
        Err(cause) => conversation.refuse_head(&head, cause).await,
    }
}

/// Has a tunnel judged, and then carries or opens it.
pub(crate) async fn ask(
    conversation: &mut Conversation,
    asked: &Asked,
    greeting: Greeting,
) -> Next {
    let Conversation { proxy, session, .. } = &*conversation;
    match open(session, &proxy.recorder, asked).await {
        Ok(Passage::Tunnel(permit)) => tunnel::serve(conversation, asked, *permit, greeting).await,
        Ok(Passage::Open) if session.policy().is_learning() => {
            lesson::serve(conversation, asked, greeting).await
        }
        Ok(Passage::Open) => intercept::serve(conversation, asked, greeting).await,
        Err(refusal) => tunnel::deny(conversation, &refusal, greeting).await,
    }
}

/// A tunnel as it is judged.
pub(crate) fn asked(via: Via, destination: Destination) -> Asked {
    Asked {
        via,
        tls: TlsMode::Tunnel,
        kind: RequestKind::Tunnel,
        method: "CONNECT".to_owned(),
        destination,
        path: None,
    }
}

/// What is asked for, once it can be read in one way only.
fn read(head: &Head) -> Result<Asked, Cause> {
    let destination = Destination::from_authority(&head.target, None)
        .map_err(|error| Cause::Malformed(error.code()))?;
    if head.fields.framing()?.is_some() {
        return Err(Cause::Malformed("connect_with_body"));
    }
    match head.fields.one("host")? {
        Some(host) => same_host(host, &destination, destination.port)?,
        None if head.is_11 => return Err(Cause::Malformed("host_missing")),
        None => {}
    }
    Ok(asked(Via::Explicit, destination))
}
