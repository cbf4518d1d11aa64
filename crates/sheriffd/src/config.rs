//! `sheriffd.toml`: read once, validated once, plain values afterwards.
//!
//! Not for: profiles (`profiles`), nor for the command line (`args`).

use std::fs;
use std::path::{Path, PathBuf};

use model::ByteSize;
use policy::Ceiling;
use serde::Deserialize;

/// Largest configuration file.
const CONFIG_BYTES_MAX: u64 = 64 * 1024;
/// Most jails that one daemon may be set to; the cells' address plan has room for them.
const JAILS_MAX: u32 = 4096;

/// Most jails that may be built ahead.
const PARKED_MAX: usize = 64;

/// Settings of the daemon.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where things are.
    pub(crate) folders: Folders,
    /// Who may operate.
    pub(crate) operators: Operators,
    /// Whom the office runs as.
    pub(crate) office: Office,
    /// Which folders may become workspaces.
    pub(crate) workspace: Workspace,
    /// What no profile and no request may exceed.
    pub(crate) ceilings: Ceiling,
    /// How many jails, and how many cells are made ahead.
    pub(crate) jails: Jails,
    /// The audit log.
    pub(crate) audit: Audit,
    /// Egress settings beyond profiles.
    pub(crate) egress: Egress,
}

/// `[folders]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Folders {
    /// Sockets and what dies with the daemon. Default `/run/sheriff`.
    pub(crate) runtime: PathBuf,
    /// Audit log and what outlives it. Default `/var/lib/sheriff`.
    pub(crate) state: PathBuf,
    /// The host's own profiles; they go before the shipped ones. Default `/etc/sheriff/profiles`.
    pub(crate) profiles: PathBuf,
}

/// `[operators]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Operators {
    /// Group whose members may use the sockets beside root. Default `sheriff`.
    pub(crate) group: String,
}

/// `[office]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Office {
    /// Its user. Default `sheriff`.
    pub(crate) user: String,
}

/// `[workspace]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Workspace {
    /// Workspaces must lie below one of these folders.
    pub(crate) roots: Vec<PathBuf>,
}

/// `[jails]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Jails {
    /// Most jails at once. Default 1024.
    pub(crate) most: u32,
    /// Cells kept ready. Default 4.
    pub(crate) pool: usize,
    /// Jails built ahead; 0 for none. Default 4.
    pub(crate) parked: usize,
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    /// `group`: on disk within 50 ms; `always`: on disk before the effect.
    pub(crate) sync: Sync,
    /// Size at which a new segment begins.
    pub(crate) segment: ByteSize,
}

/// When audit records reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sync {
    /// By group commit within 50 ms.
    Group,
    /// Before their effect.
    Always,
}

/// `[egress]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Egress {
    /// PEM file with certificate authorities that `network.http_fetch` trusts beside the host's.
    pub(crate) extra_ca: Option<PathBuf>,
}

impl Default for Folders {
    fn default() -> Self {
        Self {
            runtime: "/run/sheriff".into(),
            state: "/var/lib/sheriff".into(),
            profiles: "/etc/sheriff/profiles".into(),
        }
    }
}

impl Default for Operators {
    fn default() -> Self {
        Self {
            group: "sheriff".to_owned(),
        }
    }
}

impl Default for Office {
    fn default() -> Self {
        Self {
            user: "sheriff".to_owned(),
        }
    }
}

impl Default for Workspace {
    fn default() -> Self {
        let usual = [
            "/home", "/root", "/srv", "/opt", "/tmp", "/var/tmp", "/mnt", "/media",
        ];
        Self {
            roots: usual.map(PathBuf::from).to_vec(),
        }
    }
}

impl Default for Jails {
    fn default() -> Self {
        Self {
            most: 1024,
            pool: 4,
            parked: 4,
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            sync: Sync::Group,
            segment: ByteSize(64 << 20),
        }
    }
}

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("configuration {}: {source}", file.display())]
    Read {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("configuration {}: larger than {CONFIG_BYTES_MAX} bytes", file.display())]
    Size { file: PathBuf },
    #[error("configuration {}, line {line}: {message}", file.display())]
    Parse {
        file: PathBuf,
        line: usize,
        message: String,
    },
    #[error("configuration {}: {key}: {rule}", file.display())]
    Value {
        file: PathBuf,
        key: &'static str,
        rule: &'static str,
    },
}

impl Config {
    /// Reads and validates a file.
    pub(crate) fn load(file: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            file: file.to_owned(),
            source,
        };
        if fs::metadata(file).map_err(read)?.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::Size {
                file: file.to_owned(),
            });
        }
        let text = fs::read_to_string(file).map_err(read)?;
        let config: Self =
            toml::from_str(&text).map_err(|error| parse_error(file, &text, &error))?;
        config.validate(file)?;
        Ok(config)
    }

    fn validate(&self, file: &Path) -> Result<(), ConfigError> {
        let bad = |key, rule| {
            Err(ConfigError::Value {
                file: file.to_owned(),
                key,
                rule,
            })
        };
        let folders = [
            &self.folders.runtime,
            &self.folders.state,
            &self.folders.profiles,
        ];
        if folders.iter().any(|path| !is_plain_absolute(path)) {
            return bad("folders", "every folder is an absolute path without `..`");
        }
        if self
            .workspace
            .roots
            .iter()
            .any(|path| !is_plain_absolute(path))
        {
            return bad(
                "workspace.roots",
                "every root is an absolute path without `..`",
            );
        }
        if !(1..=JAILS_MAX).contains(&self.jails.most) {
            return bad("jails.most", "between 1 and 4096");
        }
        if self.jails.pool > 256 {
            return bad(
                "jails.pool",
                "at most 256; a cell takes 0.3 MiB of kernel memory",
            );
        }
        if self.jails.parked > PARKED_MAX {
            return bad(
                "jails.parked",
                "at most 64; each holds processes and mounts",
            );
        }
        if self.audit.segment.0 < 1 << 20 {
            return bad("audit.segment", "at least 1MiB");
        }
        // The office, which reads it, would be started again and again without it.
        let ca = self.egress.extra_ca.as_deref();
        if ca.is_some_and(|path| !is_plain_absolute(path) || !path.is_file()) {
            return bad(
                "egress.extra_ca",
                "the absolute path of a PEM file that is there",
            );
        }
        Ok(())
    }
}

fn parse_error(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let line = text
        .bytes()
        .take(start)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1;
    ConfigError::Parse {
        file: file.to_owned(),
        line,
        message: error.message().to_owned(),
    }
}

fn is_plain_absolute(path: &Path) -> bool {
    use std::path::Component;
    path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sheriffd.toml");
        fs::write(&file, text).unwrap();
        Config::load(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_means_the_documented_defaults() {
        let config = load("").unwrap();
        assert_eq!(config.folders.runtime, Path::new("/run/sheriff"));
        assert_eq!(config.jails.most, 1024);
        load("[egress]\nextra_ca = \"/etc/passwd\"").unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = load("[audit]\nsync = \"always\"\nsycn = 1\n").unwrap_err();
        assert!(
            error.contains("line 3") && error.contains("sycn"),
            "{error}"
        );
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (text, key) in [
            ("[jails]\nmost = 0", "jails.most"),
            ("[folders]\nstate = \"/a/../b\"", "folders"),
            ("[workspace]\nroots = [\"x\"]", "workspace.roots"),
            ("[jails]\nparked = 65", "jails.parked"),
            ("[audit]\nsegment = \"1KiB\"", "audit.segment"),
            ("[egress]\nextra_ca = \"/no/such.pem\"", "egress.extra_ca"),
            ("[egress]\nextra_ca = \"/etc\"", "egress.extra_ca"),
            ("[egress]\nextra_ca = \"passwd\"", "egress.extra_ca"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
    }
}
