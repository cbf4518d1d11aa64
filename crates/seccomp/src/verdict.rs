//! What a profile decides about one system call, straight from its rules.
//!
//! Not for: speed, nor BPF. The compiler's output is tested against this, so they share nothing.

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::{ARGUMENTS, Condition};
use crate::data::Data;
use crate::descriptor::RECORD_DESCRIPTOR;
use crate::errno::Errno;
use crate::profile::{Allowance, Denial, Profile};
use crate::purpose::Purpose;
use crate::syscalls;

/// What the rules say of a call, before the program's purpose comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ruling {
    action: Action,
    quiet: bool,
}

/// The action of `profile` on `arch` for a call.
///
/// Another architecture, or the bit of a second ABI, is fatal. A number that no known kernel
/// assigns gets ENOSYS, so that libraries fall back. Then the denials in the file's order, then
/// the allowance. What no rule names gets EPERM.
#[must_use]
pub fn verdict(profile: &Profile, arch: Arch, call: &Data) -> Action {
    verdict_for(profile, arch, call, Purpose::Enforce)
}

/// The action that a program for `purpose` takes, as [`Purpose`] describes it.
#[must_use]
pub fn verdict_for(profile: &Profile, arch: Arch, call: &Data, purpose: Purpose) -> Action {
    let second_abi = arch.foreign_abi_bit().unwrap_or(0);
    if call.arch != arch.audit() || call.number & second_abi != 0 {
        return match purpose {
            Purpose::Report => Action::Notify,
            Purpose::Enforce | Purpose::Record => Action::KillProcess,
        };
    }
    let Some(name) = syscalls::name(arch, call.number) else {
        return match purpose {
            Purpose::Enforce | Purpose::Report => Action::Errno(Errno::ENOSYS),
            Purpose::Record => Action::Allow,
        };
    };
    let ruling = judge(profile, arch, name, &call.arguments);
    match purpose {
        Purpose::Enforce => ruling.action,
        Purpose::Report => reported(ruling),
        Purpose::Record if ruling.action.permits() && !hands_over(name, call) => Action::Notify,
        Purpose::Record => Action::Allow,
    }
}

const fn reported(ruling: Ruling) -> Action {
    match ruling {
        Ruling {
            action: Action::Errno(_),
            quiet: false,
        }
        | Ruling {
            action: Action::KillProcess,
            ..
        } => Action::Notify,
        Ruling { action, .. } => action,
    }
}

fn hands_over(name: &str, call: &Data) -> bool {
    let [first, ..] = call.arguments;
    name == "sendmsg" && first & 0xFFFF_FFFF == u64::from(RECORD_DESCRIPTOR)
}

fn judge(profile: &Profile, arch: Arch, name: &str, arguments: &[u64; ARGUMENTS]) -> Ruling {
    let applies = |denial: &&Denial| denial.is_total() || any_holds(denial.when(), arguments);
    if let Some(denial) = profile.denials_on(arch, name).find(applies) {
        return Ruling {
            action: denial.action(),
            quiet: denial.is_quiet(),
        };
    }
    match profile.allowance_on(arch, name) {
        Some(allowance) => admit(allowance, arguments),
        None => Ruling {
            action: Action::Errno(Errno::EPERM),
            quiet: false,
        },
    }
}

fn admit(allowance: &Allowance, arguments: &[u64; ARGUMENTS]) -> Ruling {
    let action = match allowance.guard() {
        Some(guard) if !any_holds(guard.alternatives(), arguments) => {
            Action::Errno(guard.otherwise())
        }
        _ if allowance.is_logged() => Action::Log,
        _ => Action::Allow,
    };
    Ruling {
        action,
        quiet: allowance.is_quiet(),
    }
}

fn any_holds(alternatives: &[Vec<Condition>], arguments: &[u64; ARGUMENTS]) -> bool {
    alternatives
        .iter()
        .any(|all| all.iter().all(|condition| condition.holds(arguments)))
}
