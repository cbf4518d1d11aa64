//! Which settings a reload changes, and which only count at the daemon's start.
//!
//! Not for: reading them again (`crate::reload`).

use crate::config::Config;

/// The keys that need a restart, each with what the file said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fixed(Vec<(&'static str, String)>);

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let said = |key, value: &dyn std::fmt::Debug| (key, format!("{value:?}"));
        Self(vec![
            said("folders", &config.folders),
            said("operators", &config.operators),
            said("office", &config.office),
            said("workspace", &config.workspace),
            said("jails", &config.jails),
            said("audit", &config.audit),
            said("metrics", &config.metrics),
            said("egress.extra_ca", &config.egress.extra_ca),
            said("egress.learn", &config.egress.learn),
        ])
    }
}

impl Config {
    /// Keys that differ in a newer reading of the file, and only count at the daemon's start.
    pub(crate) fn fixed_but_changed(&self, next: &Self) -> Vec<&'static str> {
        let pairs = self.fixed.0.iter().zip(&next.fixed.0);
        let changed = pairs.filter(|(one, other)| one != other);
        changed.map(|(one, _other)| one.0).collect()
    }

    /// Takes over what a newer reading says of all other keys.
    pub(crate) fn take_over(&mut self, next: Self) {
        self.ceilings = next.ceilings;
        self.egress_ceiling = next.egress_ceiling;
        self.egress.upstream_proxy = next.egress.upstream_proxy;
        self.llm = next.llm;
        self.secrets = next.secrets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_needs_a_restart_and_takes_over_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sheriffd.toml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Config::load(&file).unwrap()
        };
        let mut config = load("[ceilings]\npids = 9\n[jails]\nmost = 3\n");
        // As for a private daemon: not what the file says, and not to be taken for a change of it.
        config.workspace.roots = vec!["/".into()];
        let next = load(
            "[ceilings]\npids = 7\n[jails]\nmost = 4\n[llm.prices.\"m\"]\ninput = \"1 USD\"\noutput = \"2 USD\"\n\
             [egress.upstream_proxy]\nurl = \"http://10.0.0.1:3128\"\n",
        );
        assert_eq!(config.fixed_but_changed(&next), ["jails"]);
        let prices = next.llm.prices.clone();
        config.take_over(next);
        assert_eq!((config.ceilings.0.pids, config.jails.most), (Some(7), 3));
        assert_eq!(config.llm.prices, prices);
        assert!(config.egress.upstream_proxy.is_some());
        assert_eq!(config.workspace.roots, [std::path::PathBuf::from("/")]);
    }
}
