//! Replacing the calling process by another program.
//!
//! Not for: finding the program on a search path (`jail`).

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use nix::errno::Errno;

/// A list of strings in the form that exec takes; made ahead so that nothing is allocated later.
#[derive(Debug)]
pub struct StringList<'a> {
    pointers: Vec<*const libc::c_char>,
    /// Keeps the strings borrowed as long as pointers to them exist.
    strings: &'a [CString],
}

impl<'a> StringList<'a> {
    /// Lists the strings in order.
    #[must_use]
    pub fn new(strings: &'a [CString]) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr());
        Self {
            pointers: pointers.chain([ptr::null()]).collect(),
            strings,
        }
    }

    /// The strings.
    #[must_use]
    pub const fn strings(&self) -> &'a [CString] {
        self.strings
    }
}

/// Executes the program at `path`. Returns only on failure, with `execve`'s errno.
#[must_use]
pub fn execute(path: &CStr, arguments: &StringList<'_>, environment: &StringList<'_>) -> Errno {
    #[expect(unsafe_code, reason = "execve with borrowed pointers")]
    // SAFETY: both lists end with a null pointer, and their strings are borrowed by the lists and
    // so outlive the call.
    unsafe {
        libc::execve(
            path.as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        );
    }
    Errno::last()
}

/// Executes the program behind a descriptor (`execveat` with `AT_EMPTY_PATH`).
///
/// Returns only on
/// failure, with its errno: `ENOENT` for a script when the descriptor is close-on-exec, since its
/// interpreter could not open it.
#[must_use]
pub fn execute_open(
    program: BorrowedFd<'_>,
    arguments: &StringList<'_>,
    environment: &StringList<'_>,
) -> Errno {
    #[expect(unsafe_code, reason = "execveat with borrowed pointers")]
    // SAFETY: both lists end with a null pointer, their strings are borrowed by the lists and so
    // outlive the call, and the path is a constant.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    Errno::last()
}
