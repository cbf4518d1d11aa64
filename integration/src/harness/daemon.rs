//! A `sheriffd` of the test's own, with its folders, its CLI and its log.
//!
//! Not for: installing it.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::child::{Child, background};
use super::{Outcome, PATIENCE, authority, binary, require_root};

/// How long a daemon may take from its start to its ready line.
const READY_WAIT: Duration = Duration::from_secs(30);

/// Names of our folders: this, the test process's id, and what makes them unique.
const FOLDER_PREFIX: &str = "sheriff-test-";

/// Its own profile, where a test has one.
pub(crate) const OWN_PROFILE: &str = "own";

/// A running daemon. It ends when this value is dropped, and also when the test process dies.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Option<Child>,
    runtime: PathBuf,
    kind: Kind,
    /// A layer that its jails lack, in a build that can leave one out.
    without: Option<&'static str>,
    folder: TempDir,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ephemeral,
    Standing,
}

impl Daemon {
    /// The daemon that all tests of this process share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<Daemon> = LazyLock::new(|| {
            remove_stale_folders();
            Daemon::ephemeral()
        });
        &SHARED
    }

    /// A daemon with private folders that vanish with it.
    pub(crate) fn ephemeral() -> Self {
        Self::start(Kind::Ephemeral, "")
    }

    /// The same with further lines of configuration, such as `[jails]\nmost = 3`.
    pub(crate) fn ephemeral_with(configuration: &str) -> Self {
        Self::start(Kind::Ephemeral, configuration)
    }

    /// The same with a jail profile named [`OWN_PROFILE`], whose text this is, beside the suite's.
    pub(crate) fn ephemeral_for(profile: &str, configuration: &str) -> Self {
        Self::begin(Kind::Ephemeral, configuration, None, Some(profile))
    }

    /// The same from the build with fault injection, whose jails lack this layer; see
    /// `sheriff-jail`'s module `fault` for the names.
    pub(crate) fn without(layer: &'static str) -> Self {
        Self::begin(Kind::Ephemeral, "", Some(layer), None)
    }

    /// A daemon whose folders stay for [`Self::restart`].
    pub(crate) fn standing() -> Self {
        Self::start(Kind::Standing, "")
    }

    /// The same with further lines of configuration, such as `[jails]\nmost = 3`.
    pub(crate) fn standing_with(configuration: &str) -> Self {
        Self::start(Kind::Standing, configuration)
    }

    fn start(kind: Kind, configuration: &str) -> Self {
        Self::begin(kind, configuration, None, None)
    }

    fn begin(
        kind: Kind,
        configuration: &str,
        without: Option<&'static str>,
        own: Option<&str>,
    ) -> Self {
        require_root();
        let prefix = format!("{FOLDER_PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        // The office, which is another user, passes through to its folder.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        write_configuration(folder.path(), configuration);
        if let Some(text) = own {
            let name = format!("profiles/jail/{OWN_PROFILE}.toml");
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut daemon = Self {
            process: None,
            runtime: PathBuf::new(),
            kind,
            without,
            folder,
        };
        daemon.launch();
        daemon
    }

    fn launch(&mut self) {
        // A shell moves our pipes to the agreed numbers, so that no other child of this process,
        // which has many threads, can inherit them.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$0\" \"$@\" 3>&1 4<&0 </dev/null >/dev/null"])
            .arg(self.without.map_or_else(|| binary("sheriffd"), faulty))
            .args(["--ready-fd", "3", "--lifeline-fd", "4", "--config"])
            .arg(self.folder.path().join("sheriffd.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(self.log_file())
                    .unwrap(),
            );
        if self.kind == Kind::Ephemeral {
            command.arg("--ephemeral");
        }
        if let Some(layer) = self.without {
            command.env("SHERIFF_FAULT", layer);
        }
        let mut child = command.spawn().unwrap();
        let ready = child.stdout.take().unwrap();
        self.process = Some(Child::adopt(child, 0));
        let (say, hear) = mpsc::channel();
        background(move || {
            let mut line = String::new();
            drop(BufReader::new(ready).read_line(&mut line));
            drop(say.send(line));
        });
        let line = hear.recv_timeout(READY_WAIT).unwrap_or_default();
        assert!(
            line.ends_with('\n'),
            "the daemon is not ready: {}",
            self.log()
        );
        self.runtime = PathBuf::from(line.trim_end());
    }

    /// Ends the daemon by its lifeline and waits for its end.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.close_input();
            process.wait(PATIENCE);
        }
    }

    /// Starts a standing daemon again, after [`Self::stop`] or its death.
    pub(crate) fn restart(&mut self) {
        assert_eq!(self.kind, Kind::Standing, "private folders are gone");
        self.stop();
        self.launch();
    }

    /// The daemon's process, for signals. Fails after [`Self::stop`].
    pub(crate) fn process(&self) -> &Child {
        self.process.as_ref().unwrap()
    }

    /// Folder with `control.sock` and `attach.sock`.
    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The name by which cgroups and processes of this daemon are known.
    pub(crate) fn name(&self) -> String {
        let path = self.runtime.display().to_string();
        match self.kind {
            Kind::Ephemeral => path.trim_start_matches("/run/").to_owned(),
            Kind::Standing => path.trim_start_matches('/').replace('/', "-"),
        }
    }

    /// Folder of the profiles that it reads at its start, beside the shipped ones.
    pub(crate) fn profiles(&self) -> PathBuf {
        self.folder.path().join("profiles")
    }

    /// Writes the configuration anew with these further lines; it counts after a reload or a restart.
    pub(crate) fn configure(&self, configuration: &str) {
        write_configuration(self.folder.path(), configuration);
    }

    /// Folder of the audit log.
    pub(crate) fn audit(&self) -> PathBuf {
        let state = match self.kind {
            Kind::Ephemeral => self.runtime.join("state"),
            Kind::Standing => self.folder.path().join("state"),
        };
        state.join("office/audit")
    }

    /// What the daemon and its office logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Runs another command of the CLI against this daemon.
    pub(crate) fn sheriff(&self, arguments: &[&str]) -> Outcome {
        let child = Child::start(
            Command::new(binary("sheriff"))
                .arg("--socket-dir")
                .arg(&self.runtime)
                .args(arguments)
                .stdin(Stdio::null()),
        );
        Outcome::new(child.wait(PATIENCE), Value::Null)
    }

    /// The JSON that a command of the CLI prints; fails when the command does.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.sheriff(arguments).ok().json()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Daemon {
    #[expect(
        clippy::print_stderr,
        reason = "what the daemon said belongs to a failed test"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the daemon\n{}", self.log());
        }
        if let Some(mut process) = self.process.take() {
            process.close_input();
            process.wait(PATIENCE);
        }
    }
}

/// The warden of the build with fault injection; fails when it was not built.
fn faulty(_layer: &str) -> PathBuf {
    // target/debug/sheriffd -> target/fault/debug/sheriffd
    let beside = || {
        let ordinary = binary("sheriffd");
        ordinary.ancestors().nth(2).unwrap().join("fault/debug")
    };
    let folder = std::env::var_os("SHERIFF_FAULT_BIN_DIR").map_or_else(beside, PathBuf::from);
    let path = folder.join("sheriffd");
    assert!(
        path.exists(),
        "{} is missing; run: cargo xtask test, or build sheriffd with --features fault-injection \
         --target-dir target/fault and copy sheriff-office beside it",
        path.display()
    );
    path
}

/// Removes folders of test processes that are over. A process-wide value is never dropped, so the
/// shared daemon's folder stays until the next run.
fn remove_stale_folders() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().display().to_string();
        let owner = name.strip_prefix(FOLDER_PREFIX);
        let owner = owner.and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            fs::remove_dir_all(entry.path()).unwrap_or_default();
        }
    }
}

fn write_configuration(folder: &Path, more: &str) {
    let profiles = folder.join("profiles");
    write_profiles(&profiles);
    let ca = folder.join("test-ca.pem");
    fs::write(&ca, authority().pem()).unwrap();
    let (base, ca, profiles) = (folder.display(), ca.display(), profiles.display());
    let text = format!(
        "[folders]\nruntime = \"{base}/run\"\nstate = \"{base}/state\"\nprofiles = \"{profiles}\"\n\
         [operators]\ngroup = \"nogroup\"\n[office]\nuser = \"nobody\"\n\
         [egress]\nextra_ca = \"{ca}\"\n{more}\n"
    );
    fs::write(folder.join("sheriffd.toml"), text).unwrap();
}

/// Copies this suite's own profiles, with the toolchain's folder put in.
fn write_profiles(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/jail");
    let to = to.join("jail");
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let text = text.replace("@SYSROOT@", &sysroot());
        fs::write(to.join(entry.file_name()), text).unwrap();
    }
}

/// The Rust toolchain's folder.
pub(crate) fn sysroot() -> String {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
