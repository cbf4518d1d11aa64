//! The profiles as the warden loaded them, and what an operator's rules make of one.
//!
//! Not for: limits and file systems, which the warden applies; limits are only read here so that a
//! slip is answered before anything is built.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use api::attach::Run;
use model::{ByteSize, ProfileName, SessionId, Usage};
use policy::profile::{LookupError, Source};
use policy::{Budget, EgressPolicy, ProfileError, ProfileKind, ResolvedProfile, Rule, RuleError};
use warrant::notice::{ProfileText, Profiles};

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
/// A reload replaces them whole, under a new generation. A session keeps the rules that it started
/// with for as long as its office lives; the generation in each of its events says which. After the
/// death of an office the next one derives the rules of living sessions from the profiles that it is
/// welcomed with, so from the newest. To judge open sessions anew at a reload, as
/// [`egress::Session::replace_policy`] allows, is the next step.
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

/// A profile, rule or limit that is none.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No profile of that name.
    #[error("no profile {name}; there are {known}")]
    Unknown {
        /// The name.
        name: ProfileName,
        /// The names that there are.
        known: String,
    },
    /// The profile is not one that can be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Too many rules.
    #[error("{given} rules on the command line; at most {RULES_MAX} are allowed")]
    TooMany {
        /// How many.
        given: usize,
    },
    /// A rule of the command line.
    #[error("{option} {given:?}: {source}")]
    Rule {
        /// The option.
        option: &'static str,
        /// Its value, cut.
        given: String,
        /// What is wrong with it.
        #[source]
        source: RuleError,
    },
    /// Rules that contradict each other.
    #[error(transparent)]
    Rules(#[from] policy::PolicyError),
    /// A limit of the command line.
    #[error("--limit: {0}")]
    Limit(#[from] policy::limits::LimitError),
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

    /// Resolves each profile that a session can be started with.
    ///
    /// # Errors
    /// [`PolicyError`] of the first one that can't be used.
    pub fn check(&self) -> Result<(), PolicyError> {
        let current = self.current();
        current.names().try_for_each(|name| {
            let profile = current.profile(name)?;
            EgressPolicy::new(current.generation, profile.egress)?;
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
        self.current().resolve(run)
    }

    /// The profiles of one moment: one answer never mixes two generations.
    fn current(&self) -> Arc<Set> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Set {
    fn names(&self) -> impl Iterator<Item = &ProfileName> {
        let jails = self.texts.iter().filter(|text| text.kind == JAIL);
        jails.map(|text| &text.name)
    }

    fn resolve(self: &Arc<Self>, run: &Run) -> Result<Resolved, PolicyError> {
        let profile = self.profile(&run.profile)?;
        let mut limits = profile.limits.clone();
        for limit in &run.limits {
            policy::limits::apply_override(&mut limits, limit)?;
        }
        let mut rules = profile.egress;
        for rule in command_line(run)? {
            rules.push(rule);
        }
        Ok(Resolved {
            policy: Arc::new(EgressPolicy::new(self.generation, rules)?),
            budget: profile.budget,
            generation: self.generation,
            syscalls: SyscallRules {
                set: Arc::clone(self),
                profile: profile.seccomp,
            },
        })
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

    fn source(&self, kind: ProfileKind, name: &ProfileName) -> Result<Source, LookupError> {
        let mut texts = self.texts.iter();
        let found = texts.find(|text| text.kind == kind_name(kind) && text.name == *name);
        let found = found.ok_or(LookupError::NotFound)?;
        Ok(Source {
            file: found.source.clone(),
            text: found.text.clone(),
        })
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
    /// The rules of a session; its traffic may use what earlier offices left of the budget.
    #[must_use]
    pub fn rules(&self, session: SessionId, carried: &Carried) -> Rules {
        let spec = egress::SessionSpec {
            id: session,
            policy: Arc::clone(&self.policy),
            budget: rest(self.budget, &carried.usage),
            generation: self.generation,
        };
        Rules {
            egress: egress::Session::new(spec),
            budget: self.budget,
            generation: self.generation,
            syscalls: self.syscalls.clone(),
        }
    }
}

impl PolicyError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown_profile",
            Self::Profile(_) => "bad_profile",
            Self::TooMany { .. } | Self::Rule { .. } | Self::Rules(_) => "bad_rule",
            Self::Limit(_) => "bad_limit",
        }
    }

    /// What the operator can do about it, where the message does not say so itself.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::TooMany { .. } => "put the rules into a profile".to_owned(),
            Self::Unknown { .. }
            | Self::Profile(_)
            | Self::Rule { .. }
            | Self::Rules(_)
            | Self::Limit(_) => String::new(),
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
    let connect = run.connect.iter().zip(0..);
    let connect = connect.map(|(text, index)| {
        Rule::from_cli_connect(text, index).map_err(failed("--connect", text))
    });
    allow.chain(connect).collect()
}

/// What is left of a budget.
fn rest(budget: Budget, used: &Usage) -> Budget {
    let left = |limit: Option<ByteSize>, used: u64| {
        limit.map(|limit| ByteSize(limit.0.saturating_sub(used)))
    };
    Budget {
        egress_up: left(budget.egress_up, used.bytes_up),
        egress_down: left(budget.egress_down, used.bytes_down),
        ..budget
    }
}
