//! The profiles as the warden loaded them, and what an operator's rules make of one.
//!
//! Not for: limits and file systems, which the warden applies; limits are only read here so that a
//! slip is answered before anything is built.

mod error;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use api::attach::Run;
use authority::Authority;
use model::{ByteSize, Money, ProfileName, SessionId, Usage};
use policy::profile::{LookupError, Source};
use policy::{
    Budget, EgressCeiling, EgressPolicy, EgressRules, ProfileError, ProfileKind, ResolvedProfile,
    Rule,
};
use vault::Wallet;
use warrant::notice::{ProfileText, Profiles};

pub use self::error::PolicyError;

use crate::session::{Carried, Rules};
use crate::syscalls::SyscallRules;

/// Most `--allow` and `--connect` options of one session; a longer list belongs into a profile.
pub const RULES_MAX: usize = 256;
/// Kind of the profiles that a session can name.
const JAIL: &str = "jail";
/// Kind of the profiles of system calls.
const SECCOMP: &str = "seccomp";

/// The profiles in force for whatever starts from now on.
///
/// A reload replaces them whole, under a new generation, and living sessions are governed by them from
/// then on (`renewal`); the generation in each of their events says which.
#[derive(Debug)]
pub struct Policies {
    current: RwLock<Arc<Set>>,
}

/// All profiles of one generation.
#[derive(Debug)]
pub(crate) struct Set {
    texts: Vec<ProfileText>,
    /// Those that a session has named: reading one takes longer than the rest of the request.
    read: Mutex<BTreeMap<ProfileName, ResolvedProfile>>,
    /// Those of them that a refused call was looked up in.
    seccomp: Mutex<BTreeMap<ProfileName, Arc<seccomp::Profile>>>,
    /// Read when the first session asks.
    ceiling: OnceLock<Result<EgressCeiling, ProfileError>>,
    generation: u64,
}

/// What governs a session, before it has traffic.
#[derive(Debug)]
pub struct Resolved {
    policy: Arc<EgressPolicy>,
    budget: Budget,
    generation: u64,
    syscalls: SyscallRules,
}

impl Policies {
    /// Profiles under their generation.
    #[must_use]
    pub fn new(profiles: Profiles, generation: u64) -> Self {
        let texts = profiles.texts;
        Self {
            current: RwLock::new(Arc::new(Set {
                texts,
                read: Mutex::default(),
                seccomp: Mutex::default(),
                ceiling: OnceLock::new(),
                generation,
            })),
        }
    }

    /// Puts other profiles in force. What was resolved before is not touched.
    pub fn replace(&self, next: Self) {
        let next = next.current.into_inner();
        let next = next.unwrap_or_else(PoisonError::into_inner);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Resolves each profile that a session can be started with, under the ceiling.
    ///
    /// # Errors
    /// [`PolicyError`] of the first one that can't be used.
    pub fn check(&self) -> Result<(), PolicyError> {
        let current = self.current();
        current.names().try_for_each(|name| {
            let profile = current.profile(name)?;
            current.policy(profile.egress)?;
            Ok(())
        })
    }

    /// Their generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.current().generation
    }

    /// Names that a session can be started with.
    #[must_use]
    pub fn names(&self) -> Vec<ProfileName> {
        self.current().names().cloned().collect()
    }

    /// What governs a session with these rules on top of its profile.
    ///
    /// # Errors
    /// [`PolicyError`], the first thing that is wrong.
    pub fn resolve(&self, run: &Run) -> Result<Resolved, PolicyError> {
        self.resolve_with(run, Vec::new())
    }

    /// The same with the rules that the run's secrets bring.
    pub(crate) fn resolve_with(
        &self,
        run: &Run,
        secrets: Vec<Rule>,
    ) -> Result<Resolved, PolicyError> {
        self.current().resolve(run, secrets)
    }

    /// The profiles of one moment: one answer never mixes two generations.
    pub(crate) fn current(&self) -> Arc<Set> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Set {
    fn names(&self) -> impl Iterator<Item = &ProfileName> {
        let jails = self.texts.iter().filter(|text| text.kind == JAIL);
        jails.map(|text| &text.name)
    }

    fn resolve(self: &Arc<Self>, run: &Run, secrets: Vec<Rule>) -> Result<Resolved, PolicyError> {
        let profile = self.profile(&run.profile)?;
        let mut limits = profile.limits.clone();
        for limit in &run.limits {
            policy::limits::apply_override(&mut limits, limit)?;
        }
        let mut rules = profile.egress;
        for rule in command_line(run)?.into_iter().chain(secrets) {
            rules.push(rule);
        }
        let policy = self.policy(rules)?;
        Ok(Resolved {
            policy: Arc::new(if run.learn { policy.learning() } else { policy }),
            budget: self.ceiling()?.over_budget(profile.budget),
            generation: self.generation,
            syscalls: SyscallRules {
                set: Arc::clone(self),
                profile: profile.seccomp,
            },
        })
    }

    /// Rules as a policy of this generation, under the operator's ceiling.
    fn policy(&self, rules: EgressRules) -> Result<EgressPolicy, PolicyError> {
        let policy = EgressPolicy::new(self.generation, rules)?;
        Ok(self.ceiling()?.over(policy)?)
    }

    /// What bounds every session; nothing, if the configuration sets no ceiling.
    fn ceiling(&self) -> Result<&EgressCeiling, PolicyError> {
        let read = self.ceiling.get_or_init(|| {
            let mut texts = self.texts.iter();
            match texts.find(|text| text.kind == policy::ceiling::LABEL) {
                Some(text) => EgressCeiling::read(&source_of(text)),
                None => Ok(EgressCeiling::default()),
            }
        });
        read.as_ref().map_err(|error| error.clone().into())
    }

    fn profile(&self, name: &ProfileName) -> Result<ResolvedProfile, PolicyError> {
        let read = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(profile) = read().get(name) {
            return Ok(profile.clone());
        }
        if !self.names().any(|known| known == name) {
            let known: Vec<&str> = self.names().map(ProfileName::as_str).collect();
            return Err(PolicyError::Unknown {
                name: name.clone(),
                known: known.join(", "),
            });
        }
        let mut lookup = |kind: ProfileKind, name: &ProfileName| self.source(kind, name);
        let profile = ResolvedProfile::resolve(name, &mut lookup)?;
        // Bounded by the names that there are.
        read().insert(name.clone(), profile.clone());
        Ok(profile)
    }

    /// A seccomp profile with its parents. The warden has read it before, so that it can't be read
    /// is not to be expected.
    pub(crate) fn seccomp(&self, name: &ProfileName) -> Option<Arc<seccomp::Profile>> {
        let read = || self.seccomp.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(profile) = read().get(name) {
            return Some(Arc::clone(profile));
        }
        let find = |name: &ProfileName| {
            let mut texts = self.texts.iter();
            let found = texts.find(|text| text.kind == SECCOMP && text.name == *name)?;
            Some((found.source.clone(), found.text.clone()))
        };
        let (source, text) = find(name)?;
        let profile = seccomp::Profile::parse_with(&source, &text, &find);
        let profile = profile
            .inspect_err(|error| tracing::error!(%error, "a profile in force can't be read"))
            .ok()?;
        let profile = Arc::new(profile);
        read().insert(name.clone(), Arc::clone(&profile));
        Some(profile)
    }

    /// The texts of a seccomp profile and of its parents, in this order.
    pub(crate) fn seccomp_texts(&self, name: &ProfileName) -> Vec<&ProfileText> {
        let profile = self.seccomp(name);
        let lineage = profile.iter().flat_map(|profile| profile.lineage());
        let mut texts = Vec::new();
        for origin in lineage {
            let is_it = |text: &&ProfileText| text.kind == SECCOMP && text.name == origin.name;
            texts.extend(self.texts.iter().find(is_it));
        }
        texts
    }

    /// Their generation.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The text that a rule stands in, by the source that its origin names.
    pub(crate) fn text_of_rule(&self, source: &str) -> Option<&ProfileText> {
        let (kind, name) = match source.split_once('/') {
            Some((kind, name)) => (kind, name),
            None if source == policy::ceiling::LABEL => (source, policy::ceiling::NAME),
            None => (JAIL, source),
        };
        let mut texts = self.texts.iter();
        texts.find(|text| text.kind == kind && text.name.as_str() == name)
    }

    fn source(&self, kind: ProfileKind, name: &ProfileName) -> Result<Source, LookupError> {
        let mut texts = self.texts.iter();
        let found = texts.find(|text| text.kind == kind_name(kind) && text.name == *name);
        found.map(source_of).ok_or(LookupError::NotFound)
    }
}

fn source_of(text: &ProfileText) -> Source {
    Source {
        file: text.source.clone(),
        text: text.text.clone(),
    }
}

/// The kind as the warden writes it.
const fn kind_name(kind: ProfileKind) -> &'static str {
    match kind {
        ProfileKind::Jail => JAIL,
        ProfileKind::Egress => "egress",
    }
}

impl Resolved {
    /// What may leave.
    pub(crate) const fn policy(&self) -> &Arc<EgressPolicy> {
        &self.policy
    }

    /// The whole budget of a session.
    pub(crate) const fn budget(&self) -> Budget {
        self.budget
    }

    /// Generation of the profiles.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The rules of a session; its traffic may use what earlier offices left of the budget.
    #[must_use]
    pub fn rules(
        &self,
        session: SessionId,
        carried: &Carried,
        (authority, wallet): (Option<Arc<Authority>>, Arc<Wallet>),
    ) -> Rules {
        let spec = egress::SessionSpec {
            id: session,
            policy: Arc::clone(&self.policy),
            budget: rest(self.budget, &carried.usage),
            generation: self.generation,
            authority: authority.clone(),
            wallet: Arc::clone(&wallet),
        };
        Rules {
            egress: egress::Session::new(spec),
            budget: self.budget,
            generation: self.generation,
            authority,
            wallet,
            syscalls: self.syscalls.clone(),
        }
    }
}

fn command_line(run: &Run) -> Result<Vec<Rule>, PolicyError> {
    let given = run.allow.len().saturating_add(run.connect.len());
    if given > RULES_MAX {
        return Err(PolicyError::TooMany { given });
    }
    let failed = |option, text: &str| {
        let given: String = text.chars().take(128).collect();
        move |source| PolicyError::Rule {
            option,
            given,
            source,
        }
    };
    let allow = run.allow.iter().zip(0..);
    let allow = allow
        .map(|(text, index)| Rule::from_cli_allow(text, index).map_err(failed("--allow", text)));
    // One row of numbers for both options, so that a record names one rule.
    let connect = run
        .connect
        .iter()
        .zip(u32::try_from(run.allow.len()).unwrap_or(u32::MAX)..);
    let connect = connect.map(|(text, index)| {
        Rule::from_cli_connect(text, index).map_err(failed("--connect", text))
    });
    allow.chain(connect).collect()
}

/// What is left of a budget.
pub(crate) fn rest(budget: Budget, used: &Usage) -> Budget {
    let left = |limit: Option<ByteSize>, used: u64| {
        limit.map(|limit| ByteSize(limit.0.saturating_sub(used)))
    };
    let count = |limit: Option<u64>, used: u64| limit.map(|limit| limit.saturating_sub(used));
    let llm = &used.llm;
    // What a model without a price cost can't be known, so nothing is left of a limit on cost.
    let spent = match llm.unpriced {
        0 => llm.cost,
        _ => Money::from_micros(u64::MAX),
    };
    Budget {
        egress_up: left(budget.egress_up, used.bytes_up),
        egress_down: left(budget.egress_down, used.bytes_down),
        requests: count(budget.requests, used.allowed),
        llm_tokens: count(budget.llm_tokens, llm.tokens()),
        llm_cost: budget.llm_cost.map(|limit| limit.saturating_sub(spent)),
        on_exceeded: budget.on_exceeded,
    }
}

#[cfg(test)]
mod tests;
