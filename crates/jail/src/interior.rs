//! The jail's half of the construction: what PID 1 does to itself, in order, until it is parked.
//!
//! Not for: the warden's half (`park`), what comes with the request (`finish`). Everything here runs in a
//! fork of the warden that never execs: no path of the host is resolved, and no policy is read.

use std::ffi::CStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::path::Path;

use sys::directory::{Directory, give_to, set_creation_mask};
use sys::mount::{Attributes, Tree};
use sys::namespace::{self, Namespaces};
use sys::seqpacket::Seqpacket;
use sys::{Errno, SysError, fds, mount, privileges, signals};

use crate::error::{InStep, LaunchError};
use crate::etc::c_path;
use crate::fault::{Layer, omitted};
use crate::finish;
use crate::landlock::{CANARY, Fence};
use crate::mounting::Target;
use crate::plan::Plan;
use crate::procfs;
use crate::spec::Site;
use crate::step::Step;
use crate::wire::Report;

/// Number of the descriptor that leads to the warden, once the others are closed.
pub(crate) const CONTROL: i32 = 3;

/// First number that a parked jail has closed: after the connection come a file and a folder.
const KEPT_END: i32 = CONTROL + 3;

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
    /// What is wanted.
    pub(crate) site: &'a Site,
    /// The mount plan.
    pub(crate) plan: &'a Plan,
    /// Landlock's rules.
    pub(crate) fence: &'a Fence,
    /// Files that move whoever writes `0` to them into the jail's cgroups (v1 controllers).
    pub(crate) joins: &'a [File],
    /// The gateway's folder on the host, writable.
    pub(crate) gateway: &'a Directory,
}

/// Builds the jail around the calling process as far as nobody needs to have asked for it, waits for
/// the furniture, finishes, then serves as PID 1. Returns its exit code.
pub(crate) fn live(blueprint: &Blueprint<'_>, control: &Seqpacket) -> i32 {
    // Steps 1 to 9 are a function of their own, so that their descriptors have no owner left when
    // the sweep closes them by number.
    let kept = build(blueprint).and_then(|(token, sysctls)| {
        // 10. A parked jail may wait for long, and holds nothing of the warden's meanwhile.
        sweep(control, token, sysctls).step(Step::Descriptors)
    });
    match kept {
        Ok(kept) => finish::finish(blueprint, kept),
        Err(failure) => give_up(control, failure),
    }
}

/// What a parked jail holds.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The way to the warden.
    pub(crate) control: Seqpacket,
    /// The token's file, empty, to be written.
    pub(crate) token: File,
    /// The sysctls, from before they were masked.
    pub(crate) sysctls: Directory,
}

/// Tells the warden which step failed. If even that fails, the end of this process says enough.
pub(crate) fn give_up(control: &Seqpacket, failure: LaunchError) -> i32 {
    let report = Report::Failed {
        step: failure.step,
        object: failure.object,
        errno: failure.errno.unwrap_or(Errno::EPROTO),
    };
    drop(control.send(&report.encode(), &[]));
    1
}

/// Steps 1 to 9, in order. Each comment says why it stands where it stands. Returns the
/// token's file and the sysctls.
fn build(blueprint: &Blueprint<'_>) -> Result<(File, Directory), LaunchError> {
    let Blueprint { site, plan, .. } = blueprint;
    // 1. Limits first: whatever is allocated or forked from here on counts as the jail's.
    join_cgroups(blueprint.joins).step(Step::Join)?;
    // 2. What a fork inherits from the daemon goes before anything new is made with it.
    shed_inheritance().step(Step::Inheritance)?;
    // 3. The cell, as real root: it belongs to the initial user namespace and stays so.
    if !omitted(Layer::NetNamespace) {
        namespace::enter_network(site.netns.as_fd()).step(Step::Network)?;
    }
    // 4. Private before the first mount, or our mounts would appear on the host.
    mount::make_private().step(Step::Propagation)?;
    // 5. The whole view hangs in a tmpfs of ours, where nobody else can have put anything.
    let root = hang_root(&plan.root).step(Step::Root)?;
    attach_all(&root, plan)?;
    // The root is read-only by the time the workspace comes.
    root.make_folder(&plan.workspace, 0o755)
        .step(Step::Attach)?;
    write_etc(&root, plan).step(Step::Etc)?;
    make_devices(&root).step(Step::Devices)?;
    // 6. /proc for this pid namespace. A handle on its sysctls is kept from before the masks.
    let sysctls = procfs::mount(&root).step(Step::Proc)?;
    if !omitted(Layer::ProcMasks) {
        procfs::mask(&root).step(Step::Masks)?;
    }
    // 7. The token's file, through the host's own mount of the gateway's folder: the jail's is
    //    read-only.
    let token = make_token(blueprint).step(Step::Token)?;
    // 8. The host's root goes; from here on only the plan exists.
    leave_host_root().step(Step::Pivot)?;
    // 9. Nobody inside can change it later.
    if !omitted(Layer::UtsNamespace) {
        namespace::set_hostname(&site.hostname).step(Step::Hostname)?;
    }
    Ok((token, sysctls))
}

fn join_cgroups(joins: &[File]) -> Result<(), SysError> {
    for mut join in joins {
        // Writing 0 to `tasks` moves the writer, without the kernel-wide lock that moving another
        // process by its number takes.
        join.write_all(b"0")
            .map_err(|error| crate::ids::io_failure("write", "cgroup tasks", &error))?;
    }
    if omitted(Layer::CgroupNamespace) {
        return Ok(());
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
    // The lifeline tells it too, but its other end is in every later fork until that one's sweep.
    privileges::die_with_parent()?;
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

fn make_token(blueprint: &Blueprint<'_>) -> Result<File, SysError> {
    let token = blueprint.gateway.make_file(c"token", 0o400, b"")?;
    let agent = blueprint.plan.ids.host_agent;
    give_to(token.as_fd(), agent, agent)?;
    Ok(token)
}

fn leave_host_root() -> Result<(), SysError> {
    if omitted(Layer::Pivot) {
        return mount::change_root_weakly();
    }
    mount::change_root()?;
    let root = sys::directory::open_path(Path::new("/"))?;
    mount::restrict_at(root.as_fd(), c"", Attributes::READ_ONLY)
}

/// Puts what a parked jail needs at fixed numbers and the null device at the standard ones; closes
/// the rest.
fn sweep(control: &Seqpacket, token: File, sysctls: Directory) -> Result<Kept, SysError> {
    let null = null_device()?;
    let kept = [control.as_fd(), token.as_fd(), sysctls.as_fd()]
        .map(|fd| fds::duplicate_above(fd, KEPT_END));
    drop((token, sysctls));
    let mut numbers = Vec::with_capacity(kept.len() + 1);
    for (number, fd) in (CONTROL..).zip(kept) {
        let fd = fd?;
        fds::place(fd.as_fd(), number)?;
        numbers.push(fd.into_raw_fd());
    }
    for number in 0..CONTROL {
        fds::place(null.as_fd(), number)?;
    }
    // Their numbers are closed by the sweep, so nothing may own them any more.
    numbers.push(null.into_raw_fd());
    if !omitted(Layer::DescriptorSweep) {
        fds::close_from(KEPT_END)?;
    }
    Ok(Kept {
        control: Seqpacket::from_fd(fds::inherited(CONTROL)?)?,
        token: File::from(fds::inherited(CONTROL + 1)?),
        sysctls: Directory::new(fds::inherited(CONTROL + 2)?),
    })
}

fn null_device() -> Result<OwnedFd, SysError> {
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| crate::ids::io_failure("open", "/dev/null", &error))?;
    fds::duplicate_above(null.as_fd(), KEPT_END)
}
