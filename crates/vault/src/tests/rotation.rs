//! Values that are set, replaced, removed, damaged or configured.
//!
//! Not for: tokens.

use super::*;
use crate::Reason;

fn set(vault: &Vault, name: &str, host: &str, value: &str) {
    let name = name.parse().unwrap();
    let definition = definition("x", host);
    put(vault, &name, Some(definition), value).unwrap();
}

#[tokio::test]
async fn a_sealed_value_is_there_again_after_a_restart_and_not_on_disk_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    set(&open(folder.path()), "a", "a.test", "hunter22\n");
    let vault = open(folder.path());
    assert_eq!(
        value(&vault, &secret(&vault, "a")).await.unwrap(),
        "hunter22"
    );
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter22"));
    }
}

#[tokio::test]
async fn a_request_keeps_its_version_while_the_next_one_has_the_new_value() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    set(&vault, "a", "a.test", "value one");
    let known = secret(&vault, "a");
    let first = vault.present(&known).await.unwrap();
    let name = "a".parse().unwrap();
    let version = put(&vault, &name, None, "value two").unwrap();
    assert_eq!((first.version, version), (1, 2));
    assert_eq!(text(&first), "value one");
    assert_eq!(value(&vault, &known).await.unwrap(), "value two");
    assert_eq!(
        Arc::strong_count(&first),
        1,
        "nobody else keeps the old value"
    );
}

#[tokio::test]
async fn a_session_never_gets_a_value_that_was_set_since_for_other_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    set(&vault, "a", "a.test", "value one");
    let known = secret(&vault, "a");
    set(&vault, "a", "b.test", "value two");
    assert!(
        value(&vault, &known)
            .await
            .unwrap_err()
            .contains("defined anew")
    );
    assert_eq!(
        value(&vault, &secret(&vault, "a")).await.unwrap(),
        "value two"
    );
    assert!(vault.remove(&"a".parse().unwrap()).unwrap());
    assert!(value(&vault, &known).await.unwrap_err().contains("removed"));
    assert!(!vault.remove(&"a".parse().unwrap()).unwrap());
}

#[tokio::test]
async fn a_damaged_record_names_its_file_and_takes_no_other_secret_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    set(&vault, "a", "a.test", "value one");
    set(&vault, "b", "b.test", "value two");
    let known = secret(&vault, "a");
    std::fs::write(folder.path().join("a.sealed"), "junk").unwrap();
    std::fs::write(folder.path().join("c.new"), "half").unwrap();
    let vault = open(folder.path());
    let error = value(&vault, &known).await.unwrap_err();
    assert!(error.contains("a.sealed is damaged"), "{error}");
    assert_eq!(
        value(&vault, &secret(&vault, "b")).await.unwrap(),
        "value two"
    );
    assert!(!folder.path().join("c.new").exists());
    set(&vault, "a", "a.test", "value three");
    assert_eq!(value(&vault, &known).await.unwrap(), "value three");
}

#[tokio::test]
async fn without_a_key_nothing_is_set_or_used_but_configured_values_are() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no.key");
    std::fs::write(folder.path().join("a.sealed"), "x").unwrap();
    let vault = Vault::open(VaultParts {
        folder: folder.path(),
        key: Key::at(&missing, folder.path()),
        configured: vec![configured("b", Some(Ok(bytes("value two"))))],
        fetcher: Arc::new(Down),
        group: Group::new("test"),
    });
    let c = "c".parse().unwrap();
    let refused = put(&vault, &c, Some(definition("c", "c.test")), "value xy");
    assert!(matches!(refused, Err(ChangeError::Closed(_))));
    assert_eq!(
        value(&vault, &secret(&vault, "b")).await.unwrap(),
        "value two"
    );
}

fn configured(name: &str, material: Option<Result<Zeroizing<Vec<u8>>, Reason>>) -> Configured {
    let source = material.as_ref().map(|_| "file:/etc/x".to_owned());
    Configured {
        definition: SecretDefinition {
            source,
            ..definition(name, "conf.test")
        },
        material,
    }
}

#[tokio::test]
async fn what_root_configured_decides_where_a_value_may_go_whatever_operators_set() {
    let folder = tempfile::tempdir().unwrap();
    set(&open(folder.path()), "a", "evil.test", "value one");
    let down = Err(Reason::new("no such file"));
    let all = vec![configured("a", None), configured("b", Some(down))];
    let vault = open_with(folder.path(), all, Arc::new(Down));
    assert_eq!(secret(&vault, "a").hosts[0].to_string(), "conf.test:443");
    let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
    let defined = put(&vault, &a, Some(definition("a", "evil.test")), "value xy");
    assert!(matches!(defined, Err(ChangeError::Configured(_))));
    assert_eq!(put(&vault, &a, None, "value two").unwrap(), 2);
    assert_eq!(
        value(&vault, &secret(&vault, "a")).await.unwrap(),
        "value two"
    );
    let set = put(&vault, &b, None, "value xy");
    assert!(matches!(set, Err(ChangeError::Elsewhere(..))));
    let problem = vault.find(&b).unwrap().problem.unwrap();
    assert_eq!(problem, "no such file");
}

#[test]
fn operators_name_no_files_of_the_host_and_new_secrets_name_their_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path());
    let name = "a".parse().unwrap();
    let file = SecretDefinition {
        source: Some("file:/etc/shadow".to_owned()),
        ..definition("a", "a.test")
    };
    let refused = put(&vault, &name, Some(file), "value xy");
    assert!(matches!(refused, Err(ChangeError::Source)));
    let refused = put(&vault, &name, None, "value xy");
    assert!(matches!(refused, Err(ChangeError::NoDefinition(_))));
    let refused = put(&vault, &name, Some(definition("a", "*.test")), "value xy");
    assert!(matches!(refused, Err(ChangeError::Definition(_))));
    assert!(vault.list().is_empty());
    set(&vault, "a", "a.test", "value xy");
    assert_eq!(vault.list().len(), 1);
}

#[tokio::test]
async fn a_value_alone_is_taken_from_whoever_said_where_it_may_go_and_from_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (owner, other) = (1000, 1001);
    let name: SecretName = "a".parse().unwrap();
    let vault = open(folder.path());
    let evil = |vault: &Vault| {
        let evil = Some(definition("a", "evil.test"));
        put_by(vault, &name, evil, ("value of another", other)).unwrap();
    };
    let own = Some(definition("a", "a.test"));
    put_by(&vault, &name, own.clone(), ("value one", owner)).unwrap();
    put_by(&vault, &name, None, ("value two", owner)).unwrap();
    evil(&vault);
    // Also root's, and also after a restart.
    for by in [owner, 0] {
        let lured = put_by(&open(folder.path()), &name, None, ("value three", by));
        let error = lured.unwrap_err();
        assert!(
            matches!(error, ChangeError::DefinedByOther { by: 1001, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("evil.test"));
    }
    put_by(&vault, &name, own, ("value three", owner)).unwrap();
    put_by(&vault, &name, None, ("value four", owner)).unwrap();
    assert_eq!(
        value(&vault, &secret(&vault, "a")).await.unwrap(),
        "value four"
    );
    // What root defines is for everybody's values.
    let vault = open_with(folder.path(), vec![configured("a", None)], Arc::new(Down));
    put_by(&vault, &name, None, ("value five", other)).unwrap();
}
