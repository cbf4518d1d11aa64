//! `sheriffd.toml`: read once, validated once, plain values afterwards.
//!
//! Not for: profiles (`profiles`), nor for the command line (`args`).

mod check;
mod hop;
mod metrics;
mod reload;

use std::fs;
use std::path::{Path, PathBuf};

use model::{ByteSize, SecretDefinition, SecretName, Span};
use policy::{Ceiling, EgressCeiling, ProfileError, Source};
use serde::Deserialize;

pub(crate) use self::hop::UpstreamProxy;
pub(crate) use self::metrics::{Llm, Metrics, MetricsError};

/// Largest configuration file.
const CONFIG_BYTES_MAX: u64 = 64 * 1024;
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
    /// Metrics beyond their socket.
    pub(crate) metrics: Metrics,
    /// What language models cost.
    pub(crate) llm: Llm,
    /// Secrets whose use root decides.
    #[serde(rename = "secret")]
    pub(crate) secrets: Vec<SecretDefinition>,
    /// The file itself, where it sets `[ceilings.egress]`: the office reads that table by the same text.
    #[serde(skip)]
    pub(crate) egress_ceiling: Option<Source>,
    /// Where the settings came from, to read them again.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
    /// What the file says of keys that only count at the daemon's start.
    #[serde(skip)]
    fixed: reload::Fixed,
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
    /// How long segments are kept. Left out: for ever.
    pub(crate) keep: Option<Span>,
    /// How large all segments together may be. Left out: as large as the disk.
    pub(crate) keep_size: Option<ByteSize>,
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
    /// The proxy of the host's own network, through which connections are made where it is set.
    pub(crate) upstream_proxy: Option<UpstreamProxy>,
    /// Whether every operator may let a command learn what it needs (`sheriff egress learn`), which lets it
    /// reach every host; otherwise root alone.
    pub(crate) learn: bool,
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
            keep: None,
            keep_size: None,
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
    #[error("configuration {}: [[secret]] {name}: {rule}", file.display())]
    Secret {
        file: PathBuf,
        name: SecretName,
        rule: String,
    },
    #[error("configuration {0}")]
    Ceiling(#[from] ProfileError),
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
        let mut config: Self =
            toml::from_str(&text).map_err(|error| parse_error(file, &text, &error))?;
        config.validate(file)?;
        config.check_secrets(file)?;
        let source = Source {
            file: file.display().to_string(),
            text,
        };
        let bounds = !EgressCeiling::read(&source)?.is_empty();
        config.egress_ceiling = bounds.then_some(source);
        config.file = Some(file.to_owned());
        config.fixed = reload::Fixed::of(&config);
        Ok(config)
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
    fn a_ceiling_for_egress_goes_to_the_office_and_a_broken_one_is_refused_with_its_line() {
        assert!(
            load("[ceilings]\nmemory = \"1GiB\"")
                .unwrap()
                .egress_ceiling
                .is_none()
        );
        let good = "[ceilings]\npids = 9\n[[ceilings.egress.allow]]\nhost = \"a.com\"\n";
        let config = load(good).unwrap();
        assert_eq!(config.ceilings.0.pids, Some(9));
        assert_eq!(config.egress_ceiling.unwrap().text, good);
        let error = load(&good.replace("host", "hots")).unwrap_err();
        assert!(
            error.contains(".toml:4: `ceilings.egress.allow.hots`"),
            "{error}"
        );
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
    fn secrets_name_their_hosts_and_their_source_and_each_once() {
        let good = "[[secret]]\nname = \"a\"\nhosts = [\"a.test\"]\nplace = { query = \"key\" }\n";
        let config = load(&format!("{good}source = \"file:/etc/key\"")).unwrap();
        assert_eq!(config.secrets[0].name.as_str(), "a");
        for (text, rule) in [
            (format!("{good}{good}"), "named twice"),
            (good.replace("a.test", "*.test"), "host"),
            (good.replace("\"a.test\"", ""), "hosts"),
            (format!("{good}source = \"file:key\""), "source"),
            (format!("{good}value = \"x\""), "line 5"),
        ] {
            let error = load(&text).unwrap_err();
            assert!(error.contains(rule), "{error}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (text, key) in [
            ("[jails]\nmost = 0", "jails.most"),
            ("[folders]\nstate = \"/a/../b\"", "folders"),
            ("[workspace]\nroots = [\"x\"]", "workspace.roots"),
            ("[audit]\nkeep = \"1h\"", "audit.keep"),
            ("[audit]\nkeep_size = \"100MiB\"", "audit.keep_size"),
            ("[metrics]\nlisten = \"0.0.0.0:9464\"", "metrics.listen"),
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
