//! Descriptor numbers that programs compare with, so that both sides agree on them.
//!
//! Not for: opening or passing descriptors.

/// The socket over which a recording jail hands over its listener. `sendmsg` on this number does
/// not wait for the listener, which at that moment nobody holds yet.
pub const RECORD_DESCRIPTOR: u32 = 1000;

/// The descriptor from which PID 1 of a jail starts the command when the profile forbids every
/// other exec.
///
/// It is close-on-exec, and lies above the hard limit of open files that programs of the jail have:
/// after the start no program can ever make this number again.
///
/// Low enough for a daemon that may not raise its own hard limit (containers give 20,000 and more),
/// high enough for every shipped profile.
pub const EXEC_DESCRIPTOR: u32 = 16_384;
