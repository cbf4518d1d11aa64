//! The client's end of HTTP/2 inside TLS that the proxy answers.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value, json};
use testkit::http2::{Http2, send};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::secure::{Inside, roots};
use crate::stand::{PATIENCE, Stand};

/// One connection of a client.
#[derive(Clone)]
pub(crate) struct Peer {
    sender: SendRequest<Bytes>,
}

/// What came back on a stream.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// The answer ended with its head.
    pub(crate) bare: bool,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.content.clone()).unwrap()
    }

    /// Status and reason code of a denial, which must be told in both ways.
    pub(crate) fn denial(&self) -> (u16, String) {
        let reason = self.headers.get("x-sheriff-reason").unwrap();
        let reason = reason.to_str().unwrap();
        let json: Value = serde_json::from_slice(&self.content).unwrap();
        assert_eq!(json.get("reason").unwrap(), reason);
        (self.status, reason.to_owned())
    }
}

/// Waits as long as a test may.
pub(crate) async fn soon<T>(waiting: impl Future<Output = T>) -> T {
    timeout(PATIENCE, waiting).await.unwrap()
}

fn config(stand: &Stand) -> Arc<ClientConfig> {
    let authority = stand.authority.as_ref().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(authority.certificate_pem()))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A tunnel to `name:443` in which HTTP/2 is spoken.
pub(crate) fn connect(stand: &Stand, name: &str) -> Peer {
    connect_with(stand, name, &h2::client::Builder::new())
}

/// The same with settings of the client's.
pub(crate) fn connect_with(stand: &Stand, name: &str, settings: &h2::client::Builder) -> Peer {
    let stream = stand.tunnel(&format!("{name}:443"));
    stream.set_nonblocking(true).unwrap();
    let connector = TlsConnector::from(config(stand));
    let name = name.to_owned().try_into().unwrap();
    let (sender, connection) = stand.runtime.block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let tls = connector.connect(name, stream).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        settings.handshake(tls).await.unwrap()
    });
    drop(stand.runtime.spawn(connection));
    Peer { sender }
}

/// A tunnel to `name:443` that agreed on HTTP/2, for frames of any kind; the preface has been sent.
pub(crate) fn raw(stand: &Stand, name: &str) -> Inside {
    let stream = stand.tunnel(&format!("{name}:443"));
    let server = name.to_owned().try_into().unwrap();
    let client = ClientConnection::new(config(stand), server).unwrap();
    let mut inside = StreamOwned::new(client, stream);
    inside
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    inside.write_all(&frame(4, 0, 0, b"")).unwrap();
    inside
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// A field, never indexed, in the plainest form of HPACK.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0x10];
    for part in [name, value] {
        bytes.push(u8::try_from(part.len()).unwrap());
        assert!(part.len() < 127);
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// The pseudo fields of a GET of `/` from `a.test`.
pub(crate) fn pseudo() -> Vec<u8> {
    [&[0x82, 0x87, 0x84][..], &literal(":authority", "a.test")].concat()
}

/// A rule that has HTTP/2 to `host` opened: it names paths.
pub(crate) fn rule(server: &Http2, host: &str, paths: &[&str]) -> Value {
    json!({ "host": host, "paths": paths, "connect": server.address().to_string() })
}

/// A request without content.
pub(crate) fn get(path: &str) -> Request<()> {
    request("GET", path, &[])
}

/// A request to `a.test`.
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let uri = format!("https://a.test{path}");
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

impl Peer {
    /// Begins a request.
    pub(crate) async fn begin(
        &self,
        request: Request<()>,
        last: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = soon(self.sender.clone().ready()).await.unwrap();
        sender.send_request(request, last).unwrap()
    }

    /// Sends a request with this content and reads the whole answer.
    pub(crate) async fn ask(&self, request: Request<()>, content: &[u8]) -> Got {
        self.try_ask(request, content).await.unwrap()
    }

    /// The same where it may fail.
    pub(crate) async fn try_ask(
        &self,
        request: Request<()>,
        content: &[u8],
    ) -> Result<Got, h2::Error> {
        let mut sender = soon(self.sender.clone().ready()).await?;
        let (answer, mut stream) = sender.send_request(request, content.is_empty())?;
        let content = Bytes::copy_from_slice(content);
        let sending = async {
            if !content.is_empty() {
                // A refusal may come before all of it is taken.
                if send(&mut stream, content).await.is_ok() {
                    drop(stream.send_data(Bytes::new(), true));
                }
            }
        };
        let (got, ()) = soon(async { tokio::join!(read(answer), sending) }).await;
        got
    }

    /// Waits until the proxy takes no more streams.
    pub(crate) async fn closed(&self) -> Option<h2::Error> {
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            if let Err(error) = self.sender.clone().ready().await {
                return Some(error);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }
}

/// Reads a whole answer.
pub(crate) async fn read(answer: ResponseFuture) -> Result<Got, h2::Error> {
    let (head, mut content) = answer.await?.into_parts();
    let bare = content.is_end_stream();
    let mut all = Vec::new();
    while let Some(data) = next(&mut content).await? {
        all.extend_from_slice(&data);
    }
    let trailers = content.trailers().await?.unwrap_or_default();
    Ok(Got {
        status: head.status.as_u16(),
        headers: head.headers,
        content: all,
        trailers,
        bare,
    })
}

/// The next piece of an answer's content.
pub(crate) async fn next(content: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    let Some(data) = content.data().await.transpose()? else {
        return Ok(None);
    };
    content.flow_control().release_capacity(data.len())?;
    Ok(Some(data))
}

/// The head of an answer, and its content to come.
pub(crate) async fn head(answer: ResponseFuture) -> Response<RecvStream> {
    soon(answer).await.unwrap()
}
