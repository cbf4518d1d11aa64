//! Which secrets a session gets, and what stands for each of them in its jail.
//!
//! Not for: their values, which only the proxy asks the vault for, one request at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::attach::Run;
use model::SecretName;
use policy::{Destination, EgressPolicy, Rule, RuleError};
use vault::secret::Kind;
use vault::{NoRandomness, Placeholder, Secret, Vault, Wallet};

use crate::session::Facts;

/// Most `--secret` options of one session. A longer list belongs into a profile.
pub const SECRETS_MAX: usize = 32;
/// What a program that signs requests finds as its key: it signs, and the proxy signs anew.
const FILLER: &str = "kept-by-sheriff";

/// A secret that a session can't have.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such secret.
    #[error("there is no secret {0}")]
    Unknown(SecretName),
    /// It can't be used now.
    #[error("secret {name} can't be used: {problem}")]
    Unusable {
        /// Which.
        name: SecretName,
        /// Why.
        problem: String,
    },
    /// One of its destinations is none that secrets go to.
    #[error("--secret {name}: {source}")]
    Rule {
        /// Which.
        name: SecretName,
        /// What is wrong.
        #[source]
        source: RuleError,
    },
    /// Too many.
    #[error("{given} secrets; at most {SECRETS_MAX} are allowed")]
    TooMany {
        /// How many.
        given: usize,
    },
    /// Two want the same variable.
    #[error("secrets {0} and {1} both want the variable {2}")]
    Variable(SecretName, SecretName, String),
    /// No randomness for a placeholder.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// A wallet in the making.
#[derive(Debug, Default)]
struct Granted(Vec<(Arc<Secret>, Placeholder)>);

/// Placeholders of an earlier office.
type Known = BTreeMap<SecretName, String>;

/// The secrets that a policy names, with new placeholders.
pub(crate) fn wallet(policy: &EgressPolicy, vault: &Vault) -> Result<Arc<Wallet>, SecretError> {
    let mut granted = Granted::default();
    for name in named(policy) {
        granted.add(find(vault, &name)?, &Known::new())?;
    }
    Ok(granted.finish(vault))
}

/// The same for a session that lives on: its placeholders stay. A secret that is gone meanwhile is left
/// out, and a request that wants it is answered 503.
pub(crate) fn wallet_again(policy: &EgressPolicy, vault: &Vault, known: &Known) -> Arc<Wallet> {
    let mut granted = Granted::default();
    for name in named(policy) {
        let added = find(vault, &name).and_then(|secret| granted.add(secret, known));
        if let Err(error) = added {
            tracing::warn!(%error, "a session goes on without it");
        }
    }
    granted.finish(vault)
}

/// The operator's entries, and the placeholders under every name that they leave free.
pub(crate) fn add_to(mut entries: Vec<Vec<u8>>, wallet: &Wallet) -> Vec<Vec<u8>> {
    for (name, value) in environment(wallet) {
        let start = format!("{name}=").into_bytes();
        if !entries.iter().any(|entry| entry.starts_with(&start)) {
            entries.push([start.as_slice(), value.as_bytes()].concat());
        }
    }
    entries
}

/// What a later office needs.
pub(crate) fn placeholders(wallet: &Wallet) -> Known {
    let pairs = wallet.iter();
    let pairs =
        pairs.map(|(secret, placeholder)| (secret.name.clone(), placeholder.as_str().to_owned()));
    pairs.collect()
}

fn environment(wallet: &Wallet) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    for (secret, placeholder) in wallet.iter() {
        entries.push((secret.env.clone(), placeholder.as_str().to_owned()));
        if let Kind::SigV4(scope) = &secret.kind {
            let more = [
                ("AWS_SECRET_ACCESS_KEY", FILLER),
                ("AWS_REGION", &scope.region),
                ("AWS_DEFAULT_REGION", &scope.region),
            ];
            entries.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }
    entries
}

impl Granted {
    fn add(&mut self, secret: Arc<Secret>, known: &Known) -> Result<(), SecretError> {
        let mut others = self.0.iter();
        if let Some((other, _)) = others.find(|(other, _)| other.env == secret.env) {
            let (one, two) = (other.name.clone(), secret.name.clone());
            return Err(SecretError::Variable(one, two, secret.env.clone()));
        }
        let known = known.get(&secret.name).and_then(|text| text.parse().ok());
        let placeholder = match known {
            Some(placeholder) => placeholder,
            None => Placeholder::draw(&secret)?,
        };
        self.0.push((secret, placeholder));
        Ok(())
    }

    fn finish(self, vault: &Vault) -> Arc<Wallet> {
        Arc::new(Wallet::new(self.0, Arc::new(vault.clone())))
    }
}

/// A secret that can be used now.
pub(crate) fn find(vault: &Vault, name: &SecretName) -> Result<Arc<Secret>, SecretError> {
    let listed = vault.find(name);
    let listed = listed.ok_or_else(|| SecretError::Unknown(name.clone()))?;
    listed.secret.ok_or_else(|| SecretError::Unusable {
        name: name.clone(),
        problem: listed.problem.unwrap_or_default(),
    })
}

/// A policy that learns names none: what it lets through goes anywhere.
fn named(policy: &EgressPolicy) -> BTreeSet<SecretName> {
    let rules = policy.allow().iter().filter(|_| !policy.is_learning());
    rules.flat_map(|rule| rule.secrets().to_vec()).collect()
}

/// What `--secret` allows: each secret for each destination that it is bound to.
pub(crate) fn rules(run: &Run, vault: &Vault) -> Result<Vec<Rule>, SecretError> {
    rules_for(run, vault, |_, _| true)
}

/// The same for a session that lives on, for destinations that each secret was bound to at its start.
pub(crate) fn rules_again(
    facts: &Facts,
    run: &Run,
    vault: &Vault,
) -> Result<Vec<Rule>, SecretError> {
    rules_for(run, vault, |name, at| {
        let hosts = facts.secret_hosts.get(name);
        hosts.is_some_and(|hosts| hosts.contains(&at.to_string()))
    })
}

/// Where the secrets of a run may go as they are defined now.
pub(crate) fn hosts(names: &[SecretName], wallet: &Wallet) -> BTreeMap<SecretName, Vec<String>> {
    let found = names.iter().filter_map(|name| wallet.get(name));
    let of = |secret: &Secret| secret.hosts.iter().map(ToString::to_string).collect();
    found
        .map(|(secret, _)| (secret.name.clone(), of(secret)))
        .collect()
}

fn rules_for(
    run: &Run,
    vault: &Vault,
    may: impl Fn(&SecretName, &Destination) -> bool,
) -> Result<Vec<Rule>, SecretError> {
    let given = run.secrets.len();
    if given > SECRETS_MAX {
        return Err(SecretError::TooMany { given });
    }
    let mut rules = Vec::new();
    let first = run.allow.len().saturating_add(run.connect.len());
    for (name, index) in run.secrets.iter().zip(first..) {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let secret = find(vault, name)?;
        for at in secret.hosts.iter().filter(|at| may(name, at)) {
            let rule = Rule::from_cli_secret(name, at, index);
            rules.push(rule.map_err(|source| SecretError::Rule {
                name: name.clone(),
                source,
            })?);
        }
    }
    Ok(rules)
}

impl SecretError {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unknown(name) => format!(
                "set it: `sheriff secret set {name} --host HOST`, or define it in sheriffd.toml"
            ),
            Self::Unusable { name, .. } => {
                format!(
                    "`sheriff secret list` says more; `sheriff secret set {name}` sets its value"
                )
            }
            Self::Variable(_, two, _) => {
                format!("give {two} a variable of its own: `sheriff secret set {two} --env NAME`")
            }
            Self::Rule { .. } | Self::TooMany { .. } | Self::Random(_) => String::new(),
        }
    }
}
