//! What must hold for whatever stream a jail opens: see `fuzzing`.
//!
//! Not for: production, nor for the codec, which refuses what is no stream.

use http::{HeaderName, HeaderValue, Request};

use super::request::read;
use crate::form::Form;
use crate::fuzzing::carried;
use crate::plan::Plan;
use model::Via;
use policy::Destination;

/// Fields of one connection, which the codec refuses (RFC 9113 8.2.2).
const REFUSED: [&str; 5] = [
    "connection",
    "transfer-encoding",
    "keep-alive",
    "upgrade",
    "proxy-connection",
];

/// A stream's head as lines. True when it is a request that a tunnel to `a.test` carries.
///
/// The lines are: method, URI, then fields with a colon behind their name. `!` in front of the method says that
/// no content follows.
///
/// # Panics
/// When a promise is not kept.
pub fn http2(input: &[u8]) -> bool {
    let mut lines = input.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let ended = first.first() == Some(&b'!');
    let method = first.get(usize::from(ended)..).unwrap_or_default();
    let mut request = Request::builder()
        .method(method)
        .uri(lines.next().unwrap_or_default());
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value.get(1..).unwrap_or_default());
        let (Ok(name), Ok(value)) = (name, value) else {
            continue;
        };
        let odd = name == "te" && value != "trailers";
        if !odd && !REFUSED.contains(&name.as_str()) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else {
        return false;
    };
    let Ok(head) = read(&request.into_parts().0, ended) else {
        return false;
    };
    let Ok(destination) = Destination::from_authority(b"a.test:443", None) else {
        return false;
    };
    let form = Form::Within {
        destination,
        via: Via::Explicit,
        tls: true,
    };
    Plan::read(&head, &form).is_ok_and(|plan| carried(&plan))
}
