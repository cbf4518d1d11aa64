//! Heads of requests: what is accepted has one reading, and goes on as that.
//!
//! Not for: contents (`body`).

#![expect(
    clippy::panic,
    reason = "a promise that is not kept is a find of the fuzzer"
)]

use bytes::Bytes;
use model::Via;
use policy::{Destination, Scheme};

use crate::form::Form;
use crate::head::{Head, Scanner};
use crate::limits::{HEAD_MAX, HEADERS_MAX, URI_MAX};
use crate::plan::Plan;
use crate::reason::Cause;

/// Names that only the proxy itself may write into what it sends.
const OWN: [&str; 6] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
];
/// Names that never travel on.
const HOP: [&str; 5] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "trailer",
    "http2-settings",
];

/// The first bytes of a connection. True when some form of connection would carry the request.
///
/// # Panics
/// When a promise is not kept.
pub fn head(input: &[u8]) -> bool {
    let input = input.get(..HEAD_MAX).unwrap_or(input);
    let whole = Scanner::default().scan(input);
    assert_eq!(
        bytewise(input),
        whole,
        "a head's end depends on how it comes"
    );
    let Ok(Some(length)) = whole else {
        return false;
    };
    let bytes = Bytes::copy_from_slice(input.get(..length).unwrap_or_default());
    let Ok(head) = Head::read(&bytes) else {
        return false;
    };
    let planned = forms().map(|form| Plan::read(&head, &form).is_ok_and(|plan| carried(&plan)));
    planned.contains(&true)
}

fn bytewise(input: &[u8]) -> Result<Option<usize>, Cause> {
    let mut scanner = Scanner::default();
    for end in 1..=input.len() {
        let found = scanner.scan(input.get(..end).unwrap_or_default());
        if found != Ok(None) {
            return found;
        }
    }
    Ok(None)
}

fn forms() -> [Form; 4] {
    let within = |tls| Form::Within {
        destination: destination(),
        via: Via::Explicit,
        tls,
    };
    let direct = Form::Direct {
        port: 80,
        aimed: None,
    };
    [Form::Proxy, direct, within(true), within(false)]
}

#[expect(clippy::expect_used, reason = "a constant")]
fn destination() -> Destination {
    Destination::from_authority(b"a.test:443", None).expect("a destination")
}

/// What goes upstream must be read there as what was judged here.
pub(crate) fn carried(plan: &Plan) -> bool {
    let sent = plan.head();
    assert_eq!(
        Scanner::default().scan(&sent),
        Ok(Some(sent.len())),
        "what is sent is not one head"
    );
    let head = match Head::read(&Bytes::from(sent.clone())) {
        Ok(head) => head,
        Err(Cause::Malformed("uri_too_long")) if plan.target().len() > URI_MAX => return true,
        // `Host` was added to as many as there may be.
        Err(Cause::Malformed("too_many_fields"))
            if plan.fields.iter().count() >= HEADERS_MAX - 3 =>
        {
            return true;
        }
        Err(cause) => panic!("what is sent is refused: {cause:?}"),
    };
    for name in HOP {
        assert!(head.fields.all(name).next().is_none(), "{name} travels on");
    }
    for name in OWN {
        assert!(head.fields.all(name).count() <= 1, "{name} is there twice");
    }
    let form = Form::Within {
        destination: plan.asked.destination.clone(),
        via: Via::Explicit,
        tls: plan.scheme == Scheme::Https,
    };
    let Ok(again) = Plan::read(&head, &form) else {
        panic!("what is sent is refused within a tunnel");
    };
    assert_eq!(again.asked.destination, plan.asked.destination);
    assert_eq!(again.asked.path, plan.asked.path);
    assert_eq!(again.asked.method, plan.asked.method);
    assert_eq!(again.framing, plan.framing);
    assert_eq!(again.websocket, plan.websocket);
    assert_eq!(again.head(), sent, "sent on twice, it is another request");
    true
}
