//! The last steps of PID 1: what comes with the request for a jail, then its own confinement.
//!
//! Not for: what is built before (`interior`) and life after `Ready` (`init`). Everything here runs
//! in a fork of the warden that never execs.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use seccomp::EXEC_DESCRIPTOR;
use sys::directory::{Directory, copy_unseen, open_path};
use sys::listener::{self, Listener};
use sys::mount::Tree;
use sys::namespace;
use sys::privileges::{self, CAP_KILL, CAP_SETGID, CAP_SETUID};
use sys::rlimit::{self, Limit};
use sys::seqpacket::Seqpacket;
use sys::{Errno, SysError, fds, first_page};

use crate::error::{InStep, LaunchError};
use crate::etc::c_path;
use crate::fault::{Layer, omitted};
use crate::filter::{Filter, Ready, Start};
use crate::init::{self, Post};
use crate::interior::{Blueprint, CONTROL, Kept, give_up};
use crate::landlock::Enforced;
use crate::mounting::Access;
use crate::recording::Recording;
use crate::refusals::Refusals;
use crate::spec::TOKEN_BYTES_MAX;
use crate::step::Step;
use crate::wire::{Furnish, Order, Report};

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

/// Waits for the furniture, takes steps 11 to 17, and serves. Returns the exit code.
pub(crate) fn finish(blueprint: &Blueprint<'_>, kept: Kept) -> i32 {
    let Kept {
        control,
        token,
        sysctls,
    } = kept;
    let furnished = await_furniture(&control)
        .and_then(|furniture| furnish(blueprint, (&token, &sysctls), &furniture));
    drop((token, sysctls));
    let enforced = furnished.and_then(|order| {
        // 16. Only now may the last descriptors go: token and sysctls needed theirs. An open
        //     folder of the host would be a way out (CVE-2024-21626).
        if !omitted(Layer::DescriptorSweep) {
            fds::close_from(CONTROL + 1).step(Step::Descriptors)?;
        }
        let recording = Recording::prepare(&blueprint.site.program).step(Step::Seccomp)?;
        // 17. Privileges, then the two fences that need `no_new_privs`; seccomp last, so that its
        //     program need not allow what the steps above did.
        let (landlock, refusals) = restrict(blueprint, order)?;
        Ok((landlock, refusals, recording))
    });
    match enforced {
        Err(failure) => give_up(&control, failure),
        Ok((landlock, refusals, recording)) => {
            let ready = Report::Ready {
                landlock_abi: landlock.abi,
                landlock_full: landlock.full,
                reporting: refusals.is_some(),
            };
            let post = Post {
                control,
                agent: blueprint.plan.ids.agent,
                start: blueprint.site.program.start(),
                refusals,
                recording,
            };
            init::serve(post, &ready)
        }
    }
}

/// What the warden sent.
struct Furniture {
    order: Furnish,
    token: OwnedFd,
    workspace: Tree,
    users: OwnedFd,
    covers: Vec<Tree>,
}

/// Says that the jail is parked and waits. The end of the warden ends the wait.
fn await_furniture(control: &Seqpacket) -> Result<Furniture, LaunchError> {
    let ask = || {
        control.send(&Report::Parked.encode(), &[])?;
        control.receive()
    };
    let gone = || LaunchError::failed(Step::Token, &SysError::new("recvmsg", "", Errno::EPIPE));
    let message = ask().step(Step::Token)?.ok_or_else(gone)?;
    let Ok(Order::Furnish(order)) = Order::decode(&message.bytes) else {
        return Err(gone());
    };
    let mut fds = message.fds.into_iter();
    let mut next = || fds.next().ok_or_else(gone);
    let (token, workspace, users) = (next()?, next()?, next()?);
    Ok(Furniture {
        order,
        token,
        workspace: Tree::received(workspace),
        users,
        covers: fds.map(Tree::received).collect(),
    })
}

/// Steps 11 to 15, in order. Each comment says why it stands where it stands.
fn furnish(
    blueprint: &Blueprint<'_>,
    (token, sysctls): (&File, &Directory),
    furniture: &Furniture,
) -> Result<Furnish, LaunchError> {
    // 11. The workspace, while this process may still mount.
    attach_workspace(blueprint, &furniture.workspace).step(Step::Attach)?;
    // Lists of authorities likewise, over those of the host.
    cover_lists(blueprint, &furniture.covers).step(Step::Trust)?;
    // 12. The token goes from file to file; this process never has it in its memory.
    let from = furniture.token.as_fd();
    copy_unseen(from, token.as_fd(), TOKEN_BYTES_MAX).step(Step::Token)?;
    // 13. Limits per process while raising a hard limit is still allowed.
    let start = blueprint.site.program.start();
    set_rlimits(furniture.order, start).step(Step::Rlimits)?;
    if start == Start::ByDescriptor {
        // Where the path of the one start lies; only this process, while it is root, can put it there.
        first_page::map().step(Step::FirstPage)?;
    }
    // 14. The user namespace last: all that was made above stays out of the jail's reach, its own
    //     root included.
    enter_user_namespace(blueprint, &furniture.users).step(Step::UserNamespace)?;
    // 15. They belong to the namespace just entered.
    forbid_namespaces(sysctls).step(Step::NamespaceLimits)?;
    Ok(furniture.order)
}

fn attach_workspace(blueprint: &Blueprint<'_>, tree: &Tree) -> Result<(), SysError> {
    let root = Directory::new(open_path("/".as_ref())?);
    let target = root.find(&c_path(&blueprint.plan.workspace)?)?;
    tree.attach(target.as_fd())
}

/// All lists or none: a jail with an authority of its own covers each that it can see.
fn cover_lists(blueprint: &Blueprint<'_>, covers: &[Tree]) -> Result<(), SysError> {
    let lists = &blueprint.plan.authority_lists;
    if !covers.is_empty() && covers.len() != lists.len() {
        return Err(SysError::new(
            "recvmsg",
            "certificate authorities",
            Errno::EPROTO,
        ));
    }
    let root = Directory::new(open_path("/".as_ref())?);
    for (tree, at) in covers.iter().zip(lists) {
        tree.attach(root.find(&c_path(at)?)?.as_fd())?;
    }
    Ok(())
}

fn set_rlimits(order: Furnish, start: Start) -> Result<(), SysError> {
    if !omitted(Layer::CoreLimit) {
        rlimit::set(Limit::Core, 0)?;
    }
    let open_files = order.open_files.into();
    match start {
        _ if omitted(Layer::OpenFilesLimit) => {}
        Start::ByPath => rlimit::set(Limit::OpenFiles, open_files)?,
        // The fork that becomes a program needs the one number above, then lowers this too.
        Start::ByDescriptor => {
            let above = u64::from(EXEC_DESCRIPTOR) + 1;
            rlimit::set_apart(Limit::OpenFiles, open_files, above)?;
        }
    }
    if !omitted(Layer::FileSizeLimit) {
        rlimit::set(Limit::FileSize, order.file_size)?;
    }
    rlimit::set(Limit::LockedMemory, LOCKED_BYTES)
}

fn enter_user_namespace(blueprint: &Blueprint<'_>, users: &OwnedFd) -> Result<(), SysError> {
    let root = blueprint.plan.ids.root;
    if omitted(Layer::UserNamespace) {
        privileges::set_group(root)?;
        return privileges::set_user_keeping(root);
    }
    namespace::enter_users(users.as_fd())?;
    privileges::set_group(root)?;
    privileges::set_user(root)
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

fn restrict(
    blueprint: &Blueprint<'_>,
    order: Furnish,
) -> Result<(Enforced, Option<Refusals>), LaunchError> {
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
        let workspace = if order.read_only {
            Access::Programs
        } else {
            Access::Writable
        };
        blueprint.fence.enforce(workspace).step(Step::Landlock)?
    };
    let refusals = if omitted(Layer::Seccomp) {
        None
    } else {
        install(&blueprint.site.program).step(Step::Seccomp)?
    };
    // Without no_new_privs the two fences need CAP_SYS_ADMIN, so that fault drops it only here.
    if omitted(Layer::NoNewPrivs) {
        keep().step(Step::Capabilities)?;
    }
    Ok((enforced, refusals))
}

/// Installs the program that reports denials, or, where nobody could hear of them, the one that
/// enforces the same by itself.
fn install(filter: &Filter) -> Result<Option<Refusals>, SysError> {
    let listener = filter.report().map(listen).transpose()?.flatten();
    if let Some(listener) = listener {
        let enforce = filter.enforce().program.clone();
        return Ok(Some(Refusals::new(listener, enforce)));
    }
    let enforce = &filter.enforce().instructions;
    // Where people can't hear of denials from us, the host's log is the next best; a recording is
    // somebody's own run, and must not fill it.
    if filter.records() {
        sys::filter::install(enforce)?;
    } else {
        sys::filter::install_audited(enforce)?;
    }
    Ok(None)
}

/// `None` where there can be no listener: a program that the daemon itself runs under has one
/// (`EBUSY`), or the kernel or such a program knows of none.
fn listen(report: &Ready) -> Result<Option<Listener>, SysError> {
    match listener::install(&report.instructions) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => match error.errno {
            Errno::EBUSY | Errno::EINVAL | Errno::ENOSYS | Errno::EPERM => Ok(None),
            _ => Err(error),
        },
    }
}
