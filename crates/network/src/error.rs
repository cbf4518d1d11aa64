//! The one error of this crate: which step failed, on what, why, and what the operator can do.
//!
//! Not for: deciding what a failure means for a session.

use sys::{Errno, SysError};

/// A step of making or asking the network failed; nothing half-made is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {step} ({object}): {errno}{}", remedy_suffix(*.errno))]
pub struct NetworkError {
    /// What was being done, as the end of the sentence "cannot ...".
    pub step: &'static str,
    /// The interface, file, port or call it was about.
    pub object: String,
    /// What the kernel answered.
    pub errno: Errno,
}

impl NetworkError {
    pub(crate) fn new(step: &'static str, object: impl Into<String>, errno: Errno) -> Self {
        Self {
            step,
            object: object.into(),
            errno,
        }
    }

    /// What the operator can do about it, where that is known.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        remedy(self.errno)
    }
}

/// Names the step in which a system call failed.
pub(crate) trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, NetworkError>;
}

impl<T> Step<T> for Result<T, SysError> {
    fn step(self, step: &'static str) -> Result<T, NetworkError> {
        self.map_err(|error| {
            let object = format!("{} {}", error.call, error.object);
            NetworkError::new(step, object.trim_end(), error.errno)
        })
    }
}

const fn remedy(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EPERM | Errno::EACCES => {
            "run the daemon as root with CAP_SYS_ADMIN and CAP_NET_ADMIN; in a container, start that \
             container privileged"
        }
        Errno::ENOSPC => {
            "raise user.max_net_namespaces, or end some jails: all slots or namespaces are in use"
        }
        Errno::EEXIST | Errno::EADDRINUSE => {
            "an object of an earlier jail still holds the name; end what holds its descriptors"
        }
        Errno::EROFS => "mount /proc/sys read-write for the daemon",
        Errno::ENOENT => "mount /proc for the daemon; the kernel needs CONFIG_NET_NS and IPv4",
        Errno::EOPNOTSUPP => "the kernel needs CONFIG_VETH and CONFIG_IP_MULTIPLE_TABLES",
        Errno::EMFILE | Errno::ENFILE => "raise the limit of open files (LimitNOFILE=)",
        _ => return None,
    })
}

fn remedy_suffix(errno: Errno) -> String {
    remedy(errno).map_or_else(String::new, |text| format!("; remedy: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_step_object_errno_and_remedy() {
        let failed: Result<(), _> = Err(SysError::new("unshare", "CLONE_NEWNET", Errno::EPERM));
        let text = failed.step("make a cell").unwrap_err().to_string();
        for part in ["make a cell", "unshare CLONE_NEWNET", "EPERM", "as root"] {
            assert!(text.contains(part), "{part} is missing from: {text}");
        }
    }

    #[test]
    fn an_errno_without_known_remedy_promises_none() {
        let error = NetworkError::new("make a cell", "j1", Errno::EIO);
        assert_eq!(error.remedy(), None);
        assert!(!error.to_string().contains("remedy"));
    }
}
