//! Every error of the three doors in one place: its status, its stable code, its words.
//!
//! Not for: raising errors; handlers return a [`Fault`] and nothing else.

use api::Problem;
use api::problem::MEDIA_TYPE;
use audit::{LogError, ReadError};
use axum::response::{IntoResponse, Response};
use control::reload::{ReloadError, ReloadRefused};
use control::{
    ActionError, ExecError, LaunchError, SecretChangeError, SecretError, TrustError, WardenError,
};
use egress::FetchError;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use model::{EventId, IdError, SessionId};
use vault::ChangeError;

/// Header that repeats a problem's code, as the proxy's denials do.
const REASON_HEADER: &str = "x-sheriff-reason";

/// What can go wrong at a door.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No such route.
    #[error("no such route")]
    NoRoute,
    /// The route has other methods.
    #[error("the route does not take this method")]
    NoMethod,
    /// The peer is not the user that the socket is for.
    #[error("this socket belongs to another user")]
    WrongPeer,
    /// No token, or several.
    #[error("header x-agent-token is needed once; the token is in /run/sheriff/token")]
    NoToken,
    /// Not this session's token.
    #[error("the token is not this session's")]
    WrongToken,
    /// An id that is not the socket's.
    #[error("this socket serves another session")]
    ForeignSession,
    /// An operator's route, from a jail.
    #[error("only an operator can do that, at another socket")]
    OperatorOnly,
    /// This session has as many capabilities under way as it may.
    #[error("too many capabilities are being carried out for this session; wait for one")]
    Busy,
    /// A body of another media type.
    #[error("the body must be application/json")]
    NotJson,
    /// A body that is no good JSON.
    #[error("malformed JSON: {0}")]
    MalformedJson(#[source] serde_json::Error),
    /// A body over the limit.
    #[error("the body is larger than {} bytes", api::gateway::BODY_BYTES_MAX)]
    BodyTooLarge,
    /// A body that is no change to a secret.
    #[error(
        "the body must be {}: a line of JSON, then the value",
        api::control::SECRET_MEDIA_TYPE
    )]
    NotSecret,
    /// A value over the limit.
    #[error("the body is larger than {} bytes", api::control::SECRET_BYTES_MAX)]
    SecretTooLarge,
    /// A change to a secret.
    #[error(transparent)]
    Secret(#[from] SecretChangeError),
    /// A body that broke off.
    #[error("the body broke off: {0}")]
    BodyBroken(String),
    /// It took too long.
    #[error("the request took too long")]
    RequestTimeout,
    /// A query or input out of range.
    #[error("parameter {0} is refused")]
    Parameter(&'static str),
    /// A query that can't be read.
    #[error("query: {0}")]
    Query(#[from] axum::extract::rejection::QueryRejection),
    /// A malformed id.
    #[error(transparent)]
    Id(IdError),
    /// A malformed audit kind.
    #[error(transparent)]
    Kind(audit::event::KindError),
    /// No such capability.
    #[error("this session has no such capability")]
    UnknownCapability,
    /// Inputs that the capability does not take.
    #[error("inputs: {0}")]
    Inputs(#[source] serde_json::Error),
    /// The fetch was denied or failed.
    #[error(transparent)]
    Fetch(FetchError),
    /// No living session.
    #[error("no session {0} is alive")]
    UnknownSession(SessionId),
    /// Its jail is not there yet.
    #[error("the session is still starting")]
    StillStarting,
    /// No such egress event.
    #[error("no egress event {0} is on record")]
    UnknownEvent(EventId),
    /// An operator's reload.
    #[error("nothing was reloaded")]
    Reload(#[from] ReloadRefused),
    /// An operator's action.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// A launch.
    #[error(transparent)]
    Launch(LaunchError),
    /// A further process.
    #[error(transparent)]
    Exec(ExecError),
    /// It could not be recorded.
    #[error("not on record: {0}")]
    NotRecorded(#[from] LogError),
    /// The log could not be read.
    #[error("audit log: {0}")]
    Unreadable(#[from] ReadError),
    /// The office is going away.
    #[error("the office is closing")]
    Closing,
}

/// Status and code of a fault.
type Class<'a> = (u16, &'a str);

impl Fault {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        class(self).1
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let problem = problem(&self);
        let status = StatusCode::from_u16(problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let reason = HeaderValue::from_str(&problem.code);
        let reason = reason.unwrap_or(HeaderValue::from_static("other"));
        let media = HeaderValue::from_static(MEDIA_TYPE);
        (
            status,
            [(CONTENT_TYPE.as_str(), media), (REASON_HEADER, reason)],
            body,
        )
            .into_response()
    }
}

/// The body of a fault.
#[must_use]
pub fn problem(fault: &Fault) -> Problem {
    let (status, code) = class(fault);
    Problem {
        code: code.to_owned(),
        status,
        title: fault.to_string(),
        detail: detail(fault),
        remedy: remedy(fault),
    }
}

pub(crate) async fn no_route() -> Fault {
    Fault::NoRoute
}

pub(crate) async fn no_method() -> Fault {
    Fault::NoMethod
}

fn class(fault: &Fault) -> Class<'_> {
    match fault {
        Fault::NoRoute => (404, "no_such_route"),
        Fault::NoMethod => (405, "method_not_allowed"),
        Fault::WrongPeer => (403, "wrong_peer"),
        Fault::NoToken => (401, "token_required"),
        Fault::WrongToken => (401, "token_invalid"),
        Fault::ForeignSession => (403, "foreign_session"),
        Fault::OperatorOnly => (403, "operator_only"),
        Fault::Busy => (429, "busy"),
        Fault::NotJson => (415, "not_json"),
        Fault::MalformedJson(_) => (400, "malformed_json"),
        Fault::BodyTooLarge => (413, "body_too_large"),
        Fault::NotSecret => (415, "not_a_secret"),
        Fault::SecretTooLarge => (413, "body_too_large"),
        Fault::Secret(error) => secret_class(error),
        Fault::BodyBroken(_) => (400, "body_broken"),
        Fault::RequestTimeout => (408, "request_timeout"),
        Fault::Parameter(_) | Fault::Query(_) | Fault::Kind(_) => (400, "bad_parameter"),
        Fault::Id(_) => (400, "malformed_id"),
        Fault::UnknownCapability => (404, "unknown_capability"),
        Fault::Inputs(_) => (400, "bad_inputs"),
        Fault::Fetch(error) => fetch_class(error),
        Fault::UnknownSession(_) | Fault::Action(ActionError::Unknown(_)) => {
            (404, "unknown_session")
        }
        Fault::Reload(error) => reload_class(error),
        Fault::StillStarting => (409, "session_starting"),
        Fault::UnknownEvent(_) => (404, "unknown_event"),
        Fault::Action(ActionError::State(_)) => (409, "wrong_state"),
        Fault::Action(ActionError::NotRecorded(_)) => (503, "not_recorded"),
        Fault::Action(ActionError::Warden(error)) => warden_class(error),
        Fault::Launch(error) => launch_class(error),
        Fault::Exec(error) => exec_class(error),
        Fault::NotRecorded(_) => (503, "not_recorded"),
        Fault::Unreadable(_) => (500, "audit_unreadable"),
        Fault::Closing => (503, "closing"),
    }
}

fn reload_class(error: &ReloadRefused) -> Class<'_> {
    match error {
        ReloadRefused::Warden(WardenError::Refused(_)) => (400, "reload_refused"),
        ReloadRefused::Warden(error) => warden_class(error),
        ReloadRefused::Office(ReloadError::NotRecorded(_)) => (503, "not_recorded"),
        ReloadRefused::Office(_) => (500, "reload_refused"),
        ReloadRefused::Slow => (503, "reload_slow"),
    }
}

fn launch_class(error: &LaunchError) -> Class<'_> {
    match error {
        LaunchError::Command(_) => (400, "bad_command"),
        LaunchError::Secret(error) => match error {
            SecretError::Unknown(_) => (400, "unknown_secret"),
            SecretError::Unusable { .. } => (503, "secret_unavailable"),
            SecretError::Random(_) => (500, "start_failed"),
            SecretError::Rule { .. } | SecretError::TooMany { .. } | SecretError::Variable(..) => {
                (400, "bad_secret")
            }
        },
        LaunchError::Learning(error) => (403, error.code()),
        LaunchError::Ports(_) => (400, "too_many_ports"),
        LaunchError::Policy(error) => (400, error.code()),
        LaunchError::Trust(TrustError::Scope(_)) => (400, "too_many_hosts"),
        LaunchError::Descriptors { .. } => (400, "bad_descriptors"),
        LaunchError::Registry(_) => (503, "too_many_sessions"),
        LaunchError::Warden(error) => warden_class(error),
        LaunchError::NotRecorded(_) => (503, "not_recorded"),
        LaunchError::NotSaved(_) => (503, "not_saved"),
        LaunchError::Closing => (503, "closing"),
        LaunchError::Random(_)
        | LaunchError::Token(_)
        | LaunchError::Trust(_)
        | LaunchError::Proxy(_)
        | LaunchError::Gateway(_) => (500, "start_failed"),
    }
}

const fn secret_class(error: &SecretChangeError) -> Class<'_> {
    match error {
        SecretChangeError::Change(error) => match error {
            ChangeError::Closed(_) => (503, "vault_closed"),
            ChangeError::Definition(_) => (400, "bad_definition"),
            ChangeError::Material(_) => (400, "bad_value"),
            ChangeError::Store(_) => (500, "not_stored"),
            ChangeError::Configured(_) | ChangeError::Elsewhere(..) | ChangeError::Source => {
                (403, "configured_by_root")
            }
            ChangeError::NoDefinition(_) => (400, "no_definition"),
            ChangeError::DefinedByOther { .. } => (409, "defined_by_other"),
        },
        SecretChangeError::NotRecorded(_) => (503, "not_recorded"),
        SecretChangeError::Unknown(_) => (404, "unknown_secret"),
        SecretChangeError::Closing => (503, "closing"),
    }
}

const fn exec_class(error: &ExecError) -> Class<'_> {
    match error {
        ExecError::Command(_) => (400, "bad_command"),
        ExecError::Descriptors { .. } => (400, "bad_descriptors"),
        ExecError::Unknown(_) => (404, "unknown_session"),
        ExecError::Foreign(_) => (403, "not_yours"),
        ExecError::NotRunning { .. } => (409, "wrong_state"),
        ExecError::Full(_) => (503, "too_many_processes"),
        ExecError::NotRecorded(_) => (503, "not_recorded"),
        ExecError::NotExecuted { .. } => (400, "not_executed"),
        ExecError::Warden(error) => warden_class(error),
    }
}

const fn warden_class(error: &WardenError) -> Class<'_> {
    match error {
        WardenError::Refused(refusal) if refusal.callers_fault => (403, "refused"),
        WardenError::Refused(_) => (500, "host_failed"),
        WardenError::Busy => (503, "busy"),
        WardenError::Timeout { .. } => (504, "warden_timeout"),
        WardenError::Gone => (503, "closing"),
        WardenError::Channel(_) | WardenError::Unexpected { .. } => (500, "warden_failed"),
    }
}

fn fetch_class(error: &FetchError) -> Class<'_> {
    match error {
        FetchError::Malformed { code } => (400, code),
        FetchError::Refused(refusal) => (refusal.status, &refusal.reason),
    }
}

/// The warden's refusal behind a fault, which brings its own words.
const fn refusal(fault: &Fault) -> Option<&warrant::Refusal> {
    match fault {
        Fault::Launch(LaunchError::Warden(WardenError::Refused(refusal)))
        | Fault::Exec(ExecError::Warden(WardenError::Refused(refusal)))
        | Fault::Reload(ReloadRefused::Warden(WardenError::Refused(refusal)))
        | Fault::Action(ActionError::Warden(WardenError::Refused(refusal))) => Some(refusal),
        _ => None,
    }
}

fn detail(fault: &Fault) -> String {
    if let Fault::Fetch(FetchError::Refused(denial)) = fault {
        return format!("egress decision {}", denial.id);
    }
    if let Fault::Reload(error) = fault {
        return error.to_string();
    }
    let step = refusal(fault).map(|refusal| format!("step {}", refusal.step));
    step.unwrap_or_default()
}

fn remedy(fault: &Fault) -> String {
    match fault {
        Fault::NotRecorded(_)
        | Fault::Action(ActionError::NotRecorded(_))
        | Fault::Secret(SecretChangeError::NotRecorded(_))
        | Fault::Launch(LaunchError::NotRecorded(_))
        | Fault::Exec(ExecError::NotRecorded(_)) => {
            "see that the audit log's file system has room, then try again".to_owned()
        }
        Fault::Launch(LaunchError::Policy(error)) => error.remedy(),
        Fault::Launch(LaunchError::Learning(error)) => error.remedy().to_owned(),
        Fault::Launch(LaunchError::Secret(error)) => error.remedy(),
        Fault::Fetch(FetchError::Refused(denial)) => denial.next_steps.join("; "),
        other => refusal(other).map_or_else(String::new, |refusal| refusal.remedy.clone()),
    }
}
