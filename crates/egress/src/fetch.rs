//! One HTTP exchange on behalf of a session's capability, through the same pipeline as its own.
//!
//! Not for: the routes that ask for it, nor for redirects, cookies or caches: none is followed or kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use model::{EventId, TlsMode, Via};
use policy::{RequestKind, Scheme, Target};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::authorize::Asked;
use crate::content::{Piece, Sink, Source};
use crate::errand::{Ended, Errand};
use crate::fields::Fields;
use crate::limits::{FETCH_BODY_MAX, FETCH_REQUEST_MAX, FETCH_TIMEOUT_MAX, HEAD_MAX, HEADERS_MAX};
use crate::lines::Lines;
use crate::plan::Plan;
use crate::proxy::Proxy;
use crate::reason::Cause;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::sides::{Asker, Delivery, Replies, Tunnel};
use crate::tunnel::TLS_PORTS;

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

/// Trusts the given roots and nothing else. The protocols are offered in this order.
#[expect(
    clippy::expect_used,
    reason = "a constant configuration; a test makes it"
)]
pub(crate) fn client_config(roots: Arc<RootCertStore>, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the ring provider supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

pub(crate) async fn fetch(
    proxy: &Proxy,
    session: &Session,
    request: FetchRequest,
) -> Result<FetchResponse, FetchError> {
    let limit = request.timeout.min(FETCH_TIMEOUT_MAX);
    let mut gateway = Gateway {
        content: Bytes::from(request.body),
        gathered: Gathered::default(),
    };
    let length = gateway.content.len();
    let plan = plan(&request.url, request.method, request.headers, length);
    let mut plan = plan.map_err(|code| FetchError::Malformed { code })?;
    let stop = session.stop();
    let given_up = async {
        tokio::select! {
            () = tokio::time::sleep(limit) => Cause::UpstreamTimeout,
            () = stop.requested() => Cause::SessionClosed,
        }
    };
    let errand = Errand { proxy, session };
    match errand
        .run(&mut gateway, &mut plan, &Lines::for_one(), given_up)
        .await
    {
        Ended::Done { receipt, .. } => Ok(FetchResponse {
            status: gateway.gathered.status,
            headers: gateway.gathered.headers,
            body: gateway.gathered.body,
            bytes_up: receipt.bytes_up,
            bytes_down: receipt.bytes_down,
            id: receipt.id,
        }),
        Ended::Refused { refusal, .. } | Ended::Cut { refusal, .. } => {
            Err(FetchError::Refused(Box::new(refusal)))
        }
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

/// The request in the form in which it is judged.
fn plan(
    url: &str,
    method: String,
    headers: Vec<(String, String)>,
    length: usize,
) -> Result<Plan, &'static str> {
    let target = Target::from_absolute_uri(url.as_bytes()).map_err(|error| error.code())?;
    let https = target.scheme == Scheme::Https;
    if !https && TLS_PORTS.contains(&target.destination.port) {
        return Err(Cause::NotTls.code());
    }
    if length > FETCH_REQUEST_MAX {
        return Err("body_too_large");
    }
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if method.is_empty() || method == "CONNECT" || !method.bytes().all(plain) {
        return Err("method_malformed");
    }
    let asked = Asked {
        via: Via::Gateway,
        tls: if https {
            TlsMode::Intercept
        } else {
            TlsMode::None
        },
        kind: RequestKind::Http,
        method,
        destination: target.destination,
        path: Some(target.path),
    };
    Ok(Plan::made(
        asked,
        target.scheme,
        fields(headers)?,
        length as u64,
    ))
}

fn fields(headers: Vec<(String, String)>) -> Result<Fields, &'static str> {
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    if headers.len() > HEADERS_MAX || size > HEAD_MAX {
        return Err("too_many_fields");
    }
    let mut list = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        if OWN.contains(&lower.as_str()) || lower.starts_with("proxy-") {
            return Err("field_refused");
        }
        let well_formed = HeaderName::from_bytes(name.as_bytes()).is_ok()
            && HeaderValue::from_bytes(value.as_bytes()).is_ok();
        if !well_formed {
            return Err("field_malformed");
        }
        list.push((Bytes::from(name), Bytes::from(value)));
    }
    Ok(Fields::from_list(list).end_to_end())
}

/// The gateway as the side that asks: all of the content is there, and all of the answer is kept.
struct Gateway {
    content: Bytes,
    gathered: Gathered,
}

/// An answer as far as it came.
#[derive(Debug, Default)]
struct Gathered {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// There was more than is kept.
    overflown: bool,
}

/// Content that is there.
struct Ready<'a> {
    content: &'a [u8],
    given: bool,
}

impl Asker for Gateway {
    fn sides<'s>(&'s mut self, _: &'s Plan) -> (impl Source, impl Replies) {
        let content = Ready {
            content: &self.content,
            given: self.content.is_empty(),
        };
        (content, &mut self.gathered)
    }

    async fn hold(&mut self, _: &mut Plan) -> Result<[u8; 32], Cause> {
        Ok(Sha256::digest(&self.content).into())
    }

    /// It never asks for one.
    async fn tunnel(&mut self, _: Tunnel<'_>) -> Result<(), Cause> {
        Err(Cause::UpstreamProtocol)
    }
}

impl Source for Ready<'_> {
    fn take(&mut self) -> Result<Option<Piece<'_>>, Cause> {
        if std::mem::replace(&mut self.given, true) {
            return Ok(Some(Piece::End(Fields::default())));
        }
        Ok(Some(Piece::Data(self.content)))
    }

    async fn wait(&mut self) -> Result<(), Cause> {
        Ok(())
    }
}

impl Sink for &mut Gathered {
    fn put(&mut self, data: &[u8]) {
        if self.body.len() + data.len() > FETCH_BODY_MAX {
            self.overflown = true;
        } else {
            self.body.extend_from_slice(data);
        }
    }

    fn end(&mut self, _: &Fields) {}

    async fn flush(&mut self) -> Result<(), Cause> {
        if self.overflown {
            Err(Cause::AnswerTooLarge)
        } else {
            Ok(())
        }
    }
}

impl Replies for &mut Gathered {
    async fn interim(&mut self, _: &Answer) -> Result<(), Cause> {
        Ok(())
    }

    async fn switch(&mut self, _: &Answer) -> Result<(), Cause> {
        Err(Cause::UpstreamProtocol)
    }

    fn head(&mut self, answer: &Answer, _: Option<u64>) -> Delivery {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        self.status = answer.status;
        let fields = answer.fields.end_to_end();
        self.headers = fields
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        Delivery {
            framed: true,
            again: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, headers: &[(&str, &str)]) -> Result<String, &'static str> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(own).collect();
        let plan = plan("https://a.test/x/../y?q", method.to_owned(), headers, 0)?;
        Ok(String::from_utf8(plan.head()).unwrap())
    }

    #[test]
    fn sends_the_canonical_path_and_the_judged_host() {
        assert_eq!(
            head("GET", &[("accept", "*/*")]).unwrap(),
            "GET /y?q HTTP/1.1\r\nHost: a.test\r\naccept: */*\r\n\r\n"
        );
    }

    #[test]
    fn refuses_fields_and_methods_that_would_change_the_message() {
        let code = |method, headers: &[(&str, &str)]| head(method, headers).err();
        assert_eq!(code("GET", &[("Host", "b.test")]), Some("field_refused"));
        assert_eq!(
            code("GET", &[("content-length", "5")]),
            Some("field_refused")
        );
        assert_eq!(code("GET", &[("a", "b\r\nc: d")]), Some("field_malformed"));
        assert_eq!(code("GET", &[("a b", "c")]), Some("field_malformed"));
        assert_eq!(code("CONNECT", &[]), Some("method_malformed"));
        assert_eq!(code("get", &[]), Some("method_malformed"));
    }

    #[test]
    fn the_tls_configuration_can_be_made() {
        let config = client_config(Arc::new(RootCertStore::empty()), &[b"http/1.1"]);
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
