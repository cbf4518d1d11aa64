//! What a profile decides about one system call, straight from its rules.
//!
//! Not for: speed, nor BPF. The compiler's output is tested against this, so they share nothing.

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::{ARGUMENTS, Condition};
use crate::data::Data;
use crate::errno::Errno;
use crate::profile::{Allowance, Profile};
use crate::syscalls;

/// The action of `profile` on `arch` for a call.
///
/// Another architecture, or the bit of a second ABI, is fatal. A number that no known kernel
/// assigns gets ENOSYS, so that libraries fall back. Then the denials in the file's order, then
/// the allowance. What no rule names gets EPERM.
#[must_use]
pub fn verdict(profile: &Profile, arch: Arch, call: &Data) -> Action {
    let second_abi = arch.foreign_abi_bit().unwrap_or(0);
    if call.arch != arch.audit() || call.number & second_abi != 0 {
        return Action::KillProcess;
    }
    match syscalls::name(arch, call.number) {
        Some(name) => judge(profile, name, &call.arguments),
        None => Action::Errno(Errno::ENOSYS),
    }
}

fn judge(profile: &Profile, name: &str, arguments: &[u64; ARGUMENTS]) -> Action {
    let denial = profile
        .denials_of(name)
        .find(|denial| denial.is_total() || any_holds(denial.when(), arguments));
    if let Some(denial) = denial {
        return denial.action();
    }
    profile
        .allowance_of(name)
        .map_or(Action::Errno(Errno::EPERM), |allowance| {
            admit(allowance, arguments)
        })
}

fn admit(allowance: &Allowance, arguments: &[u64; ARGUMENTS]) -> Action {
    match allowance.guard() {
        Some(guard) if !any_holds(guard.alternatives(), arguments) => {
            Action::Errno(guard.otherwise())
        }
        _ => Action::Allow,
    }
}

fn any_holds(alternatives: &[Vec<Condition>], arguments: &[u64; ARGUMENTS]) -> bool {
    alternatives
        .iter()
        .any(|all| all.iter().all(|condition| condition.holds(arguments)))
}
