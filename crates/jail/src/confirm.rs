//! Confirms a jail from outside: what the kernel says about PID 1, against what the plan says.
//!
//! Not for: believing PID 1. Only Landlock's status comes from it, since no file of the kernel
//! shows a process's Landlock domain; it proves it to itself with a canary. And which of a profile's
//! two seccomp programs it installed: they refuse the same.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use model::layers::{CgroupLayer, Namespaces};
use model::{Layers, Limits};
use sys::SysError;
use sys::directory::open_path;
use sys::privileges::{CAP_KILL, CAP_SETGID, CAP_SETUID};

use crate::cgroup::{self, Group};
use crate::error::{InStep, LaunchError};
use crate::fault::{Layer, omitted};
use crate::filter::Filter;
use crate::ids::Ids;
use crate::landlock::Enforced;
use crate::mounting::Place;
use crate::procfs::masked_places;
use crate::step::Step;

/// Seccomp mode of `/proc/PID/status` with a program installed.
const MODE_FILTER: u8 = 2;

/// What of the host the jail is compared with. Made while PID 1 builds, so that it costs no time.
#[derive(Debug)]
pub(crate) struct Reference {
    host: Namespaces,
    masked: Vec<String>,
}

impl Reference {
    /// Looks at the host.
    ///
    /// # Errors
    /// Those of reading `/proc`.
    pub(crate) fn take() -> Result<Self, SysError> {
        Ok(Self {
            host: namespaces(Path::new("/proc/thread-self"))?,
            masked: masked_places(open_path(Path::new("/proc"))?.as_fd())?,
        })
    }
}

/// What must be found of a jail.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The host it must differ from.
    pub(crate) reference: Reference,
    /// Who is who.
    pub(crate) ids: Ids,
    /// Its mounts.
    pub(crate) places: Vec<Place>,
    /// Inode of its network namespace.
    pub(crate) cell: u64,
    /// Its seccomp programs, for the record.
    pub(crate) filter: Arc<Filter>,
    /// Oldest Landlock ABI that will do.
    pub(crate) landlock_min_abi: u32,
}

/// What only PID 1 can say of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    /// Landlock's status.
    pub(crate) landlock: Enforced,
    /// Whether it installed the program that reports denials.
    pub(crate) reporting: bool,
}

impl Expected {
    /// Hashes of the program that is installed and of the one that would enforce without reporting.
    fn seccomp_hashes(&self, reporting: bool) -> [String; 2] {
        let enforce = self.filter.enforce();
        let report = self.filter.report().filter(|_report| reporting);
        [report.unwrap_or(enforce), enforce].map(|one| one.hash.clone())
    }
}

/// Reads back the limits, and that PID 1 is under them.
///
/// # Errors
/// The first that is not as asked for.
pub(crate) fn confirm_limits(
    group: &Group,
    limits: &Limits,
    pid: i32,
) -> Result<CgroupLayer, LaunchError> {
    let cgroup = group.read_back().step(Step::Confirm)?;
    check_cgroup(&cgroup, limits, group, pid)?;
    Ok(cgroup)
}

/// Reads back every other layer of the jail.
///
/// # Errors
/// The first layer that is not as planned.
pub(crate) fn confirm(
    expected: &Expected,
    cgroup: CgroupLayer,
    pid: i32,
    claim: Claim,
) -> Result<Layers, LaunchError> {
    let landlock = claim.landlock;
    let process = Path::new("/proc").join(pid.to_string());
    let status = Status::read(&process).step(Step::Confirm)?;
    check_status(&status, expected.ids)?;
    let namespaces = namespaces(&process).step(Step::Confirm)?;
    check_namespaces(&namespaces, expected)?;
    let text = cgroup::read(&process.join("mountinfo")).step(Step::Confirm)?;
    let mounts = MountLine::all(&text);
    check_mounts(&mounts, &expected.places, &expected.reference.masked)?;
    check_landlock(landlock, expected.landlock_min_abi)?;
    let [seccomp_hash, enforce] = expected.seccomp_hashes(claim.reporting);
    let seccomp_enforce_hash = (enforce != seccomp_hash).then_some(enforce);
    Ok(Layers {
        namespaces,
        no_new_privs: status.number("NoNewPrivs") == Some(1),
        seccomp_mode: status.number("Seccomp").unwrap_or(0),
        seccomp_filters: status.number("Seccomp_filters").unwrap_or(0),
        seccomp_hash,
        seccomp_enforce_hash,
        landlock_abi: landlock.abi,
        landlock_status: landlock_status(landlock).into(),
        cap_bounding: status.text("CapBnd").into(),
        cap_effective: format!("{:016x}", 0),
        mounts: mounts.iter().map(|mount| mount.point.to_owned()).collect(),
        pivoted: !omitted(Layer::Pivot),
        cgroup,
        uids: [expected.ids.host_root, expected.ids.host_agent],
    })
}

const fn landlock_status(landlock: Enforced) -> &'static str {
    if landlock.full {
        "fully_enforced"
    } else {
        "not_enforced"
    }
}

fn differs(what: &str, found: impl std::fmt::Display) -> LaunchError {
    let remedy = "the kernel does not enforce what was asked of it; nothing was started";
    LaunchError::judged(Step::Confirm, format!("{what}: found {found}"), remedy)
}

/// Returns the difference unless `right` or the layer was left out on purpose.
fn require(
    right: bool,
    layer: Option<Layer>,
    what: &str,
    found: impl std::fmt::Display,
) -> Result<(), LaunchError> {
    if right || layer.is_some_and(omitted) {
        return Ok(());
    }
    Err(differs(what, found))
}

/// `/proc/PID/status`.
struct Status(String);

impl Status {
    fn read(process: &Path) -> Result<Self, SysError> {
        Ok(Self(cgroup::read(&process.join("status"))?))
    }

    fn text(&self, name: &str) -> &str {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map_or("", str::trim)
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).parse().ok()
    }
}

fn check_status(status: &Status, ids: Ids) -> Result<(), LaunchError> {
    let seccomp = status.number("Seccomp") == Some(MODE_FILTER);
    require(
        seccomp,
        Some(Layer::Seccomp),
        "Seccomp",
        status.text("Seccomp"),
    )?;
    let bound = status.number("NoNewPrivs") == Some(1u8);
    require(
        bound,
        Some(Layer::NoNewPrivs),
        "NoNewPrivs",
        status.text("NoNewPrivs"),
    )?;
    let kept = format!("{:016x}", CAP_SETUID | CAP_SETGID | CAP_KILL);
    let none = format!("{:016x}", 0);
    let sets = [
        ("CapInh", &none),
        ("CapPrm", &kept),
        ("CapEff", &kept),
        ("CapBnd", &none),
        ("CapAmb", &none),
    ];
    for (name, expected) in sets {
        let found = status.text(name);
        require(found == expected, Some(Layer::Capabilities), name, found)?;
    }
    let root = ids.host_root.to_string();
    for name in ["Uid", "Gid"] {
        let found = status.text(name);
        let all = found.split_whitespace().all(|id| id == root);
        require(all, None, name, found)?;
    }
    let groups = status.text("Groups");
    require(groups.is_empty(), None, "Groups", groups)
}

fn inode(path: &Path) -> Result<u64, SysError> {
    let found = fs::metadata(path);
    let shown = path.display().to_string();
    Ok(found
        .map_err(|error| crate::ids::io_failure("stat", &shown, &error))?
        .ino())
}

fn namespaces(process: &Path) -> Result<Namespaces, SysError> {
    let of = |name: &str| inode(&process.join("ns").join(name));
    Ok(Namespaces {
        user: of("user")?,
        mnt: of("mnt")?,
        pid: of("pid")?,
        net: of("net")?,
        ipc: of("ipc")?,
        uts: of("uts")?,
        cgroup: of("cgroup")?,
    })
}

fn check_namespaces(found: &Namespaces, expected: &Expected) -> Result<(), LaunchError> {
    let own = &expected.reference.host;
    let pairs = [
        ("user", found.user, own.user, Some(Layer::UserNamespace)),
        ("mnt", found.mnt, own.mnt, None),
        ("pid", found.pid, own.pid, None),
        ("net", found.net, own.net, Some(Layer::NetNamespace)),
        ("ipc", found.ipc, own.ipc, Some(Layer::IpcNamespace)),
        ("uts", found.uts, own.uts, Some(Layer::UtsNamespace)),
        (
            "cgroup",
            found.cgroup,
            own.cgroup,
            Some(Layer::CgroupNamespace),
        ),
    ];
    for (name, jail, host, layer) in pairs {
        require(jail != host, layer, name, "the host's namespace")?;
    }
    require(
        found.net == expected.cell,
        Some(Layer::NetNamespace),
        "net",
        "another network namespace than the cell",
    )
}

/// A mount as mountinfo lists it.
struct MountLine<'a> {
    point: &'a str,
    options: &'a str,
}

impl<'a> MountLine<'a> {
    fn all(text: &'a str) -> Vec<Self> {
        let line = |line: &'a str| {
            let mut fields = line.split(' ').skip(4);
            Some(Self {
                point: fields.next()?,
                options: fields.next()?,
            })
        };
        text.lines().filter_map(line).collect()
    }

    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|found| found == option)
    }
}

fn check_mounts(
    mounts: &[MountLine<'_>],
    places: &[Place],
    masked: &[String],
) -> Result<(), LaunchError> {
    if omitted(Layer::Pivot) {
        return Ok(());
    }
    let find = |point: &str| mounts.iter().rev().find(|mount| mount.point == point);
    for planned in places {
        let point = planned.point.as_str();
        let Some(mount) = find(point) else {
            return Err(differs(point, "no mount"));
        };
        let harmless = mount.has("nosuid") && (mount.has("nodev") || mount.has("noexec"));
        let closed = !planned.read_only || mount.has("ro");
        require(harmless && closed, None, point, mount.options)?;
    }
    for point in masked.iter().map(String::as_str).chain(["/"]) {
        let layer = (point != "/").then_some(Layer::ProcMasks);
        let closed = find(point).is_some_and(|mount| mount.has("ro"));
        require(closed, layer, point, "no read-only mount")?;
    }
    for mount in mounts {
        require(
            is_planned(mount.point, places, masked),
            None,
            mount.point,
            "a mount too many",
        )?;
    }
    Ok(())
}

fn is_planned(point: &str, places: &[Place], masked: &[String]) -> bool {
    let fixed = point == "/" || point == "/proc" || masked.iter().any(|mask| mask == point);
    let planned = places.iter().any(|place| {
        point == place.point || (place.nested && Path::new(point).starts_with(&place.point))
    });
    fixed || planned
}

fn check_landlock(landlock: Enforced, least: u32) -> Result<(), LaunchError> {
    let enough = landlock.full && landlock.abi >= least;
    require(
        enough,
        Some(Layer::Landlock),
        "Landlock",
        landlock_status(landlock),
    )
}

fn check_cgroup(
    found: &CgroupLayer,
    limits: &Limits,
    group: &Group,
    pid: i32,
) -> Result<(), LaunchError> {
    // The kernel rounds to pages, downwards.
    let memory = found.memory_max <= limits.memory.0 && found.swap_max == 0;
    require(
        memory,
        Some(Layer::CgroupMemory),
        "memory limit",
        found.memory_max,
    )?;
    let pids = found.pids_max == u64::from(limits.pids);
    require(
        pids,
        Some(Layer::CgroupPids),
        "limit of processes",
        found.pids_max,
    )?;
    let cpu = found.cpu_millis <= u64::from(limits.cpu_millis.max(10));
    require(
        cpu,
        Some(Layer::CgroupCpu),
        "processor limit",
        found.cpu_millis,
    )?;
    let inside = group.holds(pid).step(Step::Confirm)?;
    require(inside, None, "cgroup", "PID 1 outside of it")
}
