//! What the proxy holds in memory for connections that are open and silent.
//!
//! Not for: jails (`memory`); what the kernel holds for sockets is in nobody's figure here.

use std::process::Command;
use std::thread;
use std::time::Duration;

use super::drive::{Drive, hold};
use super::figure::{Chapter, Figure, Value};
use super::memory::held_by;
use super::{Absence, Context, intercept, server, tunnel};
use crate::error::Error;

/// How long a process has to let go of what it needs no more.
const SETTLE: Duration = Duration::from_millis(500);

/// KiB for each connection.
#[derive(Debug, Clone, Copy)]
struct Weight {
    resident: f64,
    share: f64,
}

/// Measures ours and every peer in turn.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let count = if context.quick { 100 } else { 1000 };
    let closed = Drive::new(context, server::bulk()?, &tunnel::PEERS);
    let mut figures = weigh(&closed, "tunnel", count);
    drop(closed);
    let opened = intercept::drive(context)?;
    figures.extend(weigh(&opened, "intercepted connection", count));
    Ok(Chapter {
        name: "idle",
        notes: vec![format!(
            "{count} connections, each used once and then silent; what the proxy's process has more, over {count}. Helpers of squid are not counted."
        )],
        figures,
    })
}

fn weigh(drive: &Drive, what: &str, count: usize) -> Vec<Figure> {
    let ours = drive.ours().and_then(|jail| {
        let office = jail.office().ok_or_else(gone)?;
        weight(office, |task| Ok(jail.client(task)), count)
    });
    let peers: Vec<_> = drive
        .peers()
        .map(|(name, proxy)| {
            let weight = |proxy: &super::proxy::Proxy| {
                weight(proxy.id(), |task| drive.through(proxy, task), count)
            };
            (name, proxy.and_then(weight))
        })
        .collect();
    let figure = |kind: &str, value: fn(&Weight) -> f64| {
        let what = format!("each {what}, {kind}");
        let ours = Figure::new(what, "KiB", Value::of(&ours, value));
        let add = |figure: Figure, (name, weight): &(&'static str, Result<Weight, Absence>)| {
            figure.peer(name, Value::of(weight, value))
        };
        peers.iter().fold(ours, add)
    };
    vec![
        figure("resident", |it| it.resident),
        figure("proportional share", |it| it.share),
    ]
}

fn weight<'a>(
    id: u32,
    client: impl Fn(&[&'a str]) -> Result<Command, Absence>,
    count: usize,
) -> Result<Weight, Absence> {
    // Caches and first buffers are not a connection's.
    drop(hold(&mut client(&["hold", "--connections", "10"])?)?);
    let task: &'static [&'static str] = match count {
        100 => &["hold", "--connections", "100"],
        _ => &["hold", "--connections", "1000"],
    };
    let before = settled(id)?;
    let holding = hold(&mut client(task)?)?;
    let after = settled(id)?;
    let each = |before: f64, after: f64| (after - before) / holding.seen.count as f64;
    Ok(Weight {
        resident: each(before.0, after.0),
        share: each(before.1, after.1),
    })
}

fn settled(id: u32) -> Result<(f64, f64), Absence> {
    // Nothing announces that a process has freed what it will.
    thread::sleep(SETTLE);
    held_by(id).ok_or_else(gone)
}

fn gone() -> Absence {
    Error::Unmet("the process is gone".to_owned()).into()
}
