//! What the settings of a configuration must be like.
//!
//! Not for: their form, which reading has checked (`config`).

use std::collections::BTreeSet;
use std::path::Path;

use model::Span;
use policy::Destination;
use warrant::secrets::CONFIGURED_MAX;

use super::{Config, ConfigError, UpstreamProxy};

/// Most jails that one daemon may be set to; the cells' address plan has room for them.
const JAILS_MAX: u32 = 4096;

/// Where a secret's value may be, beside the vault.
const SOURCES: [&str; 3] = ["env:", "file:/", "credential:"];

/// Most jails that may be built ahead.
const PARKED_MAX: usize = 64;

/// A key and the rule that it breaks.
type Broken = (&'static str, &'static str);

impl Config {
    /// Checks the values of all keys but those of secrets.
    pub(super) fn validate(&self, file: &Path) -> Result<(), ConfigError> {
        let broken = self
            .broken_path()
            .or_else(|| self.broken_number())
            .or_else(|| self.broken_retention())
            .or_else(|| self.broken_network());
        let Some((key, rule)) = broken else {
            return Ok(());
        };
        Err(ConfigError::Value {
            file: file.to_owned(),
            key,
            rule,
        })
    }

    fn broken_path(&self) -> Option<Broken> {
        let (folders, roots) = (&self.folders, &self.workspace.roots);
        let own = [&folders.runtime, &folders.state, &folders.profiles];
        if own.iter().any(|path| !is_plain_absolute(path)) {
            return Some(("folders", "every folder is an absolute path without `..`"));
        }
        let odd = roots.iter().any(|path| !is_plain_absolute(path));
        odd.then_some((
            "workspace.roots",
            "every root is an absolute path without `..`",
        ))
    }

    fn broken_number(&self) -> Option<Broken> {
        let jails = &self.jails;
        if !(1..=JAILS_MAX).contains(&jails.most) {
            return Some(("jails.most", "between 1 and 4096"));
        }
        if jails.pool > 256 {
            let rule = "at most 256; a cell takes 0.3 MiB of kernel memory";
            return Some(("jails.pool", rule));
        }
        let rule = "at most 64; each holds processes and mounts";
        (jails.parked > PARKED_MAX).then_some(("jails.parked", rule))
    }

    fn broken_retention(&self) -> Option<Broken> {
        let audit = &self.audit;
        if audit.segment.0 < 1 << 20 {
            return Some(("audit.segment", "at least 1MiB"));
        }
        // A slip of the pen must not delete evidence.
        let day = Span::from_millis(86_400_000);
        if audit.keep.is_some_and(|keep| keep < day) {
            return Some(("audit.keep", "at least 1d"));
        }
        let least = audit.segment.0.saturating_mul(2);
        let small = audit.keep_size.is_some_and(|size| size.0 < least);
        small.then_some(("audit.keep_size", "at least two segments"))
    }

    fn broken_network(&self) -> Option<Broken> {
        if self.metrics.is_reachable_from_elsewhere() {
            let rule = "an address of this host's loopback, such as 127.0.0.1:9464";
            return Some(("metrics.listen", rule));
        }
        let hop = self.egress.upstream_proxy.as_ref();
        if let Some(rule) = hop.and_then(UpstreamProxy::objection) {
            return Some(("egress.upstream_proxy", rule));
        }
        // The office, which reads it, would be started again and again without it.
        let ca = self.egress.extra_ca.as_deref();
        let odd = ca.is_some_and(|path| !is_plain_absolute(path) || !path.is_file());
        odd.then_some((
            "egress.extra_ca",
            "the absolute path of a PEM file that is there",
        ))
    }

    /// What can be said of secrets without the vault: it judges the rest, and a secret that it refuses
    /// is unavailable.
    pub(super) fn check_secrets(&self, file: &Path) -> Result<(), ConfigError> {
        let mut names = BTreeSet::new();
        for secret in &self.secrets {
            let bad = |rule: String| ConfigError::Secret {
                file: file.to_owned(),
                name: secret.name.clone(),
                rule,
            };
            if !names.insert(&secret.name) {
                return Err(bad("named twice".to_owned()));
            }
            if names.len() > CONFIGURED_MAX {
                return Err(bad(format!(
                    "the configuration has more than {CONFIGURED_MAX}"
                )));
            }
            if secret.hosts.is_empty() {
                return Err(bad("hosts must not be empty".to_owned()));
            }
            for host in &secret.hosts {
                Destination::from_authority(host.as_bytes(), Some(443))
                    .map_err(|error| bad(format!("host {host:?}: {error}")))?;
            }
            let source = secret.source.as_deref().unwrap_or("vault");
            if source != "vault" && !SOURCES.iter().any(|kind| source.starts_with(kind)) {
                let rule = "source is vault, env:NAME, file:/PATH or credential:NAME";
                return Err(bad(rule.to_owned()));
            }
        }
        Ok(())
    }
}

fn is_plain_absolute(path: &Path) -> bool {
    use std::path::Component;
    path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}
