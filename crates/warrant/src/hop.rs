//! The proxy that egress has to go through, as root's configuration has it, on its way to the office.
//!
//! Not for: its credentials; they travel as a descriptor, like the values of secrets ([`crate::secrets`]).

use serde::{Deserialize, Serialize};

use crate::secrets::ValueAt;

/// Most hosts that are dialled without it.
pub const DIRECT_MAX: usize = 256;

/// `[egress.upstream_proxy]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopEntry {
    /// Host and port of it. The office reads it anew with the parser of destinations.
    pub server: String,
    /// Patterns of hosts that are dialled without it, as in rules.
    pub direct: Vec<String>,
    /// True when names are left to it, so that nothing is known of the addresses behind them.
    pub resolves: bool,
    /// Where `USER:PASSWORD` is, if it wants that. Never in the vault.
    pub credentials: Option<ValueAt>,
}

impl HopEntry {
    pub(crate) fn is_attached(&self) -> bool {
        self.credentials == Some(ValueAt::Attached)
    }
}
