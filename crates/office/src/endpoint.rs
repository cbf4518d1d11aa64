//! Asking token endpoints, for secrets whose value is a token: one `POST` over TLS on a fresh connection,
//! on record before it is sent.
//!
//! Not for: what jails send; that is `egress`. An operator named these endpoints, so their addresses are
//! not judged.

use std::sync::Arc;
use std::time::Duration;

use audit::{Event, Kind, Principal};
use bytes::Bytes;
use control::Recorder;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use vault::oauth::ANSWER_MAX;
use vault::{FetchFailed, Fetching, TokenAnswer, TokenFetcher, TokenRequest};
use zeroize::Zeroizing;

/// Time for the whole exchange. Requests of jails wait for it.
const EXCHANGE_MAX: Duration = Duration::from_secs(15);

/// The office's own client.
#[derive(Clone)]
pub(crate) struct Endpoints {
    recorder: Recorder,
    tls: Arc<ClientConfig>,
}

/// TLS that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("TLS for token endpoints: {0}")]
pub(crate) struct TlsError(#[from] rustls::Error);

impl Endpoints {
    /// A client that trusts these authorities.
    pub(crate) fn new(recorder: Recorder, roots: Arc<RootCertStore>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            recorder,
            tls: Arc::new(tls),
        })
    }

    async fn ask(self, request: TokenRequest) -> Result<TokenAnswer, FetchFailed> {
        let host = request.endpoint.host.to_string();
        let data = json!({ "name": request.name, "host": host, "port": request.endpoint.port });
        let event = Event::new(Kind::SecretTokenRequested, Principal::Sheriff).data(data);
        self.recorder.append(event).await.map_err(failed)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, request.endpoint.port)).await;
        let name = ServerName::try_from(bare.to_owned()).map_err(failed)?;
        let connector = TlsConnector::from(self.tls);
        let stream = connector.connect(name, stream.map_err(failed)?).await;
        let stream = TokioIo::new(stream.map_err(failed)?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(failed)?;
        let exchange = async {
            let answer = sender.send_request(message(&request)?).await;
            read(answer.map_err(failed)?).await
        };
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            // It ends first when the server closes; what was received is still to be handed over.
            _ended = connection => exchange.await,
        }
    }
}

impl TokenFetcher for Endpoints {
    fn fetch(&self, request: TokenRequest) -> Fetching {
        let own = self.clone();
        Box::pin(async move {
            let asked = tokio::time::timeout(EXCHANGE_MAX, own.ask(request)).await;
            asked.unwrap_or_else(|_elapsed| {
                let seconds = EXCHANGE_MAX.as_secs();
                Err(FetchFailed(format!("no answer within {seconds} seconds")))
            })
        })
    }
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endpoints")
    }
}

fn message(request: &TokenRequest) -> Result<Request<Full<Bytes>>, FetchFailed> {
    let mut message = Request::post(&request.path)
        .header(HOST, request.endpoint.to_string())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(Full::new(Bytes::copy_from_slice(request.body.as_bytes())))
        .map_err(failed)?;
    if let Some(authorization) = &request.authorization {
        // Not the header's own error: nothing of the value may be in a message.
        let value = HeaderValue::from_str(authorization);
        let mut value = value.map_err(|_odd| FetchFailed("odd credentials".to_owned()))?;
        value.set_sensitive(true);
        message.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(message)
}

async fn read(answer: http::Response<hyper::body::Incoming>) -> Result<TokenAnswer, FetchFailed> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_MAX).collect().await;
    let body = body.map_err(|error| FetchFailed(error.to_string()))?;
    Ok(TokenAnswer {
        status: head.status.as_u16(),
        body: Zeroizing::new(body.to_bytes().to_vec()),
    })
}

fn failed(error: impl std::error::Error) -> FetchFailed {
    FetchFailed(error.to_string())
}

#[cfg(test)]
mod tests;
