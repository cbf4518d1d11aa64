//! `[egress.upstream_proxy]`: the proxy of the host's own network, where egress has to go through one.
//!
//! Not for: speaking to it; the office does that.

use policy::{Destination, HostPattern};
use serde::Deserialize;
use warrant::HopEntry;
use warrant::hop::DIRECT_MAX;
use warrant::secrets::ValueAt;

/// Where credentials may be. Not in the vault, which speaks to the internet through the hop itself.
const SOURCES: [&str; 2] = ["file:/", "credential:"];

/// `[egress.upstream_proxy]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamProxy {
    /// `http://HOST:PORT`. Its address may be a private one.
    url: String,
    /// `file:/PATH` or `credential:NAME` with `USER:PASSWORD`. Left out: it wants none.
    pub(crate) credentials: Option<String>,
    /// Hosts that are dialled without it, as in rules: `a.example`, `*.a.example`, `**.a.example`.
    #[serde(default)]
    no_proxy: Vec<String>,
    /// Who resolves names: `local` before they get to it, or `proxy` alone, which is dangerous: a
    /// permitted name may then lead to any service that the proxy can reach.
    #[serde(default)]
    resolve: Resolve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Resolve {
    #[default]
    Local,
    Proxy,
}

impl UpstreamProxy {
    /// What is wrong with it, if anything is.
    pub(crate) fn objection(&self) -> Option<&'static str> {
        if self.server().is_none() {
            return Some(
                "url is http://HOST:PORT, without user, path or TLS; credentials stand in a file of \
                 their own",
            );
        }
        let credentials = self.credentials.as_deref();
        if credentials.is_some_and(|source| !SOURCES.iter().any(|kind| source.starts_with(kind))) {
            return Some("credentials is file:/PATH or credential:NAME");
        }
        if self.no_proxy.len() > DIRECT_MAX {
            return Some("no_proxy has at most 256 hosts");
        }
        let mut patterns = self.no_proxy.iter();
        if patterns.any(|text| HostPattern::parse(text).is_err()) {
            return Some("no_proxy has host patterns as in rules: a.example, *.a.example");
        }
        None
    }

    /// What the office is told; where the credentials are is found out when they are opened.
    pub(crate) fn entry(&self, credentials: Option<ValueAt>) -> HopEntry {
        let server = self.server().map(|server| server.to_string());
        HopEntry {
            server: server.unwrap_or_default(),
            direct: self.no_proxy.clone(),
            resolves: self.resolve == Resolve::Proxy,
            credentials,
        }
    }

    fn server(&self) -> Option<Destination> {
        let authority = self.url.strip_prefix("http://")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        Destination::from_authority(authority.as_bytes(), None).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<&'static str> {
        toml::from_str::<UpstreamProxy>(text).unwrap().objection()
    }

    #[test]
    fn a_hop_has_a_plain_url_and_credentials_outside_of_it() {
        let good = "url = \"http://proxy.corp:3128\"\nno_proxy = [\"git.corp.example\"]";
        assert_eq!(read(good), None);
        let hop: UpstreamProxy = toml::from_str(good).unwrap();
        let entry = hop.entry(None);
        assert_eq!(
            (entry.server.as_str(), entry.resolves),
            ("proxy.corp:3128", false)
        );
        for (bad, key) in [
            ("url = \"https://proxy.corp:3128\"", "url"),
            ("url = \"http://user:pw@proxy.corp:3128\"", "url"),
            ("url = \"http://proxy.corp\"", "url"),
            ("url = \"http://proxy.corp:3128/x\"", "url"),
            (
                "url = \"http://10.0.0.1:3128\"\ncredentials = \"user:pw\"",
                "credentials",
            ),
            (
                "url = \"http://10.0.0.1:3128\"\ncredentials = \"vault\"",
                "credentials",
            ),
            (
                "url = \"http://10.0.0.1:3128\"\nno_proxy = [\"*\"]",
                "no_proxy",
            ),
        ] {
            assert!(read(bad).unwrap().starts_with(key), "{bad}");
        }
        assert_eq!(
            read("url = \"http://10.0.0.1:3128/\"\nresolve = \"proxy\""),
            None
        );
    }
}
