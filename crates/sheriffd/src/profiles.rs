//! The profiles in force: the host's own files before the shipped ones.
//!
//! Not for: judging egress; the office does that, by the same texts. Nor for making seccomp programs
//! (`filters`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jail::Filter;
use model::ProfileName;
use policy::profile::{LookupError, Source};
use policy::{EgressPolicy, ProfileError, ProfileKind, ResolvedProfile};
use warrant::notice::ProfileText;

use crate::config::Config;
use crate::filters::{self, Compiled};

/// Largest profile file.
const PROFILE_BYTES_MAX: u64 = 256 * 1024;
/// Most profile files.
const PROFILES_MAX: usize = 1024;

/// All profiles, by kind and name.
#[derive(Debug)]
pub(crate) struct Profiles {
    folder: PathBuf,
    generation: u64,
    loaded: Loaded,
}

/// What one load made.
#[derive(Debug)]
struct Loaded {
    texts: Texts,
    jails: BTreeMap<ProfileName, (Arc<ResolvedProfile>, Arc<Filter>)>,
    filters: BTreeMap<ProfileName, Compiled>,
}

pub(crate) type Texts = BTreeMap<(String, ProfileName), ProfileText>;

/// Profiles that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfilesError {
    #[error("profiles {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("profile {}: {problem}", path.display())]
    File {
        path: PathBuf,
        problem: &'static str,
    },
    #[error("no {kind} profile {name:?}; `sheriff profile list` names those there are")]
    Unknown { kind: &'static str, name: String },
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("jail profile {jail}: {source}")]
    Egress {
        jail: ProfileName,
        source: Box<policy::PolicyError>,
    },
    #[error(transparent)]
    Seccomp(#[from] seccomp::ProfileError),
    #[error("jail profile {jail}: {source}")]
    Floor {
        jail: ProfileName,
        source: seccomp::profile::FloorError,
    },
    #[error("seccomp profile {name}: {source}")]
    Compile {
        name: String,
        source: seccomp::CompileError,
    },
    #[error("{file}: `name` is {given}; it must be the file's name without .toml")]
    Name { file: String, given: ProfileName },
    #[error(transparent)]
    Recording(#[from] filters::RecordingError),
    #[error("no seccomp program can be made for this processor; x86-64 and aarch64 are supported")]
    Architecture,
    #[error(transparent)]
    Travel(#[from] warrant::ProfilesError),
    #[error("profiles: {0}")]
    Sys(#[from] sys::SysError),
}

impl Profiles {
    /// Reads the shipped profiles and the host's, resolves each one and compiles all filters, so
    /// that an error shows at start and not at the first use.
    pub(crate) fn load(config: &Config) -> Result<Self, ProfilesError> {
        let folder = config.folders.profiles.clone();
        let loaded = read_all(&folder, config.egress_ceiling.clone())?;
        Ok(Self {
            folder,
            generation: 1,
            loaded,
        })
    }

    /// Reads all of it again, under this ceiling for egress; on any error nothing changes. Answers with
    /// the texts for the office, so that there is no new generation that it could not be told of.
    pub(crate) fn reload(&mut self, ceiling: Option<Source>) -> Result<OwnedFd, ProfilesError> {
        let loaded = read_all(&self.folder, ceiling)?;
        let file = memory_file(&loaded.texts)?;
        self.loaded = loaded;
        self.generation += 1;
        Ok(file)
    }

    /// Counts loads, from 1.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// A profile with its parents applied, and its seccomp program.
    pub(crate) fn resolve(
        &self,
        name: &ProfileName,
    ) -> Result<(Arc<ResolvedProfile>, Arc<Filter>), ProfilesError> {
        if let Some(found) = self.loaded.jails.get(name) {
            return Ok(found.clone());
        }
        // Says what is wrong with the name, in the words that a parent's would get.
        resolve(&self.loaded.texts, name)?;
        Err(ProfilesError::Unknown {
            kind: "jail",
            name: name.to_string(),
        })
    }

    /// The seccomp programs of a jail whose command is recorded.
    pub(crate) fn recording(
        &self,
        profile: &ResolvedProfile,
    ) -> Result<Arc<Filter>, ProfilesError> {
        let compiled = self.loaded.filters.get(&profile.seccomp);
        let compiled = compiled.ok_or_else(|| ProfilesError::Unknown {
            kind: filters::KIND,
            name: profile.seccomp.to_string(),
        })?;
        Ok(compiled.for_recording()?)
    }

    /// The texts for the office.
    pub(crate) fn as_memory_file(&self) -> Result<OwnedFd, ProfilesError> {
        memory_file(&self.loaded.texts)
    }
}

fn memory_file(texts: &Texts) -> Result<OwnedFd, ProfilesError> {
    let profiles = warrant::Profiles {
        texts: texts.values().cloned().collect(),
    };
    let bytes = profiles.encode()?;
    Ok(sys::fds::memory_file(c"sheriff-profiles", &bytes)?)
}

fn read_all(folder: &Path, ceiling: Option<Source>) -> Result<Loaded, ProfilesError> {
    let mut texts = shipped();
    texts.extend(ceiling.and_then(ceiling_text));
    for kind in ["jail", "egress", filters::KIND] {
        for (name, source, text) in read_folder(&folder.join(kind))? {
            let kind = kind.to_owned();
            let key = (kind.clone(), name.clone());
            texts.insert(
                key,
                ProfileText {
                    kind,
                    name,
                    source,
                    text,
                },
            );
        }
    }
    let filters = filters::compile_all(&texts)?;
    let mut jails = BTreeMap::new();
    for (_, name) in texts.keys().filter(|(kind, _)| kind == "jail") {
        let profile = resolve(&texts, name)?;
        // The office makes its policies of the same words; what it would refuse is refused here.
        let policy = EgressPolicy::new(1, profile.egress.clone());
        policy.map_err(|error| ProfilesError::Egress {
            jail: name.clone(),
            source: Box::new(error),
        })?;
        let compiled = filters.get(&profile.seccomp);
        let compiled = compiled.ok_or_else(|| ProfilesError::Unknown {
            kind: "seccomp",
            name: profile.seccomp.to_string(),
        })?;
        let filter = compiled
            .for_jails()
            .map_err(|source| ProfilesError::Floor {
                jail: name.clone(),
                source,
            })?;
        jails.insert(name.clone(), (Arc::new(profile), filter));
    }
    Ok(Loaded {
        texts,
        jails,
        filters,
    })
}

fn ceiling_text(ceiling: Source) -> Option<((String, ProfileName), ProfileText)> {
    let kind = policy::ceiling::LABEL.to_owned();
    let name: ProfileName = policy::ceiling::NAME.parse().ok()?;
    let text = ProfileText {
        kind: kind.clone(),
        name: name.clone(),
        source: ceiling.file,
        text: ceiling.text,
    };
    Some(((kind, name), text))
}

fn shipped() -> Texts {
    let kinds = [ProfileKind::Jail, ProfileKind::Egress];
    let ours = kinds.into_iter().flat_map(shipped_of);
    let keyed = |text: ProfileText| ((text.kind.clone(), text.name.clone()), text);
    ours.chain(filters::shipped().map(keyed)).collect()
}

fn shipped_of(kind: ProfileKind) -> impl Iterator<Item = ((String, ProfileName), ProfileText)> {
    policy::embedded::shipped_names(kind).filter_map(move |name| {
        let text = policy::shipped(kind, name)?.to_owned();
        let source = format!("shipped:{}/{name}", folder_of(kind));
        let kind = folder_of(kind).to_owned();
        let name: ProfileName = name.parse().ok()?;
        Some((
            (kind.clone(), name.clone()),
            ProfileText {
                kind,
                name,
                source,
                text,
            },
        ))
    })
}

const fn folder_of(kind: ProfileKind) -> &'static str {
    match kind {
        ProfileKind::Jail => "jail",
        ProfileKind::Egress => "egress",
    }
}

fn resolve(texts: &Texts, name: &ProfileName) -> Result<ResolvedProfile, ProfilesError> {
    let mut lookup = |kind: ProfileKind, name: &ProfileName| {
        let found = texts.get(&(folder_of(kind).to_owned(), name.clone()));
        let found = found.ok_or(LookupError::NotFound)?;
        Ok(Source {
            file: found.source.clone(),
            text: found.text.clone(),
        })
    };
    Ok(ResolvedProfile::resolve(name, &mut lookup)?)
}

/// Whoever can write to a profile, or put another in its place, decides what every jail may do.
fn require_roots_alone(path: &Path, found: &fs::Metadata) -> Result<(), ProfilesError> {
    use std::os::unix::fs::MetadataExt;
    if found.uid() == 0 && found.mode() & 0o022 == 0 && !found.is_symlink() {
        return Ok(());
    }
    let problem = "must belong to root, be writable by nobody else, and be no symbolic link";
    Err(ProfilesError::File {
        path: path.to_owned(),
        problem,
    })
}

/// Name, source and text of each `*.toml` in a folder that only root can write to.
fn read_folder(folder: &Path) -> Result<Vec<(ProfileName, String, String)>, ProfilesError> {
    let read = |source| ProfilesError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(read)?,
    };
    require_roots_alone(folder, &fs::symlink_metadata(folder).map_err(read)?)?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(read)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            found.push(read_profile(&path)?);
        }
        if found.len() > PROFILES_MAX {
            return Err(ProfilesError::File {
                path: folder.to_owned(),
                problem: "more than 1024 profiles",
            });
        }
    }
    Ok(found)
}

fn read_profile(path: &Path) -> Result<(ProfileName, String, String), ProfilesError> {
    let bad = |problem| ProfilesError::File {
        path: path.to_owned(),
        problem,
    };
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let name = stem
        .parse()
        .map_err(|_error| bad("its name is not a profile name"))?;
    let read = |source| ProfilesError::Read {
        path: path.to_owned(),
        source,
    };
    let found = fs::symlink_metadata(path).map_err(read)?;
    if found.len() > PROFILE_BYTES_MAX {
        return Err(bad("larger than 256 KiB"));
    }
    require_roots_alone(path, &found)?;
    // A pipe would never end, and with it the start or the reload.
    if !found.is_file() {
        return Err(bad("not a regular file"));
    }
    let text = fs::read_to_string(path).map_err(read)?;
    Ok((name, path.display().to_string(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_no_profile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        fs::write(&path, "").unwrap();
        read_profile(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(0), None).unwrap_or_default();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(&path, mode).unwrap();
        let refused = read_profile(&path).unwrap_err().to_string();
        assert!(refused.contains("not a regular file"), "{refused}");
    }

    #[test]
    fn a_reload_hands_over_what_is_in_force_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let ceiling = || {
            Some(Source {
                file: "sheriffd.toml".to_owned(),
                text: "[[ceilings.egress.deny]]\nhost = \"a.com\"\n".to_owned(),
            })
        };
        let loaded = read_all(folder.path(), ceiling()).unwrap();
        let mut profiles = Profiles {
            folder: folder.path().to_owned(),
            generation: 1,
            loaded,
        };
        let before = warrant::Profiles::read(profiles.as_memory_file().unwrap()).unwrap();
        fs::create_dir(folder.path().join("jail")).unwrap();
        let own = folder.path().join("jail/own.toml");
        fs::write(&own, "version = 1\nno such key = 1\n").unwrap();
        profiles.reload(None).unwrap_err();
        let after = warrant::Profiles::read(profiles.as_memory_file().unwrap()).unwrap();
        assert_eq!((profiles.generation(), after), (1, before.clone()));
        fs::remove_file(own).unwrap();
        let handed = warrant::Profiles::read(profiles.reload(ceiling()).unwrap()).unwrap();
        assert_eq!((profiles.generation(), &handed), (2, &before));
        let ceilings = |profiles: &warrant::Profiles| {
            let texts = profiles.texts.iter();
            texts.filter(|text| text.kind == "ceiling").count()
        };
        assert_eq!(ceilings(&handed), 1);
        let without = warrant::Profiles::read(profiles.reload(None).unwrap()).unwrap();
        assert_eq!(ceilings(&without), 0);
    }
}
