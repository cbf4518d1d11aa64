//! Loading a seccomp program into the calling process, and what the kernel's seccomp offers.
//!
//! Not for: making or judging programs (`seccomp`), nor for answering calls that wait (`listener`).

use nix::errno::Errno;

use crate::error::{Context, SysError};

/// Longest program the kernel takes (`BPF_MAXINSNS`).
pub const INSTRUCTIONS_MAX: usize = 4096;

/// One classic BPF instruction, laid out as `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump distance when true.
    pub jt: u8,
    /// Jump distance when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Installs a program on the calling thread. `no_new_privs` must be set. Refusals stay between the
/// kernel and the caller; deaths by the program reach the kernel's audit stream.
///
/// # Errors
/// `seccomp`'s: `EINVAL` for a program the kernel's checker refuses, `EACCES` without
/// `no_new_privs`, `E2BIG` over [`INSTRUCTIONS_MAX`].
pub fn install(instructions: &[Instruction]) -> Result<(), SysError> {
    load(instructions, 0).map(drop)
}

/// Installs a program with `SECCOMP_FILTER_FLAG_LOG`: refusals reach the kernel's audit stream too.
/// Each then costs some microseconds more, and whoever makes many can fill the host's log.
///
/// # Errors
/// As for [`install`].
pub fn install_audited(instructions: &[Instruction]) -> Result<(), SysError> {
    load(instructions, libc::SECCOMP_FILTER_FLAG_LOG).map(drop)
}

/// Installs a program with these `SECCOMP_FILTER_FLAG_*`; what the call returned is a descriptor if
/// a listener was among them.
pub(crate) fn load(
    instructions: &[Instruction],
    flags: libc::c_ulong,
) -> Result<libc::c_long, SysError> {
    let too_long = || SysError::new("seccomp", "program too long", Errno::E2BIG);
    if instructions.len() > INSTRUCTIONS_MAX {
        return Err(too_long());
    }
    let program = Program {
        length: u16::try_from(instructions.len()).map_err(|_range| too_long())?,
        instructions: instructions.as_ptr(),
    };
    #[expect(unsafe_code, reason = "seccomp has no safe wrapper")]
    // SAFETY: `program` has the layout of struct sock_fprog and points at `length` instructions of
    // the layout of struct sock_filter; the kernel copies them during the call.
    let code = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    Errno::result(code).call("seccomp")
}

/// Whether the kernel knows a seccomp action (`SECCOMP_GET_ACTION_AVAIL`).
///
/// # Errors
/// `EOPNOTSUPP` when it does not; `ENOSYS` without seccomp.
pub fn has_action(action: u32) -> Result<(), SysError> {
    #[expect(unsafe_code, reason = "seccomp has no safe wrapper")]
    // SAFETY: the kernel reads one u32 during the call.
    let code = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        )
    };
    Errno::result(code).call_on("seccomp", "SECCOMP_GET_ACTION_AVAIL")?;
    Ok(())
}
