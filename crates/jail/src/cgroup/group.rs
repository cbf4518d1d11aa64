//! One jail's cgroup: limits, what they read back as, kill, freeze, counters.
//!
//! Not for: where cgroups may be made (`cgroup`).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;

use model::Limits;
use model::layers::CgroupLayer;
use sys::readiness::EventCounter;
use sys::{Errno, SysError};

use super::{Cgroups, Mode, make, read, remove, write};
use crate::fault::{Layer, omitted};
use crate::ids::io_failure;

/// Period of the processor quota, microseconds: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;
/// Smallest quota that the kernel takes, microseconds.
const CPU_QUOTA_LEAST_US: u64 = 1000;

/// A jail's cgroup in every hierarchy. [`Group::remove`] it; a drop leaves it to the sweep.
#[derive(Debug)]
pub(crate) struct Group {
    mode: Mode,
    unified: PathBuf,
    folder: File,
    memory: PathBuf,
    pids: PathBuf,
    cpu: PathBuf,
    oom: Option<EventCounter>,
}

/// What a jail used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Highest memory, bytes.
    pub memory_peak: u64,
    /// Processor time, microseconds.
    pub cpu_micros: u64,
    /// Processes that the kernel killed for want of memory within the limit.
    pub oom_kills: u64,
}

impl Group {
    /// Makes the cgroup with its limits. Nothing is left of it on failure.
    ///
    /// # Errors
    /// Those of the cgroup file system: `EEXIST` when the name is taken.
    pub(crate) fn create(cgroups: &Cgroups, name: &str, limits: &Limits) -> Result<Self, SysError> {
        let unified = cgroups.unified.join(name);
        let of = |controller: &str| {
            let v1 = cgroups.v1.iter().find(|(name, _)| *name == controller);
            v1.map_or_else(|| unified.clone(), |(_, folder)| folder.join(name))
        };
        let (memory, pids, cpu) = (of("memory"), of("pids"), of("cpu"));
        if unified.exists() {
            let object = unified.display().to_string();
            return Err(SysError::new("mkdir", object, Errno::EEXIST));
        }
        for folder in [&unified, &memory, &pids, &cpu] {
            make(folder)?;
        }
        let folder = File::open(&unified)
            .map_err(|error| io_failure("open", &unified.display().to_string(), &error))?;
        let mut group = Self {
            mode: cgroups.mode,
            unified,
            folder,
            memory,
            pids,
            cpu,
            oom: None,
        };
        if let Err(error) = group.limit(limits) {
            group.remove()?;
            return Err(error);
        }
        Ok(group)
    }

    fn limit(&mut self, limits: &Limits) -> Result<(), SysError> {
        let memory = limits.memory.0.to_string();
        if !omitted(Layer::CgroupPids) {
            write(&self.pids.join("pids.max"), &limits.pids.to_string())?;
        }
        match self.mode {
            Mode::Unified => {
                if !omitted(Layer::CgroupMemory) {
                    write(&self.memory.join("memory.max"), &memory)?;
                    write(&self.memory.join("memory.swap.max"), "0").or_else(absent)?;
                    write(&self.memory.join("memory.oom.group"), "1")?;
                }
            }
            Mode::Hybrid => {
                if !omitted(Layer::CgroupMemory) {
                    write(&self.memory.join("memory.limit_in_bytes"), &memory)?;
                    // Memory and swap together get the same limit, so none is left for swap.
                    write(&self.memory.join("memory.memsw.limit_in_bytes"), &memory).or_else(
                        |error| {
                            absent(error)?;
                            write(&self.memory.join("memory.swappiness"), "0")
                        },
                    )?;
                    self.oom = Some(self.watch_oom()?);
                }
            }
        }
        self.limit_cpu(limits)
    }

    fn limit_cpu(&self, limits: &Limits) -> Result<(), SysError> {
        if omitted(Layer::CgroupCpu) {
            return Ok(());
        }
        let quota = quota(limits);
        match self.mode {
            Mode::Unified => {
                let quota = format!("{quota} {CPU_PERIOD_US}");
                write(&self.cpu.join("cpu.max"), &quota)
            }
            Mode::Hybrid => write(&self.cpu.join("cpu.cfs_quota_us"), &quota.to_string()),
        }
    }

    /// Replaces the limits by others.
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub(crate) fn change_limits(&self, from: &Limits, to: &Limits) -> Result<(), SysError> {
        if from.pids != to.pids && !omitted(Layer::CgroupPids) {
            write(&self.pids.join("pids.max"), &to.pids.to_string())?;
        }
        if from.cpu_millis != to.cpu_millis {
            self.limit_cpu(to)?;
        }
        if from.memory == to.memory || omitted(Layer::CgroupMemory) {
            return Ok(());
        }
        let memory = to.memory.0.to_string();
        if self.mode == Mode::Unified {
            return write(&self.memory.join("memory.max"), &memory);
        }
        // Memory alone may at no time be allowed more than memory and swap together.
        let alone = || write(&self.memory.join("memory.limit_in_bytes"), &memory);
        let both = || {
            let file = self.memory.join("memory.memsw.limit_in_bytes");
            write(&file, &memory).or_else(absent)
        };
        if to.memory > from.memory {
            both()?;
            return alone();
        }
        alone()?;
        both()
    }

    /// v1 has no `memory.oom.group`: we are told instead, and kill the jail ourselves.
    fn watch_oom(&self) -> Result<EventCounter, SysError> {
        let counter = EventCounter::new()?;
        let path = self.memory.join("memory.oom_control");
        let control = File::open(&path)
            .map_err(|error| io_failure("open", &path.display().to_string(), &error))?;
        let line = format!("{} {}", counter.as_fd().as_raw_fd(), control.as_raw_fd());
        write(&self.memory.join("cgroup.event_control"), &line)?;
        Ok(counter)
    }

    /// The v2 folder, for `CLONE_INTO_CGROUP`.
    pub(crate) fn unified(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Files that move whoever writes `0` to them into the v1 groups.
    ///
    /// # Errors
    /// Those of opening them.
    pub(crate) fn joins(&self) -> Result<Vec<File>, SysError> {
        if self.mode == Mode::Unified {
            return Ok(Vec::new());
        }
        let open = |folder: &PathBuf| {
            let path = folder.join("tasks");
            let opened = File::options().write(true).open(&path);
            opened.map_err(|error| io_failure("open", &path.display().to_string(), &error))
        };
        let mut folders = vec![&self.memory, &self.pids, &self.cpu];
        folders.dedup();
        folders.into_iter().map(open).collect()
    }

    /// Whether a process is in the group in every hierarchy.
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub(crate) fn holds(&self, pid: i32) -> Result<bool, SysError> {
        let pid = pid.to_string();
        for folder in [&self.unified, &self.memory, &self.pids, &self.cpu] {
            if !read(&folder.join("cgroup.procs"))?
                .lines()
                .any(|line| line == pid)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The limits as the kernel has them now.
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub(crate) fn read_back(&self) -> Result<CgroupLayer, SysError> {
        let (memory_max, swap_max, quota) = match self.mode {
            Mode::Unified => {
                let memory = number(&read(&self.memory.join("memory.max"))?);
                let swap = read(&self.memory.join("memory.swap.max")).or_else(|error| {
                    absent(error)?;
                    Ok::<_, SysError>("0".into())
                })?;
                let cpu = read(&self.cpu.join("cpu.max"))?;
                let quota = number(cpu.split_whitespace().next().unwrap_or_default());
                (memory, number(&swap), quota)
            }
            Mode::Hybrid => {
                let memory = number(&read(&self.memory.join("memory.limit_in_bytes"))?);
                let both = read(&self.memory.join("memory.memsw.limit_in_bytes"));
                let both = both.map_or(memory, |text| number(&text));
                let quota = number(&read(&self.cpu.join("cpu.cfs_quota_us"))?);
                (memory, both.saturating_sub(memory), quota)
            }
        };
        Ok(CgroupLayer {
            mode: self.mode.name().into(),
            memory_max,
            swap_max,
            pids_max: number(&read(&self.pids.join("pids.max"))?),
            cpu_millis: quota.saturating_mul(1000) / CPU_PERIOD_US,
        })
    }

    /// Readable when the limit of memory was hit (v1; on v2 the kernel kills the whole jail).
    pub(crate) const fn oom(&self) -> Option<&EventCounter> {
        self.oom.as_ref()
    }

    /// Sends `SIGKILL` to every process at once, frozen ones included.
    ///
    /// # Errors
    /// Those of writing `cgroup.kill` (Linux 5.14).
    pub(crate) fn kill(&self) -> Result<(), SysError> {
        write(&self.unified.join("cgroup.kill"), "1")
    }

    /// Stops every process, or lets them go on.
    ///
    /// # Errors
    /// Those of writing `cgroup.freeze`.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<(), SysError> {
        let text = if frozen { "1" } else { "0" };
        write(&self.unified.join("cgroup.freeze"), text)
    }

    /// How often the kernel killed a process here for want of memory.
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub(crate) fn oom_kills(&self) -> Result<u64, SysError> {
        let file = match self.mode {
            Mode::Unified => "memory.events",
            Mode::Hybrid => "memory.oom_control",
        };
        Ok(field(&read(&self.memory.join(file))?, "oom_kill"))
    }

    /// What the jail used so far.
    ///
    /// # Errors
    /// Those of the cgroup file system.
    pub(crate) fn stats(&self) -> Result<Stats, SysError> {
        let peak = match self.mode {
            Mode::Unified => "memory.peak",
            Mode::Hybrid => "memory.max_usage_in_bytes",
        };
        let cpu = read(&self.unified.join("cpu.stat"))?;
        Ok(Stats {
            memory_peak: number(&read(&self.memory.join(peak))?),
            cpu_micros: field(&cpu, "usage_usec"),
            oom_kills: self.oom_kills()?,
        })
    }

    /// Removes the group; its processes must have been killed.
    ///
    /// # Errors
    /// `EBUSY` when something in it does not die.
    pub(crate) fn remove(&self) -> Result<(), SysError> {
        for folder in [&self.memory, &self.pids, &self.cpu, &self.unified] {
            remove(folder)?;
        }
        Ok(())
    }
}

/// The processor quota per period, microseconds.
fn quota(limits: &Limits) -> u64 {
    (u64::from(limits.cpu_millis) * CPU_PERIOD_US / 1000).max(CPU_QUOTA_LEAST_US)
}

/// Swallows the absence of a file that the kernel has only with swap accounting.
fn absent(error: SysError) -> Result<(), SysError> {
    match error.errno {
        Errno::ENOENT => Ok(()),
        _ => Err(error),
    }
}

/// A number of a cgroup file; `max` and negative ones mean no limit.
fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(u64::MAX)
}

fn field(text: &str, name: &str) -> u64 {
    let value = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| number(value))
    };
    text.lines().find_map(value).unwrap_or(0)
}
