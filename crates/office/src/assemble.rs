//! The parts of the office put together, run until the warden says so, and taken apart in order:
//! stop accepting, let sessions go, flush the record.
//!
//! Not for: what the parts do.

use std::sync::Arc;
use std::time::Duration;

use audit::{Event, Kind, Log, LogError, Options, Principal, Retention, Sync};
use control::saved::SavedError;
use control::{Office, Outcome, Parts, Policies, Recorder, SavedFolder, Warden};
use egress::{Proxy, ProxyParts};
use gateway::{AgentDoor, Metrics, OperatorParts};
use serde_json::json;
use tasks::Group;
use vault::{Vault, VaultParts};
use warrant::{Ask, Channel, Tell};

use crate::certificates::Trusted;
use crate::confine::Folders;
use crate::endpoint::{Endpoints, TlsError};
use crate::secrets::Handed;
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
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("warrant channel: {0}")]
    Warden(#[source] std::io::Error),
}

/// Serves until the warden asks for the end or is gone.
pub(crate) async fn serve(
    channel: Channel<Ask, Tell>,
    welcomed: Welcomed,
    (trusted, folders, handed): (Trusted, Folders, Handed),
) -> Result<(), AssembleError> {
    let recorder = open_log(&welcomed, &folders)?;
    let (group, servers) = (Group::new("office"), Group::new("servers"));
    let (warden, mut notices) = Warden::start(channel, &group).map_err(AssembleError::Warden)?;
    let mut handed = handed;
    let hop = handed.hop.take();
    let vault = open_vault(&recorder, &trusted, (&folders, handed), &group)?;
    let proxy = Proxy::new(ProxyParts {
        log: Arc::clone(recorder.log()),
        durable: welcomed.word.config.audit_sync_always,
        roots: trusted.store,
        prices: Arc::new(welcomed.word.config.prices.clone()),
    });
    proxy.set_hop(hop);
    let restarts = welcomed.word.restarts;
    let office = Office::new(Parts {
        warden,
        recorder: recorder.clone(),
        proxy: Arc::clone(&proxy),
        policies: Policies::new(welcomed.profiles, welcomed.word.generation),
        roots: trusted.roots,
        vault,
        saved: saved_sessions(&folders, restarts)?,
        door: Box::new(AgentDoor {
            proxy,
            recorder: recorder.clone(),
        }),
        group: group.clone(),
        learn: welcomed.word.config.learn,
        restarts,
    });
    let metrics = Metrics::new(Arc::clone(&office))?;
    announce(&recorder, restarts).await?;
    open_metrics(&metrics, (welcomed.metrics, welcomed.metrics_tcp), &servers);
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
        retention: Retention {
            age: config.audit_keep_ms.map(Duration::from_millis),
            bytes: config.audit_keep_bytes,
        },
        ..Options::new(sync)
    };
    let log = Log::open(&folders.audit, &options)?;
    Ok(Recorder::new(Arc::new(log), config.audit_sync_always))
}

fn open_vault(
    recorder: &Recorder,
    trusted: &Trusted,
    (folders, handed): (&Folders, Handed),
    group: &Group,
) -> Result<Vault, TlsError> {
    let endpoints = Endpoints::new(recorder.clone(), Arc::clone(&trusted.store))?;
    Ok(Vault::open(VaultParts {
        folder: &folders.vault,
        key: handed.key,
        configured: handed.configured,
        fetcher: Arc::new(endpoints),
        group: group.clone(),
    }))
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

fn open_metrics(
    metrics: &Metrics,
    (unix, tcp): (std::os::fd::OwnedFd, Option<std::os::fd::OwnedFd>),
    servers: &Group,
) {
    let (page, stop) = (metrics.clone(), servers.stop());
    servers.spawn("metrics", async move {
        if let Err(error) = page.run(unix, stop).await {
            tracing::error!(%error, "metrics.sock");
        }
    });
    let Some(tcp) = tcp else { return };
    let (page, stop) = (metrics.clone(), servers.stop());
    servers.spawn("metrics", async move {
        if let Err(error) = page.run_tcp(tcp, stop).await {
            tracing::error!(%error, "metrics listener");
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
