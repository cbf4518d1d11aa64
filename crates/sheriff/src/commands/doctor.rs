//! `sheriff doctor`: whether this host can hold jails, and what to change if not.
//!
//! Not for: whether a daemon runs; `sheriff ps` shows that.

use jail::probe;
use serde::Serialize;

use crate::failure::Failure;
use crate::render::{Output, verdict};

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One property of the host. A jail misses no layer, so nearly all are mandatory.
#[derive(Debug, Serialize)]
pub(crate) struct Property {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// Whether it will do.
    pub(crate) ok: bool,
    /// What was found.
    pub(crate) found: String,
    /// What is needed.
    pub(crate) needed: &'static str,
    /// What to do; empty when nothing.
    pub(crate) remedy: &'static str,
    /// Whether there are jails without it.
    pub(crate) mandatory: bool,
}

/// Looks at the host; 1 when something mandatory is missing.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let properties: Vec<Property> = probe::findings().into_iter().map(Property::from).collect();
    let mut output = Output::new();
    if args.json {
        output.json(&properties)?;
    } else {
        verdict::host(&properties, &mut output)?;
    }
    output.finish()?;
    let lacks = |property: &Property| property.mandatory && !property.ok;
    Ok(u8::from(properties.iter().any(lacks)))
}

impl From<probe::Finding> for Property {
    fn from(finding: probe::Finding) -> Self {
        let probe::Finding {
            name,
            ok,
            found,
            needed,
            remedy,
            mandatory,
        } = finding;
        Self {
            name,
            ok,
            found,
            needed,
            remedy,
            mandatory,
        }
    }
}
