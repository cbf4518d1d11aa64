//! Values that must not show, or go elsewhere, in the moments between two requests: reloads, streams that
//! are open already, a new office.
//!
//! Not for: what one request does with its own secrets (`wallet::tests`).

use policy::{Destination, Host};

use super::*;
use crate::placeholder::Placeholder;
use crate::sigv4::Payload;
use crate::wallet::{Aim, Head, Wallet};
use crate::{Applied, Obtained, Plan, Signing};

/// A wallet with these secrets of the vault, in this order.
fn wallet(vault: &Vault, names: &[&str]) -> Wallet {
    let granted = names.iter().map(|name| {
        let secret = secret(vault, name);
        let mark = Placeholder::draw(&secret).unwrap();
        (secret, mark)
    });
    Wallet::new(granted.collect(), Arc::new(vault.clone()))
}

fn vault(folder: &Path, all: &[(&str, &str, &str)]) -> Vault {
    let vault = open(folder);
    for (name, host, value) in all {
        let name = name.parse().unwrap();
        put(&vault, &name, Some(definition("x", host)), value).unwrap();
    }
    vault
}

fn host(text: &str) -> Host {
    Destination::from_authority(text.as_bytes(), Some(443))
        .unwrap()
        .host
}

fn plan(wallet: &Wallet, to: &str, named: &[&str]) -> (Plan, Head) {
    let named: Vec<SecretName> = named.iter().map(|name| name.parse().unwrap()).collect();
    let head = Head {
        method: b"GET".to_vec(),
        target: b"/".to_vec(),
        fields: Vec::new(),
    };
    let host = host(to);
    let aim = Aim {
        host: &host,
        port: 443,
        tls: true,
        named: &named,
    };
    (wallet.plan(&aim, &head).unwrap(), head)
}

fn apply(plan: &Plan, obtained: &Obtained, head: &mut Head) -> Applied {
    let signing = Signing {
        now: 0,
        payload: Payload::Empty,
    };
    plan.apply(obtained, head, &signing).unwrap()
}

#[tokio::test]
async fn a_request_of_the_old_wallet_gets_no_value_from_the_one_of_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let all = [("a", "a.test", "value of a"), ("b", "b.test", "value of b")];
    let vault = vault(folder.path(), &all);
    let (old, new) = (wallet(&vault, &["b", "a"]), wallet(&vault, &["a"]));
    let (plan, mut head) = plan(&old, "b.test", &["b"]);
    assert!(
        new.obtain(&plan).await.is_err(),
        "a's value would go to b.test"
    );
    let obtained = old.obtain(&plan).await.unwrap();
    apply(&plan, &obtained, &mut head);
    let sent = head.values("authorization").next().unwrap();
    assert_eq!(sent, b"Bearer value of b");
}

#[tokio::test]
async fn an_answer_of_the_secrets_host_never_shows_it_used_before_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), &[("a", "a.test", "value of a")]);
    let wallet = wallet(&vault, &["a"]);
    for (to, shown) in [("a.test", false), ("b.test", true)] {
        let (plan, mut head) = plan(&wallet, to, &[]);
        let obtained = wallet.obtain(&plan).await.unwrap();
        let applied = apply(&plan, &obtained, &mut head);
        let text = b"told later: value of a";
        let told = applied
            .scrub
            .map_or_else(|| text.to_vec(), |scrub| scrub.redact(text).into_owned());
        assert_eq!(told == text, shown, "{to}");
        assert!(head.values("authorization").next().is_none() && applied.used.is_empty());
    }
    let used = vault.find(&"a".parse().unwrap()).unwrap().used_ms;
    assert_eq!(used, 0, "to hide a value is not to use it");
}

#[tokio::test]
async fn a_secret_that_is_not_to_be_had_stops_no_request_that_does_not_use_it() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path(), &[("a", "a.test", "value of a")]);
    let wallet = wallet(&vault, &["a"]);
    assert!(vault.remove(&"a".parse().unwrap()).unwrap());
    let (without, _) = plan(&wallet, "a.test", &[]);
    assert!(wallet.obtain(&without).await.is_ok());
    let (with, _) = plan(&wallet, "a.test", &["a"]);
    assert!(wallet.obtain(&with).await.is_err());
}
