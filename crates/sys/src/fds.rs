//! Descriptors: flags, exact numbers, sweeps, anonymous files.
//!
//! Not for: passing them between processes (`seqpacket`).

use std::ffi::CStr;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::error::{Context, SysError};

/// Switches a descriptor between blocking and non-blocking operation.
///
/// # Errors
/// `fcntl`'s.
pub fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> Result<(), SysError> {
    let bits = fcntl(fd, FcntlArg::F_GETFL).call_on("fcntl", "F_GETFL")?;
    let mut flags = OFlag::from_bits_retain(bits);
    flags.set(OFlag::O_NONBLOCK, nonblocking);
    fcntl(fd, FcntlArg::F_SETFL(flags)).call_on("fcntl", "F_SETFL")?;
    Ok(())
}

/// Sets or clears close-on-exec.
///
/// # Errors
/// `fcntl`'s.
pub fn set_cloexec(fd: BorrowedFd<'_>, cloexec: bool) -> Result<(), SysError> {
    let flag = if cloexec {
        FdFlag::FD_CLOEXEC
    } else {
        FdFlag::empty()
    };
    fcntl(fd, FcntlArg::F_SETFD(flag)).call_on("fcntl", "F_SETFD")?;
    Ok(())
}

/// Whether a descriptor was opened with `O_PATH`, that is, without read permission on its object.
///
/// # Errors
/// `fcntl`'s.
pub fn is_path_only(fd: BorrowedFd<'_>) -> Result<bool, SysError> {
    let bits = fcntl(fd, FcntlArg::F_GETFL).call_on("fcntl", "F_GETFL")?;
    Ok(OFlag::from_bits_retain(bits).contains(OFlag::O_PATH))
}

/// Duplicates a descriptor, close-on-exec, at `least` or above.
///
/// # Errors
/// `fcntl`'s, for example `EMFILE`.
pub fn duplicate_above(fd: BorrowedFd<'_>, least: RawFd) -> Result<OwnedFd, SysError> {
    let raw = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(least)).call_on("fcntl", "F_DUPFD_CLOEXEC")?;
    Ok(own(raw))
}

/// An anonymous file in memory that holds `bytes`, positioned at its start.
///
/// # Errors
/// `memfd_create`'s and `write`'s.
pub fn memory_file(name: &CStr, bytes: &[u8]) -> Result<OwnedFd, SysError> {
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC).call("memfd_create")?;
    let mut file = File::from(fd);
    file.write_all(bytes).call_on("write", "memfd")?;
    file.seek(SeekFrom::Start(0)).call_on("lseek", "memfd")?;
    Ok(file.into())
}

/// Checks that a descriptor is an anonymous file in memory of at most `most` bytes: reading it can
/// neither block nor show what only its reader may see, as a pipe or a file of `/proc` would.
///
/// # Errors
/// `EINVAL` for any other file, `EFBIG` for a larger one.
pub fn require_small_memory_file(fd: BorrowedFd<'_>, most: usize) -> Result<(), SysError> {
    // Seals exist on memory files alone (memfd_create(2)); everything else answers EINVAL.
    fcntl(fd, FcntlArg::F_GET_SEALS).call_on("fcntl", "F_GET_SEALS")?;
    let found = nix::sys::stat::fstat(fd).call_on("fstat", "memory file")?;
    match usize::try_from(found.st_size) {
        Ok(size) if size <= most => Ok(()),
        _too_large => Err(SysError::new("fstat", "memory file", Errno::EFBIG)),
    }
}

/// Takes over a descriptor that this process inherited under a number known by agreement.
///
/// # Errors
/// `EBADF` when nothing is open there.
pub fn inherited(raw: RawFd) -> Result<OwnedFd, SysError> {
    #[expect(
        unsafe_code,
        reason = "an inherited descriptor is known by its number only"
    )]
    // SAFETY: the borrow lives for the next call alone, which answers EBADF if nothing is open.
    let fd = unsafe { BorrowedFd::borrow_raw(raw) };
    set_cloexec(fd, true).map_err(|error| SysError {
        object: format!("fd {raw}"),
        ..error
    })?;
    Ok(own(raw))
}

/// Really closes (not: marks close-on-exec) every descriptor from `first` up.
///
/// For a child between fork and exec only: values that own such descriptors must never be dropped
/// afterwards. A leaked directory descriptor is a breakout (CVE-2024-21626).
///
/// # Errors
/// `close_range`'s.
pub fn close_from(first: RawFd) -> Result<(), SysError> {
    close_between(first, RawFd::MAX)
}

/// Really closes every descriptor from `first` to `last`, both included.
///
/// # Errors
/// `close_range`'s.
pub fn close_between(first: RawFd, last: RawFd) -> Result<(), SysError> {
    #[expect(unsafe_code, reason = "close_range has no safe wrapper")]
    // SAFETY: close_range(2) takes three plain numbers and touches no memory of this process.
    let code = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(code).call("close_range")?;
    Ok(())
}

/// Puts a descriptor at an exact number that survives exec.
///
/// # Errors
/// `dup2`'s and `fcntl`'s.
pub fn place(fd: BorrowedFd<'_>, number: RawFd) -> Result<(), SysError> {
    if fd.as_raw_fd() == number {
        return set_cloexec(fd, false);
    }
    #[expect(unsafe_code, reason = "the target number may own nothing yet")]
    // SAFETY: dup2 takes two numbers; whatever `number` held is closed by the kernel, and callers
    // (a child before exec) own no value for it.
    let code = unsafe { libc::dup2(fd.as_raw_fd(), number) };
    Errno::result(code).call_on("dup2", number)?;
    Ok(())
}

/// Puts a descriptor at an exact other number where exec closes it.
///
/// # Errors
/// `dup3`'s: `EBADF` for a number at or above the limit of open files.
pub fn place_until_exec(fd: BorrowedFd<'_>, number: RawFd) -> Result<OwnedFd, SysError> {
    #[expect(unsafe_code, reason = "the target number may own nothing yet")]
    // SAFETY: dup3 takes three numbers; whatever `number` held is closed by the kernel, and callers
    // (a child before exec) own no value for it.
    let code = unsafe { libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC) };
    Errno::result(code).call_on("dup3", number)?;
    Ok(own(number))
}

#[expect(
    unsafe_code,
    reason = "descriptors from the kernel arrive as plain numbers"
)]
fn own(raw: RawFd) -> OwnedFd {
    // SAFETY: `raw` is open and no value of this process owns it: it was made by the call just
    // before, or it was inherited and is claimed once by the caller's contract.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
