//! Requests of `ioctl` that profiles and their readers meet, by name and number.
//!
//! Not for: every request of every driver. A number that is not here has no name.

/// The same on both architectures (asm-generic/ioctls.h, linux/fs.h).
const REQUESTS: &[(&str, u64)] = &[
    // Terminals and descriptors.
    ("TCGETS", 0x5401),
    ("TCSETS", 0x5402),
    ("TCSETSW", 0x5403),
    ("TCSETSF", 0x5404),
    ("TIOCSCTTY", 0x540E),
    ("TIOCGPGRP", 0x540F),
    ("TIOCSPGRP", 0x5410),
    ("TIOCSTI", 0x5412),
    ("TIOCGWINSZ", 0x5413),
    ("TIOCSWINSZ", 0x5414),
    ("TIOCLINUX", 0x541C),
    ("FIONREAD", 0x541B),
    ("FIONBIO", 0x5421),
    ("TIOCSETD", 0x5423),
    ("FIONCLEX", 0x5450),
    ("FIOCLEX", 0x5451),
    ("TIOCSPTLCK", 0x4004_5431),
    ("TIOCGPTPEER", 0x5441),
    // Inode flags and project ids (linux/fs.h).
    ("FS_IOC_GETFLAGS", 0x8008_6601),
    ("FS_IOC_SETFLAGS", 0x4008_6602),
    ("FS_IOC32_SETFLAGS", 0x4004_6602),
    ("FS_IOC_FSGETXATTR", 0x801C_581F),
    ("FS_IOC_FSSETXATTR", 0x401C_5820),
];

/// The request's number.
pub(crate) fn number(name: &str) -> Option<u64> {
    let found = REQUESTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, number)| *number)
}

/// The request's name, of the 32 bits that the kernel reads.
#[must_use]
pub fn name(request: u64) -> Option<&'static str> {
    let found = REQUESTS
        .iter()
        .find(|(_, known)| *known == request & 0xFFFF_FFFF);
    found.map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_each_other_and_only_32_bits_count() {
        for (text, request) in REQUESTS {
            assert_eq!(
                (name(*request), number(text)),
                (Some(*text), Some(*request))
            );
        }
        assert_eq!(name(0x5412 | 7 << 32), Some("TIOCSTI"));
        assert_eq!((name(0x5411), number("TIOCOUTQ")), (None, None));
    }
}
