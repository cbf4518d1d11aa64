//! Queries over the audit log: entries, egress events, and the reason of one decision.
//!
//! Not for: writing to it.

use api::control::Why;
use audit::{Filter, Kind, Reader};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use model::{EgressEvent, EventId, Phase};
use serde::Deserialize;

use super::{OperatorParts, Parts, explain, session_id};
use crate::lines::{self, Line, Wanted};
use crate::respond::Fault;

/// Parameters of a query; all are optional.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    session: Option<String>,
    kind: Option<String>,
    since: Option<u64>,
    limit: Option<u64>,
    #[serde(default)]
    follow: bool,
}

/// Parameters as they come; a bad one is a problem like any other.
type Given = Result<Query<Parameters>, axum::extract::rejection::QueryRejection>;

pub(super) async fn entries(State(parts): Parts, given: Given) -> Result<Response, Fault> {
    let Query(parameters) = given?;
    let kinds = match &parameters.kind {
        Some(kind) => vec![kind.parse::<Kind>().map_err(Fault::Kind)?],
        None => Vec::new(),
    };
    let filter = Filter {
        kinds,
        ..Filter::default()
    };
    send(&parts, parameters, filter, lines::whole).await
}

pub(super) async fn events(State(parts): Parts, given: Given) -> Result<Response, Fault> {
    let Query(parameters) = given?;
    if parameters.kind.is_some() {
        return Err(Fault::Parameter("kind"));
    }
    let filter = Filter {
        kinds: vec![Kind::EgressDecision, Kind::EgressClose],
        ..Filter::default()
    };
    send(&parts, parameters, filter, lines::data).await
}

/// Requests that took a secret: where it went, when, and in which call.
pub(super) async fn uses(
    State(parts): Parts,
    Path(name): Path<String>,
    given: Given,
) -> Result<Response, Fault> {
    let Query(parameters) = given?;
    if parameters.kind.is_some() {
        return Err(Fault::Parameter("kind"));
    }
    let name = super::secrets::secret_name(&name)?;
    let filter = Filter {
        secret: Some(name.to_string()),
        kinds: vec![Kind::EgressDecision, Kind::EgressClose],
        ..Filter::default()
    };
    send(&parts, parameters, filter, lines::data).await
}

pub(super) async fn why(State(parts): Parts, Path(id): Path<String>) -> Result<Json<Why>, Fault> {
    let id: EventId = id.parse().map_err(Fault::Id)?;
    let dir = parts.audit_dir.clone();
    let wanted = id.clone();
    let found = tokio::task::spawn_blocking(move || pair(&dir, &wanted)).await;
    let (decision, close) = found.map_err(|_gone| Fault::Closing)??;
    let decision = decision.ok_or(Fault::UnknownEvent(id))?;
    Ok(Json(Why {
        explanation: explain::sentence(&decision),
        next_steps: explain::next_steps(&decision),
        place: parts.office.rule_place(&decision),
        decision,
        close,
    }))
}

async fn send(
    parts: &OperatorParts,
    parameters: Parameters,
    filter: Filter,
    line: Line,
) -> Result<Response, Fault> {
    let session = parameters.session.as_deref().map(session_id).transpose()?;
    let filter = Filter {
        session,
        since: parameters.since.unwrap_or_default(),
        limit: parameters.limit,
        ..filter
    };
    let wanted = Wanted {
        dir: parts.audit_dir.clone(),
        filter,
        follow: parameters.follow,
        line,
    };
    lines::answer(wanted, parts.office.recorder().log(), &parts.group).await
}

/// The decision and the close of an id. Damaged lines in between are not this query's business.
fn pair(
    dir: &std::path::Path,
    id: &EventId,
) -> Result<(Option<EgressEvent>, Option<EgressEvent>), audit::ReadError> {
    let filter = Filter {
        kinds: vec![Kind::EgressDecision, Kind::EgressClose],
        ..Filter::default()
    };
    let (mut decision, mut close) = (None, None);
    for entry in Reader::open(dir, filter)?.flatten() {
        let is_it = entry.data.get("id").and_then(|value| value.as_str()) == Some(id.as_str());
        let event = is_it.then(|| serde_json::from_value::<EgressEvent>(entry.data));
        match event {
            Some(Ok(event)) if event.phase == Phase::Decision => decision = Some(event),
            Some(Ok(event)) => close = Some(event),
            _ => {}
        }
        if close.is_some() {
            break;
        }
    }
    Ok((decision, close))
}
