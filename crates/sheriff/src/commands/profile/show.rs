//! `sheriff profile show`: what a jail with this profile gets, all parents and lists merged.
//!
//! Not for: what `sheriff run` adds with its options, nor for the operator's ceilings.

use model::ProfileName;
use policy::{EffectivePolicy, ResolvedProfile};
use serde::Serialize;

use crate::commands::folder::Folder;
use crate::failure::Failure;
use crate::render::{Output, profile};

/// Options of `profile show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The profile
    #[arg(value_name = "NAME")]
    name: ProfileName,
}

/// A profile and the policy that it makes.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    profile: &'a ResolvedProfile,
    policy: &'a EffectivePolicy,
}

/// Shows the profile.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let shelf = args.folder.shelf();
    let mut look_up = |kind, name: &ProfileName| shelf.look_up(kind, name);
    let resolved = ResolvedProfile::resolve(&args.name, &mut look_up)?;
    // No generation: nothing is in force here.
    let rules = resolved.policy(0)?;
    let policy = EffectivePolicy::new(&rules, resolved.budget);
    let mut output = Output::new();
    if args.json {
        output.json(&Shown {
            profile: &resolved,
            policy: &policy,
        })?;
    } else {
        profile::show(&resolved, &policy, &mut output)?;
    }
    output.finish().map(|()| 0)
}
