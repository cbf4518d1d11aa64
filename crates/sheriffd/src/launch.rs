//! From a launch request to a confined jail that waits for its start.
//!
//! Not for: the order inside the jail (crate `jail`), nor for who may ask (`authority`).

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use jail::spec::TOKEN_BYTES_MAX;
use jail::{Filter, Furniture, LaunchError, Trust, Unfurnished};
use model::{Limits, SessionId};
use policy::ResolvedProfile;
use warrant::{Answer, Launch, Prepared, Refusal, Stdio, TRUST_BYTES_MAX, Tell};

use crate::authority::{self, Grant};
use crate::command::Environment;
use crate::living::{Living, Recording};
use crate::parking::Stall;
use crate::profiles::ProfilesError;
use crate::requests::{failed, refused};
use crate::site::{environment, furniture, path_text};
use crate::warden::Warden;
use crate::welcome::listeners;

// What the protocol lets through, the builder takes.
const _: () = assert!(TRUST_BYTES_MAX <= jail::spec::TRUST_BYTES_MAX);

/// What the protocol allows, a cell can have.
const _: () = assert!(warrant::PORTS_MAX <= network::EXTRA_PORTS_MAX);

/// What came along with a launch, by its place in the protocol.
pub(crate) struct Brought {
    pub(crate) token: OwnedFd,
    operator: OwnedFd,
    pub(crate) streams: Vec<OwnedFd>,
    pub(crate) workspace: Option<OwnedFd>,
    pub(crate) trust: Option<Trust>,
}

/// A launch that was judged and may be built.
pub(crate) struct Judged {
    pub(crate) profile: Arc<ResolvedProfile>,
    filter: Arc<Filter>,
    limits: Limits,
    pub(crate) grant: Option<Grant>,
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
        let mut living = self.build(launch, brought, &judged)?;
        if let Err(error) = self.open_ports(&mut living, &launch.ports) {
            let Living { jail, ground, .. } = living;
            drop(jail);
            self.clear_ground(ground);
            return Err(error);
        }
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
        let generation = self.profiles.generation();
        if launch.generation != generation {
            return Err(refused(format!(
                "the profiles were reloaded meanwhile (generation {generation}, asked under {}); \
                 try again",
                launch.generation
            )));
        }
        brought.check_files()?;
        launch
            .command
            .validate()
            .map_err(|error| refused(error.to_string()))?;
        warrant::check_ports(&launch.ports).map_err(|error| refused(error.to_string()))?;
        let peer = self
            .operators
            .identify(brought.operator.as_fd())
            .map_err(|error| refused(error.to_string()))?;
        let (profile, filter) = self
            .profiles_of(launch)
            .map_err(|error| refused(error.to_string()))?;
        let limits = self.limits(&profile, launch)?;
        let grant = brought.workspace.as_ref().map(|fd| {
            authority::workspace(fd.as_fd(), peer, &self.config.workspace).map_err(|error| {
                Refusal {
                    remedy: error.remedy().to_owned(),
                    ..refused(error.to_string())
                }
            })
        });
        Ok(Judged {
            profile,
            filter,
            limits,
            grant: grant.transpose()?,
            operator_uid: peer.uid,
        })
    }

    fn profiles_of(
        &self,
        launch: &Launch,
    ) -> Result<(Arc<ResolvedProfile>, Arc<Filter>), ProfilesError> {
        let (profile, filter) = self.profiles.resolve(&launch.profile)?;
        if !launch.record {
            return Ok((profile, filter));
        }
        let filter = self.profiles.recording(&profile)?;
        Ok((profile, filter))
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

    /// Finishes a jail built ahead; without one that works, builds one from nothing.
    fn build(
        &mut self,
        launch: &Launch,
        brought: Brought,
        judged: &Judged,
    ) -> Result<Living, Refusal> {
        let mut furniture = furniture(launch, brought, judged, judged.limits.clone())?;
        if let Some(stall) = self.parked(launch, judged) {
            match self.furnish(launch, (stall, judged.operator_uid), furniture) {
                Ok(living) => return Ok(living),
                Err(unfurnished) => {
                    let error = unfurnished.error;
                    tracing::warn!(%error, "a jail built ahead was of no use; building another");
                    furniture = unfurnished.furniture;
                }
            }
        }
        let name = launch.session.clone();
        let stall = self.park(name, &launch.profile, (&judged.profile, &judged.filter))?;
        self.furnish(launch, (stall, judged.operator_uid), furniture)
            .map_err(|unfurnished| not_built(unfurnished.error))
    }

    /// A jail built ahead that will do. None records, and one that does is no sign of another.
    fn parked(&mut self, launch: &Launch, judged: &Judged) -> Option<Stall> {
        if launch.record {
            return None;
        }
        let owner = judged.grant.as_ref().map(Grant::owner);
        self.lot.want(&launch.profile, owner);
        self.lot.take(&launch.profile)
    }

    fn furnish(
        &mut self,
        launch: &Launch,
        (stall, operator_uid): (Stall, u32),
        furniture: Furniture,
    ) -> Result<Living, Box<Unfurnished>> {
        let Stall { jail, ground, .. } = stall;
        let limits = furniture.limits.clone();
        let jail = match jail.furnish(furniture) {
            Ok(jail) => jail,
            Err(unfurnished) => {
                self.clear_ground(ground);
                return Err(unfurnished);
            }
        };
        let prepared = Prepared {
            layers: jail.layers().clone(),
            limits,
            address: ground.cell.address(),
            agent_uid: ground.root_uid + 1,
            ports: Vec::new(),
            build_us: 0,
        };
        let wall_clock = prepared.limits.wall_clock;
        Ok(Living {
            session: launch.session.clone(),
            profile: launch.profile.clone(),
            token: self.jails.next_token(),
            jail,
            ground,
            prepared,
            deadline: wall_clock.map(|wall| Instant::now() + wall.as_duration()),
            operator_uid,
            silent: false,
            unheard: 0,
            recording: Recording::new(launch.record),
            committed: false,
            waiting: HashMap::new(),
            next_process: 1,
        })
    }

    /// Opens the ports that only this launch's rules name; cells are made before anybody knows of them.
    /// The jail is there already, and nothing in it runs yet.
    fn open_ports(&self, living: &mut Living, ports: &[u16]) -> Result<(), Refusal> {
        let cell = &mut living.ground.cell;
        let opened = self.pool.hub().open_ports(cell, ports);
        opened.map_err(|error| Refusal {
            remedy: error.remedy().unwrap_or_default().to_owned(),
            ..failed("network", &error)
        })?;
        let open = cell.listeners().extra.iter();
        living.prepared.ports = open.map(|(port, _fd)| *port).collect();
        Ok(())
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

/// Three files, if there are any.
fn trust(mut fds: impl Iterator<Item = OwnedFd>) -> Option<Trust> {
    Some(Trust {
        own: fds.next()?,
        merged: fds.next()?,
        java: fds.next()?,
    })
}

/// The host failed at a step of the construction.
pub(crate) fn not_built(error: LaunchError) -> Refusal {
    Refusal {
        exit: None,
        step: error.step.to_string(),
        message: error.to_string(),
        remedy: error.remedy,
        callers_fault: false,
    }
}

impl Brought {
    fn sort(launch: &Launch, fds: Vec<OwnedFd>) -> Result<Self, Refusal> {
        let streams = if launch.command.stdio == Stdio::Inherit {
            3
        } else {
            0
        };
        let wanted = 2
            + streams
            + usize::from(launch.workspace)
            + 3 * usize::from(launch.trust == warrant::Trust::Own);
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
        let workspace = fds.by_ref().take(usize::from(launch.workspace)).next();
        Ok(Self {
            token,
            operator,
            streams,
            workspace,
            trust: trust(fds),
        })
    }

    /// What the jail's builder copies unread must be small and ready to be read.
    fn check_files(&self) -> Result<(), Refusal> {
        let check = |fd: &OwnedFd, most, what| {
            sys::fds::require_small_memory_file(fd.as_fd(), most)
                .map_err(|error| refused(format!("{what}: {error}")))
        };
        check(&self.token, TOKEN_BYTES_MAX, "token")?;
        let trust = self.trust.iter();
        trust
            .flat_map(|trust| [&trust.own, &trust.merged, &trust.java])
            .try_for_each(|fd| check(fd, TRUST_BYTES_MAX, "certificate authorities"))
    }
}
