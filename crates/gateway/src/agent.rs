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
use egress::Proxy;
use serde_json::{Value, json};

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

/// What one session's routes need.
#[derive(Debug)]
struct Agent {
    session: Arc<Session>,
    proxy: Arc<Proxy>,
    recorder: Recorder,
}

type Parts = State<Arc<Agent>>;

impl Door for AgentDoor {
    fn open(&self, session: Arc<Session>, listener: OwnedFd) -> io::Result<()> {
        let listener = Server::listen(listener)?;
        let uid = session.prepared().map(|prepared| prepared.agent_uid);
        let servers = session.servers().clone();
        let router = router(Agent {
            session,
            proxy: Arc::clone(&self.proxy),
            recorder: self.recorder.clone(),
        });
        let stranger = refusing(|| Fault::WrongPeer);
        let server = Server {
            name: "gateway",
            connections_max: CONNECTIONS_MAX,
            admission: Arc::new(move |peer| match uid {
                Some(uid) if uid == peer.uid => router.clone(),
                _ => stranger.clone(),
            }),
        };
        servers.spawn("gateway", server.run(listener, servers.stop()));
        Ok(())
    }
}

fn router(agent: Agent) -> Router {
    let agent = Arc::new(agent);
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
    match agent.record(Kind::CapabilityDenied, data).await {
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

    /// Whether a text names this session. Nothing is said of any other.
    fn is_own(&self, id: &str) -> bool {
        id == self.session.id().as_str()
    }
}
