//! What a policy says to a request, and where a rule stands, for a reader.
//!
//! Not for: judging (`commands::egress`).

use api::control::RulePlace;
use model::{SecretName, Verdict};

use super::{Output, Paint, text};
use crate::commands::{EgressBound, EgressRuling, EgressTreatment};
use crate::failure::Failure;

/// Prints a ruling.
pub(crate) fn print(ruling: &EgressRuling, output: &mut Output) -> Result<(), Failure> {
    let (paint, verdict) = match ruling.verdict {
        Verdict::Allow => (Paint::Good, "ALLOW"),
        Verdict::Deny => (Paint::Bad, "DENY"),
    };
    let path = ruling.path.as_deref().unwrap_or_default();
    let asked = format!("{} {}{path}", ruling.method, ruling.destination);
    let verdict = output.style.paint(paint, verdict);
    output.line(&format!("{verdict} {}", text::escape(&asked)))?;
    field(output, "reason", ruling.reason)?;
    field(output, "rule", ruling.rule.as_deref().unwrap_or("none"))?;
    if let Some(found) = &ruling.place {
        place(found, output)?;
    }
    field(output, "handling", treatment(ruling))?;
    if let Some(address) = &ruling.connect {
        field(output, "dials", address)?;
    }
    match &ruling.terms {
        Some(terms) => bound(terms, output),
        None => Ok(()),
    }
}

/// Prints where a rule stands, and its text.
pub(crate) fn place(place: &RulePlace, output: &mut Output) -> Result<(), Failure> {
    field(output, "at", &format!("{}:{}", place.file, place.line))?;
    for line in place.text.lines() {
        output.line(&format!("    {}", text::escape(line)))?;
    }
    Ok(())
}

const fn treatment(ruling: &EgressRuling) -> &'static str {
    match (ruling.handling, ruling.verdict) {
        (EgressTreatment::Plain, _) => "plain HTTP: each request is seen",
        (EgressTreatment::Tunnel, Verdict::Allow) => {
            "tunnel: carried unread, so whatever the method and path"
        }
        (EgressTreatment::Tunnel, Verdict::Deny) => "tunnel: nothing is opened or dialled",
        (EgressTreatment::Intercepted, _) => "intercepted: TLS is opened, each request is seen",
    }
}

fn bound(terms: &EgressBound, output: &mut Output) -> Result<(), Failure> {
    if !terms.secrets.is_empty() {
        let names: Vec<&str> = terms.secrets.iter().map(SecretName::as_str).collect();
        field(output, "secret", &names.join(", "))?;
    }
    if let Some(size) = terms.max_body {
        field(output, "body", &format!("at most {size}"))?;
    }
    if !terms.websocket {
        field(output, "websocket", "no")?;
    }
    if let Some(llm) = terms.llm {
        field(output, "llm", llm.as_str())?;
    }
    terms
        .rates
        .iter()
        .try_for_each(|rate| field(output, "rate", rate))
}

fn field(output: &mut Output, name: &str, value: &str) -> Result<(), Failure> {
    output.line(&format!("{name:<10} {}", text::escape(value)))
}
