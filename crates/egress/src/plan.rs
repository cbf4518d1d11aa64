//! A request in the one form in which it is judged and sent on.
//!
//! Upstream sees HTTP/1.1 with the canonical path that was judged, the `Host` that was judged, and no
//! field of the jail's own connection.
//!
//! Not for: carrying it out (`forward`, `message`).

use bytes::Bytes;
use model::Via;
use policy::{RequestKind, Scheme, Target, Terms};

use crate::authorize::Asked;
use crate::fields::{Fields, Framing};
use crate::form::Form;
use crate::head::Head;
use crate::reason::Cause;
use crate::respond::Manner;

/// A request, as it is judged and as it goes upstream. It may hold values of secrets: it can't be printed.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts about one message, none of which excludes another"
)]
pub(crate) struct Plan {
    pub(crate) asked: Asked,
    pub(crate) scheme: Scheme,
    /// How the content comes.
    pub(crate) framing: Framing,
    /// The content goes on in another length.
    pub(crate) reframed: bool,
    /// The client asked to go on as a WebSocket.
    pub(crate) websocket: bool,
    /// The client said that it understands trailers (RFC 9110 10.1.4).
    pub(crate) trailers: bool,
    pub(crate) manners: Manners,
    /// The fields that go to the server, but for those that frame and route.
    pub(crate) fields: Fields,
    /// The request spoke of its length, if only to say that it is 0.
    measured: bool,
    /// The target with the values of secrets in it, where it has any. Never recorded.
    target: Option<Vec<u8>>,
}

/// What the client understands and wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// HTTP/1.0: no chunks, no interim answers, one request.
    Old,
    /// HTTP/1.1 for one request.
    Once,
    /// HTTP/1.1 with another request to come.
    KeepAlive,
}

impl Plan {
    /// What is asked for, once it can be read in one way only.
    pub(crate) fn read(head: &Head, form: &Form) -> Result<Self, Cause> {
        let target = form.target(head)?;
        let framing = head.fields.framing()?.unwrap_or(Framing::Length(0));
        if framing == Framing::Chunked && !head.is_11 {
            return Err(Cause::Malformed("transfer_encoding_refused"));
        }
        Ok(Self {
            framing,
            websocket: websocket(head, framing)?,
            trailers: trailers(head),
            manners: Manners::of(head),
            fields: head.fields.end_to_end(),
            measured: head.fields.all("content-length").next().is_some(),
            scheme: target.scheme,
            target: None,
            reframed: false,
            asked: asked(head, target, form),
        })
    }

    /// A request of our own, with content of this length.
    pub(crate) const fn made(asked: Asked, scheme: Scheme, fields: Fields, length: u64) -> Self {
        Self {
            asked,
            scheme,
            target: None,
            framing: Framing::Length(length),
            reframed: false,
            websocket: false,
            trailers: false,
            manners: Manners::Once,
            fields,
            measured: false,
        }
    }

    /// What the rules' terms have against the request.
    pub(crate) const fn objection(&self, terms: &Terms) -> Option<Cause> {
        if self.websocket && !terms.websocket {
            return Some(Cause::WebsocketNotAllowed);
        }
        match (self.framing, terms.max_body) {
            (Framing::Length(length), Some(most)) if length > most => Some(Cause::BodyTooLarge),
            _ => None,
        }
    }

    /// The method is HEAD: its answer has no content.
    pub(crate) fn is_head(&self) -> bool {
        self.asked.method == "HEAD"
    }

    pub(crate) fn manner(&self, keep_alive: bool) -> Manner {
        Manner {
            head_only: self.is_head(),
            keep_alive,
        }
    }

    /// True when sending it twice does no more than sending it once, and it is still at hand.
    pub(crate) fn is_repeatable(&self) -> bool {
        let safe = matches!(self.asked.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        safe && self.framing == Framing::Length(0)
    }

    /// The path and query that go upstream.
    pub(crate) fn target(&self) -> Vec<u8> {
        if let Some(target) = &self.target {
            return target.clone();
        }
        let path = self.asked.path.as_ref().map(ToString::to_string);
        path.unwrap_or_default().into_bytes()
    }

    /// How the content goes on.
    pub(crate) const fn outgoing(&self) -> Framing {
        if self.reframed {
            Framing::Chunked
        } else {
            self.framing
        }
    }

    /// The length of the content as it goes on, where that is said. A request that said that its content is
    /// empty goes on saying so.
    pub(crate) fn announced(&self) -> Option<u64> {
        match self.outgoing() {
            Framing::Length(length) => Some(length).filter(|_| length > 0 || self.measured),
            Framing::Chunked | Framing::UntilClose => None,
        }
    }

    /// True when values of secrets were put into the head.
    pub(crate) const fn holds_secrets(&self) -> bool {
        self.target.is_some()
    }

    /// The value of `Host`.
    pub(crate) fn host(&self) -> String {
        let destination = &self.asked.destination;
        if destination.port == self.scheme.default_port() {
            destination.host.to_string()
        } else {
            format!("{}:{}", destination.host, destination.port)
        }
    }

    /// Takes over a head that values of secrets were put into.
    pub(crate) fn take(&mut self, target: Vec<u8>, fields: Vec<(Vec<u8>, Vec<u8>)>) {
        self.target = Some(target);
        let fields = fields.into_iter();
        let fields = fields.map(|(name, value)| (Bytes::from(name), Bytes::from(value)));
        // Nothing in it frames or routes, whatever the wallet's part was.
        self.fields = Fields::from_list(fields.collect()).end_to_end();
    }

    /// The head as it goes upstream over HTTP/1.1.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(self.asked.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.target());
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(self.host().as_bytes());
        out.extend_from_slice(b"\r\n");
        self.fields.write(&mut out);
        if let Some(length) = self.announced() {
            out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
        } else if self.outgoing() == Framing::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        if self.websocket {
            out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
        } else if self.trailers {
            out.extend_from_slice(b"Connection: TE\r\nTE: trailers\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

fn asked(head: &Head, target: Target, form: &Form) -> Asked {
    let via: Via = form.via();
    Asked {
        via,
        tls: form.tls(),
        kind: RequestKind::Http,
        method: head.method.clone(),
        destination: target.destination,
        path: Some(target.path),
    }
}

impl Manners {
    fn of(head: &Head) -> Self {
        let fields = &head.fields;
        let closes =
            fields.lists("connection", "close") || fields.lists("proxy-connection", "close");
        match (head.is_11, closes) {
            (false, _) => Self::Old,
            (true, true) => Self::Once,
            (true, false) => Self::KeepAlive,
        }
    }
}

/// Whether the client takes trailers. The field is for the next connection only and must say so; one
/// that does not may have been passed on by somebody who does not know it (RFC 9110 10.1.4).
fn trailers(head: &Head) -> bool {
    let fields = &head.fields;
    head.is_11 && fields.lists("te", "trailers") && fields.lists("connection", "te")
}

/// Whether the request asks to become a WebSocket (RFC 6455 4.1). Any other upgrade would turn the
/// connection into something that nobody judges.
fn websocket(head: &Head, framing: Framing) -> Result<bool, Cause> {
    let Some(protocol) = head
        .fields
        .one("upgrade")
        .map_err(|_duplicate| Cause::UpgradeRefused)?
    else {
        return Ok(false);
    };
    let asks = protocol.eq_ignore_ascii_case(b"websocket")
        && head.fields.lists("connection", "upgrade")
        && head.method == "GET"
        && head.is_11
        && framing == Framing::Length(0);
    if asks {
        Ok(true)
    } else {
        Err(Cause::UpgradeRefused)
    }
}
