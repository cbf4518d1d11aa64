//! From a resolved profile and a request to what the jail's builder takes.
//!
//! Not for: judging either (`launch`, `authority`).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use jail::{Filter, Furniture, Root, Site, Tmpfs, View, Workspace};
use model::{ByteSize, Limits};
use policy::ResolvedProfile;
use warrant::{Launch, Refusal};

use crate::authority::Grant;
use crate::command::{Environment, base_environment, build};
use crate::launch::{Brought, Judged};
use crate::parking::Ground;
use crate::requests::{failed, refused};

/// Working memory at the workspace's place when the operator brings no folder.
const SCRATCH_BYTES: ByteSize = ByteSize(256 << 20);
/// Hostname of every jail: nothing of the host's shows.
const HOSTNAME: &str = "jail";

/// What the profile and the ground decide.
pub(crate) fn site(
    ground: &Ground,
    profile: &ResolvedProfile,
    filter: &Arc<Filter>,
    likely_owner: Option<(u32, u32)>,
) -> Result<Site, Refusal> {
    let netns = ground.cell.netns().try_clone_to_owned();
    Ok(Site {
        name: ground.name.clone(),
        root_uid: ground.root_uid,
        view: view(profile),
        workspace_at: (&profile.workspace.path).into(),
        likely_owner,
        limits: profile.limits.clone(),
        program: Arc::clone(filter),
        landlock_min_abi: profile.landlock_min_abi,
        netns: netns.map_err(|error| failed("network", &error))?,
        gateway_dir: ground.gateway_dir.clone(),
        hostname: HOSTNAME.to_owned(),
    })
}

/// What only the request knows.
pub(crate) fn furniture(
    launch: &Launch,
    brought: Brought,
    judged: &Judged,
    limits: Limits,
) -> Result<Furniture, Refusal> {
    let profile = &judged.profile;
    let cwd = path_text(&profile.workspace.path)?;
    let command = build(
        launch.command.clone(),
        environment(profile),
        cwd,
        brought.streams,
    )
    .map_err(|error| refused(error.to_string()))?;
    Ok(Furniture {
        workspace: workspace(profile, judged.grant.as_ref(), brought.workspace),
        limits,
        token: brought.token,
        trust: brought.trust,
        command,
    })
}

/// The environment of the profile over that of every agent.
pub(crate) fn environment(profile: &ResolvedProfile) -> Environment {
    let mut environment = base_environment();
    let own = profile.environment.iter();
    environment
        .extend(own.map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())));
    environment
}

fn view(profile: &ResolvedProfile) -> View {
    let tmpfs = profile.filesystem.tmpfs.iter();
    View {
        root: match &profile.filesystem.root {
            policy::profile::Root::Host => Root::Host,
            policy::profile::Root::Folder(path) => Root::Folder(path.into()),
        },
        read_only: profile
            .filesystem
            .read_only
            .iter()
            .map(Into::into)
            .collect(),
        tmpfs: tmpfs
            .map(|one| Tmpfs {
                at: (&one.path).into(),
                size: one.size,
            })
            .collect(),
    }
}

fn workspace(profile: &ResolvedProfile, grant: Option<&Grant>, fd: Option<OwnedFd>) -> Workspace {
    let at = (&profile.workspace.path).into();
    match grant.zip(fd) {
        Some((grant, fd)) => Workspace::Bound {
            fd,
            owner_uid: grant.uid,
            owner_gid: grant.gid,
            at,
            read_only: profile.workspace.mode == policy::profile::WorkspaceMode::ReadOnly,
        },
        None => Workspace::Scratch {
            at,
            size: SCRATCH_BYTES,
        },
    }
}

/// A path as text, which commands and messages need.
pub(crate) fn path_text(path: impl AsRef<std::path::Path>) -> Result<String, Refusal> {
    let path = path.as_ref();
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| refused(format!("path {} is not text", path.display())))
}
