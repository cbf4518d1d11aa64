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

/// Executes the program behind a descriptor (`execveat` with `AT_EMPTY_PATH`). The empty path is read
/// at `empty_path`, an address of the caller's choice.
///
/// Returns only on failure, with its errno: `EFAULT` when nothing is mapped at the address, `ENOENT`
/// for a script when the descriptor is close-on-exec, since its interpreter could not open it.
#[must_use]
pub fn execute_open(
    program: BorrowedFd<'_>,
    empty_path: u64,
    arguments: &StringList<'_>,
    environment: &StringList<'_>,
) -> Errno {
    #[expect(unsafe_code, reason = "execveat with borrowed pointers")]
    // SAFETY: both lists end with a null pointer, their strings are borrowed by the lists and so
    // outlive the call. The path's address is a number to us: the kernel reads there, and answers
    // EFAULT where nothing is.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            empty_path,
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    Errno::last()
}
