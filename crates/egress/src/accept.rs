//! Takes connections of one listener, as many as its session may have, and survives shortages.
//!
//! Not for: what is said on them.

use std::io;
use std::sync::Arc;

use model::Via;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::authorize::{Unjudged, turn_away};
use crate::client::Client;
use crate::limits::ACCEPT_PAUSE;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::respond::{Manner, denial};
use crate::session::Session;
use crate::{dns, explicit, transparent};

/// Which listener a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Explicit,
    Http,
    Https,
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
            Ok((stream, _peer)) => admit(&proxy, &session, door, stream),
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

fn admit(proxy: &Arc<Proxy>, session: &Arc<Session>, door: Door, stream: TcpStream) {
    let (proxy, session) = (Arc::clone(proxy), Arc::clone(session));
    let tasks = session.tasks.clone();
    if let Ok(place) = Arc::clone(&session.places).try_acquire_owned() {
        tasks.spawn("connection", serve(proxy, session, door, stream, place));
    } else if let Ok(place) = Arc::clone(&session.doormen).try_acquire_owned() {
        tasks.spawn("turned away", refuse(proxy, session, door, stream, place));
    }
    // Otherwise the connection is closed here: a flood is not worth an answer each.
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
    match door {
        // Boxed: the states of a proxied connection are large, and tasks of the others are not.
        Door::Explicit => Box::pin(explicit::serve(proxy, session, client)).await,
        Door::Http => transparent::serve_http(&proxy, &session, client).await,
        Door::Https => transparent::serve_https(&proxy, &session, client).await,
        Door::Dns => dns::serve_stream(&proxy, &session, client).await,
    }
    drop(place);
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
