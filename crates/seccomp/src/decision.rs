//! Which rule decides a call, and with which of its conditions.
//!
//! Not for: the action alone, which `verdict` gives; the two are tested against each other.

use serde::{Serialize, Serializer};

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::{ARGUMENTS, Condition};
use crate::data::Data;
use crate::errno::Errno;
use crate::profile::{Allowance, Cve, Denial, Mention, Profile};
use crate::prose;
use crate::syscalls;

/// Why a call gets its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// An allow rule lets it through.
    Allowed,
    /// An allow rule names it, but asks for other arguments.
    NotAllowed,
    /// A deny rule applies.
    Denied,
    /// No rule names it.
    Unnamed,
    /// No known kernel assigns the number.
    Unknown,
    /// The number has the bit of a second ABI, such as x32.
    SecondAbi,
    /// It was made through another architecture's entry.
    Foreign,
}

/// A rule as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The file that it stands in.
    pub file: String,
    /// The line that names the call, from 1.
    pub line: usize,
    /// Its reason.
    pub why: String,
    /// Vulnerabilities that it keeps out of reach.
    pub cves: Vec<Vulnerability>,
}

/// A vulnerability that a denial keeps out of reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Vulnerability {
    /// When it became public, `YYYY-MM` or `YYYY-MM-DD`.
    pub published: String,
    /// Its CVE number.
    pub id: String,
    /// What it was, in a few words.
    pub what: String,
}

/// An action and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What happens to the call.
    #[serde(serialize_with = "as_text")]
    pub action: Action,
    /// Why.
    pub ground: Ground,
    /// Whether the refusal is no event: `quiet` in the profile.
    pub quiet: bool,
    /// The rule that decides, where one does.
    pub rule: Option<Rule>,
}

/// The rule's place in its profile, and the alternative of its `when` that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) action: Action,
    pub(crate) ground: Ground,
    /// Index among the profile's allowances or denials.
    pub(crate) rule: Option<usize>,
    /// Index among the rule's alternatives.
    pub(crate) alternative: Option<usize>,
}

/// Writes a value as its text in JSON.
pub(crate) fn as_text<T: ToString, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

/// The decision of `profile` on `arch` for a call, with its rule.
#[must_use]
pub fn decide(profile: &Profile, arch: Arch, call: &Data) -> Decision {
    let name = syscalls::name(arch, call.number).unwrap_or_default();
    origin(profile, arch, call).told(profile, name)
}

/// The decision without a copy of the rule's texts.
pub(crate) fn origin(profile: &Profile, arch: Arch, call: &Data) -> Origin {
    if call.arch != arch.audit() {
        return Origin::bare(Action::KillProcess, Ground::Foreign);
    }
    if call.number & arch.foreign_abi_bit().unwrap_or(0) != 0 {
        return Origin::bare(Action::KillProcess, Ground::SecondAbi);
    }
    match syscalls::name(arch, call.number) {
        Some(name) => named(profile, arch, name, &call.arguments),
        None => Origin::bare(Action::Errno(Errno::ENOSYS), Ground::Unknown),
    }
}

/// The decision on a call by name.
pub(crate) fn named(
    profile: &Profile,
    arch: Arch,
    name: &str,
    arguments: &[u64; ARGUMENTS],
) -> Origin {
    let denials = profile.denials().iter().enumerate();
    let mut applying = denials
        .filter(|(_, denial)| denial.names(name) && denial.holds_on(arch))
        .filter_map(|(at, denial)| {
            let alternative = held(denial.when(), arguments);
            (denial.is_total() || alternative.is_some()).then_some((at, denial, alternative))
        });
    if let Some((at, denial, alternative)) = applying.next() {
        return Origin {
            action: denial.action(),
            ground: Ground::Denied,
            rule: Some(at),
            alternative,
        };
    }
    let mut allowances = profile.allowances().iter().enumerate();
    match allowances.find(|(_, rule)| rule.names(name) && rule.holds_on(arch)) {
        Some((at, allowance)) => admitted(at, allowance, arguments),
        None => Origin::bare(Action::Errno(Errno::EPERM), Ground::Unnamed),
    }
}

fn admitted(at: usize, allowance: &Allowance, arguments: &[u64; ARGUMENTS]) -> Origin {
    let alternative = allowance
        .guard()
        .and_then(|guard| held(guard.alternatives(), arguments));
    let (action, ground) = match allowance.guard() {
        Some(guard) if alternative.is_none() => {
            (Action::Errno(guard.otherwise()), Ground::NotAllowed)
        }
        _ if allowance.is_logged() => (Action::Log, Ground::Allowed),
        _ => (Action::Allow, Ground::Allowed),
    };
    Origin {
        action,
        ground,
        rule: Some(at),
        alternative,
    }
}

/// The first alternative that holds in full.
fn held(alternatives: &[Vec<Condition>], arguments: &[u64; ARGUMENTS]) -> Option<usize> {
    alternatives
        .iter()
        .position(|all| all.iter().all(|condition| condition.holds(arguments)))
}

impl Origin {
    const fn bare(action: Action, ground: Ground) -> Self {
        Self {
            action,
            ground,
            rule: None,
            alternative: None,
        }
    }

    /// The same, whichever alternative held.
    pub(crate) const fn of_rule(self) -> Self {
        Self {
            alternative: None,
            ..self
        }
    }

    /// With the rule's texts.
    pub(crate) fn told(self, profile: &Profile, call: &str) -> Decision {
        Decision {
            action: self.action,
            ground: self.ground,
            quiet: self.is_quiet(profile),
            rule: self.rule(profile, call),
        }
    }

    /// Whether nobody hears of the refusal: the rule says so, or no known kernel has the call.
    pub(crate) fn is_quiet(self, profile: &Profile) -> bool {
        let rule = match (self.denial(profile), self.allowance(profile)) {
            (Some(denial), _) => denial.is_quiet(),
            (None, Some(allowance)) => allowance.is_quiet(),
            (None, None) => self.ground == Ground::Unknown,
        };
        rule && matches!(self.action, Action::Errno(_))
    }

    fn rule(self, profile: &Profile, call: &str) -> Option<Rule> {
        if let Some(denial) = self.denial(profile) {
            return Some(denial_rule(profile, denial, call));
        }
        let allowance = self.allowance(profile)?;
        Some(allowance_rule(allowance, call))
    }

    pub(crate) fn denial(self, profile: &Profile) -> Option<&Denial> {
        match self.ground {
            Ground::Denied => profile.denials().get(self.rule?),
            _ => None,
        }
    }

    fn allowance(self, profile: &Profile) -> Option<&Allowance> {
        match self.ground {
            Ground::Allowed | Ground::NotAllowed => profile.allowances().get(self.rule?),
            _ => None,
        }
    }

    /// The conditions that decided, in words; none when no argument counted.
    pub(crate) fn reason(self, profile: &Profile, call: &str) -> Option<String> {
        let alternatives = match (self.denial(profile), self.allowance(profile)) {
            (Some(denial), _) => denial.when(),
            (None, Some(allowance)) => allowance.guard()?.alternatives(),
            (None, None) => return None,
        };
        match self.alternative {
            Some(at) => alternatives.get(at).map(|all| prose::all_of(call, all)),
            None if alternatives.is_empty() => None,
            None => Some(format!(
                "none of these holds: {}",
                prose::alternatives(call, alternatives).join("; or ")
            )),
        }
    }
}

/// An allowance as an answer shows it.
pub(crate) fn allowance_rule(allowance: &Allowance, call: &str) -> Rule {
    Rule {
        file: allowance.file().to_owned(),
        line: line_of(allowance.calls(), call),
        why: allowance.why().to_owned(),
        cves: Vec::new(),
    }
}

/// A denial as an answer shows it.
pub(crate) fn denial_rule(profile: &Profile, denial: &Denial, call: &str) -> Rule {
    Rule {
        file: denial.file().to_owned(),
        line: line_of(denial.calls(), call),
        why: denial.why().to_owned(),
        cves: vulnerabilities(profile, denial),
    }
}

/// The vulnerabilities that the denial stops, in its order. Where an optional group is on, a denial
/// may have lost some of its calls to it: a vulnerability whose description names such a call is
/// not among them.
pub(crate) fn vulnerabilities(profile: &Profile, denial: &Denial) -> Vec<Vulnerability> {
    let told = |cve: &Cve| Vulnerability {
        published: cve.published().to_owned(),
        id: cve.id().to_owned(),
        what: cve.what().to_owned(),
    };
    let stops = |cve: &&Cve| !names_a_call_let_in(profile, cve.what());
    denial.cves().iter().filter(stops).map(told).collect()
}

fn names_a_call_let_in(profile: &Profile, text: &str) -> bool {
    let optional = |rule: &&Allowance| rule.group().is_some();
    profile.allowances().iter().filter(optional).any(|rule| {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|word| rule.names(word))
    })
}

fn line_of(calls: &[Mention], call: &str) -> usize {
    let named = calls.iter().find(|mention| mention.name == call);
    named
        .or_else(|| calls.first())
        .map_or(0, |mention| mention.line)
}

impl Decision {
    /// What follows the action in texts.
    pub(crate) const fn quietly(&self) -> &'static str {
        if self.quiet { " (quiet)" } else { "" }
    }
}

impl std::fmt::Display for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Allowed => "an allow rule lets it through",
            Self::NotAllowed => "an allow rule asks for other arguments",
            Self::Denied => "a deny rule applies",
            Self::Unnamed => "no rule names it",
            Self::Unknown => "no known kernel assigns the number",
            Self::SecondAbi => "the number has the bit of a second ABI",
            Self::Foreign => "it was made through another architecture's entry",
        })
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl std::fmt::Display for Vulnerability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.id, self.published, self.what)
    }
}

#[cfg(test)]
mod tests;
