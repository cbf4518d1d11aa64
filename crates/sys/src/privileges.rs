//! What the calling process may do: ids, capabilities, `no_new_privs`, dumpability, its visible name.
//!
//! Not for: seccomp (`filter`). Raw calls throughout: glibc's id wrappers signal every thread that
//! they believe to exist, which is wrong in a child made by `clone3`.

use std::ffi::CStr;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;

use crate::error::{Context, SysError};

/// `CAP_KILL` as a bit of a capability set.
pub const CAP_KILL: u64 = 1 << 5;
/// `CAP_SETGID` as a bit of a capability set.
pub const CAP_SETGID: u64 = 1 << 6;
/// `CAP_SETUID` as a bit of a capability set.
pub const CAP_SETUID: u64 = 1 << 7;

/// Highest capability number that could ever be: the sets have 64 bits.
const CAPABILITIES: libc::c_ulong = 64;
/// `_LINUX_CAPABILITY_VERSION_3`: two 32-bit words per set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct CapabilityWords {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The capability sets of a process, one bit per capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// In force.
    pub effective: u64,
    /// May be put in force.
    pub permitted: u64,
    /// May pass through exec.
    pub inheritable: u64,
}

/// Sets real, effective and saved user id.
///
/// # Errors
/// `setresuid`'s.
pub fn set_user(uid: u32) -> Result<(), SysError> {
    #[expect(unsafe_code, reason = "the raw call, see the file's header")]
    // SAFETY: setresuid(2) takes three plain numbers.
    let code = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
    Errno::result(code).call_on("setresuid", uid)?;
    Ok(())
}

/// Sets the user ids without losing capabilities to the change. Only for tests that build a jail
/// without its user namespace.
///
/// # Errors
/// `prctl`'s, `setresuid`'s and `capset`'s.
pub fn set_user_keeping(uid: u32) -> Result<(), SysError> {
    prctl::set_keepcaps(true).call_on("prctl", "PR_SET_KEEPCAPS")?;
    let permitted = capabilities()?.permitted;
    set_user(uid)?;
    keep_capabilities(permitted)?;
    prctl::set_keepcaps(false).call_on("prctl", "PR_SET_KEEPCAPS")
}

/// Sets real, effective and saved group id.
///
/// # Errors
/// `setresgid`'s.
pub fn set_group(gid: u32) -> Result<(), SysError> {
    #[expect(unsafe_code, reason = "the raw call, see the file's header")]
    // SAFETY: setresgid(2) takes three plain numbers.
    let code = unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) };
    Errno::result(code).call_on("setresgid", gid)?;
    Ok(())
}

/// Gives up all supplementary groups.
///
/// # Errors
/// `setgroups`'s.
pub fn clear_groups() -> Result<(), SysError> {
    #[expect(unsafe_code, reason = "the raw call, see the file's header")]
    // SAFETY: a list of length zero is never read.
    let code = unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) };
    Errno::result(code).call("setgroups")?;
    Ok(())
}

/// The caller's effective user id.
#[must_use]
pub fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Sets the user id that new files get, alone; needs `CAP_SETUID`.
///
/// # Errors
/// `EPERM` when it did not take; the call itself reports nothing.
pub fn set_file_user(uid: u32) -> Result<(), SysError> {
    let set = || {
        #[expect(unsafe_code, reason = "the raw call, see the file's header")]
        // SAFETY: setfsuid(2) takes one plain number.
        unsafe {
            libc::syscall(libc::SYS_setfsuid, uid)
        }
    };
    set();
    if set() == libc::c_long::from(uid) {
        return Ok(());
    }
    Err(SysError::new("setfsuid", uid.to_string(), Errno::EPERM))
}

/// Removes every capability from the bounding set and the ambient set, and locks the meaning of
/// user id 0: from here on no exec gains a capability. Needs `CAP_SETPCAP`.
///
/// # Errors
/// `prctl`'s.
pub fn close_capability_sources() -> Result<(), SysError> {
    /// No root by uid, no ambient raise, no keep-caps, uid changes drop, each locked (`linux/securebits.h`).
    const SECUREBITS: libc::c_ulong = 0b1110_1011;
    for number in 0..CAPABILITIES {
        match control(libc::PR_CAPBSET_DROP, number) {
            Err(Errno::EINVAL) => break,
            other => other.call_on("prctl", "PR_CAPBSET_DROP")?,
        }
    }
    let clear = libc::c_ulong::from(libc::PR_CAP_AMBIENT_CLEAR_ALL.cast_unsigned());
    control(libc::PR_CAP_AMBIENT, clear).call_on("prctl", "PR_CAP_AMBIENT")?;
    control(libc::PR_SET_SECUREBITS, SECUREBITS).call_on("prctl", "PR_SET_SECUREBITS")
}

/// Keeps exactly `kept` in the effective and permitted sets, and nothing inheritable.
///
/// # Errors
/// `capset`'s: `EPERM` for a capability that is not permitted.
pub fn keep_capabilities(kept: u64) -> Result<(), SysError> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let word = |bits: u64| {
        let bits = u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
        CapabilityWords {
            effective: bits,
            permitted: bits,
            inheritable: 0,
        }
    };
    let words = [word(kept), word(kept >> 32)];
    #[expect(unsafe_code, reason = "capset has no safe wrapper")]
    // SAFETY: version 3 reads one header and two elements of words, which live through the call.
    let code = unsafe { libc::syscall(libc::SYS_capset, &raw const header, words.as_ptr()) };
    Errno::result(code).call("capset")?;
    Ok(())
}

/// The caller's own capability sets.
///
/// # Errors
/// `capget`'s.
pub fn capabilities() -> Result<Capabilities, SysError> {
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut words = [CapabilityWords::default(); 2];
    #[expect(unsafe_code, reason = "capget has no safe wrapper")]
    // SAFETY: version 3 writes two elements of words, which is what the array holds.
    let code = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    Errno::result(code).call("capget")?;
    let [low, high] = words;
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Ok(Capabilities {
        effective: join(low.effective, high.effective),
        permitted: join(low.permitted, high.permitted),
        inheritable: join(low.inheritable, high.inheritable),
    })
}

/// From here on exec grants nothing: no set-user-id, no file capabilities.
///
/// # Errors
/// `prctl`'s.
pub fn set_no_new_privs() -> Result<(), SysError> {
    prctl::set_no_new_privs().call_on("prctl", "PR_SET_NO_NEW_PRIVS")
}

/// Whether `no_new_privs` is set.
///
/// # Errors
/// `prctl`'s.
pub fn has_no_new_privs() -> Result<bool, SysError> {
    prctl::get_no_new_privs().call_on("prctl", "PR_GET_NO_NEW_PRIVS")
}

/// No core dump, and no `/proc` access to this process's memory for others of its uid.
///
/// # Errors
/// `prctl`'s.
pub fn set_not_dumpable() -> Result<(), SysError> {
    prctl::set_dumpable(false).call_on("prctl", "PR_SET_DUMPABLE")
}

/// The kernel kills this process when the thread that made it ends. A change of credentials undoes
/// this (`PR_SET_PDEATHSIG` in `prctl(2)`), so call it after the last one.
///
/// # Errors
/// `prctl`'s.
pub fn die_with_parent() -> Result<(), SysError> {
    prctl::set_pdeathsig(Signal::SIGKILL).call_on("prctl", "PR_SET_PDEATHSIG")
}

/// Sets what `/proc/PID/comm` and `/proc/PID/cmdline` show, so that a fork does not show the
/// arguments of its parent.
///
/// It overwrites the arguments in place. The process must not read its arguments again. Needs
/// `/proc`, and no capability, unlike `PR_SET_MM`.
///
/// # Errors
/// `prctl`'s, those of reading `/proc/self/stat`; `ERANGE` when that makes no sense.
pub fn set_visible_name(name: &CStr) -> Result<(), SysError> {
    prctl::set_name(name).call_on("prctl", "PR_SET_NAME")?;
    let path = "/proc/self/stat";
    let stat = std::fs::read_to_string(path).call_on("read", path)?;
    let odd = || SysError::new("read", path, Errno::ERANGE);
    let (start, length) = argument_area(&stat).ok_or_else(odd)?;
    #[expect(unsafe_code, reason = "the arguments have no owner in Rust")]
    // SAFETY: the kernel says that the argument strings of this process lie at start..end, on the
    // stack below main's frame: mapped, writable, and referenced only by argv, which the caller
    // promises not to read again.
    let area = unsafe {
        std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut::<u8>(start), length)
    };
    area.fill(0);
    for (byte, letter) in area.iter_mut().zip(name.to_bytes_with_nul()) {
        *byte = *letter;
    }
    Ok(())
}

/// `arg_start` and the length up to `arg_end` (`proc_pid_stat(5)`, fields 48 and 49).
fn argument_area(stat: &str) -> Option<(usize, usize)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(45);
    let start: usize = fields.next()?.parse().ok()?;
    let end: usize = fields.next()?.parse().ok()?;
    let length = end.checked_sub(start)?;
    (start > 0 && length > 0).then_some((start, length))
}

fn control(option: libc::c_int, argument: libc::c_ulong) -> nix::Result<()> {
    #[expect(unsafe_code, reason = "these prctl options have no safe wrapper")]
    // SAFETY: the options used here take plain numbers and touch no memory of this process.
    let code = unsafe { libc::prctl(option, argument, 0, 0, 0) };
    Errno::result(code).map(drop)
}
