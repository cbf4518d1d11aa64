//! `[metrics]` and `[llm]`: where counters are served beside their socket, and what models cost.
//!
//! Not for: counting; the office does that.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use serde::Deserialize;

/// `[metrics]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    /// Loopback address and port of the host for `GET /metrics`. Left out: only `metrics.sock` in the
    /// runtime folder. Whatever runs on the host may read it there; jails have a loopback of their own.
    listen: Option<SocketAddr>,
}

/// `[llm]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Llm {
    /// US dollars per million tokens, by model.
    pub(crate) prices: llm::PriceTable,
}

/// The listener can't be had.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listen {address}: {source}")]
pub(crate) struct MetricsError {
    address: SocketAddr,
    source: io::Error,
}

impl Metrics {
    /// True for an address that other hosts could reach. There is no switch for that: who wants it puts a
    /// server that authenticates in front.
    pub(crate) fn is_reachable_from_elsewhere(&self) -> bool {
        self.listen
            .is_some_and(|address| !address.ip().is_loopback())
    }

    /// Listens, in the host's network namespace.
    pub(crate) fn listen(&self) -> Result<Option<OwnedFd>, MetricsError> {
        let Some(address) = self.listen else {
            return Ok(None);
        };
        let listener = TcpListener::bind(address);
        let listener = listener.map_err(|source| MetricsError { address, source })?;
        Ok(Some(listener.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(text: &str) -> Metrics {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn listens_on_loopback_alone() {
        let open = metrics("listen = \"127.0.0.1:0\"");
        assert!(!open.is_reachable_from_elsewhere());
        assert!(open.listen().unwrap().is_some());
        assert!(metrics("").listen().unwrap().is_none());
        for address in ["0.0.0.0:9464", "192.0.2.1:9464", "[::]:9464", "10.0.0.1:1"] {
            let other = metrics(&format!("listen = {address:?}"));
            assert!(other.is_reachable_from_elsewhere(), "{address}");
        }
        assert!(toml::from_str::<Metrics>("listen = \"localhost:9464\"").is_err());
    }

    #[test]
    fn reads_prices() {
        let text = "[prices.\"gpt-x*\"]\ninput = \"1.25 USD\"\noutput = \"10 USD\"\n";
        let llm: Llm = toml::from_str(text).unwrap();
        assert!(llm.prices.price("gpt-x-mini").is_some());
        assert!(
            toml::from_str::<Llm>("[prices.x]\ninput = \"1 EUR\"\noutput = \"1 USD\"").is_err()
        );
    }
}
