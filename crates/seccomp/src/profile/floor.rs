//! What PID 1 of a jail asks of the kernel after its program is installed: no profile for jails may
//! refuse it.
//!
//! Not for: what commands need, nor for the steps that come before the program.

use crate::arch::Arch;
use crate::condition::ARGUMENTS;
use crate::data::Data;
use crate::descriptor::{EXEC_DESCRIPTOR, EXEC_PATH};
use crate::syscalls;
use crate::verdict::verdict;

use super::Profile;

/// A call that PID 1 makes, with the arguments that it makes it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Name of the call. Architectures without it do without.
    pub call: &'static str,
    /// The arguments that filters may look at; pointers and descriptors are 0.
    pub arguments: [u64; ARGUMENTS],
}

/// A profile that PID 1 of a jail could not work under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: profile {profile} refuses calls that PID 1 of a jail needs: {missing}")]
pub struct FloorError {
    /// The file as the caller named it.
    pub file: String,
    /// Name of the profile.
    pub profile: String,
    /// The calls, with commas.
    pub missing: String,
}

/// What PID 1 calls once its program is installed, and what its forks call up to the exec.
///
/// Traced on jails that ran a program by path and by descriptor, with a terminal and without, failed
/// to start one in several ways, answered refused calls and came to the end of their time. Added are
/// calls that no trace happened to show: the allocator's, and those that the kernel makes by itself.
pub const FLOOR: &[Need] = &[
    // The allocator, and what the kernel calls on return from a signal or a stop.
    need("brk", []),
    need("mmap", [0, 0, 3, 0x22]),
    need("munmap", []),
    need("mremap", []),
    need("mprotect", [0, 0, 3]),
    need("madvise", [0, 0, 4]),
    need("rt_sigreturn", []),
    need("restart_syscall", []),
    need("exit_group", []),
    // Waiting, and talking to the warden.
    need("signalfd4", []),
    need("poll", []),
    need("ppoll", []),
    need("read", []),
    need("write", []),
    need("recvfrom", [0, 0, 0, 0x22]),
    need("recvmsg", [0, 0, 0x4000_0000]),
    need("sendmsg", [0, 0, 0x4000]),
    need("sendmsg", [0, 0, 0x4040]),
    need("clock_gettime", [1]),
    // Answers to refused calls: SECCOMP_IOCTL_NOTIF_RECV, _SEND and _ID_VALID.
    need("ioctl", [0, 0xC050_2100]),
    need("ioctl", [0, 0xC018_2101]),
    need("ioctl", [0, 0x4008_2102]),
    // The end of a process that made a fatal call; its number is read from /proc.
    need("pidfd_open", []),
    need("pidfd_send_signal", []),
    // Terminals: TIOCSPTLCK, TIOCGPTPEER, TIOCSWINSZ, TIOCSCTTY.
    need("openat", [0, 0, 0o200_0402]),
    need("ioctl", [0, 0x4004_5431]),
    need("ioctl", [0, 0x5441]),
    need("ioctl", [0, 0x5414]),
    need("ioctl", [0, 0x540E]),
    need("setfsuid", []),
    need("geteuid", []),
    // A new process: CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID and SIGCHLD, as fork makes it.
    need("pipe2", [0, 0o200_0000]),
    need("clone", [0x0120_0011]),
    need("set_robust_list", []),
    need("wait4", [0xFFFF_FFFF, 0, 1]),
    need("kill", []),
    // The process becomes the agent.
    need("setsid", []),
    need("setresgid", []),
    need("setresuid", []),
    need("capget", []),
    need("capset", []),
    need("prctl", [1, 9]),  // PR_SET_PDEATHSIG, SIGKILL
    need("prctl", [4, 0]),  // PR_SET_DUMPABLE
    need("prctl", [39, 0]), // PR_GET_NO_NEW_PRIVS
    need("prlimit64", []),
    need("rt_sigaction", []),
    need("rt_sigprocmask", []),
    need("umask", [0o22]),
    need("fcntl", [0, 1]),
    need("fcntl", [0, 2, 1]),
    need("fcntl", [0, 1030]), // F_DUPFD_CLOEXEC
    need("dup2", []),
    need("dup3", []),
    need("close", []),
    need("close_range", [4, 0x7FFF_FFFF]),
    need("chdir", []),
    need("getcwd", []),
    // Finding the program, and saying why it did not start.
    need("openat", [0, 0, 0o200_0000]),
    need("openat", [0, 0, 0o1200_0000]),
    need("statx", []),
    need("statfs", []),
    need("lseek", []),
];

/// The two ways of starting a program: a profile permits one at least.
const START: [Need; 2] = [
    need("execve", []),
    need(
        "execveat",
        [EXEC_DESCRIPTOR as u64, EXEC_PATH, 0, 0, 0x1000], // AT_EMPTY_PATH
    ),
];

impl Profile {
    /// Whether PID 1 of a jail can do its work under this profile, on every architecture.
    ///
    /// # Errors
    ///
    /// With the calls that the profile refuses.
    pub fn check_floor(&self) -> Result<(), FloorError> {
        let mut missing: Vec<String> = Vec::new();
        for arch in Arch::ALL {
            let refused = FLOOR.iter().filter(|need| !self.grants(arch, need));
            missing.extend(refused.map(|need| need.shown(arch)));
            if !START.iter().any(|need| self.grants(arch, need)) {
                missing.push(format!(
                    "execve, or execveat from descriptor {EXEC_DESCRIPTOR} with the path at {EXEC_PATH} and \
                     AT_EMPTY_PATH, on {arch}"
                ));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(FloorError {
            file: self
                .lineage()
                .first()
                .map_or_else(String::new, |own| own.file.clone()),
            profile: self.name().to_string(),
            missing: missing.join(", "),
        })
    }

    fn grants(&self, arch: Arch, need: &Need) -> bool {
        syscalls::number(arch, need.call).is_none_or(|number| {
            let call = Data::new(arch, number, need.arguments);
            verdict(self, arch, &call).permits()
        })
    }
}

impl Need {
    fn shown(&self, arch: Arch) -> String {
        let given = self.arguments.iter().rposition(|argument| *argument != 0);
        let given = self.arguments.iter().take(given.map_or(0, |last| last + 1));
        let given: Vec<String> = given.map(|argument| format!("{argument:#x}")).collect();
        format!("{}({}) on {arch}", self.call, given.join(", "))
    }
}

const fn need<const GIVEN: usize>(call: &'static str, given: [u64; GIVEN]) -> Need {
    let mut arguments = [0; ARGUMENTS];
    let (start, _rest) = arguments.split_at_mut(GIVEN);
    start.copy_from_slice(&given);
    Need { call, arguments }
}

#[cfg(test)]
mod tests;
