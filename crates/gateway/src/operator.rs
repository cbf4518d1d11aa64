//! The operator's door: routes of `control.sock`. Whoever may connect (the socket's mode says root
//! and the operator group) may use all of them.
//!
//! Not for: starting jails (`attach`), nor for agents, whose routes can't express any of this.

mod explain;
mod log;
mod secrets;
mod usage;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use api::control::{Health, ReloadTrouble, Reloaded, SessionDetail, SessionLine, SessionList};
use axum::extract::{Extension, Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use control::{Killer, Office, Session};
use http::StatusCode;
use model::SessionId;
use sys::seqpacket::Peer;
use tasks::{Group, Stop};

use crate::respond::{self, Fault};
use crate::rules;
use crate::server::Server;

/// Most connections of operators at once; each follower of a log holds one.
pub const CONNECTIONS_MAX: usize = 256;

/// What the operator's routes need.
#[derive(Debug, Clone)]
pub struct OperatorParts {
    /// The sessions.
    pub office: Arc<Office>,
    /// Folder of the audit log, for queries.
    pub audit_dir: PathBuf,
    /// Owner of the tasks that follow the log.
    pub group: Group,
}

type Parts = State<Arc<OperatorParts>>;

/// Serves the operator's API until `stop`.
///
/// # Errors
/// When the listener can't be watched.
pub async fn run(listener: OwnedFd, parts: OperatorParts, stop: Stop) -> std::io::Result<()> {
    let listener = Server::listen(listener)?;
    let router = router(parts);
    let server = Server {
        name: "control",
        connections_max: CONNECTIONS_MAX,
        admission: Arc::new(move |peer| router.clone().layer(Extension(peer))),
    };
    server.run(listener, stop).await;
    Ok(())
}

fn router(parts: OperatorParts) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/sessions", get(list))
        .route("/v1/sessions/{id}", get(detail))
        .route("/v1/sessions/{id}/{action}", post(act))
        .route("/v1/audit", get(log::entries))
        .route("/v1/egress/events", get(log::events))
        .route("/v1/egress/live", get(usage::now))
        .route("/v1/egress/usage", get(usage::usage))
        .route("/v1/egress/why/{id}", get(log::why))
        .route("/v1/profiles", get(profiles))
        .route("/v1/reload", post(reload))
        .route("/v1/secrets", get(secrets::list))
        .route(
            "/v1/secrets/{name}",
            put(secrets::set).delete(secrets::remove),
        )
        .route("/v1/secrets/{name}/uses", get(log::uses))
        .fallback(respond::no_route)
        .method_not_allowed_fallback(respond::no_method)
        .with_state(Arc::new(parts))
}

async fn health(State(parts): Parts) -> Json<Health> {
    let office = &parts.office;
    Json(Health {
        status: "ok".to_owned(),
        sessions: office.registry().len() as u64,
        policy_generation: office.policies().generation(),
        office_restarts: office.restarts(),
    })
}

async fn list(State(parts): Parts) -> Json<SessionList> {
    let sessions = parts.office.registry().list();
    let sessions = sessions.iter().map(|session| line(session)).collect();
    Json(SessionList { sessions })
}

async fn detail(State(parts): Parts, Path(id): Path<String>) -> Result<Json<SessionDetail>, Fault> {
    let id = session_id(&id)?;
    let found = parts.office.registry().get(&id);
    let session = found.ok_or(Fault::UnknownSession(id))?;
    let prepared = session.prepared().ok_or(Fault::StillStarting)?;
    Ok(Json(SessionDetail {
        line: line(&session),
        operator_uid: session.facts().operator_uid,
        layers: prepared.layers.clone(),
        limits: prepared.limits.clone(),
        egress: session.usage(),
        syscalls_denied: session.syscall_denials().count(),
        allow: rules::allow(&session.egress().policy()),
    }))
}

async fn act(
    State(parts): Parts,
    Extension(peer): Extension<Peer>,
    Path((id, action)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    let id = session_id(&id)?;
    let (office, uid) = (&parts.office, peer.uid);
    match action.as_str() {
        "kill" => office.kill(&id, Killer::Operator { uid }).await,
        "stop" => office.stop(&id, uid).await,
        "pause" => office.pause(&id, uid).await,
        "resume" => office.resume(&id, uid).await,
        _ => return Err(Fault::NoRoute),
    }?;
    tracing::info!(session = %id, operator = uid, action, "done");
    Ok(StatusCode::NO_CONTENT)
}

async fn profiles(State(parts): Parts) -> Json<Vec<String>> {
    let names = parts.office.policies().names();
    Json(names.iter().map(ToString::to_string).collect())
}

async fn reload(
    State(parts): Parts,
    Extension(peer): Extension<Peer>,
) -> Result<Json<Reloaded>, Fault> {
    let done = parts.office.reload_for(peer.uid).await?;
    let trouble = |trouble: control::renewal::Trouble| ReloadTrouble {
        session: trouble.session,
        problem: trouble.problem,
    };
    Ok(Json(Reloaded {
        generation: done.generation,
        sessions: done.sessions as u64,
        troubles: done.troubles.into_iter().map(trouble).collect(),
        restart_needed: done.restart,
    }))
}

fn line(session: &Session) -> SessionLine {
    let (facts, life, usage) = (session.facts(), session.life(), session.usage());
    SessionLine {
        session: facts.session.clone(),
        profile: facts.profile.clone(),
        command: facts.command.clone(),
        state: life.state.as_str().to_owned(),
        started: life.started,
        bytes_up: usage.bytes_up,
        bytes_down: usage.bytes_down,
    }
}

pub(crate) fn session_id(text: &str) -> Result<SessionId, Fault> {
    text.parse().map_err(Fault::Id)
}
