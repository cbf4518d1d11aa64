//! What is sent: values in their places, and nothing of the jail's own beside them.
//!
//! Not for: whether it may be sent (`wallet::tests`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{SecretDefinition, SecretPlace};

use super::*;
use crate::placeholder::tests::placeholder;
use crate::wallet::tests::{head, secret, value_of, wallet, way};
use crate::wallet::{Misuse, Spot};

const SIGNING: Signing = Signing {
    now: 1_440_938_160,
    payload: Payload::Unknown,
};

struct Sent {
    head: Head,
    applied: Applied,
}

/// One request to `api.test` with the one secret `a` named.
async fn send(edit: impl FnOnce(&mut SecretDefinition), mut head: Head) -> Sent {
    let wallet = wallet(vec![secret("a", "api.test", edit)]);
    let plan = wallet.plan(&way("api.test", &["a"]).aim(), &head).unwrap();
    let obtained = wallet.obtain(&plan).await.unwrap();
    let applied = plan.apply(&obtained, &mut head, &SIGNING).unwrap();
    Sent { head, applied }
}

impl Sent {
    fn field(&self, name: &str) -> Vec<String> {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        self.head.values(name).map(text).collect()
    }

    fn target(&self) -> &str {
        std::str::from_utf8(&self.head.target).unwrap()
    }

    fn body(mut self, pieces: &[&str]) -> Result<String, (Spot, Misuse)> {
        let mut out = Vec::new();
        let refused = |refused: crate::Misdirected| (refused.spot, refused.misuse);
        for piece in pieces {
            self.applied
                .body
                .push(piece.as_bytes(), &mut out)
                .map_err(refused)?;
        }
        self.applied.body.finish(&mut out).map_err(refused)?;
        Ok(String::from_utf8(out).unwrap())
    }
}

fn mark() -> String {
    placeholder("", 0).as_str().to_owned()
}

#[tokio::test]
async fn a_header_with_a_format_is_the_format_and_nothing_of_the_jails_own() {
    let given = [
        ("Authorization", format!("token {} and more", mark())),
        ("authorization", "Bearer mine".to_owned()),
        ("x-kept", "yes".to_owned()),
    ];
    let given: Vec<_> = given
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let sent = send(|_| {}, head("/p?q", &given)).await;
    assert_eq!(
        sent.field("authorization"),
        [format!("Bearer {}", value_of("a"))]
    );
    assert_eq!(sent.field("x-kept"), ["yes"]);
    assert_eq!(sent.target(), "/p?q");
    assert_eq!(sent.applied.used.len(), 1);
    assert!(!sent.applied.changes_length);
}

#[tokio::test]
async fn a_header_without_a_format_keeps_what_is_around_the_placeholder_and_drops_the_jails_authorization()
 {
    let place = |d: &mut SecretDefinition| {
        d.place = Some(SecretPlace::Header("Cookie".to_owned()));
    };
    let cookie = format!("a=b; s={}; c=d", mark());
    let sent = send(
        place,
        head(
            "/",
            &[("cookie", &cookie), ("authorization", "Bearer mine")],
        ),
    )
    .await;
    assert_eq!(
        sent.field("cookie"),
        [format!("a=b; s={}; c=d", value_of("a"))]
    );
    assert!(sent.field("authorization").is_empty());
}

#[tokio::test]
async fn basic_credentials_are_encoded_anew_for_the_declared_user() {
    let place = |d: &mut SecretDefinition| d.place = Some(SecretPlace::Basic("git".to_owned()));
    let value = format!("Basic {}", STANDARD.encode(format!("someone:{}", mark())));
    let sent = send(place, head("/", &[("authorization", &value)])).await;
    let expected = STANDARD.encode(format!("git:{}", value_of("a")));
    assert_eq!(sent.field("authorization"), [format!("Basic {expected}")]);
}

#[tokio::test]
async fn a_query_parameter_and_a_part_of_the_path_are_percent_encoded() {
    let encoded = "v%22%2F%5C%2B%25%26%3Fa%3Dtail";
    let place = |d: &mut SecretDefinition| d.place = Some(SecretPlace::Query("key".to_owned()));
    let target = format!("/p?a=1&k%65y={}&key=mine&b=%20", mark());
    let sent = send(place, head(&target, &[("authorization", "Bearer mine")])).await;
    assert_eq!(sent.target(), format!("/p?a=1&key={encoded}&b=%20"));
    assert!(sent.field("authorization").is_empty());

    let place = |d: &mut SecretDefinition| d.place = Some(SecretPlace::Path);
    let sent = send(place, head(&format!("/bot{}/send?x=1", mark()), &[])).await;
    assert_eq!(sent.target(), format!("/bot{encoded}/send?x=1"));
}

#[tokio::test]
async fn a_body_gets_the_value_as_its_type_writes_it_across_any_division() {
    let place = |d: &mut SecretDefinition| d.place = Some(SecretPlace::Body);
    let text = format!("{{\"k\":\"{}\"}}", mark());
    let (first, second) = text.split_at(15);
    let expected = [
        ("application/json; charset=utf-8", "v\\\"/\\\\+%&?a=tail"),
        (
            "application/x-www-form-urlencoded",
            "v%22%2F%5C%2B%25%26%3Fa%3Dtail",
        ),
        ("text/plain", "v\"/\\+%&?a=tail"),
    ];
    for (media, value) in expected {
        let sent = send(place, head("/", &[("content-type", media)])).await;
        assert!(sent.applied.changes_length);
        let body = sent.body(&[first, second]).unwrap();
        assert_eq!(body, format!("{{\"k\":\"{value}\"}}"), "{media}");
    }
    let escaped = mark().replace('s', "%73");
    let sent = send(place, head("/", &[])).await;
    assert_eq!(
        sent.body(&[&escaped]),
        Err((Spot::Body, Misuse::WrongPlace))
    );
}

#[tokio::test]
async fn a_placeholder_in_the_body_is_refused_when_it_is_declared_for_the_head() {
    let sent = send(|_| {}, head("/", &[])).await;
    assert_eq!(
        sent.body(&["x", &mark(), "y"]),
        Err((Spot::Body, Misuse::WrongPlace))
    );
    let sent = send(|_| {}, head("/", &[])).await;
    assert_eq!(sent.body(&["x", "shrf01", "y"]).unwrap(), "xshrf01y");
}

#[tokio::test]
async fn a_request_with_a_secret_asks_for_an_answer_that_can_be_looked_through() {
    let given = [
        ("range", "bytes=0-3"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("accept-encoding", "compress"),
    ];
    let sent = send(|_| {}, head("/", &given)).await;
    assert_eq!(sent.field("accept-encoding"), [ACCEPT_ENCODING]);
    assert!(sent.field("range").is_empty());
    assert!(sent.field("sec-websocket-extensions").is_empty());
    let scrub = sent.applied.scrub.unwrap();
    let shown = format!("Bearer {}", value_of("a"));
    assert_eq!(
        *scrub.redact(shown.as_bytes()),
        *format!("Bearer {}", mark()).as_bytes()
    );
}

#[tokio::test]
async fn without_secrets_nothing_of_a_request_changes() {
    let wallet = wallet(vec![secret("a", "api.test", |_| {})]);
    let given = [("range", "bytes=0-3"), ("authorization", "Bearer mine")];
    let mut request = head("/x?y=z", &given);
    let plan = wallet.plan(&way("open.test", &[]).aim(), &request).unwrap();
    let obtained = wallet.obtain(&plan).await.unwrap();
    let applied = plan.apply(&obtained, &mut request, &SIGNING).unwrap();
    assert!(applied.scrub.is_none() && applied.used.is_empty());
    assert!(request.fields == head("/x?y=z", &given).fields && request.target == b"/x?y=z");
}

#[tokio::test]
async fn an_answer_hides_what_an_earlier_request_of_the_session_has_sent_to_the_host() {
    let wallet = wallet(vec![secret("a", "api.test", |_| {})]);
    let apply = async |named: &[&str]| {
        let mut request = head("/", &[]);
        let plan = wallet
            .plan(&way("api.test", named).aim(), &request)
            .unwrap();
        let obtained = wallet.obtain(&plan).await.unwrap();
        plan.apply(&obtained, &mut request, &SIGNING)
            .unwrap()
            .scrub
            .is_some()
    };
    assert!(!apply(&[]).await);
    assert!(apply(&["a"]).await);
    assert!(apply(&[]).await);
}

#[tokio::test]
async fn a_signed_request_has_our_signature_and_nothing_of_the_jails() {
    let edit = |d: &mut SecretDefinition| {
        let kind = r#"{"aws_sigv4":{"region":"us-east-1","service":"s3"}}"#;
        d.kind = serde_json::from_str(kind).unwrap();
    };
    let credential = format!("AWS4-HMAC-SHA256 Credential={}/x, Signature=1", mark());
    let given = [
        ("authorization", credential.as_str()),
        ("host", "api.test"),
        ("x-amz-date", "1"),
    ];
    let target = format!(
        "/b?X-Amz-Credential={}%2Fx&list-type=2&X-Amz-Signature=1",
        mark()
    );
    let sent = send(edit, head(&target, &given)).await;
    assert_eq!(sent.target(), "/b?list-type=2");
    let [authorization] = sent.field("authorization").try_into().unwrap();
    let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/s3/aws4_request, \
        SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=";
    assert!(authorization.starts_with(start), "{authorization}");
    assert_eq!(sent.field("x-amz-content-sha256"), ["UNSIGNED-PAYLOAD"]);
    assert_eq!(sent.field("x-amz-date"), ["20150830T123600Z"]);
}
