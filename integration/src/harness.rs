//! What every story uses: daemons, jails, and what they leave behind.
//!
//! The usual test:
//!
//! ```ignore
//! let site = Http::tls(&identity(&["site.example"]), |_| Response::ok("hi"));
//! let jail = Jail::new().trusting_us().connect("site.example", site.address());
//! let outcome = jail.shell("curl -sS https://site.example/").ok();
//! assert_eq!(outcome.text(), "hi");
//! assert_eq!(outcome.egress("bytes_up"), site.traffic().received());
//! ```
//!
//! - [`Jail`] is a `sheriff run` in the making. `Jail::new()` uses the daemon that all tests of this
//!   process share; `Jail::on(&daemon)` one of the test's own; `Jail::alone()` lets `sheriff` start
//!   its own ephemeral daemon. End it with `run`, `shell`, `python` (wait, get an [`Outcome`]) or
//!   `start`, `terminal` (get a running [`Child`], [`Terminal`]).
//! - [`Outcome`]: exit code, output and the JSON report. Every wait has a deadline that kills and
//!   fails the test with all output.
//! - [`Daemon`]: `ephemeral()`, or `standing()` with folders that outlive it and a `restart()`. Its
//!   `sheriff(&[...])` runs other commands of the CLI, `json(&[...])` parses what they print.
//! - [`Leftovers`]: a snapshot of the host's mounts, links, cgroups, runtime folders and processes.
//! - [`authority`], [`identity`]: one test authority a process. `trusting_us()` makes the jail's tools
//!   trust it, and the daemons' `http_fetch` does too.
//! - `PRELUDE` in [`Jail::python`]: `connect(host, port)`, `tls(socket, host)`, `everything(socket)`.
//! - Profiles beyond the shipped ones: `integration/profiles/jail/*.toml`; `@SYSROOT@` in them is the
//!   Rust toolchain's folder.
//!
//! Binaries are looked for in `SHERIFF_BIN_DIR`, else in the target folder of this very program.
//!
//! Not for: assertions that only one story makes.

mod child;
mod daemon;
mod jail;
mod leftovers;
mod outcome;
mod terminal;

use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use testkit::{Authority, Identity};

pub(crate) use child::Child;
pub(crate) use daemon::{Daemon, OWN_PROFILE, sysroot};
pub(crate) use jail::Jail;
pub(crate) use leftovers::Leftovers;
pub(crate) use outcome::Outcome;
pub(crate) use terminal::Terminal;

/// How long a jail may take unless a story says otherwise: an order of magnitude above the usual.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition outside of our processes is looked at again.
const GLANCE: Duration = Duration::from_millis(20);

static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

/// The authority of this test process.
pub(crate) fn authority() -> &'static Authority {
    &AUTHORITY
}

/// A server's identity under that authority.
pub(crate) fn identity(names: &[&str]) -> Identity {
    authority().identity(names)
}

/// The path of one of our programs; fails when it was not built.
pub(crate) fn binary(name: &str) -> PathBuf {
    let beside = || {
        let me = env::current_exe().unwrap();
        // target/debug/deps/privileged-... -> target/debug
        me.parent().unwrap().parent().unwrap().to_owned()
    };
    let folder = env::var_os("SHERIFF_BIN_DIR").map_or_else(beside, PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing; run: cargo build -p sheriffd -p sheriff-office -p sheriff",
        path.display()
    );
    path
}

/// Fails unless we are root: this suite is only called where jails can be built.
pub(crate) fn require_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "the privileged suite builds jails and must run as root"
    );
}

/// Looks at a condition of the host again and again until it holds; fails after [`PATIENCE`].
///
/// For what can't be awaited otherwise, such as files in `/proc` and `/sys`.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(GLANCE);
    }
}
