//! A folder held by descriptor, and work beneath it that no symlink can lead astray.
//!
//! Not for: whole-path work on trusted paths (`std::fs`).

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, makedev, mkdirat, mknodat};
use nix::unistd::{fchown, symlinkat};

use crate::error::{Context, SysError};

/// Permission bits of folders made on the way to a deeper one.
const PARENT_MODE: u32 = 0o755;

/// An open folder.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
}

impl Directory {
    /// Wraps a descriptor of a folder (`O_PATH` suffices).
    #[must_use]
    pub const fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Opens what is at `path` beneath this folder as an `O_PATH` descriptor: no symlink in any
    /// component, no way out (`openat2(2)`, `RESOLVE_BENEATH`).
    ///
    /// # Errors
    /// `openat2`'s: `ELOOP` for a symlink, `EXDEV` for a way out.
    pub fn find(&self, path: &CStr) -> Result<OwnedFd, SysError> {
        let path = if path.is_empty() { c"." } else { path };
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
            .resolve(strict());
        openat2(&self.fd, path, how).call_on("openat2", path.to_string_lossy())
    }

    /// Opens the file at `path` beneath this folder for reading.
    ///
    /// # Errors
    /// `openat2`'s.
    pub fn open_file(&self, path: &CStr) -> Result<File, SysError> {
        self.open_existing(path, OFlag::O_RDONLY)
    }

    /// Writes to an existing file at `path` beneath this folder, in one call, as kernel files want.
    ///
    /// # Errors
    /// `openat2`'s and `write`'s.
    pub fn write_existing(&self, path: &CStr, bytes: &[u8]) -> Result<(), SysError> {
        let mut file = self.open_existing(path, OFlag::O_WRONLY)?;
        file.write_all(bytes)
            .call_on("write", path.to_string_lossy())
    }

    /// Makes the folder at `path` and those above it; existing ones are kept as they are.
    ///
    /// # Errors
    /// `mkdirat`'s and `openat2`'s; `ENOTDIR` or `ELOOP` when something else is in the way.
    pub fn make_folder(&self, path: &Path, mode: u32) -> Result<Self, SysError> {
        let names: Vec<_> = path.iter().collect();
        let mut here = Self::new(self.find(c"")?);
        for (index, name) in names.iter().enumerate() {
            let name = c_string(name.as_encoded_bytes())?;
            let last = index + 1 == names.len();
            let mode = if last { mode } else { PARENT_MODE };
            match mkdirat(&here.fd, name.as_c_str(), Mode::from_bits_truncate(mode)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => {
                    return Err(SysError::new("mkdirat", path.display().to_string(), errno));
                }
            }
            here = Self::new(here.find(&name)?);
        }
        Ok(here)
    }

    /// Makes a new file at `path`, which must not exist, with these bytes.
    ///
    /// # Errors
    /// `openat`'s and `write`'s.
    pub fn make_file(&self, path: &CStr, mode: u32, bytes: &[u8]) -> Result<File, SysError> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, path, flags, Mode::from_bits_truncate(mode))
            .call_on("openat", path.to_string_lossy())?;
        let mut file = File::from(fd);
        file.write_all(bytes)
            .call_on("write", path.to_string_lossy())?;
        Ok(file)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// `symlinkat`'s.
    pub fn make_link(&self, path: &CStr, target: &CStr) -> Result<(), SysError> {
        symlinkat(target, &self.fd, path).call_on("symlinkat", path.to_string_lossy())
    }

    /// Makes a character device node, readable and writable for all. Needs `CAP_MKNOD`.
    ///
    /// # Errors
    /// `mknodat`'s: `EPERM` without the capability or by the device cgroup.
    pub fn make_device(&self, path: &CStr, major: u64, minor: u64) -> Result<(), SysError> {
        let mode = Mode::from_bits_truncate(0o666);
        let device = makedev(major, minor);
        mknodat(&self.fd, path, SFlag::S_IFCHR, mode, device)
            .call_on("mknodat", path.to_string_lossy())
    }

    /// Makes this folder the working directory.
    ///
    /// # Errors
    /// `fchdir`'s.
    pub fn enter(&self) -> Result<(), SysError> {
        nix::unistd::fchdir(&self.fd).call("fchdir")
    }

    fn open_existing(&self, path: &CStr, access: OFlag) -> Result<File, SysError> {
        let how = OpenHow::new()
            .flags(access | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
            .resolve(strict());
        let fd = openat2(&self.fd, path, how).call_on("openat2", path.to_string_lossy())?;
        Ok(File::from(fd))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens a trusted path as an `O_PATH` descriptor; ordinary symlinks are followed, those of `/proc`
/// that jump (`RESOLVE_NO_MAGICLINKS`) are not.
///
/// # Errors
/// `openat2`'s.
pub fn open_path(path: &Path) -> Result<OwnedFd, SysError> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(AT_FDCWD, path, how).call_on("openat2", path.display())
}

/// Gives an open file to another owner.
///
/// # Errors
/// `fchown`'s.
pub fn give_to(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<(), SysError> {
    fchown(fd, Some(uid.into()), Some(gid.into())).call_on("fchown", uid)
}

/// Copies at most `limit` bytes between files inside the kernel, so that they never enter this
/// process's memory.
///
/// # Errors
/// `sendfile`'s; `EFBIG` when `from` holds more.
pub fn copy_unseen(from: BorrowedFd<'_>, to: BorrowedFd<'_>, limit: usize) -> Result<(), SysError> {
    let mut offset: libc::off_t = 0;
    let mut left = limit + 1;
    while left > 0 {
        #[expect(unsafe_code, reason = "nix has sendfile behind another feature")]
        // SAFETY: the kernel reads and writes the one offset, which lives through the call; the
        // rest are numbers.
        let count =
            unsafe { libc::sendfile(to.as_raw_fd(), from.as_raw_fd(), &raw mut offset, left) };
        match usize::try_from(Errno::result(count).call("sendfile")?).unwrap_or(0) {
            0 => return Ok(()),
            count => left = left.saturating_sub(count),
        }
    }
    Err(SysError::new("sendfile", "source too long", Errno::EFBIG))
}

/// Sets which permission bits new files lack.
pub fn set_creation_mask(mask: u32) {
    nix::sys::stat::umask(Mode::from_bits_truncate(mask));
}

/// Changes the working directory, and verifies that it can be named from the root: a directory
/// outside the root reads as `(unreachable)` (CVE-2024-21626).
///
/// # Errors
/// `chdir`'s and `getcwd`'s; `ENOENT` when it lies outside the root.
pub fn enter_verified(path: &CStr) -> Result<(), SysError> {
    nix::unistd::chdir(path).call_on("chdir", path.to_string_lossy())?;
    let here = nix::unistd::getcwd().call("getcwd")?;
    if here.is_absolute() {
        return Ok(());
    }
    Err(SysError::new("getcwd", "outside the root", Errno::ENOENT))
}

/// Opens a program for [`crate::exec::execute_open`], by the caller's own rights: needs no right to
/// read it. Close-on-exec.
///
/// # Errors
/// `open`'s.
pub fn open_program(path: &CStr) -> Result<OwnedFd, SysError> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    nix::fcntl::open(path, flags, Mode::empty()).call_on("open", path.to_string_lossy())
}

/// Whether the file system at `path` is mounted without execution.
///
/// # Errors
/// `statvfs`'s.
pub fn is_no_exec(path: &CStr) -> Result<bool, SysError> {
    let found = nix::sys::statvfs::statvfs(path).call_on("statvfs", path.to_string_lossy())?;
    Ok(found
        .flags()
        .contains(nix::sys::statvfs::FsFlags::ST_NOEXEC))
}

/// A character device's numbers, when `fd` is one.
///
/// # Errors
/// `fstat`'s.
pub fn device_of(fd: BorrowedFd<'_>) -> Result<Option<(u64, u64)>, SysError> {
    let found = nix::sys::stat::fstat(fd).call_on("fstat", fd.as_raw_fd())?;
    let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
    let numbers = (
        nix::sys::stat::major(found.st_rdev),
        nix::sys::stat::minor(found.st_rdev),
    );
    Ok((kind == SFlag::S_IFCHR).then_some(numbers))
}

/// Whether an extended attribute of what is at `path` exists and has this value.
///
/// # Errors
/// `getxattr`'s, other than that it does not exist or can't.
pub fn attribute_is(path: &CStr, name: &CStr, value: &[u8]) -> Result<bool, SysError> {
    /// Longest value that can match.
    const VALUE_MAX: usize = 64;
    let mut found = [0u8; VALUE_MAX];
    #[expect(unsafe_code, reason = "getxattr has no safe wrapper")]
    // SAFETY: path and name are NUL-terminated; the kernel writes at most VALUE_MAX bytes into
    // `found`, which has that length.
    let length = unsafe {
        libc::getxattr(
            path.as_ptr(),
            name.as_ptr(),
            found.as_mut_ptr().cast(),
            VALUE_MAX,
        )
    };
    match Errno::result(length) {
        Ok(length) => Ok(usize::try_from(length)
            .ok()
            .and_then(|end| found.get(..end))
            == Some(value)),
        Err(Errno::ENODATA | Errno::EOPNOTSUPP | Errno::ERANGE) => Ok(false),
        Err(errno) => Err(SysError::new("getxattr", path.to_string_lossy(), errno)),
    }
}

fn strict() -> ResolveFlag {
    ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_MAGICLINKS
}

fn c_string(bytes: &[u8]) -> Result<CString, SysError> {
    CString::new(bytes).map_err(|_nul| SysError::new("path", "NUL inside", Errno::EINVAL))
}
