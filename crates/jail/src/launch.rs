//! A jail from nothing, in one call: its site, then its furniture.
//!
//! Not for: the two halves (`park`, `parked`).

use crate::cgroup::Cgroups;
use crate::error::LaunchError;
use crate::handle::Jail;
use crate::park::park;
use crate::spec::Spec;

/// Builds a jail and confirms its layers. On return PID 1 is confined, and no code of the agent has
/// run: [`Jail::commit`] starts the command.
///
/// The calling process must have one thread: PID 1 is a fork of it that never execs.
///
/// # Errors
/// The step that failed, with a remedy where one is known. Nothing is left of the jail then.
pub fn launch(spec: Spec, cgroups: &Cgroups) -> Result<Jail, LaunchError> {
    let Spec { site, furniture } = spec;
    let jail = park(site, cgroups)?.furnish(furniture);
    jail.map_err(|unfurnished| unfurnished.error)
}
