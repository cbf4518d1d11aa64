//! Launch: from the call to the command's first byte, and to its end, alone and in crowds.
//!
//! Not for: what a waiting jail costs (`memory`).

use std::io::Read;
use std::process::Stdio;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::figure::{Chapter, Figure, Target, Value};
use super::kept::Kept;
use super::product::Daemon;
use super::sample::Sample;
use super::sandbox::{Payload, Sandbox};
use super::{Absence, Context, ONE_RUN};
use crate::error::Error;

/// Launches before those that count.
const WARM_UP: usize = 5;
/// Time between launches that don't follow at once: the daemon makes up for the last one meanwhile.
const PAUSE: Duration = Duration::from_millis(40);

/// What was seen of one sandbox.
#[derive(Debug)]
struct Seen {
    first: Duration,
    paused: Sample,
    reap: Sample,
    exec: Sample,
    crowds: Vec<Crowd>,
}

/// Launches at the same time.
#[derive(Debug)]
struct Crowd {
    each: Sample,
    per_second: f64,
}

/// Measures ours and every peer in turn.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let plan = Plan::new(context.quick);
    let daemon = context.product().and_then(|product| product.start());
    let ours = daemon.as_ref().map_err(Absence::again).and_then(|daemon| {
        let seen = plan.observe(&Sandbox::Sheriff(daemon))?;
        Ok((seen, daemon.builds()?))
    });
    drop(daemon);
    let peers = [
        ("bwrap", observe_peer(&plan, Sandbox::bwrap())),
        ("runc", observe_peer(&plan, Sandbox::runc(context.folder()))),
        ("spawn", observe_peer(&plan, Ok(Sandbox::Spawn))),
    ];
    let embedded = embedded(context, plan.fresh);
    let fresh = fresh(context, plan.fresh);
    Ok(report(
        &plan,
        &Outcome {
            ours,
            peers,
            embedded,
            fresh,
        },
    ))
}

/// Everything that the report is made from.
struct Outcome {
    ours: Result<(Seen, Sample), Absence>,
    peers: [(&'static str, Result<Seen, Absence>); 3],
    embedded: Result<Sample, Absence>,
    fresh: Result<Sample, Absence>,
}

/// How often what is done.
#[derive(Debug)]
struct Plan {
    alone: usize,
    crowds: &'static [usize],
    fresh: usize,
}

impl Plan {
    const fn new(quick: bool) -> Self {
        if quick {
            Self {
                alone: 20,
                crowds: &[10],
                fresh: 1,
            }
        } else {
            Self {
                alone: 100,
                crowds: &[10, 100],
                fresh: 5,
            }
        }
    }

    fn observe(&self, sandbox: &Sandbox<'_>) -> Result<Seen, Absence> {
        let first = to_reap(sandbox)?;
        for _ in 0..WARM_UP {
            to_reap(sandbox)?;
        }
        let paused = (0..self.alone).map(|_| {
            // The figure is of launches apart; nothing signals that a daemon has nothing left to do.
            thread::sleep(PAUSE);
            to_reap(sandbox)
        });
        let paused = paused.collect::<Result<Vec<_>, _>>()?;
        let reap = (0..self.alone)
            .map(|_| to_reap(sandbox))
            .collect::<Result<Vec<_>, _>>()?;
        let exec = (0..self.alone)
            .map(|_| to_exec(sandbox))
            .collect::<Result<Vec<_>, _>>()?;
        let crowds = self.crowds.iter().map(|size| crowd(sandbox, *size));
        Ok(Seen {
            first,
            paused: Sample::of(paused),
            reap: Sample::of(reap),
            exec: Sample::of(exec),
            crowds: crowds.collect::<Result<_, _>>()?,
        })
    }
}

fn observe_peer(plan: &Plan, sandbox: Result<Sandbox<'_>, Absence>) -> Result<Seen, Absence> {
    plan.observe(&sandbox?)
}

/// From the call to the end of everything that was started.
pub(crate) fn to_reap(sandbox: &Sandbox<'_>) -> Result<Duration, Error> {
    let mut command = sandbox.command(Payload::True);
    let started = Instant::now();
    Kept::spawn(&mut command, ONE_RUN)?.succeed()?;
    Ok(started.elapsed())
}

/// From the call to the first byte that the command writes.
fn to_exec(sandbox: &Sandbox<'_>) -> Result<Duration, Error> {
    let mut command = sandbox.command(Payload::Echo);
    command.stdout(Stdio::piped());
    let started = Instant::now();
    let mut child = Kept::spawn(&mut command, ONE_RUN)?;
    first_byte(&mut child)?;
    let elapsed = started.elapsed();
    child.succeed()?;
    Ok(elapsed)
}

/// Waits for the first byte of the child's output.
pub(crate) fn first_byte(child: &mut Kept) -> Result<(), Error> {
    let Some(mut output) = child.stdout() else {
        return Err(Error::Unmet("no pipe".to_owned()));
    };
    let read = output.read_exact(&mut [0]);
    read.map_err(|source| Error::Io {
        what: "first byte of the command",
        source,
    })
}

fn crowd(sandbox: &Sandbox<'_>, size: usize) -> Result<Crowd, Error> {
    let ready = Barrier::new(size + 1);
    let one = || {
        ready.wait();
        to_reap(sandbox)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..size).map(|_| scope.spawn(one)).collect();
        ready.wait();
        let started = Instant::now();
        let panicked = |_payload| Err(Error::Unmet("a measuring thread panicked".to_owned()));
        let each = threads
            .into_iter()
            .map(|it| it.join().unwrap_or_else(panicked));
        let each = each.collect::<Result<Vec<_>, _>>()?;
        let per_second = size as f64 / started.elapsed().as_secs_f64();
        Ok(Crowd {
            each: Sample::of(each),
            per_second,
        })
    })
}

/// `sheriff run` with no daemon: it starts one and ends it.
fn embedded(context: &Context, times: usize) -> Result<Sample, Absence> {
    let product = context.product()?;
    let one = |_| {
        let mut command = product.embedded()?;
        let started = Instant::now();
        Kept::spawn(&mut command, ONE_RUN)?.succeed()?;
        Ok(started.elapsed())
    };
    let runs: Result<Vec<Duration>, Absence> = (0..times).map(one).collect();
    runs.map(Sample::of)
}

/// The first launch of a daemon that has just become ready.
fn fresh(context: &Context, times: usize) -> Result<Sample, Absence> {
    let product = context.product()?;
    let one = |_| {
        let daemon: Daemon = product.start()?;
        Ok(to_reap(&Sandbox::Sheriff(&daemon))?)
    };
    let runs: Result<Vec<Duration>, Absence> = (0..times).map(one).collect();
    runs.map(Sample::of)
}

impl Outcome {
    /// A figure in milliseconds of ours and of every peer.
    fn figure(&self, what: String, value: impl Fn(&Seen) -> f64) -> Figure {
        self.unit_figure(what, "ms", value)
    }

    fn unit_figure(
        &self,
        what: String,
        unit: &'static str,
        value: impl Fn(&Seen) -> f64,
    ) -> Figure {
        let ours = Value::of(&self.ours, |(seen, _)| value(seen));
        let add = |figure: Figure, (name, seen): &(&'static str, Result<Seen, Absence>)| {
            figure.peer(name, Value::of(seen, &value))
        };
        self.peers.iter().fold(Figure::new(what, unit, ours), add)
    }
}

fn report(plan: &Plan, outcome: &Outcome) -> Chapter {
    let built = |percent: usize| {
        let value = Value::of(&outcome.ours, |(_, builds)| builds.milliseconds(percent));
        Figure::new(
            format!("the daemon's own time to build the jail, p{percent}"),
            "ms",
            value,
        )
    };
    let mut figures = vec![
        outcome
            .figure("to reap of /bin/true, 40 ms apart, p50".into(), |it| {
                it.paused.milliseconds(50)
            })
            .reach(Target::RatioAtMost(1.0, "bwrap"))
            .reach(Target::RatioAtMost(0.3, "runc")),
        outcome.figure("the same, p99".into(), |it| it.paused.milliseconds(99)),
        outcome
            .figure("one right after the other, p50".into(), |it| {
                it.reap.milliseconds(50)
            })
            .reach(Target::RatioAtMost(1.0, "bwrap"))
            .reach(Target::RatioAtMost(0.3, "runc")),
        outcome.figure("the same, p99".into(), |it| it.reap.milliseconds(99)),
        outcome.figure("to the first byte of /bin/echo, p50".into(), |it| {
            it.exec.milliseconds(50)
        }),
        outcome.figure("the same, p99".into(), |it| it.exec.milliseconds(99)),
        built(50).reach(Target::AtMost(2.0)),
        built(99),
        outcome.figure("first launch of this measurement".into(), |it| {
            it.first.as_secs_f64() * 1e3
        }),
    ];
    for (index, size) in plan.crowds.iter().enumerate() {
        figures.extend(crowd_figures(outcome, index, *size));
    }
    let fresh = Value::of(&outcome.fresh, |it| it.milliseconds(50));
    figures.push(Figure::new(
        "cold: first launch of a fresh daemon, p50",
        "ms",
        fresh,
    ));
    let embedded = Value::of(&outcome.embedded, |it| it.milliseconds(50));
    figures.push(Figure::new(
        "cold: no daemon, starting and ending one included, p50",
        "ms",
        embedded,
    ));
    Chapter {
        name: "launch",
        notes: notes(),
        figures,
    }
}

fn crowd_figures(outcome: &Outcome, index: usize, size: usize) -> [Figure; 3] {
    let at = |seen: &Seen, percent| {
        seen.crowds
            .get(index)
            .map_or(f64::NAN, |crowd| crowd.each.milliseconds(percent))
    };
    let rate = |seen: &Seen| {
        seen.crowds
            .get(index)
            .map_or(f64::NAN, |crowd| crowd.per_second)
    };
    let mut rates = outcome.unit_figure(format!("{size} at once, launches"), "1/s", rate);
    if size >= 100 {
        rates = rates.reach(Target::AtLeast(150.0));
    }
    [
        outcome.figure(format!("{size} at once, to reap, p50"), |seen| at(seen, 50)),
        outcome.figure(format!("{size} at once, to reap, p99"), |seen| at(seen, 99)),
        rates,
    ]
}

fn notes() -> Vec<String> {
    [
        "Ours includes veth, policy proxy, seccomp, Landlock, cgroup limits and the record in the audit log.",
        "bwrap: --unshare-all --ro-bind / / --dev --proc; it has no network, seccomp, Landlock or cgroup.",
        "runc: a bundle with the host's /usr, cgroup limits, own namespaces but no user namespace, no seccomp, lo only.",
        "spawn: the bare command; what the machine charges for any launch.",
    ]
    .map(str::to_owned)
    .to_vec()
}
