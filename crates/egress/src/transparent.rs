//! Connections to ports 80 and 443 that never asked for a proxy: refused at once, in their own words.
//!
//! Not for: the proxy port (`explicit`).

use model::Via;
use tokio::time::timeout;

use crate::authorize::{Unjudged, turn_away};
use crate::client::Client;
use crate::hello::ACCESS_DENIED;
use crate::limits::HEAD_TIMEOUT;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::respond::{Manner, denial};
use crate::session::Session;

/// Answers plain HTTP with a denial that names the proxy as the way out.
pub(crate) async fn serve_http(proxy: &Proxy, session: &Session, client: Client) {
    let refusal = refuse(proxy, session, &client).await;
    if client.write(&denial(&refusal, Manner::LAST)).await.is_ok() {
        client.finish().await;
    }
}

/// Answers a TLS handshake with a fatal alert.
pub(crate) async fn serve_https(proxy: &Proxy, session: &Session, client: Client) {
    drop(refuse(proxy, session, &client).await);
    if client.write(&ACCESS_DENIED).await.is_ok() {
        client.finish().await;
    }
}

/// Records the refusal under the address that the jail aimed at: every destination leads here, and
/// the local address is still the one that was dialled. What the client says is not even read.
async fn refuse(proxy: &Proxy, session: &Session, client: &Client) -> Refusal {
    let aimed = client.stream().local_addr().ok();
    let host = aimed
        .map(|address| address.ip().to_string())
        .unwrap_or_default();
    let port = aimed.map_or(0, |address| address.port());
    let unjudged = Unjudged {
        via: Via::Transparent,
        method: b"",
        host: host.as_bytes(),
        port,
    };
    // Both protocols have the client speak first; an answer before that would be taken for garbage
    // by some clients.
    drop(timeout(HEAD_TIMEOUT, client.stream().readable()).await);
    turn_away(
        session,
        &proxy.recorder,
        unjudged,
        Cause::ExplicitProxyRequired,
    )
    .await
}
