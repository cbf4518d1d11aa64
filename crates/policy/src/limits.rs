//! Resource limits as people set them: in profiles, on the command line, and as the operator's ceiling.
//!
//! Not for: enforcing them (`jail`).

use std::fmt;
use std::str::FromStr;

use model::{ByteSize, Limits, Span};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

/// Memory: below 4 MiB not even PID 1 starts; above 1 TiB is a slip of the pen.
pub const MEMORY_RANGE: [ByteSize; 2] = [ByteSize(4 << 20), ByteSize(1 << 40)];
/// Tasks: PID 1, the command, and two more; above 65,536 one jail could use up the host's pids.
pub const PIDS_RANGE: [u32; 2] = [4, 65_536];
/// Thousandths of a core: the kernel's quota has a floor of 1 ms per 100 ms; no host has more cores.
pub const CPU_RANGE: [Cores; 2] = [Cores { millis: 10 }, Cores { millis: 1_024_000 }];
/// Open files: stdio, the loader and a few; 1,048,576 is the kernel's usual `fs.nr_open`.
pub const OPEN_FILES_RANGE: [u32; 2] = [16, 1_048_576];
/// File size: one page to 16 TiB, the largest file of ext4.
pub const FILE_SIZE_RANGE: [ByteSize; 2] = [ByteSize(4096), ByteSize(16 << 40)];
/// Wall clock: one second to a year.
pub const WALL_CLOCK_RANGE: [Span; 2] =
    [Span::from_millis(1000), Span::from_millis(31_536_000_000)];

/// Processor time as a number of cores, in thousandths. Text form: `2`, `1.5`, `0.25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cores {
    millis: u32,
}

/// Some limits; what is `None` is left as it is. Reading one checks its range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// See [`Limits::memory`].
    #[serde(default, deserialize_with = "memory")]
    pub memory: Option<ByteSize>,
    /// See [`Limits::pids`].
    #[serde(default, deserialize_with = "pids")]
    pub pids: Option<u32>,
    /// See [`Limits::cpu_millis`].
    #[serde(default, deserialize_with = "cpu")]
    pub cpu: Option<Cores>,
    /// See [`Limits::open_files`].
    #[serde(default, deserialize_with = "open_files")]
    pub open_files: Option<u32>,
    /// See [`Limits::file_size`].
    #[serde(default, deserialize_with = "file_size")]
    pub file_size: Option<ByteSize>,
    /// See [`Limits::wall_clock`].
    #[serde(default, deserialize_with = "wall_clock")]
    pub wall_clock: Option<Span>,
}

/// The operator's ceiling, which no profile, request or approval widens. Its table may also hold
/// `egress`, which [`crate::EgressCeiling`] reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "CeilingTable")]
pub struct Ceiling(pub LimitSettings);

/// The keys of [`LimitSettings`], and one more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CeilingTable {
    #[serde(default, deserialize_with = "memory")]
    memory: Option<ByteSize>,
    #[serde(default, deserialize_with = "pids")]
    pids: Option<u32>,
    #[serde(default, deserialize_with = "cpu")]
    cpu: Option<Cores>,
    #[serde(default, deserialize_with = "open_files")]
    open_files: Option<u32>,
    #[serde(default, deserialize_with = "file_size")]
    file_size: Option<ByteSize>,
    #[serde(default, deserialize_with = "wall_clock")]
    wall_clock: Option<Span>,
    #[serde(rename = "egress", default)]
    _egress: IgnoredAny,
}

impl From<CeilingTable> for Ceiling {
    fn from(table: CeilingTable) -> Self {
        Self(LimitSettings {
            memory: table.memory,
            pids: table.pids,
            cpu: table.cpu,
            open_files: table.open_files,
            file_size: table.file_size,
            wall_clock: table.wall_clock,
        })
    }
}

/// A limit that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Not `KEY=VALUE`.
    #[error("limit {given:?} is refused: write KEY=VALUE, such as memory=512MiB")]
    Form {
        /// What was given, cut.
        given: String,
    },
    /// Not the name of a limit.
    #[error("limit {key:?} is unknown: memory, pids, cpu, open_files, file_size or wall_clock")]
    Key {
        /// What was given, cut.
        key: String,
    },
    /// Not a value of this limit.
    #[error("{key} = {given:?} is malformed: {rule}")]
    Value {
        /// The limit.
        key: &'static str,
        /// What was given, cut.
        given: String,
        /// What is accepted.
        rule: &'static str,
    },
    /// Outside what any jail may have.
    #[error("{key} = {given} is out of range: {low} to {high}")]
    Range {
        /// The limit.
        key: &'static str,
        /// What was given.
        given: String,
        /// The least.
        low: String,
        /// The most.
        high: String,
    },
    /// Above the operator's ceiling.
    #[error("{key} = {asked} is above the operator's ceiling of {ceiling}")]
    AboveCeiling {
        /// The limit.
        key: &'static str,
        /// What was asked for.
        asked: String,
        /// What is allowed.
        ceiling: String,
    },
}

/// Changes one limit by the value of `--limit`: `memory=512MiB`, `pids=64`, `cpu=1.5`,
/// `open_files=1024`, `file_size=1GiB`, `wall_clock=30m`.
///
/// # Errors
/// An unknown key, a malformed value, a value out of range; the limits are then unchanged.
pub fn apply_override(limits: &mut Limits, text: &str) -> Result<(), LimitError> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| LimitError::Form { given: cut(text) })?;
    match key {
        "memory" => limits.memory = ranged("memory", size("memory", value)?, MEMORY_RANGE)?,
        "pids" => limits.pids = ranged("pids", count("pids", value)?, PIDS_RANGE)?,
        "cpu" => limits.cpu_millis = ranged("cpu", value.parse()?, CPU_RANGE)?.millis(),
        "open_files" => {
            limits.open_files =
                ranged("open_files", count("open_files", value)?, OPEN_FILES_RANGE)?;
        }
        "file_size" => {
            limits.file_size = ranged("file_size", size("file_size", value)?, FILE_SIZE_RANGE)?;
        }
        "wall_clock" => {
            limits.wall_clock = Some(ranged("wall_clock", span(value)?, WALL_CLOCK_RANGE)?);
        }
        _ => return Err(LimitError::Key { key: cut(key) }),
    }
    Ok(())
}

impl LimitSettings {
    /// These settings, and those of `parent` where these have none.
    #[must_use]
    pub fn or(self, parent: Self) -> Self {
        Self {
            memory: self.memory.or(parent.memory),
            pids: self.pids.or(parent.pids),
            cpu: self.cpu.or(parent.cpu),
            open_files: self.open_files.or(parent.open_files),
            file_size: self.file_size.or(parent.file_size),
            wall_clock: self.wall_clock.or(parent.wall_clock),
        }
    }
}

impl Ceiling {
    /// Compares resolved limits with the ceiling. No wall clock is above any wall clock.
    ///
    /// # Errors
    /// The first limit that is above.
    pub fn check(&self, limits: &Limits) -> Result<(), LimitError> {
        let top = &self.0;
        let cpu = Cores::from_millis(limits.cpu_millis);
        below("memory", limits.memory, top.memory)?;
        below("pids", limits.pids, top.pids)?;
        below("cpu", cpu, top.cpu)?;
        below("open_files", limits.open_files, top.open_files)?;
        below("file_size", limits.file_size, top.file_size)?;
        match (limits.wall_clock, top.wall_clock) {
            (None, Some(ceiling)) => Err(LimitError::AboveCeiling {
                key: "wall_clock",
                asked: "unlimited".to_owned(),
                ceiling: ceiling.to_string(),
            }),
            (Some(asked), ceiling) => below("wall_clock", asked, ceiling),
            (None, None) => Ok(()),
        }
    }
}

impl Cores {
    /// So many thousandths of a core.
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        Self { millis }
    }

    /// Thousandths of a core.
    #[must_use]
    pub const fn millis(self) -> u32 {
        self.millis
    }
}

impl FromStr for Cores {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let error = || LimitError::Value {
            key: "cpu",
            given: cut(text),
            rule: "a number of cores with at most three decimals, such as 1.5",
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 {
            return Err(error());
        }
        let millis = format!("{whole}{part:0<3}");
        let millis = millis.parse().map_err(|_too_large| error())?;
        Ok(Self { millis })
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.millis / 1000, self.millis % 1000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:03}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The shortest decimal text of a float is what the file said; no cast loses digits.
        let number = f64::deserialize(deserializer)?;
        number.to_string().parse().map_err(D::Error::custom)
    }
}

impl Serialize for Cores {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.millis) / 1000.0)
    }
}

macro_rules! ranged_field {
    ($($name:ident: $type:ty => $range:ident),+) => {$(
        fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<$type>, D::Error> {
            let given = <$type>::deserialize(deserializer)?;
            ranged(stringify!($name), given, $range).map(Some).map_err(D::Error::custom)
        }
    )+};
}

ranged_field!(
    memory: ByteSize => MEMORY_RANGE,
    pids: u32 => PIDS_RANGE,
    cpu: Cores => CPU_RANGE,
    open_files: u32 => OPEN_FILES_RANGE,
    file_size: ByteSize => FILE_SIZE_RANGE,
    wall_clock: Span => WALL_CLOCK_RANGE
);

fn ranged<T: PartialOrd + fmt::Display>(
    key: &'static str,
    given: T,
    [low, high]: [T; 2],
) -> Result<T, LimitError> {
    if given >= low && given <= high {
        return Ok(given);
    }
    Err(LimitError::Range {
        key,
        given: given.to_string(),
        low: low.to_string(),
        high: high.to_string(),
    })
}

fn below<T: Copy + PartialOrd + fmt::Display>(
    key: &'static str,
    asked: T,
    ceiling: Option<T>,
) -> Result<(), LimitError> {
    match ceiling {
        Some(ceiling) if asked > ceiling => Err(LimitError::AboveCeiling {
            key,
            asked: asked.to_string(),
            ceiling: ceiling.to_string(),
        }),
        _ => Ok(()),
    }
}

fn size(key: &'static str, text: &str) -> Result<ByteSize, LimitError> {
    text.parse().map_err(|_not_a_size| LimitError::Value {
        key,
        given: cut(text),
        rule: "digits and B, KiB, MiB, GiB or TiB, such as 512MiB",
    })
}

fn span(text: &str) -> Result<Span, LimitError> {
    text.parse().map_err(|_not_a_span| LimitError::Value {
        key: "wall_clock",
        given: cut(text),
        rule: "digits and ms, s, m, h or d, such as 30m",
    })
}

fn count(key: &'static str, text: &str) -> Result<u32, LimitError> {
    let error = || LimitError::Value {
        key,
        given: cut(text),
        rule: "a whole number in digits",
    };
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(error());
    }
    text.parse().map_err(|_not_u32| error())
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
