//! The listener of a seccomp program: hears of calls that wait for an answer, and refuses them.
//!
//! Not for: letting a call go on. The kernel reads a call's memory after the answer, when another
//! thread may have changed it, so whoever lets go on what it has judged is passed by
//! (`seccomp_unotify(2)`); nothing here can say `SECCOMP_USER_NOTIF_FLAG_CONTINUE`, nor success.
//! Another type can, for programs that only count: see `recorder`.

mod caller;
pub mod recorder;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

use crate::error::{Context, SysError};
use crate::filter::{Instruction, load};

/// `SECCOMP_IOCTL_NOTIF_RECV` of `linux/seccomp.h`.
const RECEIVE: u32 = 0xc050_2100;
/// `SECCOMP_IOCTL_NOTIF_SEND`.
const SEND: u32 = 0xc018_2101;

/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: once heard of, only a fatal signal ends the wait, so a
/// caller with a busy timer is not heard of again and again (Linux 5.19).
const WAIT_KILLABLE_RECV: libc::c_ulong = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
/// Highest error number that the kernel passes on (`MAX_ERRNO` of `linux/err.h`).
const ERRNO_MAX: u16 = 4095;
const WORD: usize = size_of::<u64>();
/// `struct seccomp_notif`: id, pid and flags, number and architecture, instruction, six arguments.
const NOTIFICATION_WORDS: usize = 10;
/// `struct seccomp_notif_resp`: id, value, error and flags.
const RESPONSE_WORDS: usize = 3;

/// Hears of the calls for which a program answered `SECCOMP_RET_USER_NOTIF`. When it is closed, they
/// and all later ones get `ENOSYS`.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    /// As large as the kernel's own structure, which may grow.
    notification: Vec<u64>,
    response: Vec<u64>,
}

/// A call that waits for its answer. Its numbers are the caller's own claim, as its registers were;
/// what they point at is not here and must not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    id: u64,
    /// The calling thread, as numbered in the holder's pid namespace; 0 when it is not in there.
    pub thread: u32,
    /// The call's number.
    pub number: u32,
    /// `AUDIT_ARCH_*` of the entry that was used.
    pub arch: u32,
    /// Address of the instruction that made the call.
    pub instruction_pointer: u64,
    /// The six argument registers.
    pub arguments: [u64; 6],
}

/// Installs a program on the calling thread and returns its listener, close-on-exec.
///
/// `no_new_privs` must be set. The caller is under the program too: a call of its own that waits, waits for ever, so
/// the program must let it call `ioctl` with [`Listener`]'s requests.
///
/// Errors do not go to the kernel's audit stream: whoever listens hears of them, at a pace of its own
/// choice. Deaths by the program do, as always.
///
/// # Errors
/// As for [`crate::filter::install`]; `EBUSY` when a program above already has a listener: a chain of
/// programs can have only one.
pub fn install(instructions: &[Instruction]) -> Result<Listener, SysError> {
    // All memory is taken before: afterwards the program may forbid what taking some needs.
    let [notification, response] = buffers()?;
    Ok(Listener {
        fd: load_with_listener(instructions)?,
        notification,
        response,
    })
}

/// Takes no memory once the program is in force.
fn load_with_listener(instructions: &[Instruction]) -> Result<OwnedFd, SysError> {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let code = match load(instructions, flags | WAIT_KILLABLE_RECV) {
        Err(error) if error.errno == Errno::EINVAL => load(instructions, flags),
        other => other,
    }?;
    let odd = |_range| SysError::new("seccomp", "listener", Errno::EPROTO);
    let raw = RawFd::try_from(code).map_err(odd)?;
    #[expect(unsafe_code, reason = "seccomp returns the descriptor as a number")]
    // SAFETY: seccomp succeeded with NEW_LISTENER, so it returned a fresh descriptor of this process.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Zeroed room for the kernel's `struct seccomp_notif` and `struct seccomp_notif_resp`.
fn buffers() -> Result<[Vec<u64>; 2], SysError> {
    let [notification, response] = sizes()?;
    let words = |bytes: u16, least: usize| vec![0; usize::from(bytes).div_ceil(WORD).max(least)];
    Ok([
        words(notification, NOTIFICATION_WORDS),
        words(response, RESPONSE_WORDS),
    ])
}

/// Bytes of the kernel's `struct seccomp_notif` and `struct seccomp_notif_resp`.
fn sizes() -> Result<[u16; 2], SysError> {
    let mut sizes = [0u16; 3];
    #[expect(unsafe_code, reason = "seccomp has no safe wrapper")]
    // SAFETY: the kernel writes a struct seccomp_notif_sizes, which is three u16.
    let code = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_NOTIF_SIZES,
            0,
            sizes.as_mut_ptr(),
        )
    };
    Errno::result(code).call_on("seccomp", "SECCOMP_GET_NOTIF_SIZES")?;
    let [notification, response, _data] = sizes;
    Ok([notification, response])
}

impl Listener {
    /// The next call that waits; `None` when the caller died meanwhile or a signal came. Does not
    /// wait if the descriptor was readable before and nobody else receives from it.
    ///
    /// # Errors
    /// `ioctl`'s.
    pub fn receive(&mut self) -> Result<Option<Waiting>, SysError> {
        // The kernel refuses a buffer that is not all zeros.
        self.notification.fill(0);
        let buffer = self.notification.as_mut_ptr();
        match self.control(RECEIVE, buffer.cast()) {
            Err(Errno::ENOENT | Errno::EINTR) => Ok(None),
            Err(errno) => Err(SysError::new("ioctl", "SECCOMP_IOCTL_NOTIF_RECV", errno)),
            Ok(()) => Ok(Waiting::read(&self.notification)),
        }
    }

    /// Refuses a call with an error number of 1 to 4095; any other is answered as `EPERM`. Says
    /// whether the caller was still there.
    ///
    /// # Errors
    /// `ioctl`'s.
    pub fn refuse(&mut self, call: &Waiting, errno: u16) -> Result<bool, SysError> {
        let plain = (1..=ERRNO_MAX).contains(&errno);
        let errno = i32::from(if plain { errno } else { Errno::EPERM as u16 });
        self.answer(call, in_halves((-errno).cast_unsigned(), 0))
    }

    /// Sends an error number and flags, and says whether the caller was still there.
    fn answer(&mut self, call: &Waiting, error_and_flags: u64) -> Result<bool, SysError> {
        self.response.fill(0);
        if let [id, _value, last, ..] = self.response.as_mut_slice() {
            *id = call.id;
            *last = error_and_flags;
        }
        let buffer = self.response.as_mut_ptr();
        match self.control(SEND, buffer.cast()) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(SysError::new("ioctl", "SECCOMP_IOCTL_NOTIF_SEND", errno)),
        }
    }

    fn control(&self, request: u32, buffer: *mut libc::c_void) -> nix::Result<()> {
        #[expect(unsafe_code, reason = "these requests have no safe wrapper")]
        // SAFETY: each caller passes a buffer of its own that outlives the call: for the first two
        // requests at least as large as the structure of the running kernel (`sizes`), for
        // NOTIF_ID_VALID one u64, which the kernel reads.
        let code = unsafe { libc::ioctl(self.fd.as_raw_fd(), request.into(), buffer) };
        Errno::result(code).map(drop)
    }
}

impl AsFd for Listener {
    /// Readable while a call waits that was not heard of yet.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Waiting {
    fn read(words: &[u64]) -> Option<Self> {
        let [id, whose, call, instruction_pointer, arguments @ ..] = words else {
            return None;
        };
        Some(Self {
            id: *id,
            thread: halves(*whose)[0],
            number: halves(*call)[0],
            arch: halves(*call)[1],
            instruction_pointer: *instruction_pointer,
            arguments: *arguments.first_chunk()?,
        })
    }
}

/// The two 32-bit fields that share a word, in their order in memory.
fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
    ]
}

/// A word whose two fields are these, in their order in memory.
const fn in_halves(first: u32, second: u32) -> u64 {
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f, g, h] = second.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
