//! What the kernel reads of each argument register: names, widths and pointers.
//!
//! Not for: what a profile compares; `lint` holds the two against each other.

mod table;

use table::TABLE;

/// How the kernel's code for a call takes a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The low 32 bits, as for `int`, `unsigned int` and ids.
    Word,
    /// The low 16 bits (`umode_t`): file type and permission bits, said in octal.
    Mode,
    /// All 64 bits, as for `unsigned long` and `size_t`.
    Long,
    /// All 64 bits, as an address; what lies there is never seen by a filter.
    Pointer,
}

/// One parameter of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// The kernel's name of it.
    pub name: &'static str,
    /// What of the register counts.
    pub kind: Kind,
}

impl Kind {
    /// The bits of the register that the kernel looks at.
    #[must_use]
    pub const fn bits(self) -> u64 {
        match self {
            Self::Word => 0xFFFF_FFFF,
            Self::Mode => 0xFFFF,
            Self::Long | Self::Pointer => u64::MAX,
        }
    }
}

/// The parameters of a call in order; `None` when the table does not know the call.
#[must_use]
pub fn parameters(call: &str) -> Option<Vec<Parameter>> {
    let at = TABLE.binary_search_by_key(&call, |(name, _)| *name).ok()?;
    let (_, text) = TABLE.get(at)?;
    text.split_whitespace().map(parameter_of).collect()
}

/// One parameter of a call; `None` when the call does not read the register, or is not known.
#[must_use]
pub fn parameter(call: &str, index: usize) -> Option<Parameter> {
    parameters(call)?.get(index).copied()
}

fn parameter_of(text: &'static str) -> Option<Parameter> {
    let (name, kind) = text.split_once(':')?;
    let kind = match kind {
        "i" => Kind::Word,
        "m" => Kind::Mode,
        "l" => Kind::Long,
        "p" => Kind::Pointer,
        _ => return None,
    };
    Some(Parameter { name, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::condition::ARGUMENTS;
    use crate::syscalls;

    /// Numbers that no 64-bit kernel ever implemented, or that lost their code long ago.
    const EMPTY: [&str; 11] = [
        "afs_syscall",
        "epoll_ctl_old",
        "epoll_wait_old",
        "get_kernel_syms",
        "getpmsg",
        "nfsservctl",
        "putpmsg",
        "query_module",
        "security",
        "tuxcall",
        "vserver",
    ];

    #[test]
    fn every_implemented_call_has_parameters_that_can_be_read_and_no_other_has() {
        assert!(TABLE.is_sorted_by(|one, next| one.0 < next.0));
        for (name, _) in TABLE {
            assert!(syscalls::canonical(name).is_some(), "{name}");
            let parameters = parameters(name).unwrap_or_else(|| panic!("{name}"));
            assert!(parameters.len() <= ARGUMENTS, "{name}");
        }
        for (_, name) in Arch::ALL.into_iter().flat_map(syscalls::calls) {
            assert_eq!(parameters(name).is_none(), EMPTY.contains(&name), "{name}");
        }
    }

    #[test]
    fn knows_what_the_kernel_reads_of_landmarks() {
        for (call, index, name, kind) in [
            ("socket", 0, "family", Kind::Word),
            ("ioctl", 1, "cmd", Kind::Word),
            ("ioctl", 2, "arg", Kind::Long),
            ("openat", 1, "filename", Kind::Pointer),
            ("openat", 3, "mode", Kind::Mode),
            ("clone", 0, "flags", Kind::Word),
            ("unshare", 0, "unshare_flags", Kind::Long),
            ("prctl", 1, "arg2", Kind::Long),
        ] {
            assert_eq!(parameter(call, index), Some(Parameter { name, kind }));
        }
        assert_eq!(parameter("socket", 3), None);
        assert_eq!(parameter("nonsense", 0), None);
    }
}
