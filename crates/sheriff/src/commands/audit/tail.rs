//! `sheriff audit tail`: entries of the log from its files.
//!
//! Not for: integrity (`audit verify`).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use audit::{Entry, Filter, Reader};
use model::SessionId;

use crate::failure::Failure;
use crate::render::{Output, entry};

/// How long to wait for an entry before asking again; any length does, the reader polls by itself.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Options of `audit tail`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the log
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DIR)]
    dir: PathBuf,
    /// Stay, and show what is added
    #[arg(short = 'f', long)]
    follow: bool,
    /// Only entries of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// How many of the last entries to show
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    lines: u16,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Shows the entries.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let filter = Filter {
        session: args.session.clone(),
        ..Filter::default()
    };
    let mut reader = Reader::open(&args.dir, filter)?;
    let mut output = Output::new();
    for entry in last(&mut reader, args.lines.into())? {
        show(&entry, args.json, &mut output)?;
    }
    if !args.follow {
        return output.finish().map(|()| 0);
    }
    loop {
        if let Some(entry) = reader.next_within(PATIENCE)? {
            show(&entry, args.json, &mut output)?;
        }
    }
}

fn last(reader: &mut Reader, count: usize) -> Result<VecDeque<Entry>, Failure> {
    let mut kept = VecDeque::new();
    for entry in reader {
        kept.push_back(entry?);
        if kept.len() > count {
            kept.pop_front();
        }
    }
    Ok(kept)
}

fn show(entry: &Entry, json: bool, output: &mut Output) -> Result<(), Failure> {
    if json {
        let line = serde_json::to_vec(entry).map_err(|source| Failure::Output {
            source: source.into(),
        })?;
        return output.json_line(&line);
    }
    output.live(&entry::line(entry, output.style))
}
