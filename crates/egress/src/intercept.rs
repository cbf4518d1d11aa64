//! Tunnels that are opened: TLS is answered in the host's place, and what is inside is judged request by
//! request. Such a tunnel is no event of its own, unless it is refused: nothing is dialled for it.
//!
//! Not for: the requests inside (`conversation`, `forward`), nor certificates (`authority`).

use std::sync::Arc;

use authority::Alpn;
use model::TlsMode;

use crate::authorize::{Asked, Unjudged, turn_away};
use crate::conversation::{Conversation, Next};
use crate::form::Form;
use crate::hello::{ACCESS_DENIED, INTERNAL_ERROR};
use crate::reason::Cause;
use crate::tunnel::{Greeting, TLS_PORTS, alarm, client_speaks_tls, greet, read_hello};

/// Opens a tunnel. What is not TLS is plain HTTP, on ports that are not those of TLS.
pub(crate) async fn serve(
    conversation: &mut Conversation,
    asked: &Asked,
    greeting: Greeting,
) -> Next {
    if greet(conversation, greeting).await.is_err() {
        return Next::Done;
    }
    let tls = match speaks_tls(conversation, asked).await {
        Ok(tls) => tls,
        Err(_ended) => return Next::Done,
    };
    if tls && let Err(cause) = accept(conversation, asked).await {
        return refuse(conversation, asked, cause).await;
    }
    let form = Form::Within {
        destination: asked.destination.clone(),
        via: asked.via,
        tls,
    };
    if conversation.client.speaks_http2() {
        Next::Http2(form)
    } else {
        Next::Within(form)
    }
}

async fn speaks_tls(conversation: &mut Conversation, asked: &Asked) -> Result<bool, Cause> {
    if TLS_PORTS.contains(&asked.destination.port) {
        return Ok(true);
    }
    client_speaks_tls(conversation, None).await
}

/// Answers the handshake, if it is for the host.
async fn accept(conversation: &mut Conversation, asked: &Asked) -> Result<(), Cause> {
    let host = &asked.destination.host;
    if !read_hello(conversation).await?.names(host) {
        return Err(Cause::SniMismatch);
    }
    let authority = conversation.session.authority.clone();
    let authority = authority.ok_or(Cause::NeedsInterception)?;
    let config = authority
        .server_config(host, Alpn::Http2)
        .map_err(|error| {
            tracing::debug!(%error, "no certificate for a tunnel");
            Cause::CertificateUnavailable
        })?;
    let first = conversation.buffer.split();
    let accepted = conversation.client.accept_tls(Arc::clone(&config), first);
    accepted.await.map_err(|error| {
        tracing::debug!(%error, "the jail's TLS handshake failed");
        Cause::ClientTlsFailed
    })
}

async fn refuse(conversation: &Conversation, asked: &Asked, cause: Cause) -> Next {
    if cause == Cause::ClientAborted {
        return Next::Done;
    }
    let host = asked.destination.host.to_string();
    let unjudged = Unjudged {
        via: asked.via,
        tls: TlsMode::Intercept,
        method: asked.method.as_bytes(),
        host: host.as_bytes(),
        port: asked.destination.port,
    };
    let Conversation { proxy, session, .. } = conversation;
    if cause == Cause::ClientTlsFailed {
        session.lessons.keep_closed(&asked.destination);
    }
    drop(turn_away(session, &proxy.recorder, unjudged, cause).await);
    let alert = if cause == Cause::CertificateUnavailable {
        INTERNAL_ERROR
    } else {
        ACCESS_DENIED
    };
    alarm(conversation, alert).await
}
