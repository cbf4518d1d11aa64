//! The agent's seccomp filter: how long it is, and how long the kernel takes to install it.
//!
//! Not for: what it permits (`sheriff-seccomp`'s tests).

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use seccomp::{Arch, Profile, Program};

use super::client::Seen;
use super::figure::{Chapter, Figure, Target, Value};
use super::kept::Kept;
use super::sample::Sample;
use super::{Absence, Context, ONE_RUN};
use crate::error::Error;

/// Measures the shipped profiles.
pub(crate) fn measure(context: &Context) -> Result<Chapter, Error> {
    let mut figures = vec![
        length("agent")?.reach(Target::AtMost(256.0)),
        length("office")?,
    ];
    let times = if context.quick { 5 } else { 50 };
    let installs = installs(times);
    let install = |percent| Value::of(&installs, |sample| sample.milliseconds(percent));
    figures.push(
        Figure::new("install of the agent's, p50", "ms", install(50)).reach(Target::AtMost(0.1)),
    );
    figures.push(Figure::new(
        "install of the agent's, p99",
        "ms",
        install(99),
    ));
    Ok(Chapter {
        name: "seccomp",
        notes: vec!["Each install is the seccomp(2) call alone, in a new process.".to_owned()],
        figures,
    })
}

/// In a child: installs the agent's filter, and says how long it took.
pub(crate) fn install() -> Result<Seen, Error> {
    let program = compiled("agent", native()?)?;
    let instruction = |it: &seccomp::Instruction| sys::filter::Instruction {
        code: it.code,
        jt: it.jt,
        jf: it.jf,
        k: it.k,
    };
    let program: Vec<_> = program.instructions().iter().map(instruction).collect();
    let failed = |error: sys::error::SysError| Error::Unmet(error.to_string());
    sys::privileges::set_no_new_privs().map_err(failed)?;
    let started = Instant::now();
    sys::filter::install(&program).map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Seen {
        count: 1,
        seconds,
        ..Seen::default()
    })
}

fn length(name: &str) -> Result<Figure, Error> {
    let length = compiled(name, native()?)?.instructions().len();
    Ok(Figure::new(
        format!("length of profile {name}"),
        "instructions",
        Value::Measured(length as f64),
    ))
}

fn compiled(name: &str, arch: Arch) -> Result<Program, Error> {
    let text = seccomp::shipped(name).unwrap_or_default();
    let profile = Profile::parse(name, text).map_err(|error| Error::Unmet(error.to_string()))?;
    seccomp::compile(&profile, arch).map_err(|error| Error::Unmet(error.to_string()))
}

fn native() -> Result<Arch, Error> {
    Arch::native().ok_or_else(|| Error::Unmet("no filter for this processor".to_owned()))
}

fn installs(times: usize) -> Result<Sample, Absence> {
    let one = |_| {
        let own = std::env::current_exe().map_err(|source| Error::Io {
            what: "own path",
            source,
        })?;
        let mut command = Command::new(own);
        command.args(["bench-client", "filter"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Kept::spawn(&mut command, ONE_RUN)?;
        let output = child.stdout().map(std::io::read_to_string);
        child.succeed()?;
        let text = output.transpose().map_err(|source| Error::Io {
            what: "client",
            source,
        })?;
        let parsed = serde_json::from_str(&text.unwrap_or_default());
        let seen: Seen = parsed.map_err(|source| Error::Report {
            path: "client".into(),
            source,
        })?;
        Ok(Duration::from_secs_f64(seen.seconds))
    };
    let taken: Result<Vec<Duration>, Absence> = (0..times).map(one).collect();
    taken.map(Sample::of)
}
