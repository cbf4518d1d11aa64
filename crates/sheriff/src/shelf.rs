//! Finds profiles as the daemon does: the host's own folder before the shipped ones.
//!
//! Not for: the daemon's idea of them; it reads them at its start and on reload only.

mod filter;
mod place;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::{IdError, ProfileName};
use policy::profile::FILE_MAX;
use policy::{LookupError, ProfileKind, Source};
use serde::Serialize;

pub(crate) use self::filter::FilterError;

/// What a profile is about; also the folder that its file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A jail
    Jail,
    /// A list of egress rules
    Egress,
    /// A seccomp filter
    Seccomp,
}

/// The folder with the host's own profiles.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    folder: PathBuf,
}

/// A profile that is there.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    kind: Kind,
    name: ProfileName,
    /// Its file, or `shipped`.
    source: String,
}

/// A profile or folder that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    #[error("profile {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("profile {}: not a regular file", path.display())]
    NoFile { path: PathBuf },
    #[error("profile {}: larger than {FILE_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("profile {}: a file's name without .toml is the profile's name: {source}", path.display())]
    Name { path: PathBuf, source: IdError },
    #[error("no {kind} profile {name}; `sheriff profile list` names those there are")]
    Unknown {
        kind: &'static str,
        name: ProfileName,
    },
}

impl Kind {
    const ALL: [Self; 3] = [Self::Jail, Self::Egress, Self::Seccomp];

    /// The folder's name.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Jail => "jail",
            Self::Egress => "egress",
            Self::Seccomp => "seccomp",
        }
    }

    /// The kind of the profiles in a file's folder; those in no such folder are of jails.
    pub(crate) fn of_file(path: &Path) -> Self {
        let folder = path.parent().and_then(Path::file_name);
        let named = |kind: &Self| folder.is_some_and(|folder| folder == kind.folder());
        Self::ALL.into_iter().find(named).unwrap_or(Self::Jail)
    }

    /// What the daemon calls a shipped profile's file in its messages.
    fn shipped_file(self, name: &ProfileName) -> String {
        let folder = self.folder();
        match self {
            Self::Jail | Self::Egress => format!("shipped:{folder}/{name}"),
            Self::Seccomp => format!("shipped:{folder}/{name}.toml"),
        }
    }

    fn shipped(self, name: &str) -> Option<&'static str> {
        match self {
            Self::Jail => policy::shipped(ProfileKind::Jail, name),
            Self::Egress => policy::shipped(ProfileKind::Egress, name),
            Self::Seccomp => seccomp::shipped(name),
        }
    }

    fn shipped_names(self) -> Vec<&'static str> {
        match self {
            Self::Jail => policy::embedded::shipped_names(ProfileKind::Jail).collect(),
            Self::Egress => policy::embedded::shipped_names(ProfileKind::Egress).collect(),
            Self::Seccomp => seccomp::embedded::names().collect(),
        }
    }
}

impl From<ProfileKind> for Kind {
    fn from(kind: ProfileKind) -> Self {
        match kind {
            ProfileKind::Jail => Self::Jail,
            ProfileKind::Egress => Self::Egress,
        }
    }
}

impl Shelf {
    /// The shelf with the host's profiles in this folder.
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The profile of this name.
    pub(crate) fn find(&self, kind: Kind, name: &ProfileName) -> Result<Source, ShelfError> {
        let path = self.folder.join(kind.folder()).join(format!("{name}.toml"));
        match read(&path) {
            Err(ShelfError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let unknown = || ShelfError::Unknown {
                    kind: kind.folder(),
                    name: name.clone(),
                };
                let text = kind.shipped(name.as_str()).ok_or_else(unknown)?.to_owned();
                let file = kind.shipped_file(name);
                Ok(Source { file, text })
            }
            other => other,
        }
    }

    /// The same for resolving a profile's parents and lists.
    pub(crate) fn look_up(
        &self,
        kind: ProfileKind,
        name: &ProfileName,
    ) -> Result<Source, LookupError> {
        self.find(kind.into(), name).map_err(|error| match error {
            ShelfError::Unknown { .. } => LookupError::NotFound,
            other => LookupError::Unreadable {
                reason: other.to_string(),
            },
        })
    }

    /// Every profile, by kind and name.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, ShelfError> {
        let mut found = BTreeMap::new();
        for kind in Kind::ALL {
            for name in kind.shipped_names() {
                let path = PathBuf::from(name);
                found.insert((kind, name_of(&path)?), "shipped".to_owned());
            }
            for path in files(&self.folder.join(kind.folder()))? {
                found.insert((kind, name_of(&path)?), path.display().to_string());
            }
        }
        let listed = |((kind, name), source)| Listed { kind, name, source };
        Ok(found.into_iter().map(listed).collect())
    }
}

impl Listed {
    /// Kind, name and source.
    pub(crate) fn cells(&self) -> [&str; 3] {
        [self.kind.folder(), self.name.as_str(), &self.source]
    }
}

/// The text of a profile's file.
pub(crate) fn read(path: &Path) -> Result<Source, ShelfError> {
    let error = |source| ShelfError::Read {
        path: path.to_owned(),
        source,
    };
    // Opening a pipe waits for its writer.
    if !fs::metadata(path).map_err(error)?.is_file() {
        return Err(ShelfError::NoFile {
            path: path.to_owned(),
        });
    }
    let most = u64::try_from(FILE_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    let file = File::open(path).map_err(error)?;
    file.take(most.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(error)?;
    if text.len() > FILE_MAX {
        return Err(ShelfError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(Source {
        file: path.display().to_string(),
        text,
    })
}

/// The name that a profile's file gives it.
pub(crate) fn name_of(path: &Path) -> Result<ProfileName, ShelfError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().map_err(|source| ShelfError::Name {
        path: path.to_owned(),
        source,
    })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, ShelfError> {
    let error = |source| ShelfError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(error)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(error)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    Ok(paths)
}
