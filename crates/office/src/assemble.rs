//! The parts of the office put together, run until the warden says so, and taken apart in order:
//! stop accepting, let sessions go, flush the record.
//!
//! Not for: what the parts do.

use std::sync::Arc;
use std::time::Duration;

use audit::{Event, Kind, Log, LogError, Options, Principal, Sync};
use control::saved::SavedError;
use control::{Office, Outcome, Parts, Policies, Recorder, SavedFolder, Warden};
use egress::{Proxy, ProxyParts};
use gateway::{AgentDoor, OperatorParts};
use rustls::RootCertStore;
use serde_json::json;
use tasks::Group;
use warrant::{Ask, Channel, Tell};

use crate::confine::Folders;
use crate::welcome::Welcomed;

/// How long operators' requests and clients may take to end.
const SERVERS_GRACE: Duration = Duration::from_millis(2500);
/// How long connections of sessions that live on may take to end.
const SESSIONS_GRACE: Duration = Duration::from_millis(500);
/// How long everything else may take. All three together stay below the warden's patience of 5 s.
const TASKS_GRACE: Duration = Duration::from_millis(1000);

/// The parts don't fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssembleError {
    #[error("audit log: {0}")]
    Audit(#[from] LogError),
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error("warrant channel: {0}")]
    Warden(#[source] std::io::Error),
}

/// Serves until the warden asks for the end or is gone.
pub(crate) async fn serve(
    channel: Channel<Ask, Tell>,
    welcomed: Welcomed,
    (roots, folders): (RootCertStore, Folders),
) -> Result<(), AssembleError> {
    let recorder = open_log(&welcomed, &folders)?;
    let (group, servers) = (Group::new("office"), Group::new("servers"));
    let (warden, mut notices) = Warden::start(channel, &group).map_err(AssembleError::Warden)?;
    let proxy = Proxy::new(ProxyParts {
        log: Arc::clone(recorder.log()),
        durable: welcomed.word.config.audit_sync_always,
        roots: Arc::new(roots),
    });
    let restarts = welcomed.word.restarts;
    let office = Office::new(Parts {
        warden,
        recorder: recorder.clone(),
        proxy: Arc::clone(&proxy),
        policies: Policies::new(welcomed.profiles, welcomed.word.generation),
        saved: saved_sessions(&folders, restarts)?,
        door: Box::new(AgentDoor {
            proxy,
            recorder: recorder.clone(),
        }),
        group: group.clone(),
        restarts,
    });
    announce(&recorder, restarts).await?;
    open_doors(
        &office,
        (welcomed.control, welcomed.attach),
        (&folders, &servers),
    );
    let outcome = office.heed(&mut notices).await;
    tracing::info!(?outcome, "the office closes");
    close(&office, outcome, (&servers, &group)).await?;
    Ok(())
}

fn open_log(welcomed: &Welcomed, folders: &Folders) -> Result<Recorder, LogError> {
    let config = &welcomed.word.config;
    let sync = match config.audit_sync_always {
        true => Sync::Always,
        false => Sync::Group,
    };
    let options = Options {
        segment_bytes: config.audit_segment_bytes,
        ..Options::new(sync)
    };
    let log = Log::open(&folders.audit, &options)?;
    Ok(Recorder::new(Arc::new(log), config.audit_sync_always))
}

/// The files of sessions that live on; of a first office there can be none.
fn saved_sessions(folders: &Folders, restarts: u32) -> Result<SavedFolder, SavedError> {
    let saved = SavedFolder::open(&folders.sessions)?;
    if restarts == 0 {
        saved.clear()?;
    }
    Ok(saved)
}

/// Nothing is served before the log has taken this.
async fn announce(recorder: &Recorder, restarts: u32) -> Result<(), LogError> {
    let kind = match restarts {
        0 => Kind::DaemonStarted,
        _ => Kind::OfficeRestarted,
    };
    let event = Event::new(kind, Principal::Sheriff);
    let event = event.data(json!({ "restarts": restarts }));
    recorder.append(event).await.map(drop)
}

fn open_doors(
    office: &Arc<Office>,
    (control, attach): (std::os::fd::OwnedFd, std::os::fd::OwnedFd),
    (folders, servers): (&Folders, &Group),
) {
    let parts = OperatorParts {
        office: Arc::clone(office),
        audit_dir: folders.audit.clone(),
        group: servers.clone(),
    };
    let stop = servers.stop();
    servers.spawn("control", async move {
        if let Err(error) = gateway::operator::run(control, parts, stop).await {
            tracing::error!(%error, "control.sock");
        }
    });
    let (office, stop) = (Arc::clone(office), servers.stop());
    servers.spawn("attach", async move {
        if let Err(error) = gateway::attach::run(attach, office, stop).await {
            tracing::error!(%error, "attach.sock");
        }
    });
}

async fn close(
    office: &Office,
    outcome: Outcome,
    (servers, group): (&Group, &Group),
) -> Result<(), LogError> {
    servers.close(SERVERS_GRACE).await;
    office.let_go(SESSIONS_GRACE).await;
    group.close(TASKS_GRACE).await;
    let recorder = office.recorder();
    if outcome == Outcome::Drain {
        let event = Event::new(Kind::DaemonStopped, Principal::Sheriff);
        recorder.note(event).await;
    }
    recorder.log().close()
}
