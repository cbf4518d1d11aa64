//! Audit appends: time of one and how many a second, in both modes of writing.
//!
//! Not for: reading or verifying a log.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use audit::{Event, Kind, Log, Options, Principal, Sync};
use serde_json::json;

use super::Context;
use super::figure::{Chapter, Figure, Target, Value};
use super::sample::Sample;
use crate::error::Error;

/// What was seen of one way to append.
#[derive(Debug)]
struct Seen {
    each: Sample,
    per_second: f64,
}

/// Measures both modes with one and with sixteen writers, and the bare disk for comparison.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let limit = if context.quick { 0.3 } else { 2.0 };
    let limit = Duration::from_secs_f64(limit);
    let log = |sync, threads| appends(context, sync, threads, limit);
    let disk = bare_disk(context, limit)?;
    let mut figures = Vec::new();
    for (sync, mode) in [(Sync::Group, "group"), (Sync::Always, "always")] {
        for threads in [1, 16] {
            let seen = log(sync, threads)?;
            let plain = matches!(sync, Sync::Always).then_some(&disk);
            figures.extend(three(&format!("{mode}, {threads} at once"), &seen, plain));
        }
    }
    set_targets(&mut figures);
    Ok(Chapter {
        name: "audit",
        notes: vec![
            "An event of an egress decision, about 600 bytes on disk, chained and hashed.".to_owned(),
            "fdatasync: one writer appends as many bytes to a file and syncs them, with no log around it.".to_owned(),
        ],
        figures,
    })
}

fn three(what: &str, seen: &Seen, disk: Option<&Seen>) -> [Figure; 3] {
    let figure = |name: &str, unit, value: fn(&Seen) -> f64| {
        let figure = Figure::new(
            format!("{what}: {name}"),
            unit,
            Value::Measured(value(seen)),
        );
        match disk {
            Some(disk) => figure.peer("fdatasync", Value::Measured(value(disk))),
            None => figure,
        }
    };
    [
        figure("one append, p50", "us", |it| it.each.microseconds(50)),
        figure("one append, p95", "us", |it| it.each.microseconds(95)),
        figure("appends", "1/s", |it| it.per_second),
    ]
}

/// The targets stand for one writer's time in the default mode, and for the crowd in the other.
fn set_targets(figures: &mut [Figure]) {
    let targets = [
        ("group, 1 at once: one append, p95", Target::AtMost(50.0)),
        (
            "always, 16 at once: one append, p95",
            Target::AtMost(5000.0),
        ),
        ("always, 16 at once: appends", Target::AtLeast(5000.0)),
    ];
    for (what, target) in targets {
        let found = figures.iter_mut().filter(|figure| figure.what == what);
        found.for_each(|figure| figure.targets.push(target.clone()));
    }
}

fn appends(context: &Context, sync: Sync, threads: usize, limit: Duration) -> Result<Seen, Error> {
    let folder = context.on_disk()?;
    let broken = |error: audit::LogError| Error::Unmet(error.to_string());
    let log = Log::open(&folder.path().join("log"), &Options::new(sync)).map_err(broken)?;
    let event = decision();
    let seen = crowd(threads, limit, || {
        log.append(&event).map(drop).map_err(broken)
    });
    log.close().map_err(broken)?;
    seen
}

fn decision() -> Event {
    let data = json!({
        "id": "e-0123456789abcdef", "time": "2026-01-01T00:00:00.000Z", "phase": "decision",
        "method": "GET", "host": "api.example.com", "port": 443, "path": "/v1/models/some/path",
        "via": "explicit", "tls": "tunnel", "verdict": "allow", "reason": "rule",
        "rule": "coder:12", "secret": null, "status": 200, "bytes_up": 0, "bytes_down": 0,
        "duration_ms": 0, "policy_generation": 1,
    });
    Event::new(Kind::EgressDecision, Principal::Sheriff).data(data)
}

/// What the disk does with the same bytes.
fn bare_disk(context: &Context, limit: Duration) -> Result<Seen, Error> {
    let folder = context.on_disk()?;
    let path = folder.path().join("plain");
    let io = |source| Error::File {
        what: "append",
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(io)?;
    crowd(1, limit, || sync_once(&file).map_err(io))
}

fn sync_once(mut file: &File) -> std::io::Result<()> {
    file.write_all(&[b'x'; 600])?;
    file.sync_data()
}

/// Does it over and over on so many threads until the time is over.
fn crowd<D>(threads: usize, limit: Duration, deed: D) -> Result<Seen, Error>
where
    D: Fn() -> Result<(), Error> + std::marker::Sync,
{
    let ready = Barrier::new(threads + 1);
    let work = || {
        ready.wait();
        let started = Instant::now();
        let mut durations = Vec::new();
        while started.elapsed() < limit {
            let before = Instant::now();
            deed()?;
            durations.push(before.elapsed());
        }
        Ok::<_, Error>(durations)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        ready.wait();
        let started = Instant::now();
        let panicked = |_payload| Err(Error::Unmet("a measuring thread panicked".to_owned()));
        let mut all = Vec::new();
        for thread in threads {
            all.append(&mut thread.join().unwrap_or_else(panicked)?);
        }
        let per_second = all.len() as f64 / started.elapsed().as_secs_f64();
        Ok(Seen {
            each: Sample::of(all),
            per_second,
        })
    })
}
