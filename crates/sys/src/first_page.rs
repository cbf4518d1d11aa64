//! The first page of a process's memory, which only a process with `CAP_SYS_RAWIO` can map: a place
//! that holds zeros, or nothing.
//!
//! Not for: what programs may do with such a place (`jail`).

use nix::errno::Errno;

use crate::error::SysError;

/// Maps the page, to be read only; it holds zeros. Exec takes it away.
///
/// # Errors
/// `mmap`'s: `EPERM` without `CAP_SYS_RAWIO` in the initial user namespace, `EACCES` where a
/// security module forbids it even so.
pub fn map() -> Result<(), SysError> {
    map_at_zero(libc::PROT_READ)
}

/// Checks that the calling process can't map the page, whatever it holds now.
///
/// # Errors
/// `EEXIST` when it could, that is, when the sysctl `vm.mmap_min_addr` is 0.
pub fn require_closed() -> Result<(), SysError> {
    // The kernel asks whether the place may be had before it looks at what is there.
    match map_at_zero(libc::PROT_NONE) {
        Err(error) if matches!(error.errno, Errno::EPERM | Errno::EACCES) => Ok(()),
        _open => Err(SysError::new(
            "mmap",
            "vm.mmap_min_addr is 0",
            Errno::EEXIST,
        )),
    }
}

fn map_at_zero(protection: libc::c_int) -> Result<(), SysError> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    #[expect(unsafe_code, reason = "the safe wrapper takes no address of 0")]
    // SAFETY: MAP_FIXED_NOREPLACE touches no mapping that exists, and nothing of Rust's lies in the
    // first page. The new mapping can't be written to.
    let found = unsafe { libc::mmap(std::ptr::null_mut(), 1, protection, flags, -1, 0) };
    if found == libc::MAP_FAILED {
        return Err(SysError::new("mmap", "the first page", Errno::last()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    use super::*;
    use crate::privileges;

    #[test]
    fn the_page_is_roots_to_map_and_closed_to_whoever_gave_up_the_right() {
        if crate::users::effective() != 0 {
            return;
        }
        // The check of one that could map it has done so.
        let right = in_a_process(|| {
            let found = require_closed().unwrap_err().errno;
            found == Errno::EEXIST && map().unwrap_err().errno == Errno::EEXIST
        });
        let given_up = in_a_process(|| {
            map().unwrap();
            privileges::keep_capabilities(0).unwrap();
            require_closed().is_ok()
        });
        assert!(right && given_up);
    }

    fn in_a_process(body: impl FnOnce() -> bool) -> bool {
        let pid = crate::clone::fork(|| i32::from(!body())).unwrap();
        let ended = waitpid(Pid::from_raw(pid), None).unwrap();
        ended == WaitStatus::Exited(Pid::from_raw(pid), 0)
    }
}
