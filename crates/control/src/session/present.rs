//! What governs a session's traffic at present: a reload changes it, its start does not.
//!
//! Not for: deriving it from profiles (`renewal`).

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use policy::Budget;
use vault::Wallet;

use super::{Rules, Session};
use crate::policies::{Resolved, rest};

/// What a reload changes, beside the traffic's own.
#[derive(Debug, Clone)]
pub(super) struct Present {
    budget: Budget,
    generation: u64,
    /// Further TCP ports that its cell has, or will have once the warden has opened them.
    ports: BTreeSet<u16>,
}

impl Present {
    /// That of the start.
    pub(super) const fn of(rules: &Rules) -> Self {
        Self {
            budget: rules.budget,
            generation: rules.generation,
            ports: BTreeSet::new(),
        }
    }
}

impl Session {
    /// Its whole budget.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.present().budget
    }

    /// Generation of the profiles that govern its traffic.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.present().generation
    }

    /// Puts other rules in force for its traffic. What was used of budgets stays used.
    pub(crate) fn renew(&self, resolved: &Resolved, wallet: Arc<Wallet>) {
        let budget = resolved.budget();
        let mut present = self.present();
        present.budget = budget;
        present.generation = resolved.generation();
        drop(present);
        self.rules.egress.renew(egress::Renewal {
            policy: Arc::clone(resolved.policy()),
            generation: resolved.generation(),
            budget: rest(budget, &self.carried.usage),
            wallet,
        });
    }

    pub(crate) fn set_generation(&self, generation: u64) {
        self.present().generation = generation;
    }

    /// Those of the ports that its cell has not, which count as there from now on.
    pub(crate) fn claim_ports(&self, ports: &[u16]) -> Vec<u16> {
        let mut present = self.present();
        let mut missing = ports.to_vec();
        missing.retain(|port| present.ports.insert(*port));
        missing
    }

    /// These could not be opened.
    pub(crate) fn give_back_ports(&self, ports: &[u16]) {
        self.present().ports.retain(|port| !ports.contains(port));
    }

    /// Its cell has these from its start.
    pub(super) fn note_ports(&self, ports: &[u16]) {
        self.present().ports.extend(ports);
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        // Each change is whole in itself.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
