//! What an agent may see of itself: health, session, policy.
//!
//! Not for: other sessions, host paths or anything secret.

use std::sync::Arc;

use api::gateway::{Budget, Ceiling, Health, Policy, Session};
use axum::Json;
use axum::extract::{Path, State};
use model::SessionId;

use super::{Agent, Parts};
use crate::respond::Fault;
use crate::rules;

pub(super) async fn health(State(agent): Parts) -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        session: agent.session.id().clone(),
    })
}

pub(super) async fn session(
    State(agent): Parts,
    Path(id): Path<String>,
) -> Result<Json<Session>, Fault> {
    let id: SessionId = id.parse().map_err(Fault::Id)?;
    if !agent.is_own(id.as_str()) {
        return Err(Fault::ForeignSession);
    }
    let life = agent.session.life();
    Ok(Json(Session {
        session: id,
        profile: agent.session.facts().profile.clone(),
        state: life.state.as_str().to_owned(),
        started: life.started,
        egress: agent.session.usage(),
    }))
}

pub(super) async fn policy(State(agent): Parts) -> Json<Policy> {
    Json(text(&agent))
}

fn text(agent: &Arc<Agent>) -> Policy {
    let (session, usage) = (&agent.session, agent.session.usage());
    let (policy, budget) = (session.egress().policy(), session.budget());
    Policy {
        allow: rules::allow(&policy),
        deny: rules::deny(&policy),
        ceiling: policy.ceiling().map(|ceiling| Ceiling {
            allow: rules::allow(ceiling),
            deny: rules::deny(ceiling),
        }),
        budget: Budget {
            egress_up: budget.egress_up,
            egress_down: budget.egress_down,
            used_up: usage.bytes_up,
            used_down: usage.bytes_down,
        },
        generation: session.generation(),
    }
}
