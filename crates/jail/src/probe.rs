//! What this kernel offers a jail, for `sheriff doctor`.
//!
//! Not for: deciding; `launch` finds out for itself, and fails closed.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use sys::filter::Instruction;
use sys::mount::{Attributes, Tree};
use sys::namespace::Namespaces;
use sys::wait::Outcome;
use sys::{Errno, SysError};

use crate::cgroup::{Cgroups, Mode};
use crate::ids::user_namespace;

/// One property of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it will do.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What is needed, and since when it exists.
    pub needed: &'static str,
    /// What to do when it will not do; empty when it will.
    pub remedy: &'static str,
    /// Whether there are jails without it. Only what people see depends on a property that is not
    /// mandatory, never what holds.
    pub mandatory: bool,
}

/// What was found where something else is needed.
struct Lacking(String);

impl<T: ToString> From<T> for Lacking {
    fn from(found: T) -> Self {
        Self(found.to_string())
    }
}

impl Finding {
    fn judge(
        name: &'static str,
        needed: &'static str,
        remedy: &'static str,
        found: Result<String, Lacking>,
    ) -> Self {
        let ok = found.is_ok();
        Self {
            name,
            ok,
            found: found.unwrap_or_else(|Lacking(problem)| problem),
            needed,
            remedy: if ok { "" } else { remedy },
            mandatory: true,
        }
    }
}

/// Oldest kernel that a jail can run on: `cgroup.kill` came with 5.14, Landlock's second ABI, the
/// lowest sensible floor, with 5.19.
const KERNEL_LEAST: (u32, u32) = (5, 19);

/// Seccomp actions that programs use (`linux/seccomp.h`).
const ACTIONS: [(&str, u32); 4] = [
    ("kill_process", 0x8000_0000),
    ("errno", 0x0005_0000),
    ("log", 0x7ffc_0000),
    ("allow", 0x7fff_0000),
];

/// `SECCOMP_RET_USER_NOTIF`.
const USER_NOTIF: u32 = 0x7fc0_0000;
/// A whole program: `SECCOMP_RET_ALLOW`.
const ALLOW_ALL: Instruction = Instruction {
    code: 0x06,
    jt: 0,
    jf: 0,
    k: 0x7fff_0000,
};

/// Looks at everything. Makes and removes a process and a detached mount; changes nothing else.
#[must_use]
pub fn findings() -> Vec<Finding> {
    vec![
        Finding::judge("kernel", "Linux 5.19", "boot a newer kernel", kernel()),
        Finding::judge(
            "root",
            "effective user 0",
            "run the daemon as root; its parts drop privileges themselves",
            root(),
        ),
        Finding::judge(
            "user namespaces",
            "a user namespace with id maps (CONFIG_USER_NS)",
            "raise user.max_user_namespaces with sysctl; outside a container that forbids them",
            text(user_namespace("0 1 1\n", "0 1 1\n"), "available"),
        ),
        limits_of_namespaces(),
        Finding::judge(
            "landlock",
            "ABI 2 (Linux 5.19); 6 adds scopes (6.12)",
            "add landlock to the lsm= boot parameter, or use a kernel with CONFIG_SECURITY_LANDLOCK",
            landlock(),
        ),
        Finding::judge(
            "seccomp",
            "filter mode with kill, errno and log (Linux 4.14)",
            "use a kernel with CONFIG_SECCOMP_FILTER",
            seccomp(),
        ),
        denials(),
        Finding::judge(
            "cgroups",
            "memory, pids and cpu on v2, or on v1 beside a v2 tree",
            "mount cgroup v2 at /sys/fs/cgroup; set Delegate=yes on the unit",
            cgroups(),
        ),
        Finding::judge(
            "idmapped mounts",
            "mount_setattr with MOUNT_ATTR_IDMAP (Linux 5.12; tmpfs 6.3)",
            "keep workspaces on ext4, xfs or btrfs",
            idmapped_mounts(),
        ),
        Finding::judge(
            "pidfd",
            "clone3 with a pidfd (Linux 5.3)",
            "boot a newer kernel",
            pidfd(),
        ),
        Finding::judge(
            "close_range",
            "close_range (Linux 5.9)",
            "boot a newer kernel",
            text(sys::fds::close_between(i32::MAX - 1, i32::MAX), "available"),
        ),
        unprivileged_user_namespaces(),
    ]
}

fn text<T>(result: Result<T, SysError>, fine: &str) -> Result<String, Lacking> {
    result.map(|_| fine.into()).map_err(Lacking::from)
}

fn sysctl(name: &str) -> Option<String> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    fs::read_to_string(path).ok().map(|text| text.trim().into())
}

fn kernel() -> Result<String, Lacking> {
    let release = sysctl("kernel.osrelease").ok_or("/proc/sys is not readable")?;
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= KERNEL_LEAST {
        return Ok(release);
    }
    Err(release.into())
}

fn root() -> Result<String, Lacking> {
    match sys::privileges::effective_user() {
        0 => Ok("user 0".into()),
        other => Err(format!("user {other}").into()),
    }
}

fn landlock() -> Result<String, Lacking> {
    match sys::landlock::landlock_abi() {
        Ok(abi @ 2..) => Ok(format!("ABI {abi}")),
        Ok(abi) => Err(format!("ABI {abi}").into()),
        Err(error) => Err(error.into()),
    }
}

fn seccomp() -> Result<String, Lacking> {
    for (name, action) in ACTIONS {
        sys::filter::has_action(action).map_err(|error| format!("no action {name}: {error}"))?;
    }
    let names = ACTIONS.map(|(name, _)| name);
    Ok(names.join(", "))
}

/// Whether refused system calls can be heard of: tried out, since a program that this process runs
/// under may forbid it where the kernel would not.
fn denials() -> Finding {
    let heard = Finding::judge(
        "denied system calls",
        "a seccomp listener (Linux 5.0; 5.19 for callers with busy timers)",
        "denials are enforced and not shown by `sheriff logs`: run the daemon where no seccomp program \
         around it has a listener of its own or forbids one (EBUSY: a container manager holds one); \
         the kernel's log has them meanwhile (`journalctl -k --grep type=1326`)",
        listener(),
    );
    Finding {
        mandatory: false,
        ..heard
    }
}

fn listener() -> Result<String, Lacking> {
    sys::filter::has_action(USER_NOTIF)
        .map_err(|error| format!("no action user_notif: {error}"))?;
    // In a process of its own: a program can't be taken off again.
    let child = sys::clone::spawn(Namespaces::NONE, None, || {
        let tried = sys::privileges::set_no_new_privs()
            .and_then(|()| sys::listener::install(&[ALLOW_ALL]).map(drop));
        tried.map_or_else(|error| error.errno as i32, |()| 0)
    });
    let outcome = child
        .and_then(|child| child.reap())
        .map_err(Lacking::from)?;
    match outcome {
        Outcome::Exited(0) => Ok("shown by `sheriff logs`".into()),
        Outcome::Exited(errno) => {
            let errno = Errno::from_raw(errno.into());
            Err(format!("no listener: {errno}").into())
        }
        Outcome::Signalled(signal) => Err(format!("no listener: signal {signal}").into()),
    }
}

fn cgroups() -> Result<String, Lacking> {
    let mode = Cgroups::offered().map_err(Lacking::from)?;
    Ok(match mode {
        Mode::Unified => "v2".into(),
        Mode::Hybrid => "hybrid: limits by v1 controllers, kill by the v2 tree".into(),
    })
}

fn idmapped_mounts() -> Result<String, Lacking> {
    let probe = || -> Result<(), SysError> {
        let tree = Tree::new(c"tmpfs", &[(c"size", c"4k")], Attributes::NO_SUID)?;
        tree.map_ids(user_namespace("0 1 1\n", "0 1 1\n")?.as_fd())
    };
    match probe() {
        // A kernel that knows the call but can't map tmpfs (before 6.3) can map disk file systems.
        Err(error) if error.errno == Errno::EINVAL => Ok("available, not on tmpfs".into()),
        other => text(other, "available"),
    }
}

fn pidfd() -> Result<String, Lacking> {
    let child = sys::clone::spawn(Namespaces::NONE, None, || 0);
    let reaped = child.and_then(|child| child.reap());
    text(reaped, "available")
}

fn limits_of_namespaces() -> Finding {
    let mut small = Vec::new();
    for kind in ["user", "mnt", "net", "pid", "uts", "ipc", "cgroup"] {
        let limit = sysctl(&format!("user.max_{kind}_namespaces"));
        if limit.as_deref().and_then(|text| text.parse().ok()) == Some(0u64) {
            small.push(format!("user.max_{kind}_namespaces = 0"));
        }
    }
    let found = if small.is_empty() {
        Ok("none is 0".into())
    } else {
        Err(small.join(", ").into())
    };
    Finding::judge(
        "limits of namespaces",
        "user.max_*_namespaces above 0",
        "raise them with sysctl",
        found,
    )
}

/// Restrictions that bind unprivileged users only. They matter to programs that make sandboxes of
/// their own, and to whoever runs the daemon in a container, not to a daemon with full privileges.
fn unprivileged_user_namespaces() -> Finding {
    let watched = [
        ("kernel.apparmor_restrict_unprivileged_userns", "0"),
        ("kernel.unprivileged_userns_clone", "1"),
    ];
    let restricted: Vec<&str> = watched
        .iter()
        .filter(|(name, open)| sysctl(name).is_some_and(|value| value != *open))
        .map(|(name, _)| *name)
        .collect();
    let privileged = sys::privileges::effective_user() == 0;
    let found = match (restricted.is_empty(), privileged) {
        (true, _) => Ok("unrestricted".into()),
        (false, true) => Ok(format!("{} binds others than root", restricted.join(", "))),
        (false, false) => Err(restricted.join(", ").into()),
    };
    Finding::judge(
        "unprivileged user namespaces",
        "root, or no restriction by AppArmor or sysctl",
        "run the daemon as root, or load an AppArmor profile with `userns` for it",
        found,
    )
}
