//! CONNECT (RFC 9110 9.3.6): a tunnel whose first bytes must be TLS for the same host.
//!
//! On the ports of TLS ([`TLS_PORTS`]) nothing else passes. On other ports a rule stands for
//! whatever protocol is spoken there: what looks like TLS is checked all the same, and the rest passes.
//! The upstream connection is made before the answer, so that a failure is a 502 and not a broken
//! tunnel, but not one byte is sent on it before the handshake has been checked.
//!
//! Not for: moving the bytes (`relay`).

use model::{TlsMode, Via};
use policy::{Destination, RequestKind};
use tokio::time::timeout;

use crate::authorize::{Asked, authorize, revoked};
use crate::explicit::{Conversation, Next};
use crate::head::Head;
use crate::hello::{ACCESS_DENIED, HANDSHAKE, Hello, HelloError};
use crate::limits::{HELLO_TIMEOUT, TUNNEL_IDLE};
use crate::reason::Cause;
use crate::relay::relay;
use crate::respond::{ESTABLISHED, Manner};
use crate::upstream::{Upstream, is_exhaustion};

/// HTTPS and its usual alternative.
pub(crate) const TLS_PORTS: [u16; 2] = [443, 8443];

/// Serves one CONNECT; afterwards the connection is used up, unless it was denied.
pub(crate) async fn serve(conversation: &mut Conversation, head: &Head) -> Next {
    let asked = match read(head) {
        Ok(asked) => asked,
        Err(cause) => return conversation.refuse_head(head, cause).await,
    };
    let Conversation { proxy, session, .. } = &*conversation;
    let mut permit = match authorize(session, &proxy.recorder, &asked).await {
        Ok(permit) => permit,
        Err(refusal) => return conversation.answer(&refusal, Manner::LAST).await,
    };
    let upstream = match proxy
        .dialler
        .dial(session, &permit, &asked.destination)
        .await
    {
        Ok(upstream) => upstream,
        Err(cause) => {
            let refusal = permit.exchange.refuse(cause);
            return conversation.answer(&refusal, Manner::LAST).await;
        }
    };
    permit.exchange.set_status(200);
    if conversation.client.write(ESTABLISHED).await.is_err() {
        permit.exchange.end(Cause::ClientAborted);
        return Next::Done;
    }
    match tunnel(conversation, &asked, &upstream).await {
        Ok(()) => {
            permit.exchange.complete();
            Next::Done
        }
        Err(cause) => {
            permit.exchange.end(cause);
            if matches!(cause, Cause::SniMismatch | Cause::NotTls) {
                Next::Finish
            } else {
                Next::Abort
            }
        }
    }
}

/// Carries a tunnel until it ends or a newer policy forbids it.
pub(crate) async fn carry(
    conversation: &Conversation,
    asked: &Asked,
    upstream: &Upstream,
) -> Result<(), Cause> {
    let Conversation {
        proxy,
        session,
        client,
        ..
    } = conversation;
    tokio::select! {
        ended = relay(client, upstream, &proxy.pipes) => ended,
        () = revoked(session, asked) => Err(Cause::PolicyChanged),
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
    Ok(Asked {
        via: Via::Explicit,
        tls: TlsMode::Tunnel,
        kind: RequestKind::Tunnel,
        method: head.method.clone(),
        destination,
        path: None,
    })
}

/// Insists that a Host field names the destination.
pub(crate) fn same_host(host: &[u8], wanted: &Destination, port: u16) -> Result<(), Cause> {
    let given = Destination::from_authority(host, Some(port))
        .map_err(|error| Cause::Malformed(error.code()))?;
    if given == *wanted {
        Ok(())
    } else {
        Err(Cause::HostMismatch)
    }
}

async fn tunnel(
    conversation: &mut Conversation,
    asked: &Asked,
    upstream: &Upstream,
) -> Result<(), Cause> {
    if let Err(cause) = inspect(conversation, &asked.destination, upstream).await {
        if cause == Cause::SniMismatch {
            // A courtesy: the client learns that it was refused rather than cut off.
            drop(conversation.client.write(&ACCESS_DENIED).await);
        }
        return Err(cause);
    }
    let first = conversation.buffer.split();
    upstream.write(&first).await.map_err(|error| {
        if is_exhaustion(&error) {
            Cause::BudgetExceeded
        } else {
            Cause::UpstreamAborted
        }
    })?;
    carry(conversation, asked, upstream).await
}

/// Reads the tunnel's first bytes into the buffer and checks them.
async fn inspect(
    conversation: &mut Conversation,
    destination: &Destination,
    upstream: &Upstream,
) -> Result<(), Cause> {
    let must_be_tls = TLS_PORTS.contains(&destination.port);
    if !must_be_tls && !client_speaks_first(conversation, upstream).await? {
        return Ok(());
    }
    match timeout(HELLO_TIMEOUT, read_hello(conversation)).await {
        Ok(Ok(hello)) if hello.names(&destination.host) => Ok(()),
        Ok(Ok(_)) => Err(Cause::SniMismatch),
        Ok(Err(Unread::Ended)) => Err(Cause::ClientAborted),
        Ok(Err(Unread::Refused(HelloError::NotTls))) if !must_be_tls => Ok(()),
        Ok(Err(Unread::Refused(error))) => Err(error.into()),
        Err(_elapsed) => Err(Cause::NotTls),
    }
}

/// Waits for the first byte of either side of a port that need not be TLS. True when the client's
/// bytes begin like TLS; a server that speaks first doesn't speak TLS.
async fn client_speaks_first(
    conversation: &mut Conversation,
    upstream: &Upstream,
) -> Result<bool, Cause> {
    if conversation.buffer.is_empty() {
        let reading = conversation.client.read(&mut conversation.buffer);
        let first = async {
            tokio::select! {
                read = reading => read.map(drop),
                ready = upstream.stream().readable() => ready,
            }
        };
        match timeout(TUNNEL_IDLE, first).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Cause::ClientAborted),
            Err(_elapsed) => return Err(Cause::IdleTimeout),
        }
    }
    Ok(conversation.buffer.first() == Some(&HANDSHAKE))
}

enum Unread {
    Ended,
    Refused(HelloError),
}

async fn read_hello(conversation: &mut Conversation) -> Result<Hello, Unread> {
    loop {
        if let Some(hello) = Hello::parse(&conversation.buffer).map_err(Unread::Refused)? {
            return Ok(hello);
        }
        match conversation.client.read(&mut conversation.buffer).await {
            Ok(0) | Err(_) => return Err(Unread::Ended),
            Ok(_) => {}
        }
    }
}
