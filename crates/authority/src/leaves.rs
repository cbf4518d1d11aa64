//! The certificates that one authority has issued and still needs, and how many it may issue.
//!
//! Not for: making them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::Host;
use rustls::ServerConfig;

use crate::authority::Alpn;
use crate::moment::Moment;

/// Most hosts that are kept: what a busy agent talks to, and about 1 MiB. The one not asked for
/// longest makes room.
pub(crate) const KEPT_MAX: usize = 256;

/// Most certificates in [`MINTING_SPAN`]: a jail that may reach `*.x` can invent names without end, and
/// each costs the office a signature and memory.
pub(crate) const MINTED_MAX: usize = 50;
/// The span that [`MINTED_MAX`] counts in.
pub(crate) const MINTING_SPAN: Duration = Duration::from_secs(60);

/// One host's settings, by what they offer.
#[derive(Debug)]
struct Leaf {
    configs: [Option<Arc<ServerConfig>>; Alpn::COUNT],
    /// Calendar seconds between which it is handed out.
    fresh: std::ops::Range<u64>,
    used: u64,
}

/// A bounded table of leaves.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    kept: HashMap<Host, Leaf>,
    minted: VecDeque<Instant>,
    uses: u64,
}

impl Leaves {
    /// The settings for a host, if there are fresh ones.
    pub(crate) fn find(
        &mut self,
        host: &Host,
        alpn: Alpn,
        now: Moment,
    ) -> Option<Arc<ServerConfig>> {
        self.uses += 1;
        let leaf = self.kept.get_mut(host)?;
        if !leaf.fresh.contains(&now.unix) {
            return None;
        }
        leaf.used = self.uses;
        leaf.configs.get(alpn.index())?.clone()
    }

    /// Takes the room for one more certificate.
    ///
    /// # Errors
    /// How long until there is room again.
    pub(crate) fn count(&mut self, now: Moment) -> Result<(), Duration> {
        while let Some(oldest) = self.minted.front() {
            let age = now.steady.saturating_duration_since(*oldest);
            if age < MINTING_SPAN {
                break;
            }
            self.minted.pop_front();
        }
        if let Some(oldest) = self.minted.front()
            && self.minted.len() >= MINTED_MAX
        {
            let age = now.steady.saturating_duration_since(*oldest);
            return Err(MINTING_SPAN.saturating_sub(age));
        }
        self.minted.push_back(now.steady);
        Ok(())
    }

    /// Keeps a new leaf's settings in place of older ones.
    pub(crate) fn keep(
        &mut self,
        host: &Host,
        configs: [Option<Arc<ServerConfig>>; Alpn::COUNT],
        fresh: std::ops::Range<u64>,
    ) {
        if self.kept.len() >= KEPT_MAX && !self.kept.contains_key(host) {
            self.forget_oldest();
        }
        let used = self.uses;
        self.kept.insert(
            host.clone(),
            Leaf {
                configs,
                fresh,
                used,
            },
        );
    }

    fn forget_oldest(&mut self) {
        let oldest = self.kept.iter().min_by_key(|(_, leaf)| leaf.used);
        if let Some(host) = oldest.map(|(host, _)| host.clone()) {
            self.kept.remove(&host);
        }
    }

    /// How many are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }
}
