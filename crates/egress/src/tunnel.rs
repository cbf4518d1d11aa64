//! Tunnels: bytes that are not read, for one host, after a look at how they begin.
//!
//! On the ports of TLS ([`TLS_PORTS`]) nothing else passes, and the handshake is checked before the
//! upstream server is dialled. On other ports a rule stands for whatever protocol is spoken there, and
//! the server may speak first. What looks like TLS is checked all the same before a byte is sent, and
//! the rest passes.
//!
//! Not for: tunnels that are opened (`intercept`), nor moving the bytes (`relay`).

use policy::Destination;
use tokio::time::timeout;

use crate::authorize::{Asked, Permit, revoked_while_carried};
use crate::conversation::{Conversation, Next};
use crate::dial::Route;
use crate::hello::{ACCESS_DENIED, HANDSHAKE, Hello, HelloError, INTERNAL_ERROR};
use crate::http1::cause;
use crate::limits::{HELLO_TIMEOUT, TUNNEL_IDLE};
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::relay::{Filters, relay};
use crate::respond::{ESTABLISHED, Manner};
use crate::upstream::Upstream;

/// HTTPS and its usual alternative.
pub(crate) const TLS_PORTS: [u16; 2] = [443, 8443];

/// How the client asked, which is how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// With CONNECT: an HTTP answer comes before the tunnel's content.
    Connect,
    /// Not at all: it believes to speak with the server.
    None,
}

/// Carries a permitted tunnel to its end; afterwards the connection is used up, unless it was denied.
pub(crate) async fn serve(
    conversation: &mut Conversation,
    asked: &Asked,
    mut permit: Permit,
    greeting: Greeting,
) -> Next {
    let Conversation { proxy, session, .. } = &*conversation;
    let found = proxy.dialler.find(session, &permit, &asked.destination);
    let route = match found.await {
        Ok(route) => route,
        Err(cause) => return unopened(conversation, permit, (cause, greeting)).await,
    };
    let ended = if TLS_PORTS.contains(&asked.destination.port) {
        handshake_first(conversation, asked, (&mut permit, &route), greeting).await
    } else {
        match route.dial(&permit).await {
            Ok(upstream) => {
                server_first(conversation, asked, (&mut permit, &upstream), greeting).await
            }
            Err(cause) => return unopened(conversation, permit, (cause, greeting)).await,
        }
    };
    match ended {
        Ok(()) => {
            permit.exchange.complete();
            Next::Done
        }
        Err(cause) => {
            let told = tell(conversation, cause, &permit).await;
            permit.exchange.end(cause);
            told
        }
    }
}

/// Refuses a tunnel of which nothing has been answered yet.
pub(crate) async fn deny(
    conversation: &Conversation,
    refusal: &Refusal,
    greeting: Greeting,
) -> Next {
    if greeting == Greeting::Connect {
        return conversation.answer(refusal, Manner::LAST).await;
    }
    let alert = if refusal.status == 502 {
        INTERNAL_ERROR
    } else {
        ACCESS_DENIED
    };
    alarm(conversation, alert).await
}

/// Ends a connection with a fatal alert, where the client speaks TLS.
pub(crate) async fn alarm(conversation: &Conversation, alert: [u8; 7]) -> Next {
    if conversation.buffer.first() != Some(&HANDSHAKE) {
        return Next::Finish;
    }
    // A courtesy: the client learns that it was refused rather than cut off.
    drop(conversation.client.write(&alert).await);
    Next::Finish
}

async fn unopened(
    conversation: &Conversation,
    mut permit: Permit,
    (cause, greeting): (Cause, Greeting),
) -> Next {
    let refusal = permit.exchange.refuse(cause);
    deny(conversation, &refusal, greeting).await
}

/// Ends a tunnel that failed; where nothing of the server has been passed on, with a word on why.
async fn tell(conversation: &Conversation, cause: Cause, permit: &Permit) -> Next {
    let alert = match cause {
        Cause::SniMismatch => ACCESS_DENIED,
        Cause::UpstreamUnreachable | Cause::UpstreamProxy(_) => INTERNAL_ERROR,
        Cause::NotTls => return Next::Finish,
        _ => return Next::Abort,
    };
    // A hop that refused said so in bytes that count.
    debug_assert!(
        permit.exchange.account().bytes().1 == 0 || matches!(cause, Cause::UpstreamProxy(_)),
        "{cause:?}"
    );
    drop(conversation.client.write(&alert).await);
    Next::Finish
}

/// A tunnel on a port of TLS: answer, handshake, and only then the upstream server.
async fn handshake_first(
    conversation: &mut Conversation,
    asked: &Asked,
    (permit, route): (&mut Permit, &Route),
    greeting: Greeting,
) -> Result<(), Cause> {
    establish(conversation, permit, greeting).await?;
    check_hello(conversation, &asked.destination, permit).await?;
    let upstream = route.dial(permit).await?;
    begin(conversation, (permit, asked), &upstream).await
}

/// A tunnel on any other port: the upstream server is there already.
async fn server_first(
    conversation: &mut Conversation,
    asked: &Asked,
    (permit, upstream): (&mut Permit, &Upstream),
    greeting: Greeting,
) -> Result<(), Cause> {
    establish(conversation, permit, greeting).await?;
    if client_speaks_tls(conversation, Some(upstream)).await? {
        match read_hello(conversation).await {
            // What only begins like a handshake is another protocol, which may pass here.
            Err(Unread::Refused(HelloError::NotTls)) => {}
            read => judge_hello(read, &asked.destination, permit)?,
        }
    }
    begin(conversation, (permit, asked), upstream).await
}

async fn establish(
    conversation: &Conversation,
    permit: &mut Permit,
    greeting: Greeting,
) -> Result<(), Cause> {
    permit.exchange.set_status(200);
    greet(conversation, greeting).await
}

/// Says that the tunnel stands, to those who asked for one.
pub(crate) async fn greet(conversation: &Conversation, greeting: Greeting) -> Result<(), Cause> {
    if greeting == Greeting::None {
        return Ok(());
    }
    let written = conversation.client.write(ESTABLISHED).await;
    written.map_err(|_gone| Cause::ClientAborted)
}

/// Carries a tunnel until it ends or a newer policy forbids it.
pub(crate) async fn carry(
    conversation: &Conversation,
    (permit, asked): (&Permit, &Asked),
    upstream: &Upstream,
    filters: Filters,
) -> Result<(), Cause> {
    let Conversation { proxy, client, .. } = conversation;
    tokio::select! {
        ended = relay(client, upstream, &proxy.pipes, filters) => ended,
        () = revoked_while_carried(permit, asked) => Err(Cause::PolicyChanged),
    }
}

/// Sends what was read to be checked, and carries on.
async fn begin(
    conversation: &mut Conversation,
    (permit, asked): (&Permit, &Asked),
    upstream: &Upstream,
) -> Result<(), Cause> {
    let first = std::mem::take(&mut conversation.buffer);
    let written = upstream.write(&first).await;
    written.map_err(|error| cause::<Upstream>(&error))?;
    // A tunnel may be silent for hours, and needs no buffer.
    drop(first);
    carry(conversation, (permit, asked), upstream, Filters::default()).await
}

async fn check_hello(
    conversation: &mut Conversation,
    destination: &Destination,
    permit: &mut Permit,
) -> Result<(), Cause> {
    let read = read_hello(conversation).await;
    judge_hello(read, destination, permit)
}

/// Notes what a handshake is like, and insists on the host's name in it.
fn judge_hello(
    read: Result<Hello, Unread>,
    destination: &Destination,
    permit: &mut Permit,
) -> Result<(), Cause> {
    let hello = read?;
    if hello.is_encrypted() {
        permit.exchange.note("encrypted_client_hello");
    }
    if hello.names(&destination.host) {
        Ok(())
    } else {
        Err(Cause::SniMismatch)
    }
}

/// Waits for the first byte of either side of a port that need not be TLS. True when the client's
/// bytes begin like TLS; a server that speaks first doesn't speak TLS.
pub(crate) async fn client_speaks_tls(
    conversation: &mut Conversation,
    upstream: Option<&Upstream>,
) -> Result<bool, Cause> {
    if conversation.buffer.is_empty() {
        let reading = conversation.client.read(&mut conversation.buffer);
        let speaking = async {
            match upstream {
                Some(upstream) => upstream.speaks().await,
                None => std::future::pending().await,
            }
        };
        let first = async {
            tokio::select! {
                read = reading => read.map(drop),
                ready = speaking => ready,
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

/// Why there is no ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    Ended,
    /// Not within its time.
    Late,
    Refused(HelloError),
}

impl From<Unread> for Cause {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Ended => Self::ClientAborted,
            Unread::Late => Self::NotTls,
            Unread::Refused(error) => error.into(),
        }
    }
}

/// Reads a ClientHello into the buffer, and leaves it there.
pub(crate) async fn read_hello(conversation: &mut Conversation) -> Result<Hello, Unread> {
    let reading = timeout(HELLO_TIMEOUT, async {
        loop {
            if let Some(hello) = Hello::parse(&conversation.buffer).map_err(Unread::Refused)? {
                return Ok(hello);
            }
            match conversation.client.read(&mut conversation.buffer).await {
                Ok(0) | Err(_) => return Err(Unread::Ended),
                Ok(_) => {}
            }
        }
    });
    reading.await.unwrap_or(Err(Unread::Late))
}
