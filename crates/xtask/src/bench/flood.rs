//! One jail in the way of another: what a flood does to the neighbour's requests.
//!
//! Not for: how a flood is answered (the attack tests).

use std::process::Stdio;
use std::time::Duration;

use super::client::Seen;
use super::drive::{Drive, collect};
use super::figure::{Chapter, Figure, Target, Value};
use super::kept::Kept;
use super::{Absence, Context, server};
use crate::error::Error;

/// Longest the flooding client may live.
const LIFE: Duration = Duration::from_secs(60);
/// The name under which the same without a flood stands.
const QUIET: &str = "without a flood";

/// Measures the neighbour alone and beside the flood.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let web = Drive::new(context, server::web()?, &[]);
    let bulk = server::bulk()?;
    let (quiet, flooded) = match observe(context, &web, bulk) {
        Ok((quiet, flooded)) => (Ok(quiet), Ok(flooded)),
        Err(absence) => (Err(absence.again()), Err(absence)),
    };
    let figure = |what: &str, unit, value: fn(&Seen) -> f64| {
        let figure = Figure::new(what, unit, Value::of(&flooded, value));
        figure.peer(QUIET, Value::of(&quiet, value))
    };
    Ok(Chapter {
        name: "flood",
        notes: vec![
            "A jail asks over 4 connections while another opens connections for denied names without end, holds 400 that send a byte of a head a second, 100 that never read a gigabyte each, and looks names up.".into(),
        ],
        figures: vec![
            figure("the neighbour's requests", "1/s", Seen::rate),
            figure("one of them, p50", "us", |it| it.p50_us),
            figure("one of them, p99", "us", |it| it.p99_us)
                .reach(Target::RatioAtMost(2.0, QUIET)),
        ],
    })
}

fn observe(
    context: &Context,
    web: &Drive,
    bulk: std::net::SocketAddr,
) -> Result<(Seen, Seen), Absence> {
    let jail = web.ours()?;
    let seconds = context.seconds();
    let task = ["requests", "--seconds", seconds, "--at-once", "4"];
    drop(collect(&mut jail.client(&task))?);
    let quiet = collect(&mut jail.client(&task))?;
    let length = if context.quick { "4" } else { "12" };
    let mut flood = jail.neighbour(&["flood", "--seconds", length], bulk);
    flood
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut flood = Kept::spawn(&mut flood, LIFE)?;
    // Until all that it holds is open.
    std::thread::sleep(Duration::from_secs(2));
    let flooded = collect(&mut jail.client(&task))?;
    flood.succeed()?;
    Ok((quiet, flooded))
}
