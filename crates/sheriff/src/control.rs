//! A client of the operator's API on `control.sock`: one request per connection.
//!
//! Not for: `run` and `exec`, which need no runtime (`attach`).

mod lines;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use api::Problem;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use self::lines::Lines;
use crate::failure::Failure;
use crate::sockets::Sockets;

/// How long the daemon may take to answer; its slowest answer is `stop`, which waits for the jail.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// Largest answer that is taken whole: some 30,000 sessions.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The daemon's API.
#[derive(Debug)]
pub(crate) struct Control {
    socket: PathBuf,
}

/// Why the daemon did not answer, or with what refusal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("no daemon at {}: {source}", path.display())]
    NoDaemon { path: PathBuf, source: io::Error },
    #[error("not allowed to use {}", path.display())]
    Forbidden { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("asking the daemon: {source}")]
    Runtime { source: io::Error },
    #[error("asking the daemon: {source}")]
    Exchange { source: hyper::Error },
    #[error("the daemon did not answer within {seconds} seconds")]
    Slow { seconds: u64 },
    #[error("the daemon's answer was cut or longer than {ANSWER_BYTES_MAX} bytes: {reason}")]
    Body { reason: String },
    #[error("the daemon's answer is not what this version expects: {source}")]
    Malformed { source: serde_json::Error },
    #[error("the daemon's record: {source}")]
    Record {
        source: crate::commands::WrittenError,
    },
    #[error("a line of the daemon's answer is longer than {most} bytes")]
    LongLine { most: usize },
    #[error("{} ({})", .0.title, .0.code)]
    Refused(Problem),
    #[error("the daemon answered with status {status}")]
    Status { status: u16 },
}

impl Control {
    /// A client for the daemon there; nothing is connected yet.
    pub(crate) fn new(sockets: &Sockets) -> Self {
        Self {
            socket: sockets.control(),
        }
    }

    /// Asks for a JSON document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ControlError> {
        let body = self.block_on(async {
            let answer = self.ask(Method::GET, path);
            within(async { whole(answer.await?).await }).await
        })?;
        serde_json::from_slice(&body).map_err(|source| ControlError::Malformed { source })
    }

    /// Asks for something to be done.
    pub(crate) fn post(&self, path: &str) -> Result<(), ControlError> {
        self.act(Method::POST, path)
    }

    /// Asks for something to be done, and takes a JSON document for it.
    pub(crate) fn post_for<T: DeserializeOwned>(&self, path: &str) -> Result<T, ControlError> {
        let body = self.block_on(async {
            let answer = self.ask(Method::POST, path);
            within(async { whole(answer.await?).await }).await
        })?;
        serde_json::from_slice(&body).map_err(|source| ControlError::Malformed { source })
    }

    /// Asks for something to be removed.
    pub(crate) fn delete(&self, path: &str) -> Result<(), ControlError> {
        self.act(Method::DELETE, path)
    }

    /// Hands over a body of a media type, and takes a JSON document for it.
    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        (media, body): (&'static str, Bytes),
    ) -> Result<T, ControlError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::PUT;
        let media = HeaderValue::from_static(media);
        request.headers_mut().insert(CONTENT_TYPE, media);
        let body = self.block_on(async {
            let answer = self.send(request, path);
            within(async { whole(answer.await?).await }).await
        })?;
        serde_json::from_slice(&body).map_err(|source| ControlError::Malformed { source })
    }

    fn act(&self, method: Method, path: &str) -> Result<(), ControlError> {
        self.block_on(async {
            let answer = self.ask(method, path);
            within(async { whole(answer.await?).await }).await.map(drop)
        })
    }

    /// Asks for JSON lines and hands each to `take` as it comes, until the daemon ends the answer.
    pub(crate) fn follow(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.block_on(async {
            let answer = within(self.ask(Method::GET, path)).await?;
            let Answer { response, mut wire } = answer;
            let read = async {
                let mut body = response.into_body();
                let mut lines = Lines::default();
                while let Some(frame) = body.frame().await {
                    let frame = frame.map_err(|source| ControlError::Exchange { source })?;
                    if let Ok(data) = frame.into_data() {
                        lines.feed(&data, &mut take)?;
                    }
                }
                lines.finish(&mut take)
            };
            wire.drive(read).await
        })
    }

    fn block_on<T, E: From<ControlError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| ControlError::Runtime { source })?;
        runtime.block_on(work)
    }

    /// Sends a request without a body.
    async fn ask(&self, method: Method, path: &str) -> Result<Answer, ControlError> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        self.send(request, path).await
    }

    /// Sends a request; an answer that is no success is an error.
    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        path: &str,
    ) -> Result<Answer, ControlError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|e| self.unreachable(e))?;
        let exchange = |source| ControlError::Exchange { source };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(exchange)?;
        let mut wire = Wire {
            connection: Some(Box::pin(connection)),
        };
        *request.uri_mut() = path
            .parse()
            .map_err(|_bad_uri| ControlError::Status { status: 400 })?;
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("sheriff"));
        let sent = async { sender.send_request(request).await.map_err(exchange) };
        let response = wire.drive(sent).await?;
        let answer = Answer { response, wire };
        if answer.response.status().is_success() {
            return Ok(answer);
        }
        Err(refusal(answer).await)
    }

    fn unreachable(&self, source: io::Error) -> ControlError {
        let path = self.socket.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ControlError::NoDaemon { path, source }
            }
            io::ErrorKind::PermissionDenied => ControlError::Forbidden { path },
            _ => ControlError::Connect { path, source },
        }
    }
}

impl ControlError {
    /// What the reader can do about it.
    pub(crate) fn remedy(&self) -> Option<String> {
        match self {
            Self::NoDaemon { .. } => Some("start it: systemctl start sheriffd".to_owned()),
            Self::Forbidden { .. } => Some(
                "run as root, or as a member of the operator group (sheriff unless configured)"
                    .to_owned(),
            ),
            Self::Refused(problem) => {
                let words = [problem.detail.as_str(), problem.remedy.as_str()];
                let words: Vec<&str> = words.into_iter().filter(|it| !it.is_empty()).collect();
                Some(words.join("; ")).filter(|it| !it.is_empty())
            }
            _ => None,
        }
    }
}

type Connection = Pin<Box<http1::Connection<TokioIo<UnixStream>, Full<Bytes>>>>;

/// The head of an answer, and the wire that brings the rest.
struct Answer {
    response: Response<Incoming>,
    wire: Wire,
}

/// The connection until it is over.
struct Wire {
    connection: Option<Connection>,
}

impl Wire {
    /// Does `work` while the connection moves its bytes.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Some(connection) = &mut self.connection {
            tokio::select! {
                biased;
                done = &mut work => return done,
                // Whether this end is an error shows in the work that waits for its bytes.
                _ = connection => self.connection = None,
            }
        }
        work.await
    }
}

async fn within<T>(work: impl Future<Output = Result<T, ControlError>>) -> Result<T, ControlError> {
    let slow = |_elapsed| ControlError::Slow {
        seconds: ANSWER_WAIT.as_secs(),
    };
    tokio::time::timeout(ANSWER_WAIT, work)
        .await
        .map_err(slow)?
}

async fn whole(answer: Answer) -> Result<Bytes, ControlError> {
    let Answer { response, mut wire } = answer;
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let collected = wire.drive(body.collect()).await;
    let cut = |source: Box<dyn std::error::Error + Send + Sync>| ControlError::Body {
        reason: source.to_string(),
    };
    Ok(collected.map_err(cut)?.to_bytes())
}

async fn refusal(answer: Answer) -> ControlError {
    let status = answer.response.status().as_u16();
    match whole(answer).await {
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(problem) => ControlError::Refused(problem),
            Err(_no_problem) => ControlError::Status { status },
        },
        Err(error) => error,
    }
}
