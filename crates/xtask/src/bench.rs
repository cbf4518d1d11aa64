//! `cargo xtask bench`: our figures beside those of bwrap, runc, squid, tinyproxy, HAProxy and mitmproxy, in one run.
//!
//! Not for: tests; a missed target is printed, it fails nothing.
//!
//! Everything is bounded in time, uses loopback only, and starts and ends no process but its own.

mod append;
mod client;
mod crowded;
mod drive;
mod figure;
mod filter;
mod flood;
mod forward;
mod idle;
mod intercept;
pub(crate) mod kept;
mod launch;
mod memory;
mod peers;
mod product;
mod proxy;
mod road;
mod sample;
mod sandbox;
mod server;
mod table;
mod trust;
mod tunnel;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use serde_json::json;

use self::figure::Chapter;
use self::product::Product;
use crate::error::Error;
use crate::step::Step;
use crate::test::is_root;
use crate::tree;

pub(crate) use self::client::{Task, run as run_client};

/// Longest one launch of anything may take, in a crowd of a hundred on a slow machine too.
const ONE_RUN: Duration = Duration::from_secs(30);

/// Longest the measuring may take: what is not measured by then is missing, with the reason.
const WHOLE: Duration = Duration::from_secs(900);

/// What readers of the proxies' figures must know.
const PATHS: &str = "All are asked across a veth, ours from inside a jail; `direct` is loopback.";

/// Options of `bench`.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options of a command line, none of which excludes another"
)]
pub(crate) struct Args {
    /// Measure these alone
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Topic>,
    /// Fewer runs and shorter ones: a look, not a figure to quote
    #[arg(long)]
    quick: bool,
    /// Download the peers that are not installed, and unpack them below `target/peers`
    #[arg(long)]
    fetch_peers: bool,
    /// The binaries are there and this is one of them
    #[arg(long, hide = true)]
    built: bool,
}

/// A chapter to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Topic {
    // First: the kernel frees what thousands of ended jails had over minutes, which would be taken
    // for a gain.
    Memory,
    Launch,
    Crowded,
    Tunnel,
    Forward,
    Intercept,
    Idle,
    Flood,
    Audit,
    Verdict,
    Seccomp,
}

/// Why a value is missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Absence {
    #[error("not installed")]
    NotInstalled,
    #[error("not fetched")]
    NotFetched,
    #[error("not built")]
    NotBuilt,
    #[error(transparent)]
    Failed(#[from] Error),
    #[error("{0}")]
    Same(String),
}

/// What all chapters share.
#[derive(Debug)]
pub(crate) struct Context {
    /// Fewer and shorter runs.
    pub(crate) quick: bool,
    product: Result<Product, Absence>,
    folder: tempfile::TempDir,
    results: PathBuf,
}

/// Builds the release binaries, then measures with them.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if args.built {
        return measure(args);
    }
    if args.fetch_peers {
        peers::fetch()?;
    }
    crate::release::run()?;
    let mut again = vec!["bench".to_owned(), "--built".to_owned()];
    again.extend(args.quick.then(|| "--quick".to_owned()));
    again.extend(
        args.only
            .iter()
            .map(|topic| format!("--only={}", topic.name())),
    );
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    Step::program(tree::target().join("release/xtask").as_ref(), &again).run()
}

fn measure(args: &Args) -> Result<(), Error> {
    if !is_root() {
        line("Not root: jails and runc can't be measured; run it with sudo for all figures.");
    }
    if !peers::are_there() {
        line(
            "Some peers are missing; `--fetch-peers` unpacks Debian's haproxy, mitmproxy, squid, squid-openssl and tinyproxy below the build folder, as root.",
        );
    }
    kept::end_all_within(WHOLE);
    let context = Context::new(args.quick)?;
    let mut chapters = Vec::new();
    for topic in Topic::value_variants() {
        if args.only.is_empty() || args.only.contains(topic) {
            let chapter = topic.measure(&context)?;
            line(&chapter.text());
            chapters.push(chapter);
        }
    }
    let (met, missed) = chapters
        .iter()
        .map(Chapter::score)
        .fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    line(&format!("\nTargets met: {met}, missed: {missed}."));
    context.store(&chapters)
}

impl Topic {
    fn measure(self, context: &Context) -> Result<Chapter, Error> {
        match self {
            Self::Launch => launch::measure(context),
            Self::Crowded => crowded::measure(context),
            Self::Memory => memory::measure(context),
            Self::Tunnel => tunnel::measure(context),
            Self::Forward => forward::measure(context),
            Self::Intercept => intercept::measure(context),
            Self::Idle => idle::measure(context),
            Self::Flood => flood::measure(context),
            Self::Audit => append::measure(context),
            Self::Verdict => verdict::measure(context),
            Self::Seccomp => filter::measure(context),
        }
    }

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Absence {
    /// The same reason for one more value.
    fn again(&self) -> Self {
        match self {
            Self::NotInstalled => Self::NotInstalled,
            Self::NotFetched => Self::NotFetched,
            Self::NotBuilt => Self::NotBuilt,
            other => Self::Same(other.to_string()),
        }
    }
}

impl Context {
    fn new(quick: bool) -> Result<Self, Error> {
        let results = tree::target().join("bench");
        let file = |source| Error::File {
            what: "folder",
            path: results.clone(),
            source,
        };
        fs::create_dir_all(&results).map_err(file)?;
        let folder = tempfile::tempdir().map_err(file)?;
        Ok(Self {
            quick,
            product: Product::built(results.join("sheriffd.log")),
            folder,
            results,
        })
    }

    /// The product, if it was built.
    pub(crate) fn product(&self) -> Result<&Product, Absence> {
        self.product.as_ref().map_err(Absence::again)
    }

    /// A folder for small files; it goes with the measurement.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder on the disk that the build is on: a temporary one may be in memory.
    pub(crate) fn on_disk(&self) -> Result<tempfile::TempDir, Error> {
        let made = tempfile::tempdir_in(&self.results);
        made.map_err(|source| Error::File {
            what: "folder",
            path: self.results.clone(),
            source,
        })
    }

    /// How long a loop over a proxy runs.
    pub(crate) const fn seconds(&self) -> &'static str {
        if self.quick { "1" } else { "4" }
    }

    /// Writes the results twice: under the time, and as the latest.
    fn store(&self, chapters: &[Chapter]) -> Result<(), Error> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let chapters: Vec<_> = chapters.iter().map(Chapter::json).collect();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let all = json!({
            "time": now, "quick": self.quick, "cores": cores, "kernel": kernel.trim(),
            "chapters": chapters,
        });
        for name in [format!("{now}.json"), "latest.json".to_owned()] {
            let path = self.results.join(name);
            let file = |source| Error::File {
                what: "write",
                path: path.clone(),
                source,
            };
            fs::write(&path, format!("{all:#}\n")).map_err(file)?;
            line(&format!("Written: {}", path.display()));
        }
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "the table is what bench is for")]
fn line(text: &str) {
    println!("{text}");
}
