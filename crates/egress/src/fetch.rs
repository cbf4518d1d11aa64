//! One HTTP exchange on behalf of a session's capability, through the same pipeline as its own.
//!
//! Not for: the routes that ask for it, nor for redirects, cookies or caches: none is followed or kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::{EventId, TlsMode, Via};
use policy::{Host, RequestKind, Scheme, Target};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::authorize::{Asked, Permit, authorize};
use crate::connect::TLS_PORTS;
use crate::limits::{FETCH_BODY_MAX, FETCH_REQUEST_MAX, FETCH_TIMEOUT_MAX, HEAD_MAX, HEADERS_MAX};
use crate::meter::Exhausted;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::session::Session;

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// Absolute URL, `http` or `https`.
    pub url: String,
    /// Upper-case method other than CONNECT.
    pub method: String,
    /// Fields to send; those that frame or route the message are refused.
    pub headers: Vec<(String, String)>,
    /// Body to send, 4 MiB at most; empty for none.
    pub body: Vec<u8>,
    /// For the whole exchange, five minutes at most.
    pub timeout: Duration,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchResponse {
    /// HTTP status of the server.
    pub status: u16,
    /// Its fields; values that are not UTF-8 have replacement characters.
    pub headers: Vec<(String, String)>,
    /// The whole body, 4 MiB at most.
    pub body: Vec<u8>,
    /// Bytes written to the server's connection, TLS included.
    pub bytes_up: u64,
    /// Bytes read from it.
    pub bytes_down: u64,
    /// Id of the decision in the log.
    pub id: EventId,
}

/// A fetch that brought nothing back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The request could not be made of what was given; nothing was judged, nothing left.
    #[error("the request is malformed: {code}")]
    Malformed {
        /// Stable machine-readable code.
        code: &'static str,
    },
    /// It was denied, or it failed; the status tells which (403, 429, 502, 503).
    #[error(transparent)]
    Refused(Box<Refusal>),
}

/// Trusts the given roots and nothing else.
#[expect(
    clippy::expect_used,
    reason = "a constant configuration; a test makes it"
)]
pub(crate) fn client_config(roots: Arc<RootCertStore>) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the ring provider supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

pub(crate) async fn fetch(
    proxy: &Proxy,
    session: &Session,
    request: FetchRequest,
) -> Result<FetchResponse, FetchError> {
    let plan = Plan::read(request).map_err(|code| FetchError::Malformed { code })?;
    let mut permit = authorize(session, &proxy.recorder, &plan.asked)
        .await
        .map_err(refused)?;
    let stop = session.stop();
    let exchange = tokio::time::timeout(plan.timeout, carry_out(proxy, session, &plan, &permit));
    let result = tokio::select! {
        result = exchange => result.unwrap_or(Err(Cause::UpstreamTimeout)),
        () = stop.requested() => Err(Cause::SessionClosed),
    };
    match result {
        Ok(answer) => {
            permit.exchange.set_status(answer.status);
            permit.exchange.complete();
            let (bytes_up, bytes_down) = permit.exchange.account().bytes();
            let id = permit.exchange.id().clone();
            Ok(FetchResponse {
                status: answer.status,
                headers: answer.headers,
                body: answer.body,
                bytes_up,
                bytes_down,
                id,
            })
        }
        Err(cause) => Err(refused(permit.exchange.refuse(cause))),
    }
}

fn refused(refusal: Refusal) -> FetchError {
    FetchError::Refused(Box::new(refusal))
}

struct Plan {
    asked: Asked,
    https: bool,
    request: http::Request<Full<Bytes>>,
    timeout: Duration,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Plan {
    fn read(request: FetchRequest) -> Result<Self, &'static str> {
        let target =
            Target::from_absolute_uri(request.url.as_bytes()).map_err(|error| error.code())?;
        let https = target.scheme == Scheme::Https;
        if !https && TLS_PORTS.contains(&target.destination.port) {
            return Err(Cause::NotTls.code());
        }
        if request.body.len() > FETCH_REQUEST_MAX {
            return Err("body_too_large");
        }
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        if request.method == "CONNECT" || !request.method.bytes().all(plain) {
            return Err("method_malformed");
        }
        Ok(Self {
            request: build(&target, &request.method, request.headers, request.body)?,
            timeout: request.timeout.min(FETCH_TIMEOUT_MAX),
            https,
            asked: Asked {
                via: Via::Gateway,
                tls: if https {
                    TlsMode::Intercept
                } else {
                    TlsMode::None
                },
                kind: RequestKind::Http,
                method: request.method,
                destination: target.destination,
                path: Some(target.path),
            },
        })
    }
}

/// Fields that this side writes itself; with two writers a message could be framed twice.
const OWN: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
];

fn build(
    target: &Target,
    method: &str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
) -> Result<http::Request<Full<Bytes>>, &'static str> {
    let destination = &target.destination;
    let host = if destination.port == target.scheme.default_port() {
        destination.host.to_string()
    } else {
        destination.to_string()
    };
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    if headers.len() > HEADERS_MAX || size > HEAD_MAX {
        return Err("too_many_fields");
    }
    let mut builder = http::Request::builder()
        .method(method)
        .uri(target.path.to_string())
        .header(http::header::HOST, host);
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        if OWN.contains(&lower.as_str()) || lower.starts_with("proxy-") {
            return Err("field_refused");
        }
        builder = builder.header(name, value);
    }
    builder
        .body(Full::new(Bytes::from(body)))
        .map_err(|_malformed| "field_malformed")
}

async fn carry_out(
    proxy: &Proxy,
    session: &Session,
    plan: &Plan,
    permit: &Permit,
) -> Result<Answer, Cause> {
    let upstream = proxy
        .dialler
        .dial(session, permit, &plan.asked.destination)
        .await?;
    if !plan.https {
        return converse(upstream, plan.request.clone()).await;
    }
    let name = server_name(&plan.asked.destination.host).ok_or(Cause::TlsFailed)?;
    let connecting = TlsConnector::from(Arc::clone(&proxy.tls)).connect(name, upstream);
    let stream = connecting
        .await
        .map_err(|error| budget_or(&error, Cause::TlsFailed))?;
    converse(stream, plan.request.clone()).await
}

fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host.ip() {
        Some(ip) => Some(ServerName::IpAddress(ip.into())),
        None => ServerName::try_from(host.to_string()).ok(),
    }
}

/// One request and its answer on a fresh connection.
async fn converse<S>(stream: S, request: http::Request<Full<Bytes>>) -> Result<Answer, Cause>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake
        .await
        .map_err(|error| budget_or(&error, Cause::UpstreamProtocol))?;
    let exchange = async {
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| budget_or(&error, Cause::UpstreamProtocol))?;
        read_answer(answer).await
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // It ends first when the server closes; what was received is still to be handed over.
        ended = connection => match exchange.await {
            Err(cause) => Err(ended.err().map_or(cause, |error| budget_or(&error, cause))),
            answered => answered,
        },
    }
}

async fn read_answer(answer: http::Response<hyper::body::Incoming>) -> Result<Answer, Cause> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, FETCH_BODY_MAX)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                return Cause::AnswerTooLarge;
            }
            budget_or(error.as_ref(), Cause::UpstreamAborted)
        })?;
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: body.to_bytes().to_vec(),
    })
}

/// Finds out whether a budget is what an error is about.
fn budget_or(error: &(dyn std::error::Error + 'static), otherwise: Cause) -> Cause {
    let mut source = Some(error);
    while let Some(error) = source {
        let io = error.downcast_ref::<std::io::Error>();
        let inner = io.and_then(std::io::Error::get_ref);
        if error.is::<Exhausted>() || inner.is_some_and(|inner| inner.is::<Exhausted>()) {
            return Cause::BudgetExceeded;
        }
        source = error.source();
    }
    otherwise
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> FetchRequest {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        FetchRequest {
            url: "https://a.test/x/../y?q".to_owned(),
            method: method.to_owned(),
            headers: headers.iter().map(own).collect(),
            body: Vec::new(),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn sends_the_canonical_path_and_the_judged_host() {
        let plan = Plan::read(request("GET", &[("accept", "*/*")])).unwrap();
        assert_eq!(plan.request.uri(), "/y?q");
        assert_eq!(plan.request.headers()["host"], "a.test");
        assert!(plan.https);
    }

    #[test]
    fn refuses_fields_and_methods_that_would_change_the_message() {
        let code = |method, headers: &[(&str, &str)]| Plan::read(request(method, headers)).err();
        assert_eq!(code("GET", &[("Host", "b.test")]), Some("field_refused"));
        assert_eq!(
            code("GET", &[("content-length", "5")]),
            Some("field_refused")
        );
        assert_eq!(code("GET", &[("a", "b\r\nc: d")]), Some("field_malformed"));
        assert_eq!(code("CONNECT", &[]), Some("method_malformed"));
        assert_eq!(code("get", &[]), Some("method_malformed"));
    }

    #[test]
    fn the_tls_configuration_can_be_made() {
        let config = client_config(Arc::new(RootCertStore::empty()));
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
