//! Names and numbers of system calls per architecture.
//!
//! Not for: judging calls.

mod aarch64;
mod x86_64;

use crate::arch::Arch;

/// The call's number; `None` when the architecture has no such call.
#[must_use]
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    calls(arch)
        .find(|(_, known)| *known == name)
        .map(|(number, _)| number)
}

/// The call's name; `None` for numbers that no known kernel assigns.
#[must_use]
pub fn name(arch: Arch, number: u32) -> Option<&'static str> {
    let table = table(arch);
    let at = table.binary_search_by_key(&number, |(known, _)| *known);
    at.ok().and_then(|at| table.get(at)).map(|(_, name)| *name)
}

/// The name as the tables hold it, if any architecture has the call.
#[must_use]
pub fn canonical(name: &str) -> Option<&'static str> {
    Arch::ALL
        .into_iter()
        .flat_map(calls)
        .map(|(_, known)| known)
        .find(|known| *known == name)
}

/// The highest number that the table assigns.
#[must_use]
pub fn newest(arch: Arch) -> u32 {
    table(arch).last().map_or(0, |(number, _)| *number)
}

/// All calls of an architecture as (number, name), ascending.
pub fn calls(arch: Arch) -> impl Iterator<Item = (u32, &'static str)> {
    table(arch).iter().copied()
}

const fn table(arch: Arch) -> &'static [(u32, &'static str)] {
    match arch {
        Arch::X86_64 => x86_64::TABLE,
        Arch::Aarch64 => aarch64::TABLE,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tables_ascend_and_no_name_or_number_comes_twice() {
        for arch in Arch::ALL {
            assert!(table(arch).is_sorted_by(|a, b| a.0 < b.0), "{arch}");
            let names: BTreeSet<_> = calls(arch).map(|(_, name)| name).collect();
            assert_eq!(names.len(), table(arch).len(), "{arch}");
        }
    }

    #[test]
    fn knows_landmarks_of_both_tables() {
        for (name, x86, arm) in [
            ("read", Some(0), Some(63)),
            ("open", Some(2), None),
            ("openat", Some(257), Some(56)),
            ("clone", Some(56), Some(220)),
            ("socket", Some(41), Some(198)),
            ("fchmodat2", Some(452), Some(452)),
            ("open_tree_attr", Some(467), Some(467)),
            ("rseq_slice_yield", Some(471), Some(471)),
        ] {
            assert_eq!(number(Arch::X86_64, name), x86, "{name}");
            assert_eq!(number(Arch::Aarch64, name), arm, "{name}");
        }
    }
}
