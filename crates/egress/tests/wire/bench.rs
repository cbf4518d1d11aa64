//! A stand whose session has a secret, and a server that says everything back.

use std::io::Write;
use std::sync::Arc;

use model::SecretDefinition;
use serde_json::{Value, json};
use testkit::{Authority as TestAuthority, Body, Http, Response};
use vault::{
    AwsCredentials, Credential, Kind, Placeholder, Present, Presenting, Secret, SecretValue,
    Unavailable, Values, Wallet,
};

use crate::secure::{open, roots, until};
use crate::stand::{Means, Stand};

/// What the secret is worth.
pub(crate) const VALUE: &str = "sk-live-0123456789abcdef";

/// Values of one kind each; `gone` has none.
#[derive(Debug)]
struct Fixed;

impl Values for Fixed {
    fn present<'a>(&'a self, secret: &'a Secret) -> Presenting<'a> {
        let value = |text: &str| SecretValue::new(text.as_bytes().to_vec()).unwrap();
        let credential = match secret.kind {
            Kind::SigV4(_) => Credential::Aws(AwsCredentials {
                access_key_id: value("AKIDEXAMPLE"),
                secret_access_key: value("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session_token: None,
            }),
            _ => Credential::Token(value(VALUE)),
        };
        let gone = secret.name.as_str() == "gone";
        let name = secret.name.clone();
        Box::pin(async move {
            if gone {
                let reason = vault::Reason::new("the source is down");
                return Err(Unavailable { name, reason });
            }
            Ok(Arc::new(Present {
                version: 1,
                credential,
            }))
        })
    }

    fn at_hand(&self, secret: &Secret) -> Option<Arc<Present>> {
        let is_token = matches!(secret.kind, Kind::Static) && secret.name.as_str() != "gone";
        let value = SecretValue::new(VALUE.as_bytes().to_vec()).ok()?;
        let credential = Credential::Token(value);
        is_token.then(|| {
            Arc::new(Present {
                version: 1,
                credential,
            })
        })
    }
}

/// A stand whose session has the secret, and its placeholder.
pub(crate) struct Bench {
    pub(crate) stand: Stand,
    pub(crate) mark: String,
    secret: Arc<Secret>,
}

impl Bench {
    /// Its wallet as a reload makes it: the same secret under the same placeholder, and nothing used yet.
    pub(crate) fn renewed(&self) -> Arc<Wallet> {
        let placeholder = self.mark.parse().unwrap();
        let secrets = vec![(Arc::clone(&self.secret), placeholder)];
        Arc::new(Wallet::new(secrets, Arc::new(Fixed)))
    }
}

/// A stand with one secret.
pub(crate) fn bench(authority: &TestAuthority, definition: Value, allow: &[Value]) -> Bench {
    let definition: SecretDefinition = serde_json::from_value(definition).unwrap();
    let secret = Arc::new(Secret::new(&definition).unwrap());
    let placeholder = Placeholder::draw(&secret).unwrap();
    let mark = placeholder.as_str().to_owned();
    let wallet = Arc::new(Wallet::new(
        vec![(Arc::clone(&secret), placeholder)],
        Arc::new(Fixed),
    ));
    let means = Means {
        wallet,
        roots: roots(authority.pem()),
        ..Means::new(allow)
    };
    let stand = Stand::of(allow, means);
    Bench {
        stand,
        mark,
        secret,
    }
}

/// A server that answers with the request's whole head and body, in a header field and in its content.
pub(crate) fn echo(authority: &TestAuthority) -> Http {
    Http::tls(&authority.identity(&["a.test"]), |request| {
        let token = request.header("authorization").unwrap_or("none").to_owned();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let text = format!("{} {token} {body}", request.target);
        // In pieces, to cut values in two.
        Response::new(
            if request.path() == "/error" { 500 } else { 200 },
            Body::Stream(Box::new(move |out| {
                text.as_bytes()
                    .chunks(7)
                    .try_for_each(|piece| out.write_all(piece))
            })),
        )
        .header("X-Echo", &token)
    })
}

/// A rule that names a secret for that server.
pub(crate) fn rule(server: &Http, secret: &str) -> Value {
    json!({ "host": "a.test", "secret": secret, "connect": server.address().to_string() })
}

/// Sends a request and returns its answer in chunks.
pub(crate) fn sent(bench: &Bench, request: &str) -> String {
    let mut inside = open(&bench.stand, "a.test");
    inside.write_all(request.as_bytes()).unwrap();
    String::from_utf8(until(&mut inside, b"0\r\n\r\n")).unwrap()
}
