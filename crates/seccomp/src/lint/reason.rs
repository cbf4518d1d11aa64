//! Reasons that say nothing, and calls with a history that need one.
//!
//! Not for: whether a reason is right.

use crate::arch::Arch;
use crate::profile::{Profile, UNREASONED};

use super::{Check, Clause, Finding, Severity, own};

/// Fewest words of a reason: below that it can't say both what for and why it is harmless.
const WORDS_MIN: usize = 4;

/// Calls that exploits use time and again, by what they open up.
const DANGEROUS: &[(&str, &[&str])] = &[
    (
        "programmable kernel code, counters and stalled page faults",
        &["bpf", "perf_event_open", "userfaultfd"],
    ),
    (
        "operations that pass by the filter",
        &["io_uring_setup", "io_uring_enter", "io_uring_register"],
    ),
    (
        "other processes' memory and descriptors",
        &[
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "process_madvise",
            "pidfd_getfd",
            "kcmp",
        ],
    ),
    ("namespaces", &["unshare", "setns", "clone3"]),
    (
        "mounts",
        &[
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "fsopen",
            "fsconfig",
            "fsmount",
            "fspick",
            "open_tree",
            "open_tree_attr",
            "move_mount",
            "mount_setattr",
        ],
    ),
    (
        "keyrings, which no namespace holds",
        &["keyctl", "add_key", "request_key"],
    ),
    (
        "files by handle, past every path check",
        &["open_by_handle_at", "fanotify_init", "fanotify_mark"],
    ),
    (
        "code of the kernel itself",
        &[
            "kexec_load",
            "kexec_file_load",
            "init_module",
            "finit_module",
            "delete_module",
        ],
    ),
    (
        "the host's power, ports, clock, swap and log",
        &[
            "reboot",
            "iopl",
            "ioperm",
            "settimeofday",
            "clock_settime",
            "swapon",
            "swapoff",
            "syslog",
            "acct",
        ],
    ),
    ("pages moved into pipes", &["splice", "tee", "vmsplice"]),
    ("segments of the processor's old modes", &["modify_ldt"]),
];

pub(super) fn check(profile: &Profile) -> Vec<Finding> {
    let first = own(profile).next();
    let short = own(profile).filter_map(|clause| short(&clause));
    let areas = DANGEROUS.iter().flat_map(|(area, calls)| {
        let open = allowed(profile, area, calls);
        open.into_iter()
            .chain(first.and_then(|clause| silent(profile, &clause, area, calls)))
    });
    short.chain(areas).collect()
}

fn short(clause: &Clause<'_>) -> Option<Finding> {
    if clause.why == UNREASONED {
        let text =
            "drop gives no reason here: write drop = [{ why = \"...\", calls = [...] }]".to_owned();
        return Some(clause.finding(clause.line(), Severity::Warning, Check::Reason, text));
    }
    let names: Vec<&str> = clause.calls.iter().map(|mention| mention.name).collect();
    let words = clause.why.split_whitespace().filter(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        !word.is_empty() && !names.contains(&word)
    });
    let count = words.count();
    let text = format!(
        "the reason {:?} has {count} words beside the calls' names: say what needs them and why that is safe",
        clause.why
    );
    (count < WORDS_MIN)
        .then(|| clause.finding(clause.line(), Severity::Warning, Check::Reason, text))
}

/// Dangerous calls that a rule lets through.
fn allowed(profile: &Profile, area: &str, calls: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for clause in own(profile).filter(|clause| !clause.denies) {
        for mention in clause
            .calls
            .iter()
            .filter(|mention| calls.contains(&mention.name))
        {
            let text = format!("{} is let through, which opens {area}", mention.name);
            findings.push(clause.finding(mention.line, Severity::Note, Check::Dangerous, text));
        }
    }
    findings
}

/// Dangerous calls that are refused because no rule names them: nobody learns why.
fn silent(profile: &Profile, first: &Clause<'_>, area: &str, calls: &[&str]) -> Option<Finding> {
    let named = |call: &str| {
        Arch::ALL.iter().any(|arch| {
            profile.allowance_on(*arch, call).is_some()
                || profile.denials_on(*arch, call).next().is_some()
        })
    };
    let silent: Vec<&str> = calls.iter().copied().filter(|call| !named(call)).collect();
    let text = format!(
        "no rule names {}: they are refused, but without a reason ({area})",
        silent.join(", ")
    );
    (!silent.is_empty()).then(|| first.finding(1, Severity::Note, Check::Dangerous, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls;

    #[test]
    fn the_table_of_dangerous_calls_names_real_ones() {
        for call in DANGEROUS.iter().flat_map(|(_, calls)| *calls) {
            assert!(syscalls::canonical(call).is_some(), "{call}");
        }
    }
}
