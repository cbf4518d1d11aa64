//! Which cgroup hierarchies exist, and where this process is in them.
//!
//! Not for: making anything in them.

use std::path::{Path, PathBuf};

use super::{CgroupError, read};

/// The hierarchies, each as the folder of this process's own cgroup.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hierarchies {
    /// In the v2 tree.
    pub(super) unified: PathBuf,
    /// Where the v2 tree is mounted.
    pub(super) unified_mount: PathBuf,
    v1: Vec<(String, PathBuf)>,
}

impl Hierarchies {
    /// Reads `/proc/self/cgroup` and `/proc/self/mountinfo`.
    pub(super) fn of_this_process() -> Result<Self, CgroupError> {
        let own = read(Path::new("/proc/self/cgroup"))?;
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        Self::parse(&own, &mounts).ok_or_else(|| CgroupError::Missing {
            missing: "cgroup v2".into(),
        })
    }

    /// The folder of this process in the v1 hierarchy of a controller.
    pub(super) fn v1(&self, controller: &str) -> Option<&Path> {
        let found = self.v1.iter().find(|(name, _)| name == controller)?;
        Some(&found.1)
    }

    fn parse(own: &str, mountinfo: &str) -> Option<Self> {
        let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(Mount::parse).collect();
        let v2 = mounts.iter().find(|mount| mount.kind == "cgroup2")?;
        let mut unified = None;
        let mut v1 = Vec::new();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (names, path) = (fields.next()?, fields.next()?);
            if names.is_empty() {
                unified = Some(v2.folder(path)?);
            }
            for name in names.split(',').filter(|name| !name.is_empty()) {
                let holds = |mount: &&Mount<'_>| mount.kind == "cgroup" && mount.has(name);
                if let Some(mount) = mounts.iter().find(holds) {
                    v1.push((name.to_owned(), mount.folder(path)?));
                }
            }
        }
        Some(Self {
            unified: unified?,
            unified_mount: v2.point.into(),
            v1,
        })
    }
}

/// One line of mountinfo (`proc_pid_mountinfo(5)`).
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let mut back = back.split(' ');
        Some(Self {
            root: front.next()?,
            point: front.next()?,
            kind: back.next()?,
            options: back.nth(1)?,
        })
    }

    fn has(&self, controller: &str) -> bool {
        self.options.split(',').any(|option| option == controller)
    }

    /// The folder of a cgroup path, which counts from the hierarchy's root while the mount may show
    /// only a part of it.
    fn folder(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path).strip_prefix(self.root).ok()?;
        Some(Path::new(self.point).join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_controller_on_a_hybrid_host() {
        let own = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/\n";
        let mounts = "30 25 0:26 / /cg/memory rw - cgroup cgroup rw,memory\n\
                      31 25 0:27 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 25 0:28 / /cg/unified rw shared:4 - cgroup2 cgroup2 rw\n";
        let found = Hierarchies::parse(own, mounts).unwrap();
        assert_eq!(found.unified, Path::new("/cg/unified"));
        assert_eq!(found.v1("memory"), Some(Path::new("/cg/memory/a/b")));
        assert_eq!(found.v1("cpu"), Some(Path::new("/cg/cpu")));
        assert_eq!(found.v1("pids"), None);
    }

    #[test]
    fn finds_the_units_own_cgroup_on_a_unified_host() {
        let own = "0::/system.slice/sheriffd.service\n";
        let mounts = "32 25 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = Hierarchies::parse(own, mounts).unwrap();
        let expected = Path::new("/sys/fs/cgroup/system.slice/sheriffd.service");
        assert_eq!(found.unified, expected);
        assert_eq!(Hierarchies::parse(own, ""), None);
    }
}
