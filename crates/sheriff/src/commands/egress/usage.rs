//! `sheriff egress usage`: how many bytes went where, and whether that is all that left.
//!
//! Not for: single requests (`egress tail`) or what happens now (`egress top`).

use api::usage::EgressUsage;
use model::{SessionId, Span};

use crate::control::Control;
use crate::failure::Failure;
use crate::render::{Output, usage};
use crate::sockets::Sockets;

/// Exit code when bytes are unexplained, so that scripts notice.
const EXIT_UNEXPLAINED: u8 = 3;

/// Options of `egress usage`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this session; it may be over
    #[arg(value_name = "SESSION")]
    session: Option<SessionId>,
    /// Only this host
    #[arg(long, value_name = "HOST", value_parser = host)]
    host: Option<String>,
    /// Only the last so many minutes, hours or days, such as 1h; left out: as far back as the log goes
    #[arg(long, value_name = "TIME")]
    since: Option<Span>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A host that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a host name or an address")]
struct HostError;

/// Shows the sums. The exit code is 3 when a byte is unexplained.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let mut query = Vec::new();
    if let Some(session) = &args.session {
        query.push(format!("session={session}"));
    }
    if let Some(host) = &args.host {
        query.push(format!("host={host}"));
    }
    if let Some(since) = args.since {
        query.push(format!("within_ms={}", since.as_duration().as_millis()));
    }
    let path = format!("/v1/egress/usage?{}", query.join("&"));
    let answer: EgressUsage = Control::new(sockets).get(&path)?;
    if let (Some(session), true) = (
        &args.session,
        answer.sessions.is_empty() && args.host.is_none(),
    ) && args.since.is_none()
    {
        return Err(Failure::NoEntries {
            session: session.clone(),
        });
    }
    let mut output = Output::new();
    match args.json {
        true => output.json(&answer)?,
        false => usage::print(&answer, &mut output)?,
    }
    output.finish()?;
    let is_complete = answer
        .sessions
        .iter()
        .all(|session| session.account.unexplained_bytes == 0);
    Ok(if is_complete { 0 } else { EXIT_UNEXPLAINED })
}

/// A canonical host as records have it; these characters need no escape in a query.
fn host(text: &str) -> Result<String, HostError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
    match !text.is_empty() && text.len() <= 255 && text.bytes().all(plain) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(HostError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_cannot_add_to_the_query() {
        assert_eq!(host("API.example.com").as_deref(), Ok("api.example.com"));
        assert_eq!(host("[2001:db8::1]").as_deref(), Ok("[2001:db8::1]"));
        for bad in ["", "a&session=x", "a b", "a%20", "a#"] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
    }
}
