//! Applies what a child says to its parent's rules. The parent's denials come first, so the outcome
//! refuses whatever the parent refuses, and what is fatal stays fatal.
//!
//! Not for: reading the child's own rules.

use std::collections::BTreeSet;

use toml::Spanned;

use crate::action::Action;
use crate::arch::Arch;
use crate::errno::Errno;

use super::error::{Problem, ProfileError};
use super::listed::{Listed, RawList};
use super::reader::{RawProfile, Source, cut, not_empty};
use super::rule::Head;
use super::{Allowance, Denial, Mention, Profile, conflict, listed};

/// Why calls are refused that `keep` does not name.
pub(crate) const NOT_KEPT: &str = "Not among the calls that this profile keeps of its parent's.";

/// The parent with the child's changes; name, description and lineage are still the parent's.
pub(super) fn apply(
    source: Source<'_>,
    mut parent: Profile,
    raw: &RawProfile,
    denials: Vec<Denial>,
) -> Result<Profile, ProfileError> {
    if let Some(names) = &raw.enable {
        source.take(names, "enable", not_empty)?;
        for name in names.get_ref() {
            enable(source, &mut parent, name)?;
        }
    }
    conflict::check_denials(&parent, &denials)?;
    let keep = kept(source, &parent, raw.keep.as_ref())?;
    let drop = listed::read(source, "drop", raw.drop.as_ref())?;
    let gone: Vec<Mention> = drop
        .iter()
        .flat_map(|group| &group.calls)
        .copied()
        .collect();
    effective(source, &parent, &gone, "drop")?;
    no_quarrel(source, keep.as_deref().unwrap_or_default(), &gone)?;
    let removed = removals(source, &parent, (raw.keep.as_ref(), keep.as_deref()), drop);
    for denial in denials {
        deny(&mut parent, denial);
    }
    for denial in removed {
        remove(&mut parent, denial);
    }
    parent.optional.retain(|rule| !rule.head.calls.is_empty());
    parent.allowances.retain(|rule| !rule.head.calls.is_empty());
    Ok(parent)
}

fn enable(
    source: Source<'_>,
    profile: &mut Profile,
    name: &Spanned<String>,
) -> Result<(), ProfileError> {
    let wanted = |rule: &Allowance| rule.group.as_deref() == Some(name.get_ref());
    if !profile.optional.iter().any(wanted) {
        let known: BTreeSet<_> = profile
            .optional
            .iter()
            .filter_map(Allowance::group)
            .collect();
        let problem = Problem::UnknownGroup {
            group: cut(name.get_ref()).into(),
            known: Vec::from_iter(known).join(", ").into(),
        };
        return Err(source.error(name.span(), "enable", problem));
    }
    let (on, off) = std::mem::take(&mut profile.optional)
        .into_iter()
        .partition(wanted);
    profile.optional = off;
    let on: Vec<Allowance> = on;
    for rule in &on {
        let denials = std::mem::take(&mut profile.denials);
        profile.denials = denials
            .into_iter()
            .flat_map(|denial| lifted(denial, rule))
            .collect();
    }
    profile.allowances.extend(on);
    Ok(())
}

/// What is left of a denial beside an optional rule that is on: all of it, unless it is the one
/// that holds for the rule's calls while the rule is off.
fn lifted(denial: Denial, rule: &Allowance) -> Vec<Denial> {
    if !denial.is_total() {
        return vec![denial];
    }
    let (lifted, kept): (Vec<_>, Vec<_>) = denial
        .head
        .calls
        .iter()
        .partition(|mention| rule.names(mention.name));
    let others = denial.arches().iter().copied();
    let others = others.filter(|arch| !rule.holds_on(*arch));
    let part = |calls, arches| {
        let mut part = denial.clone();
        part.head.calls = calls;
        part.head.arches = arches;
        part
    };
    [
        part(kept, denial.head.arches.clone()),
        part(lifted, others.collect()),
    ]
    .into_iter()
    .filter(|part| !part.head.calls.is_empty() && !part.head.arches.is_empty())
    .collect()
}

fn kept(
    source: Source<'_>,
    parent: &Profile,
    list: Option<&RawList>,
) -> Result<Option<Vec<Mention>>, ProfileError> {
    let Some(list) = list else { return Ok(None) };
    let groups = listed::read(source, "keep", Some(list))?;
    let calls: Vec<Mention> = groups.into_iter().flat_map(|group| group.calls).collect();
    effective(source, parent, &calls, "keep")?;
    Ok(Some(calls))
}

/// The calls of `keep` or `drop` all change something: the parent allows each of them, and none
/// comes twice.
fn effective(
    source: Source<'_>,
    parent: &Profile,
    calls: &[Mention],
    key: &str,
) -> Result<(), ProfileError> {
    for (index, mention) in calls.iter().enumerate() {
        let call = mention.name;
        let before = calls.iter().take(index).find(|other| other.name == call);
        let problem = match before {
            Some(first) => Problem::Duplicate {
                call,
                first: first.line,
            },
            None if is_allowed(parent, call) => continue,
            None => Problem::NotAllowed { call },
        };
        return Err(source.error_on(mention.line, key, problem));
    }
    Ok(())
}

fn is_allowed(profile: &Profile, call: &str) -> bool {
    Arch::ALL.into_iter().any(|arch| {
        profile.allowance_on(arch, call).is_some()
            && !profile.denials_on(arch, call).any(Denial::is_total)
    })
}

fn no_quarrel(source: Source<'_>, keep: &[Mention], drop: &[Mention]) -> Result<(), ProfileError> {
    for mention in drop {
        let call = mention.name;
        if let Some(kept) = keep.iter().find(|kept| kept.name == call) {
            let allowed = kept.line;
            let problem = Problem::Contradiction { call, allowed };
            return Err(source.error_on(mention.line, "drop", problem));
        }
    }
    Ok(())
}

/// Denials in place of the allowances that `keep` and `drop` end, so that each has a line to show.
fn removals(
    source: Source<'_>,
    parent: &Profile,
    (names, keep): (Option<&RawList>, Option<&[Mention]>),
    drop: Vec<Listed>,
) -> Vec<Denial> {
    let denial = |why: &str, calls: Vec<Mention>| Denial {
        head: Head {
            why: why.to_owned(),
            calls,
            arches: Arch::ALL.to_vec(),
            quiet: false,
            file: source.file().clone(),
        },
        when: Vec::new(),
        action: Action::Errno(Errno::EPERM),
        cves: Vec::new(),
    };
    let mut denials = Vec::new();
    if let (Some(names), Some(keep)) = (names, keep) {
        let line = source.line(names.span().start);
        let calls = parent.allowances.iter().chain(&parent.optional);
        let calls = calls.flat_map(|rule| &rule.head.calls);
        let gone = calls.filter(|call| !keep.iter().any(|kept| kept.name == call.name));
        let gone: BTreeSet<_> = gone.map(|call| call.name).collect();
        let gone = gone.into_iter().map(|name| Mention { name, line });
        denials.push(denial(NOT_KEPT, gone.collect()));
    }
    denials.extend(
        drop.into_iter()
            .map(|group| denial(&group.why, group.calls)),
    );
    denials
}

/// Adds a denial of the child's own behind the parent's.
fn deny(profile: &mut Profile, denial: Denial) {
    if denial.is_total() {
        let ended = |rule: &Allowance| rule.arches().iter().all(|arch| denial.holds_on(*arch));
        for rule in profile.allowances.iter_mut().filter(|rule| ended(rule)) {
            rule.head.calls.retain(|call| !denial.names(call.name));
        }
        // A child that enables the group does not get back what this one refuses.
        for rule in &mut profile.optional {
            rule.head.calls.retain(|call| !denial.names(call.name));
        }
    }
    profile.denials.push(denial);
}

/// As `deny`, for calls that no denial of the child's own ends already.
fn remove(profile: &mut Profile, mut denial: Denial) {
    let ended = |call: &Mention| {
        Arch::ALL.into_iter().all(|arch| {
            let mut denials = profile.denials_on(arch, call.name);
            denials.any(Denial::is_total)
        })
    };
    let (done, left): (Vec<Mention>, Vec<Mention>) =
        denial.head.calls.iter().partition(|call| ended(call));
    for rule in &mut profile.optional {
        rule.head
            .calls
            .retain(|call| !done.iter().any(|other| other.name == call.name));
    }
    denial.head.calls = left;
    if !denial.head.calls.is_empty() {
        deny(profile, denial);
    }
}
