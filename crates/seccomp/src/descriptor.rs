//! Descriptor numbers, and an address, that programs compare with, so that both sides agree on them.
//!
//! Not for: opening or passing descriptors, nor for mapping memory.

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

/// The address of the empty path with which that start is made.
///
/// The descriptor alone says nothing: `execveat` with a path that begins with `/` ignores it
/// (`open(2)` on absolute paths), and what a path says no filter sees. So the filter asks for an
/// address at which nothing but an empty path can be. It lies in the first page of memory, which
/// PID 1 maps, full of zeros, while it is root: below `vm.mmap_min_addr` nobody else can
/// (`mmap(2)`, `CAP_SYS_RAWIO`), and exec takes it away.
pub const EXEC_PATH: u64 = 1;
