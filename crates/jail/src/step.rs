//! The steps of building a jail, in order; errors name the one that failed.
//!
//! Not for: doing them (`park` and `parked`, `interior` and `finish`).

use std::fmt;

macro_rules! steps {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// A step of building a jail, in the order in which they happen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Step {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Step {
            /// All steps, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What the step does, as part of a sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

steps! {
    /// Resolving the mount plan on the host.
    Plan => "resolve the file view",
    /// Making a tree of one host path.
    Bind => "bind a host path",
    /// The user namespace with its id maps, for PID 1 to enter.
    IdMaps => "map user ids",
    /// Making the cgroup with its limits.
    Cgroup => "make the cgroup",
    /// Making PID 1 in its namespaces.
    Clone => "make the namespaces",
    /// PID 1 enters the limits.
    Join => "enter the cgroup",
    /// PID 1 gives up what it inherited.
    Inheritance => "give up what the daemon passes on",
    /// PID 1 enters the cell.
    Network => "enter the network namespace",
    /// No mount event passes any more.
    Propagation => "make mounts private",
    /// The new root is there.
    Root => "mount the root",
    /// Everything of the plan hangs in it.
    Attach => "attach a mount",
    /// Generated files are in place.
    Etc => "write /etc",
    /// Device nodes are in place.
    Devices => "make /dev",
    /// The process file system.
    Proc => "mount /proc",
    /// Revealing files of it are covered.
    Masks => "mask /proc",
    /// The token's file; it is written when the request comes.
    Token => "write the token",
    /// The host's root is gone.
    Pivot => "change the root",
    /// The hostname.
    Hostname => "set the hostname",
    /// Mapping the workspace's owner to the agent.
    Workspace => "map the workspace's owner",
    /// The lists of certificate authorities of a jail that has one of its own.
    Trust => "put the certificate authorities in place",
    /// Limits per process.
    Rlimits => "set resource limits",
    /// The place of the path with which the one start of a program is made.
    FirstPage => "map the first page of memory",
    /// Into the user namespace, last of all namespaces.
    UserNamespace => "enter the user namespace",
    /// No namespace can be made within.
    NamespaceLimits => "forbid nested namespaces",
    /// Only known descriptors are left.
    Descriptors => "close inherited descriptors",
    /// Few capabilities are left, none can come back.
    Capabilities => "drop capabilities",
    /// Landlock.
    Landlock => "enforce Landlock",
    /// The seccomp program, last.
    Seccomp => "install the seccomp program",
    /// PID 1 says that it is ready.
    Ready => "wait for the jail's init",
    /// The kernel's account agrees.
    Confirm => "confirm the layers",
    /// The terminal for the command.
    Terminal => "open a terminal",
}

impl Step {
    /// The step with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The step's number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
