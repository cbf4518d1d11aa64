//! Rules that work on one architecture only.
//!
//! Not for: calls that exist everywhere and are treated alike.

use crate::arch::Arch;
use crate::profile::{Mention, NOT_KEPT, Profile};
use crate::syscalls;

use super::{Check, Clause, Finding, Severity, clauses};

/// Calls that only `x86_64` has, and those by which libraries do the same elsewhere.
const COUNTERPARTS: &[(&str, &[&str])] = &[
    ("access", &["faccessat", "faccessat2"]),
    ("alarm", &["setitimer"]),
    ("chmod", &["fchmodat", "fchmodat2"]),
    ("chown", &["fchownat"]),
    ("creat", &["openat"]),
    ("dup2", &["dup3"]),
    ("epoll_create", &["epoll_create1"]),
    ("epoll_wait", &["epoll_pwait", "epoll_pwait2"]),
    ("eventfd", &["eventfd2"]),
    ("fork", &["clone", "clone3"]),
    ("futimesat", &["utimensat"]),
    ("getdents", &["getdents64"]),
    ("getpgrp", &["getpgid"]),
    ("inotify_init", &["inotify_init1"]),
    ("lchown", &["fchownat"]),
    ("link", &["linkat"]),
    ("lstat", &["newfstatat", "statx"]),
    ("mkdir", &["mkdirat"]),
    ("mknod", &["mknodat"]),
    ("open", &["openat"]),
    ("pause", &["ppoll"]),
    ("pipe", &["pipe2"]),
    ("poll", &["ppoll"]),
    ("readlink", &["readlinkat"]),
    ("rename", &["renameat", "renameat2"]),
    ("rmdir", &["unlinkat"]),
    ("select", &["pselect6"]),
    ("signalfd", &["signalfd4"]),
    ("stat", &["newfstatat", "statx"]),
    ("symlink", &["symlinkat"]),
    ("time", &["clock_gettime", "gettimeofday"]),
    ("unlink", &["unlinkat"]),
    ("utime", &["utimensat"]),
    ("utimes", &["utimensat"]),
    ("vfork", &["clone", "clone3"]),
];

pub(super) fn check(profile: &Profile) -> Vec<Finding> {
    clauses(profile)
        .flat_map(|clause| clause.calls.iter().map(move |mention| (clause, *mention)))
        .filter_map(|(clause, mention)| {
            alone(profile, &clause, mention).or_else(|| partial(profile, &clause, mention))
        })
        .collect()
}

/// A call that one architecture has, let through without what does its job elsewhere.
fn alone(profile: &Profile, clause: &Clause<'_>, mention: Mention) -> Option<Finding> {
    let (_, counterparts) = COUNTERPARTS
        .iter()
        .find(|(call, _)| *call == mention.name)?;
    let allowed = |call: &&str| profile.allowance_on(Arch::Aarch64, call).is_some();
    // What `keep` leaves out was not seen where the profile was made: on one architecture.
    let left_out = |call: &&str| {
        let mut denials = profile.denials_on(Arch::Aarch64, call);
        denials.any(|denial| denial.why() == NOT_KEPT)
    };
    if clause.denies
        || counterparts
            .iter()
            .any(|call| allowed(call) || left_out(call))
    {
        return None;
    }
    let text = format!(
        "{} exists on x86_64 only, and {}, which stands for it on aarch64, is not allowed: programs will run on the one and fail on the other",
        mention.name,
        counterparts.join(" or ")
    );
    Some(clause.finding(mention.line, Severity::Warning, Check::Architecture, text))
}

/// A rule for one architecture, about a call that another has too and no rule names there.
fn partial(profile: &Profile, clause: &Clause<'_>, mention: Mention) -> Option<Finding> {
    let call = mention.name;
    let named = |arch: Arch| {
        profile.allowance_on(arch, call).is_some()
            || profile.denials_on(arch, call).next().is_some()
    };
    let missing = Arch::ALL.into_iter().find(|arch| {
        !clause.arches.contains(arch) && syscalls::number(*arch, call).is_some() && !named(*arch)
    })?;
    let text = format!("{call} exists on {missing} too, where no rule names it");
    Some(clause.finding(mention.line, Severity::Warning, Check::Architecture, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of one architecture's hardware or past, which have no counterpart.
    const LONELY: [&str; 23] = [
        "_sysctl",
        "afs_syscall",
        "arch_prctl",
        "create_module",
        "epoll_ctl_old",
        "epoll_wait_old",
        "get_kernel_syms",
        "get_thread_area",
        "getpmsg",
        "ioperm",
        "iopl",
        "modify_ldt",
        "putpmsg",
        "query_module",
        "security",
        "set_thread_area",
        "sysfs",
        "tuxcall",
        "uprobe",
        "uretprobe",
        "uselib",
        "ustat",
        "vserver",
    ];

    #[test]
    fn every_call_of_one_architecture_has_a_counterpart_or_is_known_to_have_none() {
        for (_, call) in Arch::ALL.into_iter().flat_map(syscalls::calls) {
            let everywhere = Arch::ALL
                .iter()
                .all(|arch| syscalls::number(*arch, call).is_some());
            let listed = COUNTERPARTS.iter().any(|(known, _)| *known == call);
            assert_eq!(!everywhere, listed || LONELY.contains(&call), "{call}");
        }
        for counterpart in COUNTERPARTS.iter().flat_map(|(_, all)| *all) {
            assert!(
                syscalls::number(Arch::Aarch64, counterpart).is_some(),
                "{counterpart}"
            );
        }
    }
}
