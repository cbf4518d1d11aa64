//! Conditions that look at other bits of a register than the kernel does.
//!
//! A filter sees 64 bits of every argument. Where the kernel reads 32, a comparison of 64 is
//! passed by with a bit in the upper half (CVE-2019-7303, CVE-2019-10063), and the other way
//! round a comparison of 32 takes different values for the same.
//!
//! Not for: what the values mean.

use crate::condition::{Condition, Test, Width};
use crate::profile::{Mention, Profile};
use crate::prose;
use crate::signature::{Kind, parameters};

use super::{Check, Clause, Finding, Severity, own};

/// Behind the smallest page that there is.
const FIRST_PAGE_END: u64 = 0x1000;

pub(super) fn check(profile: &Profile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for clause in own(profile) {
        for mention in clause.calls {
            let conditions = clause.alternatives.iter().flatten();
            findings.extend(conditions.filter_map(|one| about(&clause, *mention, one)));
        }
    }
    findings
}

fn about(clause: &Clause<'_>, mention: Mention, condition: &Condition) -> Option<Finding> {
    let parameters = parameters(mention.name)?;
    let told = prose::condition(mention.name, condition);
    let finding = |severity, check, text: String| {
        let text = format!("{}: {told}: {text}", mention.name);
        Some(clause.finding(mention.line, severity, check, text))
    };
    let Some(parameter) = parameters.get(condition.argument()) else {
        let text = format!(
            "the call reads {} arguments only, so the caller chooses what this sees",
            parameters.len()
        );
        return finding(Severity::Error, Check::Pointer, text);
    };
    if parameter.kind == Kind::Pointer && !is_of_first_page(condition) {
        let text = "an address says nothing of what lies there, and that may change".to_owned();
        return finding(Severity::Warning, Check::Pointer, text);
    }
    let (severity, text) = mismatch(clause.denies, parameter.kind, condition)?;
    finding(severity, Check::Width, text)
}

/// Whether a condition only asks if a pointer was given, or leads to where no program can put
/// anything (`mmap(2)`, `vm.mmap_min_addr`), as [`crate::EXEC_PATH`] does.
fn is_of_first_page(condition: &Condition) -> bool {
    let whole = condition.width() == Width::Full64 && condition.mask() == u64::MAX;
    let first = match condition.test() {
        Test::In(set) | Test::NotIn(set) => set.iter().all(|address| *address < FIRST_PAGE_END),
        _ => false,
    };
    whole && first
}

fn mismatch(denies: bool, kind: Kind, condition: &Condition) -> Option<(Severity, String)> {
    let selects = matches!(condition.test(), Test::In(_) | Test::Between(..));
    let beyond = condition.mask() & !kind.bits();
    let read = kind.bits().count_ones();
    if beyond != 0 {
        // A bit that the kernel ignores makes a value leave the set.
        return Some(if selects == denies {
            let text = format!(
                "the kernel reads {read} bits only, so a bit of {beyond:#x} passes this rule by; compare {read} bits"
            );
            (Severity::Error, text)
        } else {
            let text = format!(
                "the kernel reads {read} bits only, so this refuses calls for bits of {beyond:#x} that mean nothing"
            );
            (Severity::Note, text)
        });
    }
    // A mask that leaves bits out was written by someone who chose the bits.
    let chosen = condition.mask() != condition.width().ones();
    if chosen || read <= condition.width().bits() {
        return None;
    }
    Some(if selects == denies {
        let text =
            "the kernel reads 64 bits, so this refuses values whose lower half alone looks alike"
                .to_owned();
        (Severity::Note, text)
    } else {
        let text = "the kernel reads 64 bits, so values with bits in the upper half pass this rule by; use width = 64".to_owned();
        (Severity::Error, text)
    })
}
