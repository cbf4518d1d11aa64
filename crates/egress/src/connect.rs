//! CONNECT (RFC 9110 9.3.6): a tunnel whose first bytes must be TLS for the same host.
//!
//! On the ports of TLS ([`TLS_PORTS`]) nothing else passes, and the handshake is checked before the
//! upstream server is dialled. Clients speak only after `200`, so that answer comes first: a server that
//! can't be reached then is told by an alert. What can be known without dialling (the name resolves, to
//! addresses that are permitted) is still answered with a status.
//!
//! On other ports a rule stands for whatever protocol is spoken there, and the server may speak first:
//! it is dialled before the answer. What looks like TLS is checked all the same before a byte is sent,
//! and the rest passes.
//!
//! Not for: moving the bytes (`relay`).

use model::{TlsMode, Via};
use policy::{Destination, RequestKind};
use tokio::time::timeout;

use crate::authorize::{Asked, Permit, authorize, revoked};
use crate::client::Client;
use crate::dial::Route;
use crate::exchange::Exchange;
use crate::explicit::{Conversation, Next};
use crate::head::Head;
use crate::hello::{ACCESS_DENIED, HANDSHAKE, Hello, HelloError, INTERNAL_ERROR};
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
    let route = match proxy
        .dialler
        .find(session, &permit, &asked.destination)
        .await
    {
        Ok(route) => route,
        Err(cause) => return unopened(conversation, permit, cause).await,
    };
    let ended = if TLS_PORTS.contains(&asked.destination.port) {
        handshake_first(conversation, &asked, (&mut permit, &route)).await
    } else {
        match route.dial(&permit).await {
            Ok(upstream) => server_first(conversation, &asked, (&mut permit, &upstream)).await,
            Err(cause) => return unopened(conversation, permit, cause).await,
        }
    };
    match ended {
        Ok(()) => {
            permit.exchange.complete();
            Next::Done
        }
        Err(cause) => {
            let told = tell(&conversation.client, cause, &permit).await;
            permit.exchange.end(cause);
            told
        }
    }
}

/// Refuses a tunnel that was not answered yet.
async fn unopened(conversation: &Conversation, mut permit: Permit, cause: Cause) -> Next {
    let refusal = permit.exchange.refuse(cause);
    conversation.answer(&refusal, Manner::LAST).await
}

/// Ends a tunnel that failed; where nothing of the server has been passed on, with a word on why.
async fn tell(client: &Client, cause: Cause, permit: &Permit) -> Next {
    let alert = match cause {
        Cause::SniMismatch => ACCESS_DENIED,
        Cause::UpstreamUnreachable => INTERNAL_ERROR,
        Cause::NotTls => return Next::Finish,
        _ => return Next::Abort,
    };
    debug_assert_eq!(permit.exchange.account().bytes().1, 0, "{cause:?}");
    // A courtesy: the client learns that it was refused rather than cut off.
    drop(client.write(&alert).await);
    Next::Finish
}

/// A tunnel on a port of TLS: answer, handshake, and only then the upstream server.
async fn handshake_first(
    conversation: &mut Conversation,
    asked: &Asked,
    (permit, route): (&mut Permit, &Route),
) -> Result<(), Cause> {
    establish(conversation, permit).await?;
    let checked = check_hello(conversation, &asked.destination, &mut permit.exchange).await;
    checked.map_err(|unread| match unread {
        Unread::Ended => Cause::ClientAborted,
        Unread::Late => Cause::NotTls,
        Unread::Refused(error) => error.into(),
        Unread::OtherName => Cause::SniMismatch,
    })?;
    let upstream = route.dial(permit).await?;
    begin(conversation, (permit, asked), &upstream).await
}

/// A tunnel on any other port: the upstream server is there already.
async fn server_first(
    conversation: &mut Conversation,
    asked: &Asked,
    (permit, upstream): (&mut Permit, &Upstream),
) -> Result<(), Cause> {
    establish(conversation, permit).await?;
    if client_speaks_tls(conversation, upstream).await? {
        let checked = check_hello(conversation, &asked.destination, &mut permit.exchange).await;
        match checked {
            // What only begins like a handshake is another protocol, which may pass here.
            Ok(()) | Err(Unread::Refused(HelloError::NotTls)) => {}
            Err(Unread::Ended) => return Err(Cause::ClientAborted),
            Err(Unread::Late) => return Err(Cause::NotTls),
            Err(Unread::Refused(error)) => return Err(error.into()),
            Err(Unread::OtherName) => return Err(Cause::SniMismatch),
        }
    }
    begin(conversation, (permit, asked), upstream).await
}

async fn establish(conversation: &Conversation, permit: &mut Permit) -> Result<(), Cause> {
    permit.exchange.set_status(200);
    let written = conversation.client.write(ESTABLISHED).await;
    written.map_err(|_gone| Cause::ClientAborted)
}

/// Carries a tunnel until it ends or a newer policy forbids it.
pub(crate) async fn carry(
    conversation: &Conversation,
    (permit, asked): (&Permit, &Asked),
    upstream: &Upstream,
) -> Result<(), Cause> {
    let Conversation { proxy, client, .. } = conversation;
    tokio::select! {
        ended = relay(client, upstream, &proxy.pipes) => ended,
        () = revoked(permit, asked) => Err(Cause::PolicyChanged),
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

/// Sends what was read to be checked, and carries on.
async fn begin(
    conversation: &mut Conversation,
    (permit, asked): (&Permit, &Asked),
    upstream: &Upstream,
) -> Result<(), Cause> {
    let first = conversation.buffer.split();
    upstream.write(&first).await.map_err(|error| {
        if is_exhaustion(&error) {
            Cause::BudgetExceeded
        } else {
            Cause::UpstreamAborted
        }
    })?;
    carry(conversation, (permit, asked), upstream).await
}

/// Reads a ClientHello into the buffer, notes what it is like, and insists on the host's name in it.
async fn check_hello(
    conversation: &mut Conversation,
    destination: &Destination,
    exchange: &mut Exchange,
) -> Result<(), Unread> {
    let reading = timeout(HELLO_TIMEOUT, read_hello(conversation));
    let hello = reading.await.unwrap_or(Err(Unread::Late))?;
    if hello.is_encrypted() {
        exchange.note("encrypted_client_hello");
    }
    if hello.names(&destination.host) {
        Ok(())
    } else {
        Err(Unread::OtherName)
    }
}

/// Waits for the first byte of either side of a port that need not be TLS. True when the client's
/// bytes begin like TLS; a server that speaks first doesn't speak TLS.
async fn client_speaks_tls(
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

/// Why there is no handshake for the host.
enum Unread {
    Ended,
    /// Not within its time.
    Late,
    Refused(HelloError),
    OtherName,
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
