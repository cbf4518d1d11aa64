//! Tokens of endpoints: one request for many, replaced refresh tokens, endpoints that are down.
//!
//! Not for: the words of requests and answers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::TokenAnswer;

/// Answers what it is told to, once it is let, and counts.
#[derive(Debug)]
struct Endpoint {
    asked: AtomicUsize,
    bodies: Mutex<Vec<String>>,
    gate: Semaphore,
    answer: Mutex<Result<String, FetchFailed>>,
}

#[derive(Debug)]
struct Line(Arc<Endpoint>);

impl TokenFetcher for Line {
    fn fetch(&self, request: TokenRequest) -> Fetching {
        let end = Arc::clone(&self.0);
        Box::pin(async move {
            end.asked.fetch_add(1, Ordering::SeqCst);
            end.bodies.lock().unwrap().push(request.body.to_string());
            end.gate.acquire().await.unwrap().forget();
            let body = end.answer.lock().unwrap().clone()?;
            Ok(TokenAnswer {
                status: 200,
                body: bytes(&body),
            })
        })
    }
}

impl Endpoint {
    fn new(answer: &str, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            asked: AtomicUsize::new(0),
            bodies: Mutex::default(),
            gate: Semaphore::new(permits),
            answer: Mutex::new(Ok(answer.to_owned())),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

const TOKEN: &str = r#"{"access_token":"t1","token_type":"Bearer","expires_in":3600}"#;

fn vault(folder: &Path, end: &Arc<Endpoint>, grant: &str) -> Vault {
    let vault = open_with(folder, Vec::new(), Arc::new(Line(Arc::clone(end))));
    let text = format!(
        r#"{{"name":"o","hosts":["a.test"],"kind":{{"oauth2":{{"token_url":"https://auth.test/token",
        "grant":"{grant}","client_id":"me"}}}}}}"#
    );
    let definition = serde_json::from_str(&text).unwrap();
    let material = r#"{"client_secret":"a client's","refresh_token":"refresh-r1"}"#;
    put(&vault, &"o".parse().unwrap(), Some(definition), material).unwrap();
    vault
}

#[tokio::test]
async fn many_who_want_a_token_at_once_ask_for_it_once_and_all_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let end = Endpoint::new(TOKEN, 0);
    let vault = vault(folder.path(), &end, "client_credentials");
    let secret = secret(&vault, "o");
    let all = async { tokio::join!(value(&vault, &secret), value(&vault, &secret)) };
    let open = async {
        while end.asked() == 0 {
            tokio::task::yield_now().await;
        }
        end.gate.add_permits(10);
    };
    let ((one, two), ()) = tokio::join!(all, open);
    assert_eq!(
        (one.unwrap(), two.unwrap()),
        ("t1".to_owned(), "t1".to_owned())
    );
    assert_eq!(value(&vault, &secret).await.unwrap(), "t1");
    assert_eq!(end.asked(), 1);
}

#[tokio::test]
async fn a_token_is_not_used_once_it_is_about_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"{"access_token":"t1","token_type":"Bearer","expires_in":0}"#;
    let end = Endpoint::new(body, 10);
    let vault = vault(folder.path(), &end, "client_credentials");
    let secret = secret(&vault, "o");
    value(&vault, &secret).await.unwrap();
    value(&vault, &secret).await.unwrap();
    assert_eq!(end.asked(), 2);
}

#[tokio::test]
async fn an_endpoint_that_is_down_makes_the_secret_unavailable_and_is_not_asked_by_each_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let end = Endpoint::new(TOKEN, 10);
    *end.answer.lock().unwrap() = Err(FetchFailed("connection refused".to_owned()));
    let vault = vault(folder.path(), &end, "client_credentials");
    let secret = secret(&vault, "o");
    for _ in 0..3 {
        let error = value(&vault, &secret).await.unwrap_err();
        assert!(error.contains("connection refused"), "{error}");
    }
    assert_eq!(end.asked(), 1);
}

#[tokio::test]
async fn a_replaced_refresh_token_is_sealed_and_used_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"{"access_token":"t1","token_type":"Bearer","refresh_token":"refresh-r2"}"#;
    let end = Endpoint::new(body, 10);
    let vault = vault(folder.path(), &end, "refresh_token");
    assert_eq!(value(&vault, &secret(&vault, "o")).await.unwrap(), "t1");
    let again = open_with(folder.path(), Vec::new(), Arc::new(Line(Arc::clone(&end))));
    assert_eq!(value(&again, &secret(&again, "o")).await.unwrap(), "t1");
    let bodies = end.bodies.lock().unwrap().clone();
    assert!(bodies[0].contains("refresh_token=refresh-r1"), "{bodies:?}");
    assert!(bodies[1].contains("refresh_token=refresh-r2"), "{bodies:?}");
    assert_eq!(again.find(&"o".parse().unwrap()).unwrap().version, 2);
}

#[tokio::test]
async fn a_replaced_refresh_token_that_cannot_be_sealed_yields_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"{"access_token":"t1","token_type":"Bearer","refresh_token":"refresh-r2"}"#;
    let end = Endpoint::new(body, 10);
    let vault = vault(folder.path(), &end, "refresh_token");
    let secret = secret(&vault, "o");
    std::fs::remove_dir_all(folder.path()).unwrap();
    let error = value(&vault, &secret).await.unwrap_err();
    assert!(error.contains("o.new"), "{error}");
}

#[tokio::test]
async fn an_impatient_client_does_not_lose_the_token_for_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let end = Endpoint::new(TOKEN, 0);
    let vault = vault(folder.path(), &end, "client_credentials");
    let secret = secret(&vault, "o");
    {
        let impatient = vault.present(&secret);
        tokio::select! {
            _ = impatient => panic!("the endpoint has not answered"),
            () = async { while end.asked() == 0 { tokio::task::yield_now().await; } } => {}
        }
    }
    end.gate.add_permits(1);
    assert_eq!(value(&vault, &secret).await.unwrap(), "t1");
    assert_eq!(end.asked(), 1);
}
