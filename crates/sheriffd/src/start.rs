//! From arguments to a running warden, as numbered steps.
//!
//! Not for: the loop itself (`warden`).

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use jail::Cgroups;
use network::{Hub, Pool};
use sys::epoll::Poller;
use sys::signal_queue::{CHILD, HANGUP, INTERRUPT, SignalQueue, TERMINATE};

use crate::args::Args;
use crate::config::{Config, ConfigError, MetricsError};
use crate::folders::{FolderError, Folders, Owners};
use crate::living::Jails;
use crate::office::{OfficeProgram, Patience};
use crate::operator::Operators;
use crate::parking::Lot;
use crate::profiles::{Profiles, ProfilesError};
use crate::secrets::Sources;
use crate::uids::{UidError, Uids};
use crate::undertaker::{Side, Undertaker, UndertakerError};
use crate::warden::{Warden, WardenError};

/// Profile that jails are built ahead for before anybody has asked for one.
const FIRST_PROFILE: &str = "base";

/// The daemon can't start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("sheriffd builds namespaces and must run as root; use sudo or the systemd unit")]
    NotRoot,
    #[error(
        "user {user:?} does not exist; create it with: useradd --system --no-create-home --shell /usr/sbin/nologin {user}"
    )]
    NoUser { user: String },
    #[error(
        "user {user:?} is root or in root's group; the office, which talks to jails and to the internet, needs a user of its own: name one in office.user"
    )]
    Privileged { user: String },
    #[error("group {group:?} does not exist; create it with: groupadd --system {group}")]
    NoGroup { group: String },
    #[error("sheriff-office is not beside {}", program.display())]
    NoOffice { program: PathBuf },
    #[error("own executable: {0}")]
    Executable(#[source] std::io::Error),
    #[error("ready descriptor: {0}")]
    Ready(#[source] std::io::Error),
    #[error("randomness: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Profiles(#[from] ProfilesError),
    #[error(transparent)]
    Uid(#[from] UidError),
    #[error(transparent)]
    Undertaker(#[from] UndertakerError),
    #[error(transparent)]
    Network(#[from] network::NetworkError),
    #[error(transparent)]
    Cgroup(#[from] jail::cgroup::CgroupError),
    #[error(transparent)]
    Sys(#[from] sys::SysError),
    #[error(transparent)]
    Warden(#[from] WardenError),
}

/// Starts the daemon and serves until it is told to stop.
pub(crate) fn run(args: &Args) -> Result<(), StartError> {
    // 1. Settings: everything that can be wrong with them is said before anything is touched.
    let config = settings(args)?;
    let profiles = Profiles::load(&config)?;
    let installed = match args.ephemeral {
        true => None,
        false => Some(installed_owners(&config)?),
    };
    if args.check {
        return Ok(());
    }
    if sys::users::effective() != 0 {
        return Err(StartError::NotRoot);
    }
    // 2. A jail takes some fifteen descriptors here; the usual soft limit ends at about sixty jails.
    let descriptors = sys::rlimit::use_all(sys::rlimit::Limit::OpenFiles)?;
    tracing::debug!(descriptors, "limit of open files");
    // 3. Signals become events before anything could send one.
    let signals = SignalQueue::collect(&[CHILD, HANGUP, INTERRUPT, TERMINATE])?;
    if args.ephemeral && !sys::child::leave_session() {
        tracing::debug!("started as a job of a shell; its keys stop the daemon");
    }
    // 4. Descriptors that the starter handed us are claimed before others can take their numbers.
    let ready = args.ready_fd.map(sys::fds::inherited).transpose()?;
    let lifeline = args.lifeline_fd.map(sys::fds::inherited).transpose()?;
    // 5. Ids and folders; the lock in the runtime folder keeps a second daemon out.
    let uids = Uids::claim(config.jails.most)?;
    let owners = installed.unwrap_or_else(|| private_owners(&uids));
    let (folders, name) = folders(args, &config, owners)?;
    // 6. What an earlier daemon of this name left behind goes before anything new is made.
    let cgroups = Cgroups::discover(&name)?;
    cgroups.sweep()?;
    folders.sweep()?;
    // 7. Values of secrets leave the environment before anything is forked that would inherit it.
    let sources = Sources::take(&config.secrets)?;
    // 8. The undertaker is forked while this process is small and holds nothing that it must not.
    let undertaker = match Undertaker::start(&cgroups, &folders.remains())? {
        Side::Warden(undertaker) => undertaker,
        Side::Undertaker => return Ok(()),
    };
    // 9. The hub, the cgroups and the sockets; then the loop, which starts the office.
    let served = serve(
        args,
        config,
        Parts {
            profiles,
            sources,
            uids,
            owners,
            folders,
            cgroups,
            ready,
            lifeline,
        },
        &signals,
    );
    // 10. The undertaker clears what is left, whether we come here in order or by an error.
    drop(undertaker);
    served
}

/// What `run` made before the loop's own parts.
struct Parts {
    profiles: Profiles,
    sources: Sources,
    uids: Uids,
    owners: Owners,
    folders: Folders,
    cgroups: Cgroups,
    ready: Option<OwnedFd>,
    lifeline: Option<OwnedFd>,
}

fn serve(
    args: &Args,
    config: Config,
    parts: Parts,
    signals: &SignalQueue,
) -> Result<(), StartError> {
    let hub = Hub::create()?;
    let sockets = parts.folders.listen(parts.owners)?;
    let metrics_tcp = config.metrics.listen()?;
    let runtime = parts.folders.runtime.clone();
    let mut warden = Warden {
        pool: Pool::new(hub, config.jails.pool),
        lot: lot(args, &config),
        config,
        folders: parts.folders,
        sockets,
        metrics_tcp,
        profiles: parts.profiles,
        sources: parts.sources,
        cgroups: parts.cgroups,
        uids: parts.uids,
        operators: Operators::at(runtime.join("attach.sock")),
        jails: Jails::default(),
        poller: Poller::new()?,
        program: office_program(args, parts.owners)?,
        office: None,
        patience: Patience::default(),
        supply: Patience::default(),
        restarts: 0,
        stopping: false,
    };
    tracing::info!(runtime = %runtime.display(), "sheriffd is up");
    if let Some(ready) = parts.ready {
        let line = format!("{}\n", runtime.display());
        File::from(ready)
            .write_all(line.as_bytes())
            .map_err(StartError::Ready)?;
    }
    warden.run(signals, parts.lifeline.as_ref().map(AsFd::as_fd))?;
    Ok(())
}

/// An installed daemon is ready for its first launch; a private one may never see a second.
fn lot(args: &Args, config: &Config) -> Lot {
    let first = (!args.ephemeral).then(|| FIRST_PROFILE.parse().ok());
    Lot::new(config.jails.parked, first.flatten())
}

fn settings(args: &Args) -> Result<Config, StartError> {
    let mut config = match args.config_file() {
        Some(file) => Config::load(&file)?,
        None => Config::default(),
    };
    if args.ephemeral {
        // Root started it for one command of root's own; system folders stay refused.
        config.workspace.roots = vec!["/".into()];
    }
    Ok(config)
}

/// A daemon of one command needs no accounts of the host.
fn private_owners(uids: &Uids) -> Owners {
    Owners {
        office: (uids.office(), uids.office()),
        operators: 0,
    }
}

/// The accounts that the configuration names.
fn installed_owners(config: &Config) -> Result<Owners, StartError> {
    let user = &config.office.user;
    let office =
        sys::users::user(user)?.ok_or_else(|| StartError::NoUser { user: user.clone() })?;
    // Whoever takes over the office must not have root by that.
    if office.0 == 0 || office.1 == 0 {
        return Err(StartError::Privileged { user: user.clone() });
    }
    let group = &config.operators.group;
    let operators = sys::users::group(group)?.ok_or_else(|| StartError::NoGroup {
        group: group.clone(),
    })?;
    Ok(Owners { office, operators })
}

/// The folders, and the name under which cgroups of this daemon are found again.
fn folders(args: &Args, config: &Config, owners: Owners) -> Result<(Folders, String), StartError> {
    if !args.ephemeral {
        let folders = Folders::standing(&config.folders.runtime, &config.folders.state, owners)?;
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = config
            .folders
            .runtime
            .to_string_lossy()
            .chars()
            .map(plain)
            .collect();
        return Ok((folders, name));
    }
    let mut random = [0u8; 6];
    getrandom::fill(&mut random).map_err(StartError::Random)?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let runtime = PathBuf::from(format!("/run/sheriff-e{hex}"));
    Ok((Folders::private(&runtime, owners)?, format!("e{hex}")))
}

fn office_program(args: &Args, owners: Owners) -> Result<OfficeProgram, StartError> {
    let own = std::env::current_exe().map_err(StartError::Executable)?;
    let path = own.with_file_name("sheriff-office");
    if !path.exists() {
        return Err(StartError::NoOffice { program: own });
    }
    Ok(OfficeProgram {
        path,
        owner: owners.office,
        log: args.log,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_office_needs_a_user_that_is_there_and_is_not_root() {
        let with = |user: &str, group: &str| {
            let mut config = Config::default();
            config.office.user = user.to_owned();
            config.operators.group = group.to_owned();
            installed_owners(&config)
        };
        let fine = with("nobody", "root").unwrap();
        assert!(fine.office.0 != 0 && fine.operators == 0);
        let root = with("root", "root");
        assert!(
            matches!(root, Err(StartError::Privileged { .. })),
            "{root:?}"
        );
        let none = with("no such user", "root");
        assert!(matches!(none, Err(StartError::NoUser { .. })), "{none:?}");
        let no_group = with("nobody", "no such group");
        assert!(
            matches!(no_group, Err(StartError::NoGroup { .. })),
            "{no_group:?}"
        );
    }
}
