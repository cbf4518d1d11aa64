//! The jail's `/proc`: its own pid namespace, minus what speaks of the whole host.
//!
//! Not for: reading `/proc` of the host about a jail (`confirm`).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use sys::directory::Directory;
use sys::mount::{Attributes, Depth, Tree};
use sys::{Errno, SysError, fds};

/// Files of `/proc` that speak of the whole host, hidden behind the null device where they exist.
const MASKED_FILES: [&CStr; 13] = [
    c"kcore",
    c"keys",
    c"key-users",
    c"kallsyms",
    c"kmsg",
    c"config.gz",
    c"timer_list",
    c"sched_debug",
    c"latency_stats",
    c"interrupts",
    c"modules",
    c"sysrq-trigger",
    c"pagetypeinfo",
];
/// Folders of `/proc` that are hidden behind an empty one where they exist.
const MASKED_FOLDERS: [&CStr; 3] = [c"acpi", c"asound", c"scsi"];
/// Folders of `/proc` that lose every write where they exist.
const READ_ONLY_FOLDERS: [&CStr; 4] = [c"bus", c"fs", c"irq", c"sys"];

/// Mounts the process file system of this pid namespace, and returns its sysctls, writable.
///
/// # Errors
/// Those of the mount calls.
pub(crate) fn mount(root: &Directory) -> Result<Directory, SysError> {
    let attributes = Attributes::NO_SUID
        .and(Attributes::NO_DEV)
        .and(Attributes::NO_EXEC);
    let proc = Tree::new(c"proc", &[], attributes)?;
    let target = root.make_folder(Path::new("proc"), 0o555)?;
    proc.attach(target.as_fd())?;
    let proc = Directory::new(root.find(c"proc")?);
    // The daemon asks the kernel to spare it when memory is short; a jail must not be spared.
    proc.write_existing(c"1/oom_score_adj", b"0")?;
    Ok(Directory::new(proc.find(c"sys")?))
}

/// Covers what `/proc` says of the host. The null node is one that this process made itself, in a
/// file system that nobody else has seen (CVE-2025-31133), and is checked all the same.
pub(crate) fn mask(root: &Directory) -> Result<(), SysError> {
    let proc = Directory::new(root.find(c"proc")?);
    let null = root.find(c"dev/null")?;
    if sys::directory::device_of(null.as_fd())? != Some((1, 3)) {
        return Err(SysError::new("fstat", "/dev/null", Errno::EINVAL));
    }
    let no_files = [(c"size", c"4k"), (c"nr_inodes", c"2"), (c"mode", c"0555")];
    let inert = Attributes::READ_ONLY
        .and(Attributes::NO_SUID)
        .and(Attributes::NO_DEV)
        .and(Attributes::NO_EXEC);
    for name in MASKED_FILES {
        if let Some(target) = existing(&proc, name)? {
            let cover = Tree::copy(null.as_fd(), Depth::One)?;
            cover.restrict(Attributes::READ_ONLY, Depth::One)?;
            cover.attach(target.as_fd())?;
        }
    }
    for name in MASKED_FOLDERS {
        if let Some(target) = existing(&proc, name)? {
            Tree::new(c"tmpfs", &no_files, inert)?.attach(target.as_fd())?;
        }
    }
    for name in READ_ONLY_FOLDERS {
        if let Some(target) = existing(&proc, name)? {
            let cover = Tree::copy(target.as_fd(), Depth::One)?;
            cover.restrict(Attributes::READ_ONLY, Depth::One)?;
            cover.attach(target.as_fd())?;
        }
    }
    Ok(())
}

fn existing(folder: &Directory, name: &CStr) -> Result<Option<OwnedFd>, SysError> {
    match folder.find(name) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.errno == Errno::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

/// The parts of `/proc` that the masks must cover, as mount points, where they exist on `host_proc`.
///
/// # Errors
/// Those of looking.
pub(crate) fn masked_places(host_proc: BorrowedFd<'_>) -> Result<Vec<String>, SysError> {
    let proc = Directory::new(fds::duplicate_above(host_proc, 3)?);
    let mut places = Vec::new();
    let all = MASKED_FILES
        .iter()
        .chain(&MASKED_FOLDERS)
        .chain(&READ_ONLY_FOLDERS);
    for name in all {
        if existing(&proc, name)?.is_some() {
            places.push(format!("/proc/{}", name.to_string_lossy()));
        }
    }
    Ok(places)
}
