//! The seccomp filters: how long they are, how long making and installing takes, what a call pays.
//!
//! Not for: what they permit (`sheriff-seccomp`'s tests).

mod alternatives;
mod cost;
mod peers;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use seccomp::{Arch, Profile, Program};

use self::cost::Cost;
use super::figure::{Chapter, Figure, Target, Value};
use super::sample::Sample;
use super::{Absence, Context};
use crate::error::Error;

pub(crate) use self::cost::measure as measure_installed;

/// The profile that the costs are of.
const AGENT: &str = "agent";
/// How often a profile is compiled.
const COMPILES: usize = 50;

/// Measures the shipped profiles, and the agent's beside what others make of the same rules.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let arch = native()?;
    let agent = profile(AGENT)?;
    let (shared, left_out) = peers::expressible(&agent, arch)?;
    let folder = context.folder();
    let times = if context.quick { 5 } else { 50 };
    let program = |profile| Ok(seccomp::export::bpf(&compiled(profile, arch)?));
    let whole = observe(folder, "agent", program(&agent), times);
    let ours = observe(folder, "shared", program(&shared), times);
    let peers = [
        ("none", cost::sample(None, times)),
        (
            "seccompiler",
            observe(
                folder,
                "seccompiler",
                peers::seccompiler(&shared, arch),
                times,
            ),
        ),
        (
            "libseccomp",
            observe(
                folder,
                "libseccomp",
                peers::libseccomp(folder, &shared, arch),
                times,
            ),
        ),
    ];
    let mut figures = lengths(arch)?;
    figures.push(compile_time(arch)?);
    let install = Value::of(&whole, |all| median(all, &|it| it.install_ms));
    figures.push(Figure::new("install of agent, p50", "ms", install).reach(Target::AtMost(0.1)));
    figures.extend(costs(&ours, &peers));
    Ok(Chapter {
        name: "seccomp",
        notes: notes(left_out),
        figures,
    })
}

fn notes(left_out: usize) -> Vec<String> {
    [
        "Each install is the seccomp(2) call alone, in a new process; costs of calls are the median over processes.",
        "Calls: getppid (allowed), TCGETS of /dev/null and the query of personality (examined), unshare of nothing (denied).",
        "The comparison is of agent without the calls for which seccompiler would need more than 48 rules each (see below how many); the others have no ENOSYS for unknown numbers and no guard against a second ABI.",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("Calls left out of the comparison: {left_out}.")])
    .collect()
}

/// Stores a program and observes processes under it.
fn observe(
    folder: &Path,
    name: &str,
    program: Result<Vec<u8>, Absence>,
    times: usize,
) -> Result<Vec<Cost>, Absence> {
    let path = folder.join(format!("{name}.bpf"));
    fs::write(&path, program?).map_err(|source| Error::File {
        what: "write",
        path: path.clone(),
        source,
    })?;
    cost::sample(Some(&path), times)
}

fn costs(
    ours: &Result<Vec<Cost>, Absence>,
    peers: &[(&'static str, Result<Vec<Cost>, Absence>); 3],
) -> Vec<Figure> {
    let figure = |what: &str, unit, value: &dyn Fn(&Cost) -> f64| {
        let of = |costs: &Result<Vec<Cost>, Absence>| Value::of(costs, |all| median(all, value));
        let add = |figure: Figure, (name, costs): &(&'static str, _)| figure.peer(name, of(costs));
        peers.iter().fold(Figure::new(what, unit, of(ours)), add)
    };
    vec![
        figure(
            "length of agent's program as installed",
            "instructions",
            &|it| it.instructions,
        ),
        figure("install of it, p50", "ms", &|it| it.install_ms),
        figure("an allowed call", "ns", &|it| it.allowed_ns),
        figure("ioctl (16), its request examined", "ns", &|it| {
            it.request.whole_ns
        }),
        figure("the same, less the call without a filter", "ns", &|it| {
            it.request.extra_ns
        }),
        figure("personality (135), its argument examined", "ns", &|it| {
            it.persona.whole_ns
        }),
        figure("the same, less the call without a filter", "ns", &|it| {
            it.persona.extra_ns
        })
        .reach(Target::RatioAtMost(0.6, "seccompiler")),
        figure("a denied call", "ns", &|it| it.denied_ns),
    ]
}

fn median(costs: &[Cost], value: &dyn Fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = costs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn lengths(arch: Arch) -> Result<Vec<Figure>, Error> {
    let length = |name: &str| {
        let length = compiled(&profile(name)?, arch)?.instructions().len();
        let value = Value::Measured(length as f64);
        let figure = Figure::new(format!("length of profile {name}"), "instructions", value);
        Ok(figure.reach(Target::AtMost(256.0)))
    };
    seccomp::embedded::names().map(length).collect()
}

fn compile_time(arch: Arch) -> Result<Figure, Error> {
    let text = seccomp::shipped(AGENT).unwrap_or_default();
    let one = |_| {
        let started = Instant::now();
        let parsed =
            Profile::parse(AGENT, text).map_err(|error| Error::Unmet(error.to_string()))?;
        compiled(&parsed, arch)?;
        Ok(started.elapsed())
    };
    let taken: Result<Vec<Duration>, Error> = (0..COMPILES).map(one).collect();
    let value = Value::Measured(Sample::of(taken?).milliseconds(50));
    Ok(Figure::new("reading and compiling agent, p50", "ms", value))
}

fn profile(name: &str) -> Result<Profile, Error> {
    let text = seccomp::shipped(name).unwrap_or_default();
    Profile::parse(name, text).map_err(|error| Error::Unmet(error.to_string()))
}

fn compiled(profile: &Profile, arch: Arch) -> Result<Program, Error> {
    seccomp::compile(profile, arch).map_err(|error| Error::Unmet(error.to_string()))
}

fn native() -> Result<Arch, Error> {
    Arch::native().ok_or_else(|| Error::Unmet("no filter for this processor".to_owned()))
}
