//! The agent's door: routes of one session's `gateway.sock`. The session is the socket's; the token
//! is a second factor; ids in paths and bodies are compared and never believed.
//!
//! Not for: anything that would widen what the agent may do.

mod execute;
mod view;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use api::gateway::TOKEN_HEADER;
use audit::{Event, Kind, Principal};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};
use control::{Door, Recorder, Session};
use egress::{Admission, Noise, Proxy};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::respond::{self, Fault};
use crate::server::{Server, refusing};

/// Most connections of one jail at once: an agent with its tools needs a handful, and a flood from
/// one jail must not take descriptors from the others.
pub const CONNECTIONS_MAX: usize = 64;

/// Opens gateway sockets to jails.
#[derive(Debug, Clone)]
pub struct AgentDoor {
    /// Carries out fetches.
    pub proxy: Arc<Proxy>,
    /// Records what capabilities do.
    pub recorder: Recorder,
}

/// Most capabilities that one session has carried out at once. Each holds a body of up to 1 MiB and an
/// answer of up to 4 MiB, in several forms; the office serves all jails.
const TURNS_MAX: usize = 4;

/// What one session's routes need.
#[derive(Debug)]
struct Agent {
    session: Arc<Session>,
    proxy: Arc<Proxy>,
    recorder: Recorder,
    /// How many capabilities may be carried out at once.
    turns: Semaphore,
    /// Denied capabilities: a flood of them must not fill the disk.
    denials: Noise,
}

type Parts = State<Arc<Agent>>;

impl Door for AgentDoor {
    fn open(&self, session: Arc<Session>, listener: OwnedFd) -> io::Result<()> {
        let listener = Server::listen(listener)?;
        let uid = session.prepared().map(|prepared| prepared.agent_uid);
        let servers = session.servers().clone();
        let agent = Arc::new(Agent {
            session,
            proxy: Arc::clone(&self.proxy),
            recorder: self.recorder.clone(),
            turns: Semaphore::new(TURNS_MAX),
            denials: Noise::of_denials(),
        });
        let router = router(Arc::clone(&agent));
        let stranger = refusing(|| Fault::WrongPeer);
        let server = Server {
            name: "gateway",
            connections_max: CONNECTIONS_MAX,
            admission: Arc::new(move |peer| match uid {
                Some(uid) if uid == peer.uid => router.clone(),
                _ => stranger.clone(),
            }),
        };
        let stop = servers.stop();
        servers.spawn("gateway", async move {
            server.run(listener, stop).await;
            if let Err(error) = agent.note_suppressed(agent.denials.take_suppressed()).await {
                tracing::error!(session = %agent.session.id(), %error, "not on record");
            }
        });
        Ok(())
    }
}

fn router(agent: Arc<Agent>) -> Router {
    Router::new()
        .route("/chat/session/{id}", get(view::session))
        .route("/chat/policy", get(view::policy))
        .route("/chat/capabilities", get(execute::list))
        .route("/chat/execute", post(execute::execute))
        .route("/v1/{*path}", any(operator_only))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&agent),
            check_token,
        ))
        .route("/chat/health", get(view::health))
        .fallback(respond::no_route)
        .method_not_allowed_fallback(respond::no_method)
        .with_state(agent)
}

async fn check_token(State(agent): Parts, request: Request, next: Next) -> Result<Response, Fault> {
    let mut given = request.headers().get_all(TOKEN_HEADER).iter();
    let (Some(token), None) = (given.next(), given.next()) else {
        return Err(Fault::NoToken);
    };
    if !agent.session.facts().token.matches(token.as_bytes()) {
        return Err(Fault::WrongToken);
    }
    Ok(next.run(request).await)
}

/// Routes of the operator's API, asked for from a jail: nothing is there, and the try is recorded.
async fn operator_only(State(agent): Parts, request: Request) -> Fault {
    let path: String = request.uri().path().chars().take(128).collect();
    let data = json!({ "reason": "operator_only", "path": path });
    match agent.record_denial(data).await {
        Ok(()) => Fault::OperatorOnly,
        Err(fault) => fault,
    }
}

impl Agent {
    async fn record(&self, kind: Kind, data: Value) -> Result<(), Fault> {
        let session = self.session.id().clone();
        let agent = Principal::Agent {
            session: session.clone(),
        };
        let event = Event::new(kind, agent).session(session);
        let event = event.data(audit::canonical::tame(data));
        self.recorder.append(event).await?;
        Ok(())
    }

    /// Records a denied capability, or counts it when there were very many: the first
    /// [`DENIALS_FIRST`](egress::limits::DENIALS_FIRST) of a session are recorded, then
    /// [`DENIALS_PER_SECOND`](egress::limits::DENIALS_PER_SECOND). The answer is the same.
    async fn record_denial(&self, data: Value) -> Result<(), Fault> {
        match self.denials.admit() {
            Admission::Suppress => Ok(()),
            Admission::Record { suppressed } => {
                self.note_suppressed(suppressed).await?;
                self.record(Kind::CapabilityDenied, data).await
            }
        }
    }

    /// Records how many denials were counted and not recorded one by one.
    async fn note_suppressed(&self, count: u64) -> Result<(), Fault> {
        if count == 0 {
            return Ok(());
        }
        let data = json!({
            "alert": "denials_suppressed",
            "kind": Kind::CapabilityDenied.as_str(),
            "count": count,
        });
        let event = Event::new(Kind::Alert, Principal::Sheriff);
        let event = event.session(self.session.id().clone());
        let event = event.data(audit::canonical::tame(data));
        self.recorder.append(event).await?;
        Ok(())
    }

    /// Whether a text names this session. Nothing is said of any other.
    fn is_own(&self, id: &str) -> bool {
        id == self.session.id().as_str()
    }
}
