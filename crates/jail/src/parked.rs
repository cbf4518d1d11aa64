//! A jail that was built before anybody asked for it, and the rest of its construction.
//!
//! Not for: what is built before (`park`). PID 1's half of what is here is `finish`.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use model::{Layers, Limits};
use seccomp::{EXEC_DESCRIPTOR, RECORD_DESCRIPTOR};
use sys::SysError;
use sys::clone::Process;
use sys::mount::Tree;
use sys::readiness::wait_readable;
use sys::seqpacket::Seqpacket;

use crate::cgroup::Group;
use crate::confirm::{Claim, Expected, confirm, confirm_limits};
use crate::error::{InStep, LaunchError};
use crate::filter::{Filter, Start};
use crate::handle::Jail;
use crate::landlock::Enforced;
use crate::mounting::Access;
use crate::spec::{Furniture, Stdio};
use crate::step::Step;
use crate::talk::{Talk, unexpected};
use crate::trust::Lists;
use crate::wire::{Furnish, Order, Report};
use crate::workspace::{Hanging, OwnerMap};

/// How long PID 1 may take. It takes milliseconds; a host that needs this long can't run jails.
const CONSTRUCTION_MAX: Duration = Duration::from_secs(10);

/// A jail without a workspace, a token and a command. Dropping it removes it.
#[derive(Debug)]
pub struct Parked {
    /// `None` once it has become a jail.
    standing: Option<Standing>,
    expected: Expected,
    limits: Limits,
    likely: Option<OwnerMap>,
    lists: Lists,
}

/// What exists of a jail outside of this process.
#[derive(Debug)]
pub(crate) struct Standing {
    /// PID 1.
    pub(crate) process: Process,
    /// The way to it.
    pub(crate) control: Seqpacket,
    /// Its cgroup.
    pub(crate) group: Group,
    /// The user namespace that PID 1 will enter, with its id maps.
    pub(crate) users: File,
}

/// A parked jail that did not become one; nothing of it is left.
#[derive(Debug)]
pub struct Unfurnished {
    /// Why.
    pub error: LaunchError,
    /// Given back, for another try.
    pub furniture: Furniture,
}

impl Parked {
    pub(crate) fn new(
        standing: Standing,
        expected: Expected,
        limits: Limits,
        (likely, lists): (Option<OwnerMap>, Lists),
    ) -> Self {
        Self {
            standing: Some(standing),
            expected,
            limits,
            likely,
            lists,
        }
    }

    /// PID 1's number on the host; for messages and tests.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.standing.as_ref().map(|one| one.process.pid())
    }

    /// Whether PID 1 still waits. A jail that is not alive is of no use.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let ended = |one: &Standing| wait_readable(&[one.process.as_fd()], Some(Duration::ZERO));
        self.standing
            .as_ref()
            .is_some_and(|one| matches!(ended(one).as_deref(), Ok([false])))
    }

    /// Finishes the jail and confirms its layers. On return PID 1 is confined, and no code of the
    /// agent has run: [`Jail::commit`] starts the command.
    ///
    /// # Errors
    /// The step that failed, and the furniture. Nothing is left of the jail then.
    pub fn furnish(mut self, furniture: Furniture) -> Result<Jail, Box<Unfurnished>> {
        let raised = self.raise(&furniture);
        match (raised, self.standing.take()) {
            (Ok((layers, terminal)), Some(standing)) => Ok(Jail::new(
                standing.process,
                standing.control,
                standing.group,
                layers,
                (furniture.command, terminal),
            )),
            (Err(error), Some(standing)) => {
                let error = standing.tear_down(error);
                Err(Box::new(Unfurnished { error, furniture }))
            }
            (raised, None) => {
                let error = raised.err().unwrap_or_else(unexpected);
                Err(Box::new(Unfurnished { error, furniture }))
            }
        }
    }

    /// Steps 5 to 8, with PID 1 there.
    fn raise(&mut self, furniture: &Furniture) -> Result<(Layers, Option<OwnedFd>), LaunchError> {
        let Self {
            standing: Some(standing),
            expected,
            limits,
            likely,
            lists,
        } = self
        else {
            return Err(unexpected());
        };
        let talk = Talk {
            control: &standing.control,
            process: &standing.process,
            deadline: Instant::now() + CONSTRUCTION_MAX,
        };
        check_open_files(&expected.filter, furniture.limits.open_files)?;
        // 5. What the request brings, handed over as descriptors: no path of it is ever resolved.
        let hanging = Hanging::new(&furniture.workspace, expected.ids, likely.take())?;
        let group = &standing.group;
        group
            .change_limits(limits, &furniture.limits)
            .step(Step::Cgroup)?;
        expected.places.push(hanging.place());
        let covers = lists.prepare(furniture.trust.as_ref())?;
        let brought = (&hanging, &standing.users, covers.trees.as_slice());
        hand_over(&talk, furniture, brought)?;
        // 6. While PID 1 confines itself: what is in the lists, and the limits, of which it is no part.
        let filled = covers.fill();
        expected.places.extend(covers.mounts);
        let pid = standing.process.pid();
        let cgroup = confirm_limits(group, &furniture.limits, pid);
        // A PID 1 that failed is not in its group any more, and its own word says why.
        let claim = see_through(&talk)?;
        filled?;
        let cgroup = cgroup?;
        if expected.filter.report().is_some() && !claim.reporting {
            tracing::warn!("no listener for seccomp: denials are enforced, and not reported");
        }
        // 7. What the kernel says holds. Any deviation ends the launch.
        let layers = confirm(expected, cgroup, pid, claim)?;
        // 8. The terminal, from the jail's own devpts, if the command wants one.
        let terminal = match furniture.command.stdio {
            Stdio::Terminal { rows, cols } => Some(open_terminal(&talk, rows, cols)?),
            Stdio::Fds(_) => None,
        };
        Ok((layers, terminal))
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        if let Some(standing) = self.standing.take()
            && let Err(left) = standing.end()
        {
            tracing::error!(error = %left, "a parked jail left something behind");
        }
    }
}

impl Standing {
    /// Ends a launch that failed with PID 1 there.
    fn tear_down(self, error: LaunchError) -> LaunchError {
        let oom = self.group.oom_kills().unwrap_or(0) > 0;
        if let Err(left) = self.end() {
            tracing::error!(error = %left, "a failed launch left something behind");
        }
        if oom { error.note_memory() } else { error }
    }

    fn end(&self) -> Result<(), SysError> {
        self.group.kill()?;
        self.process.reap()?;
        self.group.remove()
    }
}

/// The descriptor that programs are started from must be one that they can't make, while the one that
/// a listener is handed over by must be one that can be made.
fn check_open_files(filter: &Filter, open_files: u32) -> Result<(), LaunchError> {
    let refused = |remedy| {
        let object = format!("limit of {open_files} open files");
        Err(LaunchError::judged(Step::Rlimits, object, remedy))
    };
    if filter.start() == Start::ByDescriptor && open_files > EXEC_DESCRIPTOR {
        return refused(
            "the seccomp profile starts one program only, from descriptor 16384: set \
             limits.open_files to that or less",
        );
    }
    if filter.records() && open_files <= RECORD_DESCRIPTOR {
        return refused("recording needs descriptor 1000: set limits.open_files to 1001 or more");
    }
    Ok(())
}

fn hand_over(
    talk: &Talk<'_>,
    furniture: &Furniture,
    (hanging, users, covers): (&Hanging, &File, &[Tree]),
) -> Result<(), LaunchError> {
    match talk.hear()?.0 {
        Report::Parked => {}
        _ => return Err(unexpected()),
    }
    let order = Order::Furnish(Furnish {
        open_files: furniture.limits.open_files,
        file_size: furniture.limits.file_size.0,
        read_only: hanging.access == Access::Programs,
    });
    let mut fds = vec![furniture.token.as_fd(), hanging.tree.as_fd(), users.as_fd()];
    fds.extend(covers.iter().map(Tree::as_fd));
    talk.say(&order, &fds, Step::Workspace)
}

fn see_through(talk: &Talk<'_>) -> Result<Claim, LaunchError> {
    match talk.hear()?.0 {
        Report::Ready {
            landlock_abi,
            landlock_full,
            reporting,
        } => Ok(Claim {
            landlock: Enforced {
                abi: landlock_abi,
                full: landlock_full,
            },
            reporting,
        }),
        _ => Err(unexpected()),
    }
}

fn open_terminal(talk: &Talk<'_>, rows: u16, cols: u16) -> Result<OwnedFd, LaunchError> {
    talk.say(&Order::OpenTerminal { rows, cols }, &[], Step::Terminal)?;
    match talk.hear()? {
        (Report::Terminal, fds) => fds.into_iter().next().ok_or_else(unexpected),
        _ => Err(unexpected()),
    }
}
