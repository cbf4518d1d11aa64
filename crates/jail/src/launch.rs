//! The warden's half of the construction, in order; the jail's own half is `interior`.
//!
//! Not for: what happens to a jail that stands (`handle`).

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use model::Layers;
use sys::clone::{self, Process};
use sys::directory::{Directory, open_path};
use sys::namespace::Namespaces;
use sys::readiness::wait_readable;
use sys::seqpacket::{Message, Seqpacket};
use sys::{Errno, SysError, fds};

use crate::cgroup::{Cgroups, Group};
use crate::confirm::{Reference, confirm};
use crate::error::{InStep, LaunchError};
use crate::handle::Jail;
use crate::ids::write_maps;
use crate::interior::{self, Blueprint};
use crate::landlock::{Enforced, Fence};
use crate::plan::Plan;
use crate::spec::{Spec, Stdio};
use crate::step::Step;
use crate::wire::{Order, Report};

/// How long PID 1 may take. It takes milliseconds; a host that needs this long can't run jails.
const CONSTRUCTION_MAX: Duration = Duration::from_secs(10);

/// Builds a jail and confirms its layers. On return PID 1 is confined, and no code of the agent has
/// run: [`Jail::commit`] starts the command.
///
/// The calling process must have one thread: PID 1 is a fork of it that never execs.
///
/// # Errors
/// The step that failed, with a remedy where one is known. Nothing is left of the jail then.
pub fn launch(spec: Spec, cgroups: &Cgroups) -> Result<Jail, LaunchError> {
    check_single_thread()?;
    // 1. Every host path is resolved here, once, into trees that hang nowhere yet: in the jail's
    //    mount namespace the host's paths are gone, and descriptors of them can't be mounted.
    let plan = Plan::new(&spec)?;
    // 2. Landlock's rules from the same plan; a kernel below the profile's floor stops us here.
    let fence = Fence::new(&plan, spec.landlock_min_abi).step(Step::Landlock)?;
    let gateway = Directory::new(open_path(&spec.gateway_dir).step(Step::Token)?);
    // 3. The cgroup with its limits, before there is anything to limit.
    let group = Group::create(cgroups, spec.session.as_str(), &spec.limits).step(Step::Cgroup)?;
    let site = Site { group };
    let joins = site.group.joins().step(Step::Cgroup)?;
    let blueprint = Blueprint {
        spec: &spec,
        plan: &plan,
        fence: &fence,
        joins: &joins,
        gateway: &gateway,
    };
    // 4. PID 1, born in the cgroup and in all namespaces but the user's, which comes last.
    let (control, process) = beget(&blueprint, &site.group)?;
    let raised = raise(&blueprint, &site.group, &control, &process);
    match raised {
        Ok((layers, terminal)) => Ok(Jail::new(
            process,
            control,
            site.finish(),
            layers,
            (spec.command, terminal),
        )),
        Err(error) => Err(site.tear_down(&process, error)),
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

/// Steps 5 to 7, with PID 1 there.
fn raise(
    blueprint: &Blueprint<'_>,
    group: &Group,
    control: &Seqpacket,
    process: &Process,
) -> Result<(Layers, Option<OwnedFd>), LaunchError> {
    let deadline = Instant::now() + CONSTRUCTION_MAX;
    let talk = Talk {
        control,
        process,
        deadline,
    };
    let reference = Reference::take().step(Step::Confirm)?;
    // 5. The id maps, which only a process outside can write; then PID 1 confines itself.
    let landlock = see_through(&talk, blueprint.plan)?;
    // 6. What the kernel says holds. Any deviation ends the launch.
    let layers = confirm(blueprint, group, process.pid(), landlock, &reference)?;
    // 7. The terminal, from the jail's own devpts, if the command wants one.
    let terminal = match blueprint.spec.command.stdio {
        Stdio::Terminal { rows, cols } => Some(open_terminal(&talk, rows, cols)?),
        Stdio::Fds(_) => None,
    };
    Ok((layers, terminal))
}

fn beget(blueprint: &Blueprint<'_>, group: &Group) -> Result<(Seqpacket, Process), LaunchError> {
    let (ours, theirs) = Seqpacket::pair().step(Step::Clone)?;
    let namespaces = Namespaces::MOUNT
        .and(Namespaces::PID)
        .and(Namespaces::UTS)
        .and(Namespaces::IPC);
    let process = clone::spawn(namespaces, Some(group.unified()), || {
        // The warden's end must not survive in its child, or the lifeline would never break.
        let end = ours.as_raw_fd();
        match fds::close_between(end, end) {
            Ok(()) => interior::live(blueprint, &theirs),
            Err(_) => 1,
        }
    });
    Ok((ours, process.step(Step::Clone)?))
}

/// A conversation with PID 1 while it builds.
struct Talk<'a> {
    control: &'a Seqpacket,
    process: &'a Process,
    deadline: Instant,
}

impl Talk<'_> {
    fn hear(&self) -> Result<(Report, Vec<OwnedFd>), LaunchError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let fds = [self.control.as_fd(), self.process.as_fd()];
        let ready = wait_readable(&fds, Some(left)).step(Step::Ready)?;
        if !ready.contains(&true) {
            let errno = Errno::ETIMEDOUT;
            return Err(LaunchError::from_parts(
                Step::Ready,
                "silence".into(),
                errno,
            ));
        }
        if ready.first() != Some(&true) {
            return Err(died());
        }
        let message = self.control.receive().step(Step::Ready)?;
        let Message { bytes, fds } = message.ok_or_else(died)?;
        match Report::decode(&bytes) {
            Ok(Report::Failed {
                step,
                object,
                errno,
            }) => Err(LaunchError::from_parts(step, object, errno)),
            Ok(report) => Ok((report, fds)),
            Err(_) => Err(unexpected()),
        }
    }

    fn say(&self, order: &Order, step: Step) -> Result<(), LaunchError> {
        self.control.send(&order.encode(), &[]).step(step)
    }
}

fn died() -> LaunchError {
    LaunchError::judged(Step::Ready, "the jail's init died", "")
}

fn unexpected() -> LaunchError {
    LaunchError::judged(Step::Ready, "the jail's init broke the protocol", "")
}

fn see_through(talk: &Talk<'_>, plan: &Plan) -> Result<Enforced, LaunchError> {
    let mut mapped = false;
    loop {
        match talk.hear()?.0 {
            Report::NeedMaps if !mapped => {
                mapped = true;
                let map = plan.ids.map();
                write_maps(talk.process.pid(), &map, &map).step(Step::IdMaps)?;
                talk.say(&Order::Proceed, Step::IdMaps)?;
            }
            Report::Ready {
                landlock_abi,
                landlock_full,
            } => {
                return Ok(Enforced {
                    abi: landlock_abi,
                    full: landlock_full,
                });
            }
            _ => return Err(unexpected()),
        }
    }
}

fn open_terminal(talk: &Talk<'_>, rows: u16, cols: u16) -> Result<OwnedFd, LaunchError> {
    talk.say(&Order::OpenTerminal { rows, cols }, Step::Terminal)?;
    match talk.hear()? {
        (Report::Terminal, fds) => fds.into_iter().next().ok_or_else(unexpected),
        _ => Err(unexpected()),
    }
}

/// A cgroup that is removed again unless the jail comes to stand.
struct Site {
    group: Group,
}

impl Site {
    fn finish(self) -> Group {
        self.group
    }

    /// Ends a launch that failed with PID 1 there.
    fn tear_down(self, process: &Process, error: LaunchError) -> LaunchError {
        let oom = self.group.oom_kills().unwrap_or(0) > 0;
        let ended = || -> Result<(), SysError> {
            self.group.kill()?;
            process.reap()?;
            self.group.remove()
        };
        if let Err(left) = ended() {
            tracing::error!(error = %left, "a failed launch left something behind");
        }
        if oom { error.note_memory() } else { error }
    }
}
