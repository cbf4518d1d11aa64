//! Jails built ahead for the profile that was asked for last, so that a launch has little to wait for.
//!
//! Not for: how one is built (crate `jail`), nor for what a launch adds to it (`launch`).

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jail::{Filter, Parked};
use model::{ProfileName, SessionId};
use network::Cell;
use policy::ResolvedProfile;
use warrant::Refusal;

use crate::launch::not_built;
use crate::office::Patience;
use crate::requests::failed;
use crate::site::site;
use crate::warden::Warden;

/// How old a parked jail may get. Its mounts are copies of the host's as they were; what the host
/// mounts or replaces under them must be seen soon.
const AGE_MAX: Duration = Duration::from_secs(60);

/// What a jail stands on: what exists outside of it before it does.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Names its cgroup and its folder; the session's id only if it was built for that.
    pub(crate) name: SessionId,
    /// The wire, with its listeners.
    pub(crate) cell: Cell,
    /// The gateway's folder.
    pub(crate) gateway_dir: PathBuf,
    /// The gateway's listener, kept so that a new office gets the same one.
    pub(crate) gateway: OwnedFd,
    /// Host user id of its root.
    pub(crate) root_uid: u32,
}

/// A parked jail and its ground.
#[derive(Debug)]
pub(crate) struct Stall {
    pub(crate) jail: Parked,
    pub(crate) ground: Ground,
    profile: ProfileName,
    since: Instant,
}

/// The parked jails.
#[derive(Debug)]
pub(crate) struct Lot {
    most: usize,
    stalls: VecDeque<Stall>,
    wanted: Option<ProfileName>,
    /// Whose folder was the last workspace.
    owner: Option<(u32, u32)>,
    /// True when a child has ended that may have been one of them.
    suspicious: bool,
    /// True where one launch is no sign of another.
    hesitant: bool,
}

impl Lot {
    /// Room for `most` jails, of profile `first` to begin with. Without one, nothing is parked
    /// until the second launch: a daemon that serves one command has no use for it.
    pub(crate) const fn new(most: usize, first: Option<ProfileName>) -> Self {
        Self {
            most,
            stalls: VecDeque::new(),
            suspicious: false,
            hesitant: first.is_none(),
            wanted: first,
            owner: None,
        }
    }

    /// A launch of this profile, with the workspace's owner: the next one is likely to be alike.
    pub(crate) fn want(&mut self, profile: &ProfileName, owner: Option<(u32, u32)>) {
        self.owner = owner.or(self.owner);
        if !std::mem::take(&mut self.hesitant) && self.wanted.as_ref() != Some(profile) {
            self.wanted = Some(profile.clone());
        }
    }

    /// Gives away the oldest jail of this profile that is fit for use.
    pub(crate) fn take(&mut self, profile: &ProfileName) -> Option<Stall> {
        let fit = |stall: &Stall| stall.profile == *profile && stall.is_fit();
        let index = self.stalls.iter().position(fit)?;
        self.stalls.remove(index)
    }

    /// The profile that a jail should be parked for, if there is room for one more.
    fn next(&self) -> Option<&ProfileName> {
        let room = self.stalls.len() < self.most;
        self.wanted.as_ref().filter(|_wanted| room)
    }

    /// A child of the daemon has ended: parked jails are looked at when there is time.
    pub(crate) fn suspect(&mut self) {
        self.suspicious = !self.stalls.is_empty();
    }

    /// Whether there is something to do while nothing else is.
    pub(crate) fn is_short(&self) -> bool {
        self.suspicious || self.next().is_some() || self.unfit().is_some()
    }

    /// When the oldest jail is to be replaced.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.stalls.iter().map(|stall| stall.since + AGE_MAX).min()
    }

    /// One that is to be removed without having been used.
    fn unfit(&self) -> Option<usize> {
        let unfit = |stall: &Stall| Some(&stall.profile) != self.wanted.as_ref() || stall.is_old();
        self.stalls.iter().position(unfit)
    }

    fn remove_unfit(&mut self) -> Option<Stall> {
        let mut index = self.unfit();
        if std::mem::take(&mut self.suspicious) {
            let dead = |stall: &Stall| !stall.jail.is_alive();
            let found = self.stalls.iter().position(dead);
            self.suspicious = found.is_some();
            index = found.or(index);
        }
        self.stalls.remove(index?)
    }

    /// Stops parking until the next launch: it would fail again at once.
    fn give_up(&mut self) {
        self.wanted = None;
    }
}

impl Stall {
    fn is_old(&self) -> bool {
        self.since.elapsed() >= AGE_MAX
    }

    fn is_fit(&self) -> bool {
        !self.is_old() && self.jail.is_alive()
    }
}

impl Warden {
    /// Nothing waits: does one thing that a later launch need not wait for.
    pub(crate) fn get_ahead(&mut self) {
        if let Some(stall) = self.lot.remove_unfit() {
            return self.clear_stall(stall);
        }
        if self.pool.ready() > 0 && self.park_one() {
            return;
        }
        if !self.supply.remaining().is_zero() {
            return;
        }
        match self.pool.refill_one() {
            Ok(_made) => self.supply = Patience::default(),
            Err(error) => {
                tracing::warn!(%error, "no cell could be made ahead");
                self.supply.lost(Duration::ZERO);
            }
        }
    }

    /// Parks a jail if one is wanted, and says whether it tried.
    fn park_one(&mut self) -> bool {
        let Some(profile) = self.lot.next().cloned() else {
            return false;
        };
        if let Err(refusal) = self.park_for(&profile) {
            tracing::warn!(%profile, error = refusal.message, "no jail could be built ahead");
            self.lot.give_up();
        }
        true
    }

    fn park_for(&mut self, profile: &ProfileName) -> Result<(), Refusal> {
        let (resolved, filter) = self
            .profiles
            .resolve(profile)
            .map_err(|error| failed("profile", &error))?;
        let mut random = [0; 8];
        let drawn = getrandom::fill(&mut random);
        drawn.map_err(|error| failed("randomness", &io::Error::other(error.to_string())))?;
        let name = SessionId::from_random(random);
        let stall = self.park(name, profile, (&resolved, &filter))?;
        self.lot.stalls.push_back(stall);
        Ok(())
    }

    /// Builds a jail up to where only a request can say more; on any failure nothing of it is left.
    pub(crate) fn park(
        &mut self,
        name: SessionId,
        profile: &ProfileName,
        (resolved, filter): (&ResolvedProfile, &Arc<Filter>),
    ) -> Result<Stall, Refusal> {
        let ground = self.prepare_ground(name)?;
        let site = site(&ground, resolved, filter, self.lot.owner);
        let jail = site.and_then(|site| jail::park(site, &self.cgroups).map_err(not_built));
        match jail {
            Ok(jail) => Ok(Stall {
                jail,
                ground,
                profile: profile.clone(),
                since: Instant::now(),
            }),
            Err(refusal) => {
                self.clear_ground(ground);
                Err(refusal)
            }
        }
    }

    /// What exists outside the jail before it does: its ids, its wire and its gateway's socket.
    fn prepare_ground(&mut self, name: SessionId) -> Result<Ground, Refusal> {
        let root_uid = match self.uids.take() {
            Ok(uid) => uid,
            Err(_all_taken) => {
                // A jail that somebody asked for goes before those that nobody has.
                self.clear_lot();
                self.uids.take().map_err(|error| failed("uids", &error))?
            }
        };
        let made = self.pool.take(&[]).map_err(|error| Refusal {
            remedy: error.remedy().unwrap_or_default().to_owned(),
            ..failed("network", &error)
        });
        let made = made.and_then(|cell| {
            let gateway = self.folders.gateway(&name, root_uid + 1);
            let (gateway_dir, gateway) = gateway.map_err(|error| failed("gateway", &error))?;
            Ok((cell, gateway_dir, gateway))
        });
        match made {
            Ok((cell, gateway_dir, gateway)) => Ok(Ground {
                name,
                cell,
                gateway_dir,
                gateway,
                root_uid,
            }),
            Err(refusal) => {
                self.uids.give_back(root_uid);
                self.remove_gateway(&name);
                Err(refusal)
            }
        }
    }

    /// Takes back what a jail stood on, once the jail is gone.
    pub(crate) fn clear_ground(&mut self, ground: Ground) {
        self.uids.give_back(ground.root_uid);
        let name = ground.name.clone();
        drop(ground);
        self.remove_gateway(&name);
    }

    fn remove_gateway(&self, name: &SessionId) {
        // What can't be removed now goes with the daemon's runtime folder.
        if let Err(error) = self.folders.remove_gateway(name) {
            tracing::error!(%name, %error, "gateway folder is left");
        }
    }

    fn clear_stall(&mut self, stall: Stall) {
        if !stall.is_old() && !stall.jail.is_alive() {
            tracing::warn!("a jail built ahead has ended");
            self.lot.give_up();
        }
        let Stall { jail, ground, .. } = stall;
        drop(jail);
        self.clear_ground(ground);
    }

    /// Ends all parked jails.
    pub(crate) fn clear_lot(&mut self) {
        for Stall { jail, ground, .. } in std::mem::take(&mut self.lot.stalls) {
            drop(jail);
            self.clear_ground(ground);
        }
    }
}
