//! The one error of this crate: which call failed, on what, with which errno.
//!
//! Not for: remedies; callers know what the failure means for the user.

use std::fmt;

use nix::errno::Errno;

/// A system call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SysError {
    /// Name of the call, as in its man page.
    pub call: &'static str,
    /// The path, interface or other object it was about; empty where the call says it all.
    pub object: String,
    /// What the kernel answered.
    pub errno: Errno,
}

impl SysError {
    /// A failure of `call` on `object`.
    #[must_use]
    pub fn new(call: &'static str, object: impl Into<String>, errno: Errno) -> Self {
        Self {
            call,
            object: object.into(),
            errno,
        }
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            call,
            object,
            errno,
        } = self;
        if object.is_empty() {
            return write!(f, "{call}: {errno}");
        }
        write!(f, "{call} {object}: {errno}")
    }
}

/// Adds the call and its object to a bare errno.
pub trait Context<T> {
    /// Names the call that failed.
    ///
    /// # Errors
    /// The same failure, with its call.
    fn call(self, call: &'static str) -> Result<T, SysError>;

    /// Names the call that failed and its object; `object` is only made on failure.
    ///
    /// # Errors
    /// The same failure, with its call and object.
    fn call_on(self, call: &'static str, object: impl fmt::Display) -> Result<T, SysError>;
}

impl<T> Context<T> for nix::Result<T> {
    fn call(self, call: &'static str) -> Result<T, SysError> {
        self.map_err(|errno| SysError::new(call, "", errno))
    }

    fn call_on(self, call: &'static str, object: impl fmt::Display) -> Result<T, SysError> {
        self.map_err(|errno| SysError::new(call, object.to_string(), errno))
    }
}

impl<T> Context<T> for std::io::Result<T> {
    fn call(self, call: &'static str) -> Result<T, SysError> {
        self.map_err(|error| SysError::new(call, "", errno_of(&error)))
    }

    fn call_on(self, call: &'static str, object: impl fmt::Display) -> Result<T, SysError> {
        self.map_err(|error| SysError::new(call, object.to_string(), errno_of(&error)))
    }
}

/// The errno behind a standard-library error; `EIO` for those that never were a system call.
fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
