//! `cargo xtask vm`: the privileged suite on another kernel, in a virtual machine.
//!
//! Debian 12 has Linux 6.1 (Landlock ABI 2), Debian 13 has 6.12 (ABI 6), both with cgroup v2 alone:
//! what a developer's machine with a newer kernel and hybrid cgroups can't show. Not for: systemd,
//! packages and upgrades; the machine's first process is a script of ours.

mod image;
mod machine;

use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;
use serde::Deserialize;

use crate::error::Error;
use crate::step::Step;
use crate::test::is_root;
use crate::tree;

/// Stories that the machine can't run, with the reason: they look for tools that its image has not,
/// or time themselves against a real processor, which an emulated one is ten times slower than.
const LEFT_OUT: [(&str, &str); 12] = [
    (
        "clients",
        "no nginx, Python libraries, npm or cargo in the image",
    ),
    ("node", "no npm in the image"),
    ("rust", "no Rust in the image"),
    ("python", "no package index tools in the image"),
    ("compile", "too slow on an emulated processor"),
    ("download", "a GiB is too slow on an emulated processor"),
    ("layers", "needs the faulty build"),
    ("seccomp_runc", "no runc in the image"),
    ("seccomp_record", "needs cargo and node"),
    ("fifteen_hundred", "timed"),
    ("without_proxy_settings", "timed"),
    ("killed_parked_jails", "timed"),
];

/// Options of `vm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Release of Debian
    #[arg(long, value_enum, default_value = "bookworm")]
    release: Release,
    /// Make the image anew
    #[arg(long)]
    fresh: bool,
    /// Run only stories whose name contains one of these
    filters: Vec<String>,
}

/// A release of Debian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Release {
    /// Debian 12, Linux 6.1
    Bookworm,
    /// Debian 13, Linux 6.12
    Trixie,
}

impl Release {
    const fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// A line of cargo's messages; most have no executable.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds, makes the image where it is missing, boots it, and fails as the suite in it does.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if !is_root() {
        return Err(Error::Unmet(
            "the image is made by root; use sudo".to_owned(),
        ));
    }
    let packages = ["-p", "sheriffd", "-p", "sheriff-office", "-p", "sheriff"];
    Step::cargo(&[&["build"][..], &packages[..]].concat()).run()?;
    let suite = suite()?;
    let image = image::Image::prepare(args.release, args.fresh)?;
    image.install(&suite, &job(&args.filters))?;
    machine::run(&image)
}

/// Builds the suite and says where it is.
fn suite() -> Result<PathBuf, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(tree::root());
    build.args(["test", "-p", "sheriff-integration", "--no-run"]);
    let start = |source| Error::Start {
        program: "cargo".to_owned(),
        source,
    };
    let output = build
        .arg("--message-format=json")
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(start)?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let of_suite = |line: &str| {
        let message: Message = serde_json::from_str(line).ok()?;
        let named = message
            .target
            .is_some_and(|target| target.name == "privileged");
        message.executable.filter(|_path| named)
    };
    let found = lines.lines().find_map(of_suite);
    found.ok_or_else(|| Error::Unmet("cargo built no privileged suite".to_owned()))
}

/// The script that the machine runs.
fn job(filters: &[String]) -> String {
    let skips = LEFT_OUT
        .map(|(name, _why)| format!("--skip {name}"))
        .join(" ");
    // Words of a test's name, so there is nothing to quote.
    let plain = |word: &&String| {
        word.chars()
            .all(|it| it.is_alphanumeric() || "_:".contains(it))
    };
    let filters: Vec<&str> = filters.iter().filter(plain).map(String::as_str).collect();
    format!(
        "export SHERIFF_BIN_DIR=/opt/sheriff CARGO_MANIFEST_DIR={root}/integration\n\
         ulimit -n 65536\n./sheriff doctor || exit 1\n\
         ./privileged --test-threads=2 {skips} {words}\n",
        root = tree::root().display(),
        words = filters.join(" "),
    )
}
