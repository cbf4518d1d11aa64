//! A host full of jails: how fast they come, and what one more launch costs among them.
//!
//! Not for: launches at the same moment (`launch`), nor what a jail weighs (`memory`).

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::figure::{Chapter, Figure, Target, Value};
use super::kept::Kept;
use super::launch::{first_byte, to_reap};
use super::sample::Sample;
use super::sandbox::{Payload, Sandbox};
use super::{Absence, Context};
use crate::error::Error;

/// Longest a waiting command may live.
const LIFE: Duration = Duration::from_secs(180);
/// How many start jails at the same time, as a scheduler of agents would.
const STARTERS: usize = 4;
/// How many jails there are on a host that is not full.
const FEW: usize = 10;
/// The peer's name under which our own launches among few jails stand.
const AMONG_FEW: &str = "among 10";

/// What was seen.
#[derive(Debug)]
struct Seen {
    per_second: f64,
    among_few: Sample,
    among_many: Sample,
}

/// Measures ours; peers keep no daemon that could get full.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let (many, launches) = if context.quick {
        (100, 20)
    } else {
        (1000, 100)
    };
    let seen = observe(context, many, launches);
    let launch = |percent: usize| {
        let few = Value::of(&seen, |it| it.among_few.milliseconds(percent));
        let what = format!("launch of /bin/true among {many} living jails, p{percent}");
        let value = Value::of(&seen, |it| it.among_many.milliseconds(percent));
        Figure::new(what, "ms", value).peer(AMONG_FEW, few)
    };
    let rate = Value::of(&seen, |it| it.per_second);
    Ok(Chapter {
        name: "crowded",
        notes: vec![format!(
            "{many} jails with a sleeping command each, made by {STARTERS} starters, stay alive; then {launches} more are run one after the other."
        )],
        figures: vec![
            Figure::new(format!("start rate of {many} jails that stay"), "1/s", rate)
                .reach(Target::AtLeast(150.0)),
            launch(50),
            launch(99).reach(Target::RatioAtMost(3.0, AMONG_FEW)),
        ],
    })
}

fn observe(context: &Context, many: usize, launches: usize) -> Result<Seen, Absence> {
    let daemon = context.product()?.start()?;
    let sandbox = Sandbox::Sheriff(&daemon);
    let mut living = sleeping(&sandbox, FEW)?;
    let among_few = one_after_the_other(&sandbox, launches)?;
    let started = Instant::now();
    let more = many - FEW;
    living.extend(sleeping(&sandbox, more)?);
    let per_second = more as f64 / started.elapsed().as_secs_f64();
    let among_many = one_after_the_other(&sandbox, launches)?;
    Ok(Seen {
        per_second,
        among_few,
        among_many,
    })
}

fn one_after_the_other(sandbox: &Sandbox<'_>, launches: usize) -> Result<Sample, Error> {
    let runs: Result<Vec<_>, _> = (0..launches).map(|_| to_reap(sandbox)).collect();
    runs.map(Sample::of)
}

/// Starts so many sleeping commands, a few at the same time, and returns once all of them sleep.
fn sleeping(sandbox: &Sandbox<'_>, count: usize) -> Result<Vec<Kept>, Error> {
    let begun = AtomicUsize::new(0);
    let starter = || {
        let mut kept = Vec::new();
        while begun.fetch_add(1, Ordering::Relaxed) < count {
            let mut command = sandbox.command(Payload::Sleep);
            command.stdout(Stdio::piped());
            let mut child = Kept::spawn(&mut command, LIFE)?;
            first_byte(&mut child)?;
            kept.push(child);
        }
        Ok(kept)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..STARTERS).map(|_| scope.spawn(starter)).collect();
        let panicked = |_payload| Err(Error::Unmet("a measuring thread panicked".to_owned()));
        let parts = threads
            .into_iter()
            .map(|it| it.join().unwrap_or_else(panicked));
        let parts: Result<Vec<Vec<Kept>>, Error> = parts.collect();
        Ok(parts?.into_iter().flatten().collect())
    })
}
