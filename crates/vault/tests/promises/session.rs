//! A session with one secret whose value and placeholder are known.
//!
//! Not for: what must hold (`trial`).

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use model::{SecretDefinition, SecretName};
use policy::{Destination, Host};
use sheriff_vault::{
    Aim, AwsCredentials, Credential, Head, Kind, Placeholder, Present, Presenting, Secret,
    SecretValue, Values, Wallet,
};

/// With characters that every form writes in another way, and both odd characters of base64.
pub(super) const VALUE: &[u8] = b"sk/a+B\"%9&\\=~?xQ";
/// Never sent.
pub(super) const SECRET_KEY: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// The session's placeholder.
pub(super) const OWN: &str = "shrf01hlvf3xzbpd55dpbzx3fvlhjr7tgmfe";
/// Another session's.
pub(super) const FOREIGN: &str = "shrf01dhrbxtv5l7zz7l5vtxbrhdfn3pxb56";

/// Always the same version: what is compiled for one is kept.
#[derive(Debug)]
struct Fixed(Arc<Present>);

impl Fixed {
    fn new(kind: &Kind) -> Self {
        let value = |text: &[u8]| SecretValue::new(text.to_vec()).expect("a value");
        let credential = match kind {
            Kind::SigV4(_) => Credential::Aws(AwsCredentials {
                access_key_id: value(b"AKIDEXAMPLE"),
                secret_access_key: value(SECRET_KEY),
                session_token: None,
            }),
            _ => Credential::Token(value(VALUE)),
        };
        Self(Arc::new(Present {
            version: 1,
            credential,
        }))
    }
}

impl Values for Fixed {
    fn present<'a>(&'a self, _secret: &'a Secret) -> Presenting<'a> {
        Box::pin(async { Ok(Arc::clone(&self.0)) })
    }
}

/// Where its requests go.
pub(super) struct Way {
    host: Host,
    named: Vec<SecretName>,
}

impl Way {
    pub(super) fn aim(&self) -> Aim<'_> {
        Aim {
            host: &self.host,
            port: 443,
            tls: true,
            named: &self.named,
        }
    }
}

/// One with a token for a header.
pub(super) static TOKEN: LazyLock<(Wallet, Way)> = LazyLock::new(|| session("\"static\""));

/// Two with credentials that sign, for some service and for S3.
pub(super) static SIGNING: [LazyLock<(Wallet, Way)>; 2] = [
    LazyLock::new(|| signing("service")),
    LazyLock::new(|| signing("s3")),
];

fn signing(service: &str) -> (Wallet, Way) {
    session(&format!(
        r#"{{"aws_sigv4":{{"region":"us-east-1","service":"{service}"}}}}"#
    ))
}

fn session(kind: &str) -> (Wallet, Way) {
    let text = format!(r#"{{"name":"a","hosts":["api.test"],"kind":{kind}}}"#);
    let definition: SecretDefinition = serde_json::from_str(&text).expect("a definition");
    let secret = Secret::new(&definition).expect("a secret");
    let mark: Placeholder = OWN.parse().expect("a placeholder");
    let values = Fixed::new(&secret.kind);
    let wallet = Wallet::new(vec![(Arc::new(secret), mark)], Arc::new(values));
    let to = Destination::from_authority(b"api.test:443", None).expect("a destination");
    let way = Way {
        host: to.host,
        named: vec!["a".parse().expect("a name")],
    };
    (wallet, way)
}

pub(super) fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> Head {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Head {
        method: bytes(method),
        target: bytes(target),
        fields: fields
            .iter()
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect(),
    }
}

/// As the proxy hands one over: a method, a canonical target, fields without control characters.
pub(super) fn read_head(input: &[u8]) -> Option<Head> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let method = lines.next()?.to_vec();
    let target = policy::CanonicalPath::parse(lines.next()?).ok()?;
    let is_plain = |text: &[u8]| {
        !text
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    };
    let is_name = |name: &[u8]| {
        !name.is_empty()
            && name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    if method.is_empty() || !method.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    let mut fields = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?.trim_ascii());
        if !is_name(name) || !is_plain(value) {
            return None;
        }
        fields.push((name.to_vec(), value.to_vec()));
    }
    Some(Head {
        method,
        target: target.to_string().into_bytes(),
        fields,
    })
}

/// The result of a future that never waits.
pub(super) fn now_or_never<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for something"),
    }
}
