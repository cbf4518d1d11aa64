//! Takes connections of one listener, as many as its session may have, and survives shortages.
//!
//! Not for: what is said on them.

use std::io;
use std::sync::Arc;

use model::{TlsMode, Via};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::authorize::{Unjudged, turn_away};
use crate::client::Client;
use crate::conversation::{Conversation, Next};
use crate::form::Form;
use crate::limits::{ACCEPT_PAUSE, CROWD_PAUSE};
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::respond::{Manner, denial};
use crate::session::Session;
use crate::{dns, transparent};

/// Which listener a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Explicit,
    Http,
    Https,
    /// A port that a rule names.
    Further(u16),
    Dns,
}

/// Accepts until the session stops.
pub(crate) async fn accept(
    proxy: Arc<Proxy>,
    session: Arc<Session>,
    door: Door,
    listener: TcpListener,
) {
    let stop = session.stop();
    loop {
        let accepted = tokio::select! {
            () = stop.requested() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => {
                if !admit(&proxy, &session, door, stream) {
                    tokio::time::sleep(CROWD_PAUSE).await;
                }
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // No descriptors or memory: others may free some. The kernel's queue holds the rest.
                tracing::warn!(%error, session = %session.id, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::PermissionDenied
    )
}

/// False when there was not even a place to be turned away: a flood is not worth an answer each, nor
/// the processor time of other jails.
fn admit(proxy: &Arc<Proxy>, session: &Arc<Session>, door: Door, stream: TcpStream) -> bool {
    let (proxy, session) = (Arc::clone(proxy), Arc::clone(session));
    let tasks = session.tasks.clone();
    if let Ok(place) = Arc::clone(&session.places).try_acquire_owned() {
        tasks.spawn("connection", serve(proxy, session, door, stream, place));
    } else if let Ok(place) = Arc::clone(&session.doormen).try_acquire_owned() {
        tasks.spawn("turned away", refuse(proxy, session, door, stream, place));
    } else {
        return false;
    }
    true
}

/// The place is taken until the connection is closed.
async fn serve(
    proxy: Arc<Proxy>,
    session: Arc<Session>,
    door: Door,
    stream: TcpStream,
    place: OwnedSemaphorePermit,
) {
    let client = Client::new(stream, Arc::clone(&session.meter));
    if door == Door::Dns {
        dns::serve_stream(&proxy, &session, client).await;
    } else {
        // Boxed: the states of a proxied connection are large, and tasks of the others are not.
        Box::pin(converse(proxy, session, door, client)).await;
    }
    drop(place);
}

async fn converse(proxy: Arc<Proxy>, session: Arc<Session>, door: Door, client: Client) {
    let form = match door {
        Door::Http => transparent::form(&session, &client),
        Door::Explicit | Door::Https | Door::Further(_) | Door::Dns => Form::Proxy,
    };
    let mut conversation = Conversation::new(proxy, session, client, form);
    let next = match door {
        Door::Explicit | Door::Http | Door::Dns => Next::Request,
        Door::Https => transparent::greet_tls(&mut conversation).await,
        Door::Further(port) => transparent::greet_further(&mut conversation, port).await,
    };
    conversation.run(next).await;
}

async fn refuse(
    proxy: Arc<Proxy>,
    session: Arc<Session>,
    door: Door,
    stream: TcpStream,
    place: OwnedSemaphorePermit,
) {
    let client = Client::new(stream, Arc::clone(&session.meter));
    let via = if door == Door::Explicit {
        Via::Explicit
    } else {
        Via::Transparent
    };
    let unjudged = Unjudged {
        via,
        tls: TlsMode::None,
        method: b"",
        host: b"",
        port: 0,
    };
    let refusal = turn_away(
        &session,
        &proxy.recorder,
        unjudged,
        Cause::TooManyConnections,
    )
    .await;
    let speaks_http = matches!(door, Door::Explicit | Door::Http);
    if speaks_http && client.write(&denial(&refusal, Manner::LAST)).await.is_ok() {
        client.finish().await;
    }
    drop(place);
}
