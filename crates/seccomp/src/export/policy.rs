//! The JSON of an exported profile.
//!
//! Not for: what its rules are (`rules`).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::action::Action;
use crate::arch::Arch;
use crate::errno::Errno;
use crate::profile::Profile;
use crate::syscalls;

use super::cube::Cube;
use super::rules::{DEFAULT, Rule, rules};
use super::{Divergence, ExportError, Exported};

/// The two dialects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Oci,
    Docker,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    default_action: &'static str,
    default_errno_ret: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    architectures: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arch_map: Vec<ArchEntry>,
    syscalls: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArchEntry {
    architecture: &'static str,
    sub_architectures: [&'static str; 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    names: Vec<&'static str>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Argument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    includes: Option<Includes>,
}

#[derive(Serialize)]
struct Includes {
    arches: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: usize,
    value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_two: Option<u64>,
    op: &'static str,
}

/// Calls that have the same rules, for the same reason, on the same architectures.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    rules: Vec<Rule>,
    arches: Vec<Arch>,
    comment: Option<String>,
}

/// A call's rules on each architecture that has it.
type Calls = BTreeMap<&'static str, Vec<(Arch, Vec<Rule>)>>;

pub(super) fn write(
    profile: &Profile,
    arches: &[Arch],
    form: Form,
) -> Result<Exported, ExportError> {
    let twice = |arch: &Arch| arches.iter().filter(|other| *other == arch).count() > 1;
    if arches.is_empty() || arches.iter().any(twice) {
        return Err(ExportError::Arches);
    }
    let mut divergences = vec![Divergence::ForeignArch, Divergence::UnknownNames];
    let calls = calls(profile, arches, &mut divergences)?;
    if !starts_programs(&calls) {
        divergences.push(Divergence::NoExec);
    }
    let groups = groups(profile, calls, form)?;
    let entries = groups.into_iter().flat_map(|(group, names)| {
        let Group {
            rules,
            arches,
            comment,
        } = group;
        let made = rules.into_iter().map(move |rule| {
            let comment = comment.clone();
            entry(&names, &rule, &arches, comment)
        });
        made.collect::<Vec<_>>()
    });
    let syscalls: Vec<Entry> = entries.collect();
    let names: Vec<&'static str> = arches.iter().map(|arch| scmp(*arch)).collect();
    let mapped = names.iter().map(|architecture| ArchEntry {
        architecture,
        sub_architectures: [],
    });
    let (default_action, errno) = action(DEFAULT);
    let policy = Policy {
        default_action,
        default_errno_ret: errno.unwrap_or_else(|| Errno::ENOSYS.number()),
        arch_map: match form {
            Form::Oci => Vec::new(),
            Form::Docker => mapped.collect(),
        },
        architectures: match form {
            Form::Oci => names,
            Form::Docker => Vec::new(),
        },
        syscalls,
    };
    Ok(Exported {
        text: pretty(&policy),
        divergences,
    })
}

fn pretty(policy: &Policy) -> String {
    #[expect(
        clippy::expect_used,
        reason = "the policy holds texts and numbers only, which JSON can always hold"
    )]
    let mut text = serde_json::to_string_pretty(policy).expect("texts and numbers are JSON");
    text.push('\n');
    text
}

fn calls(
    profile: &Profile,
    arches: &[Arch],
    divergences: &mut Vec<Divergence>,
) -> Result<Calls, ExportError> {
    let mut calls = Calls::new();
    for arch in arches {
        for call in syscalls::calls(*arch) {
            let rules = rules(profile, *arch, call, divergences)?;
            calls.entry(call.1).or_default().push((*arch, rules));
        }
    }
    divergences.dedup();
    Ok(calls)
}

fn starts_programs(calls: &Calls) -> bool {
    let on_each = calls.get("execve").into_iter().flatten();
    let mut permitting = on_each.map(|(_, rules)| rules.iter().any(|rule| rule.action.permits()));
    permitting.all(|permits| permits)
}

fn groups(
    profile: &Profile,
    calls: Calls,
    form: Form,
) -> Result<BTreeMap<Group, Vec<&'static str>>, ExportError> {
    let mut groups: BTreeMap<Group, Vec<&'static str>> = BTreeMap::new();
    for (call, on_each) in calls {
        let differs = on_each.windows(2).any(|pair| match pair {
            [(_, one), (_, other)] => one != other,
            _ => false,
        });
        if differs && form == Form::Oci {
            return Err(ExportError::Differs { call });
        }
        for (arch, rules) in on_each {
            let group = Group {
                rules,
                arches: if differs { vec![arch] } else { Vec::new() },
                comment: match form {
                    Form::Oci => None,
                    Form::Docker => Some(reason(profile, arch, call)),
                },
            };
            let names = groups.entry(group).or_default();
            if names.last() != Some(&call) {
                names.push(call);
            }
        }
    }
    Ok(groups)
}

/// The reason of the rule that names the call; of its allowance, if it has rules of both kinds.
fn reason(profile: &Profile, arch: Arch, call: &str) -> String {
    let total = profile.denials_on(arch, call).find(|rule| rule.is_total());
    let allowed = profile.allowance_on(arch, call).map(|rule| rule.why());
    match (total, allowed) {
        (Some(denial), _) => denial.why().to_owned(),
        (None, Some(why)) => why.to_owned(),
        (None, None) => "No rule of the profile names these calls.".to_owned(),
    }
}

fn entry(names: &[&'static str], rule: &Rule, arches: &[Arch], comment: Option<String>) -> Entry {
    let (action, errno_ret) = action(rule.action);
    Entry {
        names: names.to_vec(),
        action,
        errno_ret,
        args: rule
            .args
            .iter()
            .map(|(index, cube)| argument(*index, *cube))
            .collect(),
        comment,
        includes: (!arches.is_empty()).then(|| Includes {
            arches: arches.iter().map(|arch| docker(*arch)).collect(),
        }),
    }
}

const fn argument(index: usize, cube: Cube) -> Argument {
    if cube.mask == u64::MAX {
        return Argument {
            index,
            value: cube.value,
            value_two: None,
            op: "SCMP_CMP_EQ",
        };
    }
    Argument {
        index,
        value: cube.mask,
        value_two: Some(cube.value),
        op: "SCMP_CMP_MASKED_EQ",
    }
}

const fn action(action: Action) -> (&'static str, Option<u16>) {
    match action {
        Action::Allow => ("SCMP_ACT_ALLOW", None),
        Action::Log => ("SCMP_ACT_LOG", None),
        Action::Notify => ("SCMP_ACT_NOTIFY", None),
        Action::Errno(errno) => ("SCMP_ACT_ERRNO", Some(errno.number())),
        Action::Trap => ("SCMP_ACT_TRAP", None),
        Action::KillProcess => ("SCMP_ACT_KILL_PROCESS", None),
    }
}

const fn scmp(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "SCMP_ARCH_X86_64",
        Arch::Aarch64 => "SCMP_ARCH_AARCH64",
    }
}

const fn docker(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    }
}
