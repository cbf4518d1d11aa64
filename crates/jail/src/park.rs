//! The warden's half of the construction up to where a jail is parked; PID 1's is `interior`.
//!
//! Not for: what comes with a request (`parked`).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use sys::clone::{self, Process};
use sys::directory::{Directory, open_path};
use sys::fds;
use sys::namespace::Namespaces;
use sys::seqpacket::Seqpacket;

use crate::cgroup::{Cgroups, Group};
use crate::confirm::{Expected, Reference};
use crate::error::{InStep, LaunchError};
use crate::fault::{Layer, omitted};
use crate::ids::{io_failure, user_namespace};
use crate::interior::{self, Blueprint};
use crate::landlock::Fence;
use crate::parked::{Parked, Standing};
use crate::plan::Plan;
use crate::spec::Site;
use crate::step::Step;
use crate::trust::Lists;
use crate::workspace::OwnerMap;

/// Builds a jail as far as nobody needs to have asked for it. Returns while PID 1 still works on
/// it; a step of it that fails shows in [`Parked::furnish`].
///
/// Until then PID 1 is real root, in namespaces without the host's files, and does nothing but
/// wait: it has no code to run but ours, and nobody to hear but the caller.
///
/// The calling process must have one thread: PID 1 is a fork of it that never execs.
///
/// # Errors
/// The step that failed, with a remedy where one is known. Nothing is left of the jail then.
pub fn park(site: Site, cgroups: &Cgroups) -> Result<Parked, LaunchError> {
    check_single_thread()?;
    // 1. Every host path is resolved here, once, into trees that hang nowhere yet: in the jail's
    //    mount namespace the host's paths are gone, and descriptors of them can't be mounted.
    let plan = Plan::new(&site)?;
    // 2. Landlock's rules from the same plan; a kernel below the profile's floor stops us here.
    let fence = Fence::new(&plan, site.landlock_min_abi).step(Step::Landlock)?;
    let gateway = Directory::new(open_path(&site.gateway_dir).step(Step::Token)?);
    let likely = site
        .likely_owner
        .map(|owner| OwnerMap::new(owner, plan.ids));
    let likely = likely.transpose()?;
    let map = plan.ids.map();
    let users = user_namespace(&map, &map).step(Step::IdMaps)?;
    let expected = expect(&site, &plan)?;
    // 3. The cgroup with its limits, before there is anything to limit.
    let group = Group::create(cgroups, site.name.as_str(), &site.limits).step(Step::Cgroup)?;
    // 4. PID 1, born in the cgroup and in all namespaces but the user's, which it enters last.
    let begotten = group.joins().step(Step::Cgroup).and_then(|joins| {
        beget(
            &Blueprint {
                site: &site,
                plan: &plan,
                fence: &fence,
                joins: &joins,
                gateway: &gateway,
            },
            &group,
        )
    });
    match begotten {
        Ok((control, process)) => Ok(Parked::new(
            Standing {
                process,
                control,
                group,
                users,
            },
            expected,
            site.limits,
            (likely, Lists::new(gateway, plan.authority_lists)),
        )),
        Err(error) => {
            group.remove().step(Step::Cgroup)?;
            Err(error)
        }
    }
}

/// PID 1 would inherit locks that no thread of it will ever open: refuse before, not hang after.
fn check_single_thread() -> Result<(), LaunchError> {
    let tasks = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    match tasks {
        Ok(1) => Ok(()),
        other => Err(LaunchError::judged(
            Step::Clone,
            format!("the caller has {} threads", other.unwrap_or(0)),
            "jails are made by a process with one thread",
        )),
    }
}

/// What the kernel must later say of the jail.
fn expect(site: &Site, plan: &Plan) -> Result<Expected, LaunchError> {
    let cell = || {
        let cell = File::from(fds::duplicate_above(site.netns.as_fd(), 3)?);
        let found = cell.metadata();
        Ok(found
            .map_err(|error| io_failure("fstat", "netns", &error))?
            .ino())
    };
    Ok(Expected {
        reference: Reference::take().step(Step::Confirm)?,
        ids: plan.ids,
        places: plan.places(),
        cell: cell().step(Step::Confirm)?,
        filter: Arc::clone(&site.program),
        landlock_min_abi: site.landlock_min_abi,
    })
}

/// What PID 1 is born into; its network, user and cgroup namespaces come later.
fn namespaces() -> Namespaces {
    let optional = [
        (Layer::UtsNamespace, Namespaces::UTS),
        (Layer::IpcNamespace, Namespaces::IPC),
    ];
    let kept = optional.into_iter().filter(|(layer, _)| !omitted(*layer));
    kept.fold(Namespaces::MOUNT.and(Namespaces::PID), |all, (_, one)| {
        all.and(one)
    })
}

fn beget(blueprint: &Blueprint<'_>, group: &Group) -> Result<(Seqpacket, Process), LaunchError> {
    let (ours, theirs) = Seqpacket::pair().step(Step::Clone)?;
    let process = clone::spawn(namespaces(), Some(group.unified()), || {
        // The warden's end must not survive in its child, or the lifeline would never break.
        let end = ours.as_raw_fd();
        match fds::close_between(end, end) {
            Ok(()) => interior::live(blueprint, &theirs),
            Err(_) => 1,
        }
    });
    Ok((ours, process.step(Step::Clone)?))
}
