//! What is on the host that could be Sheriff's, as lines to compare before and after.
//!
//! Not for: what is inside jails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::eventually;

/// A snapshot: mounts, links, cgroups, runtime folders and processes, one line each.
///
/// Network namespaces have no list of their own: they die with the processes and descriptors that
/// hold them, and their links with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftovers(BTreeSet<String>);

impl Leftovers {
    /// Looks at the host now.
    pub(crate) fn now() -> Self {
        let mut lines = BTreeSet::new();
        mounts(&mut lines);
        links(&mut lines);
        cgroups(Path::new("/sys/fs/cgroup"), &mut lines);
        runtime_folders(&mut lines);
        processes(&mut lines);
        Self(lines)
    }

    /// Only the lines that hold this text, such as a daemon's name.
    pub(crate) fn naming(&self, text: &str) -> Self {
        let lines = self.0.iter().filter(|line| line.contains(text));
        Self(lines.cloned().collect())
    }

    /// The lines that are not in an earlier snapshot.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }

    /// True when there are no lines.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until nothing on the host names this text any more.
    pub(crate) fn await_none_naming(text: &str) {
        let mut last = Self(BTreeSet::new());
        let look = || {
            last = Self::now().naming(text);
            last.is_empty().then_some(())
        };
        eventually(&format!("nothing left of {text}"), look);
    }
}

fn mounts(lines: &mut BTreeSet<String>) {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let point = |line: &str| line.split(' ').nth(4).map(|path| format!("mount {path}"));
    lines.extend(text.lines().filter_map(point));
}

fn links(lines: &mut BTreeSet<String>) {
    let output = Command::new("ip").args(["-o", "link"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let name = |line: &str| line.split(": ").nth(1).map(|name| format!("link {name}"));
    lines.extend(text.lines().filter_map(name));
}

fn cgroups(folder: &Path, lines: &mut BTreeSet<String>) {
    // A cgroup may vanish while we look.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let text = path.display().to_string();
            if text.contains("sheriff") {
                lines.insert(format!("cgroup {text}"));
            }
            cgroups(&path, lines);
        }
    }
}

fn runtime_folders(lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/run").unwrap().flatten() {
        let name = entry.file_name().display().to_string();
        if name.starts_with("sheriff") {
            lines.insert(format!("folder /run/{name}"));
        }
    }
}

/// Processes of our programs, and all those in a cgroup of ours.
fn processes(lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        let (comm, cgroup) = (read("comm"), read("cgroup"));
        if comm.starts_with("sheriff") || cgroup.contains("sheriff") {
            let own = cgroup.lines().find(|line| line.contains("sheriff"));
            let pid = entry.file_name().display().to_string();
            let line = format!("process {pid} {} {}", comm.trim(), own.unwrap_or_default());
            lines.insert(line);
        }
    }
}
