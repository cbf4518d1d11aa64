//! A daemon whose profile `own` has the rules of one story, with secrets, and jails of that profile.
//!
//! Not for: servers.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Daemon, Jail, OWN_PROFILE};

/// Where `.ci/run` says that it has put the Python libraries that Debian has not.
const LIBRARIES: &str = "SHERIFF_CLIENTS";

/// Shell: `ask CURL-ARGUMENTS` prints the status and the proxy's reason, and leaves the content in `/tmp/out`.
/// A failure does not end the script; its status is 000.
pub(super) const ASK: &str = "
set +e +o pipefail
ask() { curl -sS -m 30 -o /tmp/out -w '%{http_code} %header{x-sheriff-reason}\\n' \"$@\" | sed 's/ $//'; }
";

/// A daemon for one story.
#[derive(Debug)]
pub(super) struct Stand {
    daemon: Daemon,
}

impl Stand {
    /// Its profile has these tables, such as `[[egress.allow]]`.
    pub(super) fn new(tables: &str) -> Self {
        Self::with(tables, "")
    }

    /// The same with lines of the daemon's configuration.
    pub(super) fn with(tables: &str, configuration: &str) -> Self {
        let folders = libraries().map_or_else(String::new, |folder| {
            format!("[filesystem]\nread_only = [\"{}\"]\n", folder.display())
        });
        Self::beside(&folders, tables, configuration)
    }

    /// The same, where the jail sees this folder of the host.
    pub(super) fn seeing(folder: &str, tables: &str) -> Self {
        let folders = format!("[filesystem]\nread_only = [\"{folder}\"]\n");
        Self::beside(&folders, tables, "")
    }

    fn beside(folders: &str, tables: &str, configuration: &str) -> Self {
        let profile = format!(
            "version = 1\nname = \"{OWN_PROFILE}\"\nextends = \"base\"\n{folders}[limits]\nmemory = \"2GiB\"\n{tables}\n"
        );
        let daemon = Daemon::ephemeral_for(&profile, configuration);
        Self { daemon }
    }

    /// Puts a secret into its vault; `options` say where it goes, as `--host api.example --env TOKEN`.
    pub(super) fn secret(self, name: &str, options: &str, value: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        fs::write(&file, value).unwrap();
        let mut arguments = vec!["secret", "set", name];
        arguments.extend(options.split(' '));
        arguments.extend(["--from-file", file.to_str().unwrap()]);
        self.daemon.sheriff(&arguments).ok();
        self
    }

    /// A jail under the profile.
    pub(super) fn jail(&self) -> Jail {
        Jail::on(&self.daemon).profile(OWN_PROFILE)
    }

    /// Its audit log as it stands on disk.
    pub(super) fn record(&self) -> String {
        let folder = fs::read_dir(self.daemon.audit()).unwrap();
        let files = folder
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file());
        let text: String = files
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
            .collect();
        assert!(
            text.contains("session.started"),
            "nothing is on record: {text}"
        );
        text
    }

    /// The daemon.
    pub(super) const fn daemon(&self) -> &Daemon {
        &self.daemon
    }
}

/// The folder of the virtual environment with libraries that Debian has not, if it is there.
///
/// Fails where `.ci/run` says that it has made one and there is none.
pub(super) fn libraries() -> Option<PathBuf> {
    if let Some(named) = env::var_os(LIBRARIES) {
        let folder = PathBuf::from(named);
        assert!(
            folder.join("bin/python").exists(),
            "{} is no virtual environment",
            folder.display()
        );
        return Some(folder);
    }
    // target/debug/deps/privileged-... -> target/clients
    let me = env::current_exe().unwrap();
    let folder = me.ancestors().nth(3)?.join("clients");
    folder.join("bin/python").exists().then_some(folder)
}

/// The Python that has this module, as jails find it; nothing, and a word about it, when none has.
pub(super) fn python_with(module: &str) -> Option<String> {
    let own = libraries().map(|folder| folder.join("bin/python"));
    let has = |python: &PathBuf| {
        let mut command = Command::new(python);
        let quiet = command.stdin(Stdio::null()).stderr(Stdio::null());
        quiet
            .args(["-c", &format!("import {module}")])
            .status()
            .is_ok_and(|status| status.success())
    };
    let candidates = [PathBuf::from("/usr/bin/python3")].into_iter().chain(own);
    let found = candidates.into_iter().find(has);
    if found.is_none() {
        assert!(env::var_os(LIBRARIES).is_none(), "no Python has {module}");
        skipped(&format!("no Python has {module}"));
    }
    found.map(|path| path.to_str().unwrap().to_owned())
}

/// Whether a program is installed; says so when it is not.
pub(super) fn installed(program: &str) -> bool {
    let found = ["/usr/bin", "/usr/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    found
}

#[expect(clippy::print_stderr, reason = "a story that did not run must be said")]
fn skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("skipped {name}: {why}");
}
