//! Paths inside a jail and what stands there.
//!
//! Not for: opening or mounting anything.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Longest path in bytes; the kernel's `PATH_MAX` less its terminator.
const PATH_MAX: usize = 4095;

/// Places that the jail's construction owns: what is mounted there decides about the jail itself.
const OWNED: [&str; 5] = ["/proc", "/sys", "/dev", "/run/sheriff", "/etc"];
/// The one exception below them.
const SHARED_MEMORY: &str = "/dev/shm";

/// An absolute path with one spelling: no `.`, `..`, `//` or trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct JailPath(String);

/// A path where a profile may mount something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct MountPoint(JailPath);

/// Where the jail's system folders come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Root {
    /// The host's own, read-only.
    Host,
    /// A folder of its own, read-only.
    Folder(PathBuf),
}

/// Whether the jail may write to its workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkspaceMode {
    /// It may.
    ReadWrite,
    /// It may not.
    ReadOnly,
}

/// A path that a profile can't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not an absolute path in its one spelling.
    #[error(
        "path {given:?} is refused: absolute, without `.`, `..`, `//`, a trailing slash or control characters, at most {PATH_MAX} bytes"
    )]
    Spelling {
        /// What was given, cut.
        given: String,
    },
    /// The root folder itself, or a place that the jail's construction owns.
    #[error(
        "path {given:?} is refused: `/` and what lies in /proc, /sys, /dev (but /dev/shm), /etc and /run/sheriff are made by Sheriff"
    )]
    Owned {
        /// What was given.
        given: String,
    },
}

impl JailPath {
    fn parse(text: String) -> Result<Self, PlaceError> {
        let segments = text.strip_prefix('/').map(|rest| rest.split('/'));
        let plain = |segment: &str| !matches!(segment, "" | "." | "..");
        let spelled = segments.is_some_and(|mut segments| segments.all(plain));
        if !spelled || text.len() > PATH_MAX || text.contains(char::is_control) {
            return Err(PlaceError::Spelling {
                given: text.chars().take(80).collect(),
            });
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for JailPath {
    type Error = PlaceError;

    fn try_from(text: String) -> Result<Self, PlaceError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for MountPoint {
    type Error = PlaceError;

    fn try_from(text: String) -> Result<Self, PlaceError> {
        if text == "/" {
            return Err(PlaceError::Owned { given: text });
        }
        let path = JailPath::parse(text)?;
        let at_or_below = |owned: &str| {
            let rest = path.0.strip_prefix(owned);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if OWNED.iter().any(|owned| at_or_below(owned)) && path.0 != SHARED_MEMORY {
            return Err(PlaceError::Owned { given: path.0 });
        }
        Ok(Self(path))
    }
}

impl TryFrom<String> for Root {
    type Error = PlaceError;

    fn try_from(text: String) -> Result<Self, PlaceError> {
        if text == "host" {
            return Ok(Self::Host);
        }
        JailPath::parse(text).map(|path| Self::Folder(path.0.into()))
    }
}

impl From<JailPath> for String {
    fn from(path: JailPath) -> Self {
        path.0
    }
}

impl From<MountPoint> for String {
    fn from(point: MountPoint) -> Self {
        point.0.0
    }
}

impl From<MountPoint> for PathBuf {
    fn from(point: MountPoint) -> Self {
        point.0.0.into()
    }
}

impl From<Root> for String {
    fn from(root: Root) -> Self {
        match root {
            Root::Host => "host".to_owned(),
            Root::Folder(path) => path.to_string_lossy().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(text: &str) -> Result<MountPoint, PlaceError> {
        MountPoint::try_from(text.to_owned())
    }

    #[test]
    fn refuses_paths_with_two_spellings_or_that_climb() {
        assert!(point("/opt/tools-1.0/..a").is_ok());
        for bad in [
            "", "opt", "/opt/", "/opt//a", "/./a", "/a/..", "/a/../b", "/a\0b", "/a\nb", "~/a",
        ] {
            assert!(point(bad).is_err(), "{bad:?}");
        }
        assert!(point(&format!("/{}", "a".repeat(PATH_MAX))).is_err());
    }

    #[test]
    fn refuses_places_that_the_construction_owns() {
        for ok in [
            "/dev/shm",
            "/run",
            "/tmp",
            "/process",
            "/run/sheriffs",
            "/home/agent",
        ] {
            assert!(point(ok).is_ok(), "{ok}");
        }
        for bad in [
            "/",
            "/proc",
            "/proc/sys",
            "/sys",
            "/dev",
            "/dev/pts",
            "/run/sheriff",
            "/etc/ssl",
        ] {
            assert!(matches!(point(bad), Err(PlaceError::Owned { .. })), "{bad}");
        }
    }

    #[test]
    fn a_root_is_the_host_or_an_absolute_folder() {
        assert_eq!(Root::try_from("host".to_owned()), Ok(Root::Host));
        assert_eq!(
            Root::try_from("/srv/r".to_owned()),
            Ok(Root::Folder("/srv/r".into()))
        );
        for bad in ["Host", "", "srv", "/", "/srv/.."] {
            assert!(Root::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
