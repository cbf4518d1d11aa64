//! `[[secret]]` of the configuration: opened for the office, never read here.
//!
//! A file and a systemd credential are opened with root's rights at each start of the office and at each
//! reload. A variable of the daemon's environment is moved into a memory file at start, before anything
//! is forked, so that no process that comes of this one has it.
//!
//! Not for: what a secret may be (`vault` judges that), nor for secrets that operators set.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use model::SecretDefinition;
use warrant::secrets::{SecretEntry, Secrets, ValueAt};

/// Where systemd puts a unit's credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The credential that is the vault's key.
const KEY: &str = "vault.key";
/// `O_NONBLOCK`, the same on all our architectures: a pipe without a writer must not stop the daemon.
const NONBLOCK: i32 = 0o4000;

/// Sources that exist only at start.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Values taken out of the environment, by the variable's name.
    variables: BTreeMap<String, OwnedFd>,
    /// The unit's credentials.
    credentials: Option<PathBuf>,
}

/// What goes to the office.
#[derive(Debug)]
pub(crate) struct Parcel {
    files: Vec<OwnedFd>,
}

/// Secrets that can't be told of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParcelError {
    #[error(transparent)]
    Form(#[from] warrant::SecretsError),
    #[error(transparent)]
    Sys(#[from] sys::SysError),
}

impl Sources {
    /// Takes what the environment has of them. Call it before the first fork.
    pub(crate) fn take(secrets: &[SecretDefinition]) -> Result<Self, sys::SysError> {
        let mut variables = BTreeMap::new();
        for name in secrets.iter().filter_map(variable) {
            if let Some(value) = sys::environment::take(name)? {
                variables.insert(name.to_owned(), value);
            }
        }
        Ok(Self {
            variables,
            credentials: std::env::var_os(CREDENTIALS).map(PathBuf::from),
        })
    }

    /// Opens each value. One that is not there makes its secret unavailable, not the daemon.
    pub(crate) fn parcel(&self, config: &Config) -> Result<Parcel, ParcelError> {
        let mut files = Vec::new();
        let key = self.credential(KEY).and_then(|path| open(&path)).ok();
        let has_key = key.is_some();
        files.extend(key);
        let entries = config.secrets.iter().map(|definition| {
            let source = definition.source.as_deref().unwrap_or_default();
            SecretEntry {
                definition: definition.clone(),
                value: self.attach(source, &mut files),
            }
        });
        let mut secrets = Secrets {
            entries: entries.collect(),
            key: has_key,
            hop: None,
        };
        secrets.hop = config.egress.upstream_proxy.as_ref().map(|hop| {
            let source = hop.credentials.as_deref();
            hop.entry(source.map(|source| self.attach(source, &mut files)))
        });
        let told = sys::fds::memory_file(c"sheriff-secrets", &secrets.encode()?)?;
        files.insert(0, told);
        Ok(Parcel { files })
    }

    fn attach(&self, source: &str, files: &mut Vec<OwnedFd>) -> ValueAt {
        match self.open(source) {
            Ok(None) => ValueAt::Vault,
            Ok(Some(file)) => {
                files.push(file);
                ValueAt::Attached
            }
            Err(error) => ValueAt::Missing(error.to_string()),
        }
    }

    /// The descriptor of a source; `None` for the vault and for what the office will refuse.
    fn open(&self, source: &str) -> io::Result<Option<OwnedFd>> {
        match source.split_once(':') {
            Some(("file", path)) => open(Path::new(path)).map(Some),
            Some(("credential", name)) => open(&self.credential(name)?).map(Some),
            Some(("env", name)) => match self.variables.get(name) {
                Some(value) => value.try_clone().map(Some),
                None => Err(io::Error::other(format!(
                    "variable {name} was not set when the daemon started"
                ))),
            },
            _ => Ok(None),
        }
    }

    fn credential(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.credentials.as_ref().ok_or_else(|| {
            io::Error::other("the daemon was started without credentials (LoadCredential=)")
        })?;
        // A name, not a path: it must not lead out of the folder.
        match Path::new(name).file_name() {
            Some(plain) if plain == OsStr::new(name) => Ok(folder.join(name)),
            _ => Err(io::Error::other(format!("credential {name:?} is no name"))),
        }
    }
}

impl Parcel {
    /// Descriptors in the protocol's order.
    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd).collect()
    }
}

fn variable(definition: &SecretDefinition) -> Option<&str> {
    definition.source.as_deref()?.strip_prefix("env:")
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let failed = |error: io::Error| {
        io::Error::new(error.kind(), format!("open {}: {error}", path.display()))
    };
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(path)
        .map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        let error = format!("{} is no regular file", path.display());
        return Err(io::Error::other(error));
    }
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Seek};

    use super::*;

    fn secrets(sources: &[&str]) -> Vec<SecretDefinition> {
        let one = |(at, source): (usize, &&str)| {
            let text = format!("name = \"s{at}\"\nhosts = [\"a.test\"]\nsource = {source:?}");
            toml::from_str(&text).unwrap()
        };
        sources.iter().enumerate().map(one).collect()
    }

    fn arrive(sources: &Sources, secrets: Vec<SecretDefinition>) -> warrant::secrets::Arrived {
        let mut config = Config::default();
        config.secrets = secrets;
        let parcel = sources.parcel(&config).unwrap();
        let fds = parcel.fds().into_iter();
        let fds = fds.map(|fd| fd.try_clone_to_owned().unwrap()).collect();
        Secrets::read(fds).unwrap()
    }

    #[test]
    fn files_and_credentials_go_as_descriptors_and_missing_ones_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        fs::write(&file, "hunter2!").unwrap();
        fs::write(folder.path().join(KEY), "k").unwrap();
        let sources = Sources {
            credentials: Some(folder.path().to_owned()),
            ..Sources::default()
        };
        let path = format!("file:{}", file.display());
        let gone = format!("file:{}/gone", folder.path().display());
        let dir = format!("file:{}", folder.path().display());
        let all = [&path, "credential:value", "vault", "env:X", &gone, &dir];
        let all = secrets(&[
            all[0],
            all[1],
            all[2],
            all[3],
            all[4],
            all[5],
            "credential:../value",
        ]);
        let arrived = arrive(&sources, all);
        assert!(arrived.key.is_some());
        let mut values = arrived.entries.into_iter();
        for _ in 0..2 {
            let mut file = File::from(values.next().unwrap().1.unwrap());
            let mut text = String::new();
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "hunter2!");
        }
        assert_eq!(values.next().unwrap().0.value, ValueAt::Vault);
        for expected in ["variable X", "gone", "no regular file", "is no name"] {
            let ValueAt::Missing(why) = values.next().unwrap().0.value else {
                panic!("{expected}");
            };
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn without_credentials_there_is_no_key_and_the_rest_still_goes() {
        let arrived = arrive(&Sources::default(), secrets(&["vault", "credential:x"]));
        assert!(arrived.key.is_none());
        assert_eq!(arrived.entries.len(), 2);
    }
}
