//! The jail's half of the construction: what PID 1 does to itself, in order, before it serves.
//!
//! Not for: the warden's half (`launch`) and life after `Ready` (`init`). Everything here runs in a
//! fork of the warden that never execs: no path of the host is resolved, and no policy is read.

use std::ffi::CStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::path::Path;

use sys::directory::{Directory, copy_unseen, give_to, set_creation_mask};
use sys::mount::{Attributes, Tree};
use sys::namespace::{self, Namespaces};
use sys::privileges::{self, CAP_KILL, CAP_SETGID, CAP_SETUID};
use sys::rlimit::{self, Limit};
use sys::seqpacket::Seqpacket;
use sys::{Errno, SysError, fds, mount, signals};

use crate::error::{InStep, LaunchError};
use crate::etc::c_path;
use crate::fault::{Layer, omitted};
use crate::init;
use crate::landlock::{CANARY, Enforced, Fence};
use crate::mounting::Target;
use crate::plan::Plan;
use crate::procfs;
use crate::spec::{Spec, TOKEN_BYTES_MAX};
use crate::step::Step;
use crate::wire::{Order, Report};

/// Number of the descriptor that leads to the warden, once the others are closed.
const CONTROL: i32 = 3;

/// Memory that a process may lock: enough for keys, too little to hurt.
const LOCKED_BYTES: u64 = 8 << 20;

/// Kinds of namespaces, as in `user.max_*_namespaces`.
const NAMESPACE_LIMITS: [&CStr; 8] = [
    c"max_user_namespaces",
    c"max_mnt_namespaces",
    c"max_net_namespaces",
    c"max_pid_namespaces",
    c"max_uts_namespaces",
    c"max_ipc_namespaces",
    c"max_cgroup_namespaces",
    c"max_time_namespaces",
];

/// Device nodes of `/dev`: those that ordinary programs open, none that leads to hardware.
const DEVICES: [(&CStr, u64, u64); 6] = [
    (c"null", 1, 3),
    (c"zero", 1, 5),
    (c"full", 1, 7),
    (c"random", 1, 8),
    (c"urandom", 1, 9),
    (c"tty", 5, 0),
];

/// Symbolic links of `/dev`.
const DEVICE_LINKS: [(&CStr, &CStr); 5] = [
    (c"ptmx", c"pts/ptmx"),
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
];

/// What the warden prepared for its fork.
#[derive(Debug)]
pub(crate) struct Blueprint<'a> {
    /// The caller's wishes.
    pub(crate) spec: &'a Spec,
    /// The mount plan.
    pub(crate) plan: &'a Plan,
    /// Landlock's rules.
    pub(crate) fence: &'a Fence,
    /// Files that move whoever writes `0` to them into the jail's cgroups (v1 controllers).
    pub(crate) joins: &'a [File],
    /// The gateway's folder on the host, writable.
    pub(crate) gateway: &'a Directory,
}

/// Builds the jail around the calling process, then serves as its PID 1. Returns its exit code.
pub(crate) fn live(blueprint: &Blueprint<'_>, control: &Seqpacket) -> i32 {
    // Steps 1 to 10 are a function of their own, so that their descriptors have no owner left when
    // the sweep closes them by number.
    if let Err(failure) = build(blueprint, control) {
        return give_up(control, failure);
    }
    // 11. Only now may descriptors go: maps and sysctls needed theirs. An open folder of the host
    //     would be a way out (CVE-2024-21626).
    let kept = match sweep_descriptors(control).step(Step::Descriptors) {
        Ok(kept) => kept,
        Err(failure) => return give_up(control, failure),
    };
    let open_files = blueprint.spec.limits.open_files.into();
    if let Err(failure) = rlimit::set(Limit::OpenFiles, open_files).step(Step::Rlimits) {
        return give_up(&kept, failure);
    }
    // 12. Privileges, then the two fences that need `no_new_privs`; seccomp last, so that its
    //     program need not allow what the steps above did.
    match restrict(blueprint) {
        Err(failure) => give_up(&kept, failure),
        Ok(enforced) => {
            let ready = Report::Ready {
                landlock_abi: enforced.abi,
                landlock_full: enforced.full,
            };
            init::serve(kept, blueprint.plan.ids.agent, &ready)
        }
    }
}

/// Tells the warden which step failed. If even that fails, the end of this process says enough.
fn give_up(control: &Seqpacket, failure: LaunchError) -> i32 {
    let report = Report::Failed {
        step: failure.step,
        object: failure.object,
        errno: failure.errno.unwrap_or(Errno::EPROTO),
    };
    drop(control.send(&report.encode(), &[]));
    1
}

/// Steps 1 to 10, in order. Each comment says why it stands where it stands.
fn build(blueprint: &Blueprint<'_>, control: &Seqpacket) -> Result<(), LaunchError> {
    let Blueprint { spec, plan, .. } = blueprint;
    // 1. Limits first: whatever is allocated or forked from here on counts as the jail's.
    join_cgroups(blueprint.joins).step(Step::Join)?;
    // 2. What a fork inherits from the daemon goes before anything new is made with it.
    shed_inheritance().step(Step::Inheritance)?;
    // 3. The cell, as real root: it belongs to the initial user namespace and stays so.
    namespace::enter_network(spec.netns.as_fd()).step(Step::Network)?;
    // 4. Private before the first mount, or our mounts would appear on the host.
    mount::make_private().step(Step::Propagation)?;
    // 5. The whole view hangs in a tmpfs of ours, where nobody else can have put anything.
    let root = hang_root(&plan.root).step(Step::Root)?;
    attach_all(&root, plan)?;
    write_etc(&root, plan).step(Step::Etc)?;
    make_devices(&root).step(Step::Devices)?;
    // 6. /proc for this pid namespace. A handle on its sysctls is kept from before the masks.
    let sysctls = procfs::mount(&root).step(Step::Proc)?;
    if !omitted(Layer::ProcMasks) {
        procfs::mask(&root).step(Step::Masks)?;
    }
    // 7. The token, while the gateway's folder can still be written through the host's own mount.
    write_token(blueprint).step(Step::Token)?;
    // 8. The host's root goes; from here on only the plan exists.
    leave_host_root().step(Step::Pivot)?;
    namespace::set_hostname(&spec.hostname).step(Step::Hostname)?;
    // 9. Limits per process while raising a hard limit is still allowed.
    set_rlimits(spec).step(Step::Rlimits)?;
    // 10. The user namespace last: all that was made above stays out of the jail's reach, its own
    //     root included.
    enter_user_namespace(blueprint, control)?;
    forbid_namespaces(&sysctls).step(Step::NamespaceLimits)
}

fn join_cgroups(joins: &[File]) -> Result<(), SysError> {
    for mut join in joins {
        // Writing 0 to `tasks` moves the writer, without the kernel-wide lock that moving another
        // process by its number takes.
        join.write_all(b"0")
            .map_err(|error| crate::ids::io_failure("write", "cgroup tasks", &error))?;
    }
    namespace::leave(Namespaces::CGROUP)
}

fn shed_inheritance() -> Result<(), SysError> {
    signals::block_all()?;
    set_creation_mask(0);
    match namespace::join_new_keyring() {
        Err(error) if error.errno == Errno::ENOSYS => {}
        other => other?,
    }
    privileges::clear_groups()?;
    privileges::set_visible_name(c"sheriff-init")
}

fn hang_root(tree: &Tree) -> Result<Directory, SysError> {
    tree.attach_over_root()?;
    let root = Directory::new(fds::duplicate_above(tree.as_fd(), CONTROL)?);
    root.enter()?;
    Ok(root)
}

fn attach_all(root: &Directory, plan: &Plan) -> Result<(), LaunchError> {
    for mount in &plan.mounts {
        let attach = || {
            let target = match mount.target {
                Target::Folder => root.make_folder(&mount.at, 0o755)?,
                Target::File => {
                    if let Some(parent) = mount.at.parent() {
                        root.make_folder(parent, 0o755)?;
                    }
                    let path = c_path(&mount.at)?;
                    drop(root.make_file(&path, 0o444, b"")?);
                    Directory::new(root.find(&path)?)
                }
            };
            mount.tree.attach(target.as_fd())
        };
        attach().map_err(|error: SysError| {
            let object = format!("/{} ({})", mount.at.display(), error.object);
            LaunchError::failed(
                Step::Attach,
                &SysError::new(error.call, object, error.errno),
            )
        })?;
    }
    Ok(())
}

fn write_etc(root: &Directory, plan: &Plan) -> Result<(), SysError> {
    root.make_folder(Path::new("etc"), 0o755)?;
    for file in &plan.files {
        if let Some(parent) = file.at.parent() {
            root.make_folder(parent, 0o755)?;
        }
        root.make_file(&c_path(&file.at)?, 0o444, &file.bytes)?;
    }
    for link in &plan.links {
        if let Some(parent) = link.at.parent() {
            root.make_folder(parent, 0o755)?;
        }
        root.make_link(&c_path(&link.at)?, &link.target)?;
    }
    root.make_file(&c_path(Path::new(CANARY))?, 0o444, b"")?;
    Ok(())
}

fn make_devices(root: &Directory) -> Result<(), SysError> {
    let dev = Directory::new(root.find(c"dev")?);
    for (name, major, minor) in DEVICES {
        dev.make_device(name, major, minor)?;
    }
    for (name, target) in DEVICE_LINKS {
        dev.make_link(name, target)?;
    }
    mount::restrict_at(dev.as_fd(), c"", Attributes::READ_ONLY)
}

fn write_token(blueprint: &Blueprint<'_>) -> Result<(), SysError> {
    let token = blueprint.gateway.make_file(c"token", 0o400, b"")?;
    copy_unseen(blueprint.spec.token.as_fd(), token.as_fd(), TOKEN_BYTES_MAX)?;
    let agent = blueprint.plan.ids.host_agent;
    give_to(token.as_fd(), agent, agent)
}

fn leave_host_root() -> Result<(), SysError> {
    if omitted(Layer::Pivot) {
        return mount::change_root_weakly();
    }
    mount::change_root()?;
    let root = sys::directory::open_path(Path::new("/"))?;
    mount::restrict_at(root.as_fd(), c"", Attributes::READ_ONLY)
}

fn set_rlimits(spec: &Spec) -> Result<(), SysError> {
    if !omitted(Layer::CoreLimit) {
        rlimit::set(Limit::Core, 0)?;
    }
    // Raised only: PID 1 still holds what it inherited from the warden, which may be more than the
    // jail's limit. The sweep is followed by the real one.
    rlimit::raise(Limit::OpenFiles, spec.limits.open_files.into())?;
    rlimit::set(Limit::FileSize, spec.limits.file_size.0)?;
    rlimit::set(Limit::LockedMemory, LOCKED_BYTES)
}

fn enter_user_namespace(blueprint: &Blueprint<'_>, control: &Seqpacket) -> Result<(), LaunchError> {
    if !omitted(Layer::UserNamespace) {
        namespace::leave(Namespaces::USER).step(Step::UserNamespace)?;
        control
            .send(&Report::NeedMaps.encode(), &[])
            .step(Step::IdMaps)?;
        let answer = control.receive().step(Step::IdMaps)?;
        let order = answer.map(|message| Order::decode(&message.bytes));
        if !matches!(order, Some(Ok(Order::Proceed))) {
            let error = SysError::new("recvmsg", "no id maps", Errno::EPIPE);
            return Err(LaunchError::failed(Step::IdMaps, &error));
        }
    }
    let root = blueprint.plan.ids.root;
    privileges::set_group(root).step(Step::UserNamespace)?;
    if omitted(Layer::UserNamespace) {
        return privileges::set_user_keeping(root).step(Step::UserNamespace);
    }
    privileges::set_user(root).step(Step::UserNamespace)
}

fn forbid_namespaces(sysctls: &Directory) -> Result<(), SysError> {
    // Without a user namespace of the jail's own these would be the host's limits.
    if omitted(Layer::NamespaceLimits) || omitted(Layer::UserNamespace) {
        return Ok(());
    }
    let user = Directory::new(sysctls.find(c"user")?);
    for name in NAMESPACE_LIMITS {
        match user.write_existing(name, b"0") {
            // A kernel without that kind of namespace has no such limit.
            Err(error) if error.errno == Errno::ENOENT => {}
            other => other?,
        }
    }
    Ok(())
}

/// Puts the connection at its number and the null device at the standard ones; closes the rest.
fn sweep_descriptors(control: &Seqpacket) -> Result<Seqpacket, SysError> {
    let control = fds::duplicate_above(control.as_fd(), CONTROL + 1)?;
    let null = null_device()?;
    for number in 0..CONTROL {
        fds::place(null.as_fd(), number)?;
    }
    fds::place(control.as_fd(), CONTROL)?;
    // Their numbers are closed by the sweep, so nothing may own them any more.
    let _numbers = [control.into_raw_fd(), null.into_raw_fd()];
    if !omitted(Layer::DescriptorSweep) {
        fds::close_from(CONTROL + 1)?;
    }
    Seqpacket::from_fd(fds::inherited(CONTROL)?)
}

fn null_device() -> Result<OwnedFd, SysError> {
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| crate::ids::io_failure("open", "/dev/null", &error))?;
    fds::duplicate_above(null.as_fd(), CONTROL + 1)
}

fn restrict(blueprint: &Blueprint<'_>) -> Result<Enforced, LaunchError> {
    privileges::set_not_dumpable().step(Step::Capabilities)?;
    if !omitted(Layer::Capabilities) {
        privileges::close_capability_sources().step(Step::Capabilities)?;
    }
    // SETUID and SETGID to become the agent, KILL to signal it.
    let keep = || privileges::keep_capabilities(CAP_SETUID | CAP_SETGID | CAP_KILL);
    if !omitted(Layer::Capabilities) && !omitted(Layer::NoNewPrivs) {
        keep().step(Step::Capabilities)?;
    }
    if !omitted(Layer::NoNewPrivs) {
        privileges::set_no_new_privs().step(Step::Capabilities)?;
    }
    // After the last change of credentials, which would undo it.
    privileges::die_with_parent().step(Step::Capabilities)?;
    let enforced = if omitted(Layer::Landlock) {
        Enforced {
            abi: 0,
            full: false,
        }
    } else {
        blueprint.fence.enforce().step(Step::Landlock)?
    };
    if !omitted(Layer::Seccomp) {
        sys::filter::install(&blueprint.spec.program.instructions).step(Step::Seccomp)?;
    }
    // Without no_new_privs the two fences need CAP_SYS_ADMIN, so that fault drops it only here.
    if omitted(Layer::NoNewPrivs) {
        keep().step(Step::Capabilities)?;
    }
    Ok(enforced)
}
