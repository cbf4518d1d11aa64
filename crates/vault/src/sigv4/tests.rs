//! The published test suite of Signature Version 4, and the examples of the S3 reference.
//!
//! Not for: what a signed request loses and gets otherwise (`substitute::tests`).

use super::*;
use crate::value::SecretValue;

const SUITE_TIME: u64 = 1_440_938_160;
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> Head {
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

/// The signature of a request of the suite: there every field is signed.
fn suite(method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> String {
    let mut head = head(method, target, fields);
    head.put("host", b"example.amazonaws.com".to_vec());
    head.put("x-amz-date", stamp(SUITE_TIME).into_bytes());
    let payload = hex(&Sha256::digest(body));
    let canonical = request(&head, &payload, false, |_| true);
    let scope = Scope {
        region: "us-east-1",
        service: "service",
    };
    let digest = hex(&Sha256::digest(&canonical.text));
    let area = "20150830/us-east-1/service/aws4_request";
    let text = format!("{ALGORITHM}\n20150830T123600Z\n{area}\n{digest}");
    let key = key(
        b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "20150830",
        scope,
    );
    hex(&*mac(&*key, text.as_bytes()))
}

/// Requests of the suite (method, target, fields, body) and their signatures.
const SUITE: [Published; 18] = [
    (
        "GET",
        "/",
        &[],
        "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "GET",
        "/?Param1=value1",
        &[],
        "",
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    (
        "GET",
        "/?Param2=value2&Param1=value1",
        &[],
        "",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        &[],
        "",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    (
        "GET",
        "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        &[],
        "",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    (
        "GET",
        "/\u{1234}",
        &[],
        "",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    (
        "GET",
        "/?\u{1234}=bar",
        &[],
        "",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    (
        "GET",
        "/example/..",
        &[],
        "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "GET",
        "//",
        &[],
        "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "GET",
        "/./",
        &[],
        "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "GET",
        "/",
        &[
            ("My-Header1", "value2"),
            ("My-Header1", "value2"),
            ("My-Header1", "value1"),
        ],
        "",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    (
        "GET",
        "/",
        &[("My-Header1", "value4,value1,value3,value2")],
        "",
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
    ),
    (
        "GET",
        "/",
        &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
        "",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "POST",
        "/",
        &[],
        "",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    (
        "POST",
        "/",
        &[("My-Header1", "VALUE1")],
        "",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    (
        "POST",
        "/?Param1=value1",
        &[],
        "",
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    ),
    (
        "POST",
        "/",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        "Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    (
        "POST",
        "/",
        &[(
            "Content-Type",
            "application/x-www-form-urlencoded; charset=utf8",
        )],
        "Param1=value1",
        "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
    ),
];

type Published = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
);

#[test]
fn the_published_suite_is_signed_as_published() {
    for (method, target, fields, body, signature) in SUITE {
        let signed = suite(method, target, fields, body);
        assert_eq!(signed, signature, "{method} {target} {fields:?}");
    }
}

/// The signature of an example of the S3 reference, through all of [`sign`].
fn s3(method: &str, target: &str, fields: &[(&str, &str)], payload: Payload) -> String {
    let mut head = head(method, target, fields);
    head.put("host", b"examplebucket.s3.amazonaws.com".to_vec());
    let credentials = AwsCredentials {
        access_key_id: value("AKIAIOSFODNN7EXAMPLE"),
        secret_access_key: value("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    };
    let scope = Scope {
        region: "us-east-1",
        service: "s3",
    };
    let signing = Signing {
        now: 1_369_353_600,
        payload,
    };
    sign(&credentials, scope, &signing, &mut head).unwrap();
    let text = head.values("authorization").next().unwrap().to_vec();
    String::from_utf8(text)
        .unwrap()
        .rsplit('=')
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn the_examples_of_the_s3_reference_are_signed_as_published() {
    let lifecycle = s3("GET", "/?lifecycle", &[], Payload::Empty);
    assert_eq!(
        lifecycle,
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    );
    let list = s3(
        "GET",
        "/?max-keys=2&prefix=J",
        &[("x-amz-content-sha256", EMPTY)],
        Payload::Unknown,
    );
    assert_eq!(
        list,
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    );
}

#[test]
fn a_path_is_encoded_once_for_s3_and_once_more_for_all_others() {
    let path = |is_single| {
        let head = head("GET", "/a%20b//c%2Fd/%7E", &[]);
        let text = request(&head, EMPTY, is_single, |_| false).text;
        String::from_utf8(text)
            .unwrap()
            .lines()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_eq!(path(true), "/a%20b//c/d/~");
    assert_eq!(path(false), "/a%2520b/c%252Fd/%257E");
}

fn payload_of(declared: Option<&str>, known: Payload, is_s3: bool) -> Result<String, SignError> {
    let fields: Vec<_> = declared
        .map(|declared| (CONTENT_HASH, declared))
        .into_iter()
        .collect();
    payload(&head("PUT", "/", &fields), known, is_s3)
}

#[test]
fn a_body_that_is_not_known_is_signed_as_the_jail_declares_it_or_not_at_all() {
    let hash = "a".repeat(64);
    assert_eq!(
        payload_of(Some(&hash), Payload::Unknown, false),
        Ok(hash.clone())
    );
    assert_eq!(
        payload_of(Some(&hash), Payload::Hashed([0xbb; 32]), true),
        Ok("b".repeat(64))
    );
    assert_eq!(
        payload_of(None, Payload::Unknown, true),
        Ok(UNSIGNED.to_owned())
    );
    assert_eq!(
        payload_of(None, Payload::Unknown, false),
        Err(SignError::NeedsHash)
    );
    assert_eq!(
        payload_of(Some("nonsense"), Payload::Unknown, false),
        Err(SignError::NeedsHash)
    );
    assert_eq!(
        payload_of(None, Payload::Empty, false),
        Ok(EMPTY.to_owned())
    );
    let pieces = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    assert_eq!(
        payload_of(Some(pieces), Payload::Unknown, true),
        Err(SignError::SignedPieces)
    );
    let open = payload_of(Some(UNSIGNED_PIECES), Payload::Unknown, true);
    assert_eq!(open, Ok(UNSIGNED_PIECES.to_owned()));
}

#[test]
fn a_session_token_is_sent_and_signed_and_the_jails_own_is_not() {
    let mut head = head(
        "GET",
        "/",
        &[("host", "h"), ("X-Amz-Security-Token", "mine")],
    );
    let credentials = AwsCredentials {
        access_key_id: value("AKIDEXAMPLE"),
        secret_access_key: value("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: Some(value("session-token")),
    };
    let scope = Scope {
        region: "eu-1",
        service: "sts",
    };
    let signing = Signing {
        now: SUITE_TIME,
        payload: Payload::Empty,
    };
    sign(&credentials, scope, &signing, &mut head).unwrap();
    assert_eq!(
        head.values("x-amz-security-token").collect::<Vec<_>>(),
        [b"session-token"]
    );
    let authorization = head.values("authorization").next().unwrap().to_vec();
    let text = String::from_utf8(authorization).unwrap();
    assert!(
        text.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "),
        "{text}"
    );
}
