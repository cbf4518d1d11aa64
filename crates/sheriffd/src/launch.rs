//! From a launch request to a confined jail that waits for its start.
//!
//! Not for: the order inside the jail (crate `jail`), nor for who may ask (`authority`).

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jail::{Filter, Root, Spec, Tmpfs, View, Workspace};
use model::{ByteSize, Limits, SessionId};
use network::Cell;
use policy::ResolvedProfile;
use warrant::{Answer, Launch, Prepared, Refusal, Stdio, Tell};

use crate::authority::{self, Grant};
use crate::command::{Environment, base_environment, build};
use crate::living::Living;
use crate::requests::{failed, refused};
use crate::warden::Warden;
use crate::welcome::listeners;

/// Working memory at the workspace's place when the operator brings no folder.
const SCRATCH_BYTES: ByteSize = ByteSize(256 << 20);
/// Hostname of every jail: nothing of the host's shows.
const HOSTNAME: &str = "jail";

/// What came along with a launch, by its place in the protocol.
struct Brought {
    token: OwnedFd,
    operator: OwnedFd,
    streams: Vec<OwnedFd>,
    workspace: Option<OwnedFd>,
}

/// What a jail stands on.
struct Ground {
    cell: Cell,
    gateway_dir: PathBuf,
    gateway: OwnedFd,
    root_uid: u32,
}

/// A launch that was judged and may be built.
struct Judged {
    profile: ResolvedProfile,
    filter: Arc<Filter>,
    limits: Limits,
    grant: Option<Grant>,
    operator_uid: u32,
}

impl Warden {
    /// Builds a jail and answers `Prepared`; on any failure nothing of it is left.
    pub(crate) fn launch(
        &mut self,
        tag: u64,
        launch: &Launch,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Refusal> {
        let begun = Instant::now();
        let brought = Brought::sort(launch, fds)?;
        let judged = self.judge(launch, &brought)?;
        let mut living = self.build(launch, brought, judged)?;
        living.prepared.build_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let prepared = living.prepared.clone();
        self.take_in(living)
            .map_err(|error| failed("watch", &error))?;
        self.announce(tag, &launch.session, prepared);
        Ok(())
    }

    /// Everything that can be refused is refused here, before anything is made.
    fn judge(&mut self, launch: &Launch, brought: &Brought) -> Result<Judged, Refusal> {
        if self.stopping {
            return Err(refused("the daemon is stopping".to_owned()));
        }
        if self.jails.get(&launch.session).is_some() {
            return Err(refused(format!(
                "session {} exists already",
                launch.session
            )));
        }
        sys::fds::require_small_memory_file(brought.token.as_fd(), jail::spec::TOKEN_BYTES_MAX)
            .map_err(|error| refused(format!("token: {error}")))?;
        launch
            .command
            .validate()
            .map_err(|error| refused(error.to_string()))?;
        let peer = self
            .operators
            .identify(brought.operator.as_fd())
            .map_err(|error| refused(error.to_string()))?;
        let (profile, filter) = self
            .profiles
            .resolve(&launch.profile)
            .map_err(|error| refused(error.to_string()))?;
        let limits = self.limits(&profile, launch)?;
        let grant = brought.workspace.as_ref().map(|fd| {
            authority::workspace(fd.as_fd(), peer, &self.config.workspace)
                .map_err(|error| refused(error.to_string()))
        });
        Ok(Judged {
            profile,
            filter,
            limits,
            grant: grant.transpose()?,
            operator_uid: peer.uid,
        })
    }

    /// The profile's limits, the request's overrides, and root's ceilings over both.
    fn limits(&self, profile: &ResolvedProfile, launch: &Launch) -> Result<Limits, Refusal> {
        let mut limits = profile.limits.clone();
        if launch.limits.len() > warrant::request::OVERRIDES_MAX {
            return Err(refused("too many limit overrides".to_owned()));
        }
        for entry in &launch.limits {
            policy::limits::apply_override(&mut limits, entry)
                .map_err(|error| refused(error.to_string()))?;
        }
        limits.wall_clock = [limits.wall_clock, launch.timeout]
            .into_iter()
            .flatten()
            .min();
        let ceiling = &self.config.ceilings;
        // A jail that sets itself no end gets the host's.
        limits.wall_clock = limits.wall_clock.or(ceiling.0.wall_clock);
        ceiling
            .check(&limits)
            .map_err(|error| refused(error.to_string()))?;
        Ok(limits)
    }

    fn build(
        &mut self,
        launch: &Launch,
        brought: Brought,
        judged: Judged,
    ) -> Result<Living, Refusal> {
        let root_uid = self.uids.take().map_err(|error| failed("uids", &error))?;
        let built = self
            .prepare_ground(launch, root_uid)
            .and_then(|ground| self.build_on(ground, launch, brought, judged));
        if built.is_err() {
            self.uids.give_back(root_uid);
            // What can't be removed now goes with the daemon's runtime folder.
            if let Err(error) = self.folders.remove_gateway(&launch.session) {
                tracing::error!(%error, "gateway folder of a failed launch is left");
            }
        }
        built
    }

    /// What exists outside the jail before it does: its wire and its gateway's socket.
    fn prepare_ground(&mut self, launch: &Launch, root_uid: u32) -> Result<Ground, Refusal> {
        let cell = self.pool.take(&[]).map_err(|error| Refusal {
            remedy: error.remedy().unwrap_or_default().to_owned(),
            ..failed("network", &error)
        })?;
        let (gateway_dir, gateway) = self
            .folders
            .gateway(&launch.session, root_uid + 1)
            .map_err(|error| failed("gateway", &error))?;
        Ok(Ground {
            cell,
            gateway_dir,
            gateway,
            root_uid,
        })
    }

    fn build_on(
        &mut self,
        ground: Ground,
        launch: &Launch,
        brought: Brought,
        judged: Judged,
    ) -> Result<Living, Refusal> {
        let (limits, operator_uid) = (judged.limits.clone(), judged.operator_uid);
        let spec = spec(&ground, launch, brought, judged)?;
        let jail = jail::launch(spec, &self.cgroups).map_err(|error| Refusal {
            step: error.step.to_string(),
            message: error.to_string(),
            remedy: error.remedy,
            callers_fault: false,
            exit: None,
        })?;
        let prepared = Prepared {
            layers: jail.layers().clone(),
            limits,
            address: ground.cell.address(),
            agent_uid: ground.root_uid + 1,
            build_us: 0,
        };
        let wall_clock = prepared.limits.wall_clock;
        Ok(Living {
            session: launch.session.clone(),
            profile: launch.profile.clone(),
            token: self.jails.next_token(),
            jail,
            cell: ground.cell,
            gateway: ground.gateway,
            root_uid: ground.root_uid,
            prepared,
            deadline: wall_clock.map(|wall| Instant::now() + wall.as_duration()),
            operator_uid,
            silent: false,
            committed: false,
            waiting: HashMap::new(),
            next_process: 1,
        })
    }

    fn announce(&mut self, tag: u64, session: &SessionId, prepared: Prepared) {
        let tell = Tell::Answer(tag, Answer::Prepared(Box::new(prepared)));
        let told = match (self.jails.get(session), &self.office) {
            (Some(living), Some(office)) => office.tell(&tell, &listeners(living)),
            _no_one_to_tell => Ok(()),
        };
        if let Err(error) = told {
            self.lose_office(&error.to_string());
        }
    }

    /// The environment that a further process of a session starts from.
    pub(crate) fn environment_of(
        &mut self,
        session: &SessionId,
    ) -> Result<(Environment, String), Refusal> {
        let living = self
            .jails
            .get(session)
            .ok_or_else(|| refused(format!("no session {session}")))?;
        let name = living.profile.clone();
        let (profile, _filter) = self
            .profiles
            .resolve(&name)
            .map_err(|error| refused(error.to_string()))?;
        Ok((environment(&profile), path_text(&profile.workspace.path)?))
    }
}

impl Brought {
    fn sort(launch: &Launch, fds: Vec<OwnedFd>) -> Result<Self, Refusal> {
        let streams = if launch.command.stdio == Stdio::Inherit {
            3
        } else {
            0
        };
        let wanted = 2 + streams + usize::from(launch.workspace);
        let given = fds.len();
        let wrong = || {
            refused(format!(
                "a launch like this brings {wanted} descriptors, not {given}"
            ))
        };
        if given != wanted {
            return Err(wrong());
        }
        let mut fds = fds.into_iter();
        let (token, operator) = fds.next().zip(fds.next()).ok_or_else(wrong)?;
        let streams = fds.by_ref().take(streams).collect();
        Ok(Self {
            token,
            operator,
            streams,
            workspace: fds.next(),
        })
    }
}

/// Everything resolved: nothing is left for the jail's builder to choose.
fn spec(
    ground: &Ground,
    launch: &Launch,
    brought: Brought,
    judged: Judged,
) -> Result<Spec, Refusal> {
    let Judged {
        profile,
        filter,
        limits,
        grant,
        ..
    } = judged;
    let cwd = path_text(&profile.workspace.path)?;
    let command = build(
        launch.command.clone(),
        environment(&profile),
        cwd,
        brought.streams,
    )
    .map_err(|error| refused(error.to_string()))?;
    let netns = ground.cell.netns().try_clone_to_owned();
    Ok(Spec {
        session: launch.session.clone(),
        root_uid: ground.root_uid,
        view: view(&profile),
        workspace: workspace(&profile, grant, brought.workspace),
        limits,
        program: filter,
        landlock_min_abi: profile.landlock_min_abi,
        netns: netns.map_err(|error| failed("network", &error))?,
        gateway_dir: ground.gateway_dir.clone(),
        token: brought.token,
        command,
        hostname: HOSTNAME.to_owned(),
    })
}

fn environment(profile: &ResolvedProfile) -> Environment {
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

fn workspace(profile: &ResolvedProfile, grant: Option<Grant>, fd: Option<OwnedFd>) -> Workspace {
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

fn path_text(path: impl AsRef<std::path::Path>) -> Result<String, Refusal> {
    let path = path.as_ref();
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| refused(format!("path {} is not text", path.display())))
}
