//! Taking a variable out of the environment that this process was started with.
//!
//! Not for: reading one, which `std::env` does, nor for what a child gets.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use crate::error::SysError;
use crate::fds::memory_file;

/// Moves the value of a variable into a memory file and overwrites it with zeros where it stood.
///
/// Neither `/proc/PID/environ` nor a process that is forked from this one has it afterwards. The variable
/// is empty then: a second call finds `None`, as for one that is not set.
///
/// Call it while the process has one thread: others could read the environment meanwhile.
///
/// # Errors
/// When no memory file can be made; the value stays then.
pub fn take(name: &str) -> Result<Option<OwnedFd>, SysError> {
    let Ok(name) = CString::new(name) else {
        return Ok(None);
    };
    #[expect(unsafe_code, reason = "std only gives copies of values")]
    // SAFETY: getenv(3) takes a C string, and no other thread changes the environment.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return Ok(None);
    }
    #[expect(unsafe_code, reason = "a C string of the environment")]
    // SAFETY: getenv returned it: it ends in NUL, and nothing writes to it while the slice lives.
    let bytes = unsafe { CStr::from_ptr(value) }.to_bytes();
    let length = bytes.len();
    if length == 0 {
        return Ok(None);
    }
    let file = memory_file(c"sheriff-secret", bytes)?;
    for offset in 0..length {
        #[expect(unsafe_code, reason = "the environment has no other writer")]
        // SAFETY: `offset` is within the string, so the address is within its allocation.
        let at = unsafe { value.add(offset) };
        #[expect(unsafe_code, reason = "the environment has no other writer")]
        // SAFETY: `at` points into the environment's own writable memory, and no reference to it is left.
        unsafe {
            at.write_volatile(0);
        }
    }
    Ok(Some(file))
}
