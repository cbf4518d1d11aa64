//! Which requests may use which secrets: every rule of placing, each with its positive control.
//!
//! Not for: what is then sent (`substitute::tests`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{SecretDefinition, SecretName, SecretPlace};
use policy::{Destination, Host};

use super::*;
use crate::credential::{AwsCredentials, Credential, Presenting};
use crate::placeholder::tests::placeholder;
use crate::value::SecretValue;

/// A secret for one host, made of a definition that was edited.
pub(crate) fn secret(name: &str, host: &str, edit: impl FnOnce(&mut SecretDefinition)) -> Secret {
    let text = format!(r#"{{"name":"{name}","hosts":["{host}"]}}"#);
    let mut definition: SecretDefinition = serde_json::from_str(&text).unwrap();
    edit(&mut definition);
    Secret::new(&definition).unwrap()
}

/// Values that are `value-of-NAME`, with characters that every form writes otherwise.
#[derive(Debug)]
pub(crate) struct Fixed;

/// The value that [`Fixed`] has for a secret.
pub(crate) fn value_of(name: &str) -> String {
    format!("v\"/\\+%&?{name}=tail")
}

impl Values for Fixed {
    fn present<'a>(&'a self, secret: &'a Secret) -> Presenting<'a> {
        let value = |text: &str| SecretValue::new(text.as_bytes().to_vec()).unwrap();
        let credential = match secret.kind {
            crate::Kind::SigV4(_) => Credential::Aws(AwsCredentials {
                access_key_id: value("AKIDEXAMPLE"),
                secret_access_key: value("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session_token: None,
            }),
            _ => Credential::Token(value(&value_of(secret.name.as_str()))),
        };
        let version = 1;
        Box::pin(async move {
            Ok(Arc::new(Present {
                version,
                credential,
            }))
        })
    }
}

/// A wallet of these secrets; the placeholder of each one is [`placeholder`] of its number.
pub(crate) fn wallet(secrets: Vec<Secret>) -> Wallet {
    let with_placeholder = secrets.into_iter().enumerate().map(|(number, secret)| {
        let mark = placeholder(&secret.prefix, u8::try_from(number).unwrap());
        (Arc::new(secret), mark)
    });
    Wallet::new(with_placeholder.collect(), Arc::new(Fixed))
}

pub(crate) fn head(target: &str, fields: &[(&str, &str)]) -> Head {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Head {
        method: b"GET".to_vec(),
        target: bytes(target),
        fields: fields
            .iter()
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect(),
    }
}

/// Where a request goes in a test.
pub(crate) struct Way {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) named: Vec<SecretName>,
}

/// To `to`, by rules that name these secrets, over TLS.
pub(crate) fn way(to: &str, named: &[&str]) -> Way {
    let Destination { host, port } = Destination::from_authority(to.as_bytes(), Some(443)).unwrap();
    Way {
        host,
        port,
        tls: true,
        named: named.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

impl Way {
    pub(crate) fn aim(&self) -> Aim<'_> {
        Aim {
            host: &self.host,
            port: self.port,
            tls: self.tls,
            named: &self.named,
        }
    }

    fn plan(&self, wallet: &Wallet, head: &Head) -> Result<Vec<String>, (Spot, Misuse)> {
        let plan = wallet
            .plan(&self.aim(), head)
            .map_err(|refused| (refused.spot, refused.misuse))?;
        Ok(plan.names().map(|name| name.as_str().to_owned()).collect())
    }
}

fn bearer(mark: &str) -> Head {
    head("/", &[("Authorization", &format!("Bearer {mark}"))])
}

#[test]
fn a_placeholder_in_its_place_on_its_host_over_tls_is_planned_and_nowhere_else() {
    let wallet = wallet(vec![secret("a", "api.test", |_| {})]);
    let mark = placeholder("", 0);
    let request = bearer(mark.as_str());
    assert_eq!(
        way("api.test", &["a"]).plan(&wallet, &request),
        Ok(vec!["a".to_owned()])
    );
    for elsewhere in ["evil.test", "api.test:8443", "www.api.test", "192.0.2.1"] {
        let refused = way(elsewhere, &[]).plan(&wallet, &request);
        assert_eq!(refused, Err((Spot::Field, Misuse::Unbound)), "{elsewhere}");
    }
    // The host is right, but no rule names the secret for this request.
    let refused = way("api.test", &[]).plan(&wallet, &request);
    assert_eq!(refused, Err((Spot::Field, Misuse::Unbound)));
    let mut plain = way("api.test", &["a"]);
    plain.tls = false;
    assert_eq!(
        plain.plan(&wallet, &request),
        Err((Spot::Field, Misuse::NoTls))
    );
}

#[test]
fn a_placeholder_in_any_other_part_of_the_head_is_refused_in_every_writing() {
    let wallet = wallet(vec![secret("a", "api.test", |_| {})]);
    let mark = placeholder("", 0).as_str().to_owned();
    let base64 = STANDARD.encode(format!("x:{mark}"));
    let percent: String = mark.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let upper = mark.to_uppercase();
    for text in [&mark, &base64, &percent, &upper] {
        let cases = [
            (Spot::Path, head(&format!("/a/{text}"), &[])),
            (Spot::Query, head(&format!("/?q={text}"), &[])),
            (Spot::Query, head(&format!("/?{text}"), &[])),
            (Spot::Field, head("/", &[("x-other", text)])),
            (
                Spot::Field,
                head("/", &[("cookie", &format!("a=b; c={text}"))]),
            ),
            (Spot::FieldName, head("/", &[(text, "v")])),
        ];
        for (spot, request) in cases {
            let refused = way("api.test", &["a"]).plan(&wallet, &request).unwrap_err();
            assert_eq!(refused.0, spot, "{text}");
            assert!(
                matches!(refused.1, Misuse::WrongPlace | Misuse::NearMiss),
                "{refused:?}"
            );
        }
    }
    let mut request = bearer(&mark);
    request.method = mark.clone().into_bytes();
    let refused = way("api.test", &["a"]).plan(&wallet, &request);
    assert_eq!(refused, Err((Spot::Method, Misuse::WrongPlace)));
    assert!(
        way("api.test", &["a"])
            .plan(&wallet, &bearer(&mark))
            .is_ok()
    );
}

#[test]
fn another_sessions_placeholder_is_foreign_and_an_invented_one_a_near_miss() {
    for wallet in [
        Wallet::empty(),
        wallet(vec![secret("a", "api.test", |_| {})]),
    ] {
        let mark = placeholder("", 77);
        let judge = |mark: &str| {
            let refused = wallet
                .plan(&way("api.test", &[]).aim(), &bearer(mark))
                .unwrap_err();
            assert!(refused.is_alert() && refused.name.is_none());
            refused.misuse
        };
        assert_eq!(judge(mark.as_str()), Misuse::Foreign);
        let mut guess = mark.as_str().to_owned().into_bytes();
        guess[12] = if guess[12] == b'x' { b'y' } else { b'x' };
        assert_eq!(
            judge(std::str::from_utf8(&guess).unwrap()),
            Misuse::NearMiss
        );
        assert_eq!(judge(mark.as_str().split_at(30).0), Misuse::NearMiss);
        for innocent in ["shrf01", "shrf01abc", "shrf", "Bearer sk-123"] {
            assert!(
                wallet
                    .plan(&way("api.test", &[]).aim(), &bearer(innocent))
                    .is_ok()
            );
        }
    }
}

#[test]
fn a_named_secret_goes_along_without_a_placeholder_but_never_without_tls_or_to_a_host_it_is_not_for()
 {
    let wallet = wallet(vec![
        secret("a", "api.test", |_| {}),
        secret("q", "api.test", |d| {
            d.place = Some(SecretPlace::Query("key".to_owned()));
        }),
    ]);
    let bare = head("/", &[]);
    assert_eq!(
        way("api.test", &["a"]).plan(&wallet, &bare),
        Ok(vec!["a".to_owned()])
    );
    // A query parameter is only filled where there is one.
    assert_eq!(way("api.test", &["q"]).plan(&wallet, &bare), Ok(vec![]));
    let refused = |way: &Way| way.plan(&wallet, &bare).unwrap_err();
    assert_eq!(
        refused(&way("other.test", &["a"])),
        (Spot::Rule, Misuse::Unbound)
    );
    assert_eq!(
        refused(&way("api.test", &["gone"])),
        (Spot::Rule, Misuse::Missing)
    );
    let mut plain = way("api.test", &["a"]);
    plain.tls = false;
    assert_eq!(refused(&plain), (Spot::Rule, Misuse::NoTls));
}

#[test]
fn two_secrets_for_one_field_are_ambiguous_unless_a_placeholder_chooses() {
    let wallet = wallet(vec![
        secret("a", "api.test", |_| {}),
        secret("b", "api.test", |_| {}),
    ]);
    let both = way("api.test", &["a", "b"]);
    assert_eq!(
        both.plan(&wallet, &head("/", &[])),
        Err((Spot::Rule, Misuse::Ambiguous))
    );
    let chosen = both.plan(&wallet, &bearer(placeholder("", 1).as_str()));
    assert_eq!(chosen, Ok(vec!["b".to_owned()]));
}

#[test]
fn basic_credentials_must_hold_the_placeholder_as_the_password() {
    let place = |d: &mut SecretDefinition| d.place = Some(SecretPlace::Basic("git".to_owned()));
    let wallet = wallet(vec![secret("g", "git.test", place)]);
    let mark = placeholder("", 0);
    let basic = |pair: String| {
        let value = format!("Basic {}", STANDARD.encode(pair));
        way("git.test", &["g"]).plan(&wallet, &head("/", &[("authorization", &value)]))
    };
    for user in ["git", "x-access-token", "", "ab", "abc"] {
        assert_eq!(
            basic(format!("{user}:{mark}")),
            Ok(vec!["g".to_owned()]),
            "{user}"
        );
    }
    for pair in [
        format!("{mark}:x"),
        format!("git:{mark}x"),
        format!("git:x{mark}"),
    ] {
        assert_eq!(basic(pair), Err((Spot::Field, Misuse::WrongPlace)));
    }
    let refused = way("git.test", &["g"]).plan(&wallet, &bearer(mark.as_str()));
    assert_eq!(refused, Err((Spot::Field, Misuse::WrongPlace)));
}

#[test]
fn a_body_in_an_unknown_coding_is_refused_only_to_sessions_with_secrets() {
    let request = head("/", &[("content-encoding", "compress")]);
    let with = wallet(vec![secret("a", "api.test", |_| {})]);
    let refused = way("any.test", &[]).plan(&with, &request);
    assert_eq!(refused, Err((Spot::Body, Misuse::Unreadable)));
    assert_eq!(
        way("any.test", &[]).plan(&Wallet::empty(), &request),
        Ok(vec![])
    );
    let known = head("/", &[("content-encoding", "gzip")]);
    assert_eq!(way("any.test", &[]).plan(&with, &known), Ok(vec![]));
}

#[test]
fn nothing_that_prints_a_wallet_or_a_refusal_prints_a_value() {
    let wallet = wallet(vec![secret("a", "api.test", |_| {})]);
    assert_eq!(format!("{wallet:?}"), "[a]");
    let refused = wallet.plan(
        &way("evil.test", &[]).aim(),
        &bearer(placeholder("", 0).as_str()),
    );
    let text = refused.unwrap_err().to_string();
    assert_eq!(
        text,
        "the secret is not for this destination (secret a, in a header field)"
    );
}
