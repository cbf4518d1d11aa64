//! The judge at ten thousand rules: nanoseconds for one verdict.
//!
//! Not for: whether the verdict is right (`sheriff-policy`'s tests).

use std::hint::black_box;
use std::time::{Duration, Instant};

use policy::{Destination, EgressPolicy, EgressRules, Request, RequestKind, Rule};

use super::Context;
use super::figure::{Chapter, Figure, Target, Value};
use crate::error::Error;

/// Rules of the policy that the target speaks of.
const MANY: usize = 10_000;
/// Rules of a usual policy, for comparison.
const FEW: usize = 10;
/// Verdicts between two looks at the clock.
const BATCH: u32 = 1000;

/// Measures three requests against a large and a small policy.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let limit = Duration::from_millis(if context.quick { 50 } else { 300 });
    let many = policy_of(MANY)?;
    let few = policy_of(FEW)?;
    let cases = [
        ("allowed by an exact rule", "h0.example.com:443"),
        ("allowed by a wildcard", "deep.below.w1.example.com:443"),
        ("denied: no rule", "a.host.nobody.named.example.org:443"),
    ];
    let mut figures = Vec::new();
    for (what, destination) in cases {
        let destination =
            Destination::from_authority(destination.as_bytes(), None).map_err(unmet)?;
        let nanoseconds = |policy| Value::Measured(time(policy, &destination, limit));
        let figure = Figure::new(format!("{what}, {MANY} rules"), "ns", nanoseconds(&many));
        let figure = figure.peer("10 rules", nanoseconds(&few));
        figures.push(figure.reach(Target::AtMost(5000.0)));
    }
    Ok(Chapter {
        name: "verdict",
        notes: vec!["Mean of a loop over one request that is parsed already; half of the rules are wildcards.".to_owned()],
        figures,
    })
}

fn policy_of(count: usize) -> Result<EgressPolicy, Error> {
    let mut rules = EgressRules::default();
    for index in 0..count {
        let text = match index % 2 {
            0 => format!("h{index}.example.com"),
            _ => format!("**.w{index}.example.com"),
        };
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        rules.push(Rule::from_cli_allow(&text, number).map_err(unmet)?);
    }
    EgressPolicy::new(1, rules).map_err(unmet)
}

/// Nanoseconds of one verdict.
fn time(policy: &EgressPolicy, destination: &Destination, limit: Duration) -> f64 {
    let request = Request {
        destination,
        kind: RequestKind::Tunnel,
        method: None,
        path: None,
        tls: false,
    };
    let started = Instant::now();
    let mut verdicts = 0.0;
    while started.elapsed() < limit {
        for _ in 0..BATCH {
            black_box(policy.judge(black_box(&request)));
        }
        verdicts += f64::from(BATCH);
    }
    started.elapsed().as_secs_f64() * 1e9 / verdicts
}

fn unmet(error: impl std::fmt::Display) -> Error {
    Error::Unmet(error.to_string())
}
