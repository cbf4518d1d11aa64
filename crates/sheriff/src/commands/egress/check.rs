//! `sheriff egress check`: what a profile would say to a request, by the rule and the line of its file.
//!
//! Nothing is asked of the daemon, resolved or dialled.
//!
//! Not for: requests that were made (`egress why`, `egress replay`).

use model::Verdict;

use super::candidate;
use super::question::Question;
use crate::failure::Failure;
use crate::render::{Output, ruling};

/// Options of `egress check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    candidate: candidate::Options,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The request's method; CONNECT asks for a tunnel alone
    #[arg(value_name = "METHOD")]
    method: String,
    /// Where to: http, https, ws or wss; HOST:PORT after CONNECT
    #[arg(value_name = "URL")]
    url: String,
}

/// Judges the request: 0 when it is allowed, 1 when it is denied.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    judge(args).map_err(Failure::undecided)
}

fn judge(args: &Args) -> Result<u8, Failure> {
    let question = Question::read(&args.method, &args.url)?;
    let candidate = args.candidate.read()?;
    let mut ruling = question.put_to(&candidate.policy);
    let rule = ruling.rule.as_deref();
    ruling.place = rule.and_then(|rule| candidate.place(rule));
    let mut output = Output::new();
    if args.json {
        output.json(&ruling)?;
    } else {
        ruling::print(&ruling, &mut output)?;
    }
    output.finish()?;
    Ok(u8::from(ruling.verdict == Verdict::Deny))
}
