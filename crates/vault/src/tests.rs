//! The vault as a whole: sealed, found again, rotated, damaged, configured, asked for tokens.
//!
//! Not for: one file alone; those tests are in it.

mod exposure;
mod rotation;
mod tokens;

use std::path::Path;
use std::sync::Arc;

use model::{SecretDefinition, SecretName};
use tasks::Group;
use zeroize::Zeroizing;

use crate::credential::{Credential, Present, Values};
use crate::key::{KEY_BYTES, Key};
use crate::secret::Secret;
use crate::{
    ChangeError, Configured, FetchFailed, Fetching, TokenFetcher, TokenRequest, Vault, VaultParts,
};

/// A key of this byte.
pub(crate) fn key(byte: u8) -> Key {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, [byte; KEY_BYTES]).unwrap();
    Key::from_file(std::fs::File::open(&path).unwrap(), &path).unwrap()
}

/// A static secret for one host.
pub(crate) fn definition(name: &str, host: &str) -> SecretDefinition {
    let text = format!(r#"{{"name":"{name}","hosts":["{host}"]}}"#);
    serde_json::from_str(&text).unwrap()
}

/// Answers nobody.
#[derive(Debug)]
struct Down;

impl TokenFetcher for Down {
    fn fetch(&self, _request: TokenRequest) -> Fetching {
        Box::pin(async { Err(FetchFailed("connection refused".to_owned())) })
    }
}

fn bytes(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

fn open_with(folder: &Path, configured: Vec<Configured>, fetcher: Arc<dyn TokenFetcher>) -> Vault {
    Vault::open(VaultParts {
        folder,
        key: Ok(key(1)),
        configured,
        fetcher,
        group: Group::new("test"),
    })
}

fn open(folder: &Path) -> Vault {
    open_with(folder, Vec::new(), Arc::new(Down))
}

fn secret(vault: &Vault, name: &str) -> Arc<Secret> {
    vault.find(&name.parse().unwrap()).unwrap().secret.unwrap()
}

fn text(present: &Present) -> String {
    match &present.credential {
        Credential::Token(value) => String::from_utf8(value.expose().to_vec()).unwrap(),
        Credential::Aws(aws) => String::from_utf8(aws.secret_access_key.expose().to_vec()).unwrap(),
    }
}

async fn value(vault: &Vault, secret: &Secret) -> Result<String, String> {
    let present = vault.present(secret).await;
    present.map(|p| text(&p)).map_err(|error| error.to_string())
}

fn put(
    vault: &Vault,
    name: &SecretName,
    definition: Option<SecretDefinition>,
    material: &str,
) -> Result<u64, ChangeError> {
    put_by(vault, name, definition, (material, 0))
}

fn put_by(
    vault: &Vault,
    name: &SecretName,
    definition: Option<SecretDefinition>,
    (material, by): (&str, u32),
) -> Result<u64, ChangeError> {
    vault.commit(vault.draft(name, definition, (bytes(material), by))?)?;
    Ok(vault.find(name).unwrap().version)
}
