//! `sheriff audit export`: the log in the words of other systems, one JSON document a line.
//!
//! Not for: sending it anywhere; pipe it into what does.

use std::path::PathBuf;
use std::time::SystemTime;

use audit::{Entry, Filter, Reader};
use clap::ValueEnum;
use model::{SessionId, Span};
use serde_json::Value;

use crate::failure::Failure;
use crate::render::Output;

/// Options of `audit export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the log
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIR)]
    dir: PathBuf,
    /// The form of the lines
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: Format,
    /// Only entries of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Only entries of the last so many minutes, hours or days, such as 1d
    #[arg(long, value_name = "TIME")]
    since: Option<Span>,
}

/// A form of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Entries as they stand in the log
    Json,
    /// Egress events as OCSF 1.3 activities
    OcsfJson,
    /// All entries as OpenTelemetry log records
    OtlpJson,
}

/// Writes the lines.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let since = args
        .since
        .and_then(|span| SystemTime::now().checked_sub(span.as_duration()))
        .and_then(audit::rfc3339);
    let filter = Filter {
        session: args.session.clone(),
        ..Filter::default()
    };
    let mut output = Output::new();
    for entry in Reader::open(&args.dir, filter)? {
        let entry = entry?;
        if since.as_ref().is_some_and(|since| entry.time < *since) {
            continue;
        }
        if let Some(document) = document(args.format, &entry) {
            output.compact(&document)?;
        }
    }
    output.finish().map(|()| 0)
}

fn document(format: Format, entry: &Entry) -> Option<Value> {
    match format {
        Format::Json => serde_json::to_value(entry).ok(),
        Format::OcsfJson => audit::ocsf::event(entry),
        Format::OtlpJson => audit::otlp::request(entry),
    }
}
