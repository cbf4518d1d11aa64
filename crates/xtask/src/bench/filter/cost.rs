//! What a filter costs a process: the time to install it, and what each call then takes.
//!
//! Not for: making filters.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::personality::{self, Persona};
use nix::unistd::{getppid, isatty};
use serde::{Deserialize, Serialize};
use sys::filter::Instruction;

use super::Absence;
use crate::bench::ONE_RUN;
use crate::bench::kept::Kept;
use crate::error::Error;

/// Calls of a kind in a row; with less, the clock's own cost shows.
const CALLS: u32 = 100_000;
/// Bytes of one instruction (`struct sock_filter`).
const INSTRUCTION_BYTES: usize = 8;

/// What one process saw.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) install_ms: f64,
    pub(crate) allowed_ns: f64,
    /// The request of an `ioctl`, number 16: near the start of a program that tries one after the other.
    pub(crate) request: Examined,
    /// The argument of `personality`, number 135: in the middle of it.
    pub(crate) persona: Examined,
    pub(crate) denied_ns: f64,
}

/// What a call costs whose argument the program looks at.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Examined {
    pub(crate) whole_ns: f64,
    /// Beyond what the same call took before the filter was there.
    pub(crate) extra_ns: f64,
}

/// In a child: measures itself under the program in this file, or under none.
pub(crate) fn measure(program: Option<&Path>) -> Result<Cost, Error> {
    let program = program.map(read).transpose()?;
    let null = std::fs::File::open("/dev/null").map_err(|source| Error::Io {
        what: "/dev/null",
        source,
    })?;
    let request = || {
        nanoseconds(|| {
            black_box(isatty(&null)).unwrap_or(false);
        })
    };
    let persona = || {
        nanoseconds(|| {
            black_box(personality::get()).unwrap_or(Persona::empty());
        })
    };
    let free = (request(), persona());
    let install = program.as_deref().map_or(Ok(Duration::ZERO), install)?;
    let examined = |whole_ns: f64, free_ns: f64| Examined {
        whole_ns,
        extra_ns: (whole_ns - free_ns).max(0.0),
    };
    Ok(Cost {
        instructions: program.map_or(0.0, |program| program.len() as f64),
        install_ms: install.as_secs_f64() * 1e3,
        allowed_ns: nanoseconds(|| {
            black_box(getppid());
        }),
        request: examined(request(), free.0),
        persona: examined(persona(), free.1),
        denied_ns: nanoseconds(|| black_box(unshare(CloneFlags::empty())).unwrap_or(())),
    })
}

fn install(program: &[Instruction]) -> Result<Duration, Error> {
    let failed = |error: sys::SysError| Error::Unmet(error.to_string());
    sys::privileges::set_no_new_privs().map_err(failed)?;
    let started = Instant::now();
    sys::filter::install(program).map_err(failed)?;
    Ok(started.elapsed())
}

fn nanoseconds(call: impl Fn()) -> f64 {
    let started = Instant::now();
    (0..CALLS).for_each(|_| call());
    started.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn read(path: &Path) -> Result<Vec<Instruction>, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::File {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let (instructions, rest) = bytes.as_chunks::<INSTRUCTION_BYTES>();
    if instructions.is_empty() || !rest.is_empty() {
        return Err(Error::Unmet(
            "no program of eight-byte instructions".to_owned(),
        ));
    }
    let decode = |[a, b, jt, jf, k @ ..]: &[u8; INSTRUCTION_BYTES]| Instruction {
        code: u16::from_le_bytes([*a, *b]),
        jt: *jt,
        jf: *jf,
        k: u32::from_le_bytes(*k),
    };
    Ok(instructions.iter().map(decode).collect())
}

/// Measures in so many new processes.
pub(crate) fn sample(program: Option<&Path>, times: usize) -> Result<Vec<Cost>, Absence> {
    let one = |_| Ok(in_child(program)?);
    (0..times).map(one).collect()
}

fn in_child(program: Option<&Path>) -> Result<Cost, Error> {
    let io = |what: &'static str| move |source| Error::Io { what, source };
    let own = std::env::current_exe().map_err(io("own path"))?;
    let mut command = Command::new(own);
    command.args(["bench-client", "filter"]);
    if let Some(program) = program {
        command.arg("--program").arg(program);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = Kept::spawn(&mut command, ONE_RUN)?;
    let output = child.stdout().map(std::io::read_to_string);
    child.succeed()?;
    let text = output.transpose().map_err(io("client"))?;
    serde_json::from_str(&text.unwrap_or_default()).map_err(|source| Error::Report {
        path: "client".into(),
        source,
    })
}
