//! What programs really called, held against a profile: used, allowed for nothing, refused.
//!
//! Not for: reading files, nor for writing profiles (`proposal`).

mod log;
mod render;
mod strace;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::arch::Arch;
use crate::condition::{ARGUMENTS, Condition};
use crate::data::Data;
use crate::decision::{Decision, Rule, allowance_rule, decide};
use crate::profile::Profile;
use crate::syscalls;

/// Longest text that is read: a long trace of a build has some hundred MiB, and is better read with
/// `strace -c` or in parts.
pub const INPUT_BYTES_MAX: usize = 256 << 20;
/// Most different names. There are fewer than 500 calls; the rest would be rubbish.
pub const NAMES_MAX: usize = 1024;
/// Most different arguments of one call that are told apart; beyond, they count as unknown.
pub const SAMPLES_MAX: usize = 512;
/// Most lines in a hundred that may be unreadable: an interrupted trace has a few, another kind of
/// file has nothing else.
pub const GARBAGE_PERCENT_MAX: usize = 10;

/// The arguments of a call as far as they are known.
pub type Sample = [Option<u64>; ARGUMENTS];

/// What was called, how often, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Observed {
    /// By the call's name as the source has it.
    pub calls: BTreeMap<String, Usage>,
    /// Refused calls that the source counts and does not name.
    pub untold: u64,
    /// Lines that are no part of the source's format, the first of them by number.
    pub garbage: Garbage,
}

/// Lines that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Garbage {
    /// How many.
    pub lines: usize,
    /// The first one's number, from 1; 0 when there is none.
    pub first: usize,
}

/// One call's use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// How often.
    pub count: u64,
    /// Errors by name, and how often each.
    pub failures: BTreeMap<String, u64>,
    /// Arguments, and how often each.
    #[serde(skip)]
    pub samples: BTreeMap<Sample, u64>,
}

/// A source that tells nothing about calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoverageError {
    /// More text than is read.
    #[error("{file} has {bytes} bytes, more than {INPUT_BYTES_MAX}")]
    TooLong {
        /// The file as the caller named it.
        file: String,
        /// Its length.
        bytes: usize,
    },
    /// Not one line with a call.
    #[error("{file}: no system call in {lines} lines: is it the output of strace?")]
    Nothing {
        /// The file as the caller named it.
        file: String,
        /// Its lines that are not empty.
        lines: usize,
    },
    /// More rubbish than an interrupted trace has.
    #[error(
        "{file}:{first}: not a line of strace, nor are {others} others of {lines}; at most {GARBAGE_PERCENT_MAX} % may be unreadable"
    )]
    Garbage {
        /// The file as the caller named it.
        file: String,
        /// The first such line, from 1.
        first: usize,
        /// How many more there are.
        others: usize,
        /// Lines that are not empty.
        lines: usize,
    },
    /// A line of an audit log that is no event.
    #[error("{file}:{line}: not an event of the audit log: {message}")]
    Event {
        /// The file as the caller named it.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads what `strace -f` wrote, to a file or to the terminal.
///
/// Times (`-t`, `-r`, `-T`) and descriptors' paths (`-y`) may be there. `arch` is that of the traced
/// machine. With `-X raw` more arguments can be judged.
///
/// # Errors
///
/// When nothing in the text is a call, or too much of it is rubbish.
pub fn strace(file: &str, text: &str, arch: Arch) -> Result<Observed, CoverageError> {
    bounded(file, text)?;
    strace::read(file, text, arch)
}

/// Reads the denials in an audit log: its lines of kind `syscall.denied`.
///
/// Their data holds `syscall`, which is null for a number without a name, and may hold `args`,
/// `errno`, `count`, and in `suppressed` how many more were only counted; alerts of that kind count
/// too. `session` picks those of one session. A log without denials is sound and gives nothing.
///
/// # Errors
///
/// With the first line that is no event.
pub fn log(file: &str, text: &str, session: Option<&str>) -> Result<Observed, CoverageError> {
    bounded(file, text)?;
    log::read(file, text, session)
}

fn bounded(file: &str, text: &str) -> Result<(), CoverageError> {
    if text.len() > INPUT_BYTES_MAX {
        return Err(CoverageError::TooLong {
            file: file.to_owned(),
            bytes: text.len(),
        });
    }
    Ok(())
}

impl Observed {
    /// Adds what another source saw.
    pub fn merge(&mut self, other: Self) {
        for (name, usage) in other.calls {
            let Some(own) = self.usage(&name) else {
                continue;
            };
            own.count = own.count.saturating_add(usage.count);
            for (error, count) in usage.failures {
                add(own.failures.entry(error).or_default(), count);
            }
            for (sample, count) in usage.samples {
                own.sample(sample, count);
            }
        }
        self.untold = self.untold.saturating_add(other.untold);
        if self.garbage.lines == 0 {
            self.garbage.first = other.garbage.first;
        }
        self.garbage.lines += other.garbage.lines;
    }

    /// The usage of a call by name; `None` when there are too many names.
    fn usage(&mut self, name: &str) -> Option<&mut Usage> {
        if self.calls.len() >= NAMES_MAX && !self.calls.contains_key(name) {
            return None;
        }
        Some(self.calls.entry(name.to_owned()).or_default())
    }
}

impl Usage {
    fn sample(&mut self, sample: Sample, count: u64) {
        let known = self.samples.contains_key(&sample) || self.samples.len() < SAMPLES_MAX;
        let sample = if known { sample } else { [None; ARGUMENTS] };
        add(self.samples.entry(sample).or_default(), count);
    }
}

fn add(total: &mut u64, more: u64) {
    *total = total.saturating_add(more);
}

/// What was called, held against a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Name of the profile.
    pub profile: String,
    /// What was called, by name.
    pub used: Vec<Used>,
    /// What the profile allows and nothing called, in the profile's order.
    pub unused: Vec<Unused>,
    /// What was called and the profile refuses, most frequent first.
    pub refused: Vec<Refused>,
    /// Refused calls that the source counts and does not name.
    pub untold: u64,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Name as the source has it.
    pub call: String,
    /// How often.
    pub count: u64,
    /// Errors by name, and how often each.
    pub failures: BTreeMap<String, u64>,
    /// How often the profile allows it.
    pub allowed: u64,
    /// How often the profile refuses it.
    pub refused: u64,
    /// How often that depends on arguments which the source does not tell.
    pub undecided: u64,
}

/// A call that the profile allows and nothing made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unused {
    /// Name of the call.
    pub call: &'static str,
    /// The rule that allows it.
    pub rule: Rule,
}

/// A call that was made and the profile refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Name as the source has it.
    pub call: String,
    /// How often.
    pub count: u64,
    /// The first such arguments, where they count.
    pub arguments: Option<[u64; ARGUMENTS]>,
    /// What the profile answers, and the line that says so.
    pub decision: Decision,
    /// The optional group that would allow it.
    pub group: Option<String>,
}

/// Holds what was called against a profile.
#[must_use]
pub fn compare(profile: &Profile, arch: Arch, observed: &Observed) -> Coverage {
    let mut used = Vec::new();
    let mut refused: Vec<Refused> = Vec::new();
    for (call, usage) in &observed.calls {
        let judged = Judged::of(profile, arch, call, usage);
        used.push(judged.used(call, usage));
        refused.extend(judged.refused);
    }
    refused.sort_by_key(|one| std::cmp::Reverse(one.count));
    Coverage {
        profile: profile.name().to_string(),
        used,
        unused: unused(profile, arch, observed),
        refused,
        untold: observed.untold,
    }
}

fn unused(profile: &Profile, arch: Arch, observed: &Observed) -> Vec<Unused> {
    let rules = profile
        .allowances()
        .iter()
        .filter(|rule| rule.holds_on(arch));
    let calls = rules.flat_map(|rule| rule.calls().iter().map(move |call| (rule, call.name)));
    calls
        .filter(|(_, call)| syscalls::number(arch, call).is_some())
        .filter(|(_, call)| !observed.calls.contains_key(*call))
        .map(|(rule, call)| Unused {
            call,
            rule: allowance_rule(rule, call),
        })
        .collect()
}

/// How often each answer was, for one call.
#[derive(Default)]
struct Judged {
    allowed: u64,
    undecided: u64,
    refused: Vec<Refused>,
}

impl Judged {
    fn of(profile: &Profile, arch: Arch, call: &str, usage: &Usage) -> Self {
        let mut judged = Self::default();
        let alternatives = alternatives(profile, arch, call);
        // A name that the architecture lacks has no number: any unknown one gets the same answer.
        let number = syscalls::number(arch, call).unwrap_or_else(|| syscalls::newest(arch) + 1);
        for (sample, count) in &usage.samples {
            let Some(arguments) = told(sample, &alternatives) else {
                add(&mut judged.undecided, *count);
                continue;
            };
            let decision = decide(profile, arch, &Data::new(arch, number, arguments));
            if decision.action.permits() {
                add(&mut judged.allowed, *count);
                continue;
            }
            let same = judged
                .refused
                .iter_mut()
                .find(|one| one.decision == decision);
            match same {
                Some(one) => add(&mut one.count, *count),
                None => judged.refused.push(Refused {
                    call: call.to_owned(),
                    count: *count,
                    arguments: (!alternatives.is_empty()).then_some(arguments),
                    decision,
                    group: group(profile, arch, call),
                }),
            }
        }
        judged
    }

    fn used(&self, call: &str, usage: &Usage) -> Used {
        let refused = self.refused.iter().map(|one| one.count);
        Used {
            call: call.to_owned(),
            count: usage.count,
            failures: usage.failures.clone(),
            allowed: self.allowed,
            refused: refused.fold(0, u64::saturating_add),
            undecided: self.undecided,
        }
    }
}

fn group(profile: &Profile, arch: Arch, call: &str) -> Option<String> {
    let mut optional = profile.optional().iter();
    let rule = optional.find(|rule| rule.names(call) && rule.holds_on(arch))?;
    rule.group().map(str::to_owned)
}

/// The arguments, if those that are unknown make no difference to any rule; they are 0.
fn told(sample: &Sample, alternatives: &[&[Condition]]) -> Option<[u64; ARGUMENTS]> {
    let arguments = sample.map(Option::unwrap_or_default);
    let known = |one: &&Condition| sample.get(one.argument()).is_some_and(Option::is_some);
    let settled = |all: &&[Condition]| {
        let fails = all.iter().filter(known).any(|one| !one.holds(&arguments));
        fails || all.iter().all(|one| known(&one))
    };
    alternatives.iter().all(settled).then_some(arguments)
}

/// What the profile's rules ask of the arguments of a call.
fn alternatives<'a>(profile: &'a Profile, arch: Arch, call: &str) -> Vec<&'a [Condition]> {
    let guard = profile
        .allowance_on(arch, call)
        .and_then(|rule| rule.guard());
    let allowing = guard.into_iter().flat_map(|guard| guard.alternatives());
    let denying = profile.denials_on(arch, call).flat_map(|rule| rule.when());
    allowing.chain(denying).map(Vec::as_slice).collect()
}
