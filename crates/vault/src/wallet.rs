//! The secrets of one session: which of them a request uses, and what may be done about it.
//!
//! A request goes through three steps. [`Wallet::plan`] looks at placeholders only and refuses what is
//! out of place. [`Wallet::obtain`] fetches the present values, one version of each for the whole
//! request. [`Plan::apply`] puts them into the head and gives what the body and the answer must pass
//! through.
//!
//! Not for: where values come from (`vault`), nor for I/O.

mod head;
mod misdirected;
mod plan;
pub(crate) mod roster;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use model::SecretName;
use policy::Host;

use crate::credential::{Present, Reason, Unavailable, Values};
use crate::placeholder::Placeholder;
use crate::redact::shelf::Made;
use crate::secret::Secret;
use crate::wallet::roster::Roster;

pub(crate) use crate::wallet::head::is_named;
pub(crate) use crate::wallet::plan::{Claim, Slot};

pub use crate::wallet::head::Head;
pub use crate::wallet::misdirected::{Misdirected, Misuse, Spot};
pub use crate::wallet::plan::Plan;

/// The secrets of one session.
pub struct Wallet {
    roster: Arc<Roster>,
    values: Option<Arc<dyn Values>>,
    /// For each secret the value that was last used: an answer to a later request may still show it.
    used: Mutex<Vec<Option<Arc<Present>>>>,
}

/// Where a judged request goes, and what the rules that allow it say.
#[derive(Debug, Clone, Copy)]
pub struct Aim<'a> {
    /// The host.
    pub host: &'a Host,
    /// The port.
    pub port: u16,
    /// Whether the upstream connection is TLS.
    pub tls: bool,
    /// The secrets that the rules name for this request.
    pub named: &'a [SecretName],
}

/// Values for one request: one version of each, held to the request's end.
#[derive(Debug, Default)]
pub struct Obtained {
    /// Those that the request uses.
    pub(crate) used: Vec<(usize, Arc<Present>)>,
    /// Those that the answer must not show: all secrets of the session for the same host, each in the
    /// version that was sent last and in the present one.
    pub(crate) hidden: Vec<(usize, Arc<Present>)>,
}

impl Wallet {
    /// A session with these secrets. The values are asked for with each request.
    #[must_use]
    pub fn new(secrets: Vec<(Arc<Secret>, Placeholder)>, values: Arc<dyn Values>) -> Self {
        Self {
            used: Mutex::new(vec![None; secrets.len()]),
            roster: Arc::new(Roster::new(secrets)),
            values: Some(values),
        }
    }

    /// A session without secrets. Placeholders of other sessions are found all the same.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            roster: Arc::default(),
            values: None,
            used: Mutex::default(),
        }
    }

    /// Whether the session has no secrets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roster.is_empty()
    }

    /// A secret of the session and its placeholder.
    #[must_use]
    pub fn get(&self, name: &SecretName) -> Option<(&Arc<Secret>, &Placeholder)> {
        self.roster.get(self.roster.find(name)?)
    }

    /// All secrets of the session with their placeholders, for the jail's environment.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Secret>, &Placeholder)> {
        self.roster
            .iter()
            .map(|(_, secret, placeholder)| (secret, placeholder))
    }

    /// Which secrets a request uses, where in it. Every part of the head is looked through. Called for
    /// every request whose content the proxy sees, plain HTTP and empty wallets included.
    ///
    /// A placeholder in its place is replaced later. A secret that is named by the rules and declared
    /// for a header, for basic authentication or for signing is put there also when the request has no
    /// placeholder: not every program can be told a token, and a rule that names a secret means it.
    ///
    /// # Errors
    /// [`Misdirected`]: the request must be refused, and nothing of it sent.
    pub fn plan(&self, aim: &Aim<'_>, head: &Head) -> Result<Plan, Misdirected> {
        Plan::new(&self.roster, aim, head)
    }

    /// The present values for a plan of this wallet.
    ///
    /// # Errors
    /// [`Unavailable`]: a value that the request needs can't be had now; the request is refused with
    /// 503 and never sent without it. So is one that was planned with another wallet: its numbers would
    /// name other secrets here.
    pub async fn obtain(&self, plan: &Plan) -> Result<Obtained, Unavailable> {
        self.is_own(plan)?;
        let mut obtained = Obtained::default();
        for &Claim { index, .. } in plan.claims() {
            if obtained.used.iter().any(|(used, _)| *used == index) {
                continue;
            }
            let Some((values, (secret, _))) = self.values.as_ref().zip(self.roster.get(index))
            else {
                continue;
            };
            obtained.used.push((index, values.present(secret).await?));
        }
        obtained.hidden = self.hidden(plan, &obtained.used);
        Ok(obtained)
    }

    fn is_own(&self, plan: &Plan) -> Result<(), Unavailable> {
        let used = plan.claims().iter().map(|claim| claim.index);
        let mut names = used.chain(plan.bound().iter().copied());
        let name = names.find_map(|index| plan.roster.name(index));
        match name.filter(|_| !Arc::ptr_eq(&plan.roster, &self.roster)) {
            None => Ok(()),
            Some(name) => Err(Unavailable {
                name,
                reason: Reason::new("the session's secrets were renewed meanwhile"),
            }),
        }
    }

    /// What an answer of the plan's host must not show: what was sent there last, and what may be sent
    /// there while the answer is still coming.
    fn hidden(&self, plan: &Plan, used: &Made) -> Made {
        let mut last = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, present) in used {
            if let Some(slot) = last.get_mut(*index) {
                *slot = Some(Arc::clone(present));
            }
        }
        let mut hidden = Made::new();
        for &index in plan.bound() {
            let sent = last.get(index).cloned().flatten();
            let secret = self.roster.get(index).map(|(secret, _)| secret);
            let present = self.values.as_ref().zip(secret);
            let present = present.and_then(|(values, secret)| values.at_hand(secret));
            let newer = present.filter(|present| {
                let same = |sent: &Arc<Present>| Arc::ptr_eq(sent, present);
                !sent.as_ref().is_some_and(same)
            });
            hidden.extend(
                sent.into_iter()
                    .chain(newer)
                    .map(|present| (index, present)),
            );
        }
        hidden
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|(secret, _)| &secret.name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
pub(crate) mod tests;
