//! Mounts through the descriptor-based API: detached trees, attributes, attaching, root change.
//!
//! Not for: which mounts a jail has (`jail`).

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::error::{Context, SysError};

/// Attributes of a mount, as in `mount_setattr(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    /// No attribute.
    pub const NONE: Self = Self(0);
    /// Nothing can be written.
    pub const READ_ONLY: Self = Self(libc::MOUNT_ATTR_RDONLY);
    /// Set-user-id bits and file capabilities have no effect.
    pub const NO_SUID: Self = Self(libc::MOUNT_ATTR_NOSUID);
    /// Device nodes can't be opened.
    pub const NO_DEV: Self = Self(libc::MOUNT_ATTR_NODEV);
    /// Nothing can be executed.
    pub const NO_EXEC: Self = Self(libc::MOUNT_ATTR_NOEXEC);

    /// Both sets of attributes.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What of a tree a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The one mount.
    One,
    /// The mount and all mounts beneath it.
    Recursive,
}

impl Depth {
    const fn flag(self) -> libc::c_int {
        match self {
            Self::One => 0,
            Self::Recursive => AT_RECURSIVE,
        }
    }
}

/// Apply to the whole tree (`linux/fcntl.h`).
const AT_RECURSIVE: libc::c_int = 0x8000;
/// The source of `move_mount` is the descriptor itself (`linux/mount.h`).
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;
/// `fsconfig` commands (`linux/mount.h`).
const FSCONFIG_SET_FLAG: libc::c_uint = 0;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

/// A mount tree that hangs nowhere yet; it vanishes when dropped unless it was attached.
#[derive(Debug)]
pub struct Tree {
    fd: OwnedFd,
}

impl Tree {
    /// Copies the mount at what `fd` names (also an `O_PATH` descriptor).
    ///
    /// # Errors
    /// `open_tree`'s: `EINVAL` when the descriptor belongs to another mount namespace.
    pub fn copy(fd: BorrowedFd<'_>, depth: Depth) -> Result<Self, SysError> {
        Self::copy_at(fd, c"", depth)
    }

    /// Copies the mount at `path` beneath `dir`; the last component is not followed if a symlink.
    ///
    /// # Errors
    /// `open_tree`'s.
    pub fn copy_at(dir: BorrowedFd<'_>, path: &CStr, depth: Depth) -> Result<Self, SysError> {
        let flags = libc::OPEN_TREE_CLONE
            | libc::OPEN_TREE_CLOEXEC
            | (libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | depth.flag()).cast_unsigned();
        #[expect(unsafe_code, reason = "open_tree has no safe wrapper")]
        // SAFETY: `path` is NUL-terminated and outlives the call; the rest are plain numbers.
        let raw =
            unsafe { libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), path.as_ptr(), flags) };
        let fd = owned(raw, "open_tree", path)?;
        Ok(Self { fd })
    }

    /// A tree that another process made and passed on. Nothing is checked: [`Tree::attach`] fails
    /// for a descriptor that is none.
    #[must_use]
    pub const fn received(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Makes a new file system and a mount of it. Options without a value have an empty one.
    ///
    /// # Errors
    /// `fsopen`'s, `fsconfig`'s (`EINVAL`: an option the kernel refuses) and `fsmount`'s.
    pub fn new(
        kind: &CStr,
        options: &[(&CStr, &CStr)],
        attributes: Attributes,
    ) -> Result<Self, SysError> {
        let context = open_context(kind)?;
        for (key, value) in options {
            configure(context.as_fd(), Some((key, value)))?;
        }
        configure(context.as_fd(), None)?;
        #[expect(unsafe_code, reason = "fsmount has no safe wrapper")]
        // SAFETY: fsmount(2) takes three plain numbers.
        let raw = unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                context.as_raw_fd(),
                libc::FSMOUNT_CLOEXEC,
                attributes.0,
            )
        };
        let fd = owned(raw, "fsmount", kind)?;
        Ok(Self { fd })
    }

    /// Adds attributes and makes the tree private, so that no mount event passes it.
    ///
    /// # Errors
    /// `mount_setattr`'s.
    pub fn restrict(&self, attributes: Attributes, depth: Depth) -> Result<(), SysError> {
        set_attributes(self.fd.as_fd(), c"", depth, attributes, None)
    }

    /// Shows file owners through the id maps of a user namespace. Before attaching only.
    ///
    /// # Errors
    /// `mount_setattr`'s: `EINVAL` when the file system can't (`mount_setattr(2)`, notes).
    pub fn map_ids(&self, user_namespace: BorrowedFd<'_>) -> Result<(), SysError> {
        let none = Attributes::NONE;
        set_attributes(self.fd.as_fd(), c"", Depth::One, none, Some(user_namespace))
    }

    /// Hangs the tree at what `target` names.
    ///
    /// # Errors
    /// `move_mount`'s.
    pub fn attach(&self, target: BorrowedFd<'_>) -> Result<(), SysError> {
        /// The target of `move_mount` is the descriptor itself (`linux/mount.h`).
        const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x40;
        self.attach_with(target, c"", MOVE_MOUNT_T_EMPTY_PATH)
    }

    /// Hangs the tree over the root folder of the calling process; path walks from the root do not
    /// see it until [`change_root`].
    ///
    /// # Errors
    /// `move_mount`'s.
    pub fn attach_over_root(&self) -> Result<(), SysError> {
        self.attach_with(self.fd.as_fd(), c"/", 0)
    }

    fn attach_with(
        &self,
        target: BorrowedFd<'_>,
        path: &CStr,
        flags: libc::c_uint,
    ) -> Result<(), SysError> {
        #[expect(unsafe_code, reason = "move_mount has no safe wrapper")]
        // SAFETY: both paths are NUL-terminated and outlive the call; the rest are numbers.
        let code = unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                self.fd.as_raw_fd(),
                c"".as_ptr(),
                target.as_raw_fd(),
                path.as_ptr(),
                MOVE_MOUNT_F_EMPTY_PATH | flags,
            )
        };
        Errno::result(code).call("move_mount")?;
        Ok(())
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Adds attributes to an attached mount and makes it private; `path` is beneath `dir`.
///
/// # Errors
/// `mount_setattr`'s.
pub fn restrict_at(
    dir: BorrowedFd<'_>,
    path: &CStr,
    attributes: Attributes,
) -> Result<(), SysError> {
    set_attributes(dir, path, Depth::One, attributes, None)
}

/// Cuts every mount of this mount namespace off from mount events of others, both ways.
///
/// # Errors
/// `mount`'s.
pub fn make_private() -> Result<(), SysError> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&CStr>, c"/", None::<&CStr>, flags, None::<&CStr>).call_on("mount", "/")
}

/// Makes the mount in the working directory the root of this mount namespace, and detaches the old
/// root with all beneath it: `pivot_root(".", ".")` as in `pivot_root(2)`, notes.
///
/// # Errors
/// `pivot_root`'s, `umount2`'s and `chdir`'s.
pub fn change_root() -> Result<(), SysError> {
    nix::unistd::pivot_root(c".", c".").call("pivot_root")?;
    umount2(c".", MntFlags::MNT_DETACH).call_on("umount2", "old root")?;
    nix::unistd::chdir(c"/").call_on("chdir", "/")
}

/// Makes the working directory the root of this process alone (`chroot`), which leaves the old root
/// within reach of whoever has the capability. Only for tests that show why [`change_root`] exists.
///
/// # Errors
/// `chroot`'s and `chdir`'s.
pub fn change_root_weakly() -> Result<(), SysError> {
    nix::unistd::chroot(c".").call_on("chroot", ".")?;
    nix::unistd::chdir(c"/").call_on("chdir", "/")
}

fn open_context(kind: &CStr) -> Result<OwnedFd, SysError> {
    #[expect(unsafe_code, reason = "fsopen has no safe wrapper")]
    // SAFETY: `kind` is NUL-terminated and outlives the call.
    let raw = unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) };
    owned(raw, "fsopen", kind)
}

fn configure(context: BorrowedFd<'_>, option: Option<(&CStr, &CStr)>) -> Result<(), SysError> {
    let (command, key, value) = match option {
        None => (FSCONFIG_CMD_CREATE, ptr::null(), ptr::null()),
        Some((key, value)) if value.is_empty() => (FSCONFIG_SET_FLAG, key.as_ptr(), ptr::null()),
        Some((key, value)) => (FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr()),
    };
    #[expect(unsafe_code, reason = "fsconfig has no safe wrapper")]
    // SAFETY: key and value are null where the command takes none, else NUL-terminated strings that
    // outlive the call.
    let code = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            key,
            value,
            0,
        )
    };
    let object = option.map_or_else(|| "create".into(), |(key, _)| key.to_string_lossy());
    Errno::result(code).call_on("fsconfig", object)?;
    Ok(())
}

fn set_attributes(
    dir: BorrowedFd<'_>,
    path: &CStr,
    depth: Depth,
    attributes: Attributes,
    user_namespace: Option<BorrowedFd<'_>>,
) -> Result<(), SysError> {
    let mapped = user_namespace.map_or(0, |_| libc::MOUNT_ATTR_IDMAP);
    let request = libc::mount_attr {
        attr_set: attributes.0 | mapped,
        attr_clr: 0,
        propagation: MsFlags::MS_PRIVATE.bits(),
        userns_fd: user_namespace.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    };
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | depth.flag();
    #[expect(unsafe_code, reason = "mount_setattr has no safe wrapper")]
    // SAFETY: `request` is a mount_attr of the size passed with it, and `path` is NUL-terminated;
    // the kernel reads both during the call only.
    let code = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const request,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(code).call_on("mount_setattr", path.to_string_lossy())?;
    Ok(())
}

fn owned(raw: libc::c_long, call: &'static str, object: &CStr) -> Result<OwnedFd, SysError> {
    let raw = Errno::result(raw).call_on(call, object.to_string_lossy())?;
    let raw = RawFd::try_from(raw)
        .map_err(|_not_fd| SysError::new(call, "descriptor out of range", Errno::EBADF))?;
    #[expect(unsafe_code, reason = "descriptors from raw calls arrive as numbers")]
    // SAFETY: the system call that returned `raw` has just made it for this call alone.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
