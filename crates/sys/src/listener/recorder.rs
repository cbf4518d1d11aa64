//! The listener of a program that only counts: hears of calls, and lets every one of them go on.
//!
//! Not for: deciding anything. Its program lies above one that has decided: the kernel asks all
//! programs of a chain and takes the strictest answer, and an error or a death beats
//! `SECCOMP_RET_USER_NOTIF` (seccomp(2)). So only calls that the program beneath permits are heard of
//! here, their arguments are in registers that were judged and can't change any more, and nothing
//! depends on what this listener sees.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Listener, Waiting, buffers, in_halves, load_with_listener};
use crate::error::{Context, SysError};
use crate::filter::Instruction;

/// `SECCOMP_IOCTL_NOTIF_SET_FLAGS` of `linux/seccomp.h` (Linux 6.6).
const SET_FLAGS: u32 = 0x4008_2104;
/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`: caller and listener take turns on one processor.
const SYNC_WAKE_UP: u64 = 1;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;
/// Bytes of a control message with one descriptor, without the padding at its end.
const RIGHTS_BYTES: u64 = 20;

/// The holder's end of a listener that counts.
#[derive(Debug)]
pub struct Recorder {
    listener: Listener,
}

/// What a listener has to offer at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Nothing yet.
    Nothing,
    /// A call waits: [`Recorder::receive`] will not.
    Call,
    /// Every process under the program is gone.
    Over,
}

impl Recorder {
    /// Takes over a listener that another process sent, see [`install_and_hand_over`].
    ///
    /// # Errors
    /// `seccomp`'s, where the caller's own program forbids it.
    pub fn received(fd: OwnedFd) -> Result<Self, SysError> {
        let [notification, response] = buffers()?;
        let listener = Listener {
            fd,
            notification,
            response,
        };
        listener.take_turns();
        Ok(Self { listener })
    }

    /// What there is, without waiting. Closer than readiness: a listener without processes is ready
    /// too, and on kernels before 6.6 receiving from it never ends.
    ///
    /// # Errors
    /// `poll`'s.
    pub fn pending(&self) -> Result<Pending, SysError> {
        let mut list = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut list, PollTimeout::ZERO) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Pending::Nothing),
            other => other.call("poll")?,
        };
        let [entry] = list;
        let call = entry
            .revents()
            .is_some_and(|it| it.contains(PollFlags::POLLIN));
        Ok(if call { Pending::Call } else { Pending::Over })
    }

    /// As [`Listener::receive`].
    ///
    /// # Errors
    /// `ioctl`'s.
    pub fn receive(&mut self) -> Result<Option<Waiting>, SysError> {
        self.listener.receive()
    }

    /// Lets a call go on that nobody here has judged or may judge: by the time that the kernel reads
    /// what the call's pointers point at, another thread may have changed it
    /// (`seccomp_unotify(2)`). Right only where the decision was taken by a program beneath. Says
    /// whether the caller was still there.
    ///
    /// # Errors
    /// `ioctl`'s.
    pub fn let_go_on_undecided(&mut self, call: &Waiting) -> Result<bool, SysError> {
        self.listener.answer(call, in_halves(0, CONTINUE))
    }
}

impl AsFd for Recorder {
    /// Ready when [`Recorder::pending`] has something to say.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Listener {
    /// Has the kernel wake caller and listener on the same processor, where it can. Without that
    /// everything is the same but slower, so a refusal is no error.
    fn take_turns(&self) {
        #[expect(unsafe_code, reason = "this request has no safe wrapper")]
        // SAFETY: the request takes a number and touches no memory of this process.
        let _refused = unsafe { libc::ioctl(self.fd.as_raw_fd(), SET_FLAGS.into(), SYNC_WAKE_UP) };
    }
}

/// Installs a recording program on the calling thread and sends its listener over `socket`.
///
/// The listener's own descriptor stays here, close-on-exec. `no_new_privs` must be set. The program
/// must let `sendmsg` on exactly this socket pass by itself: any other call of the caller waits from
/// then on, and until whoever holds the other end serves the listener.
///
/// # Errors
/// As for [`super::install`]. Once the program is in force there are none: a process that may call
/// nothing else can only try again, which ends with its life if the other end is gone.
pub fn install_and_hand_over(
    instructions: &[Instruction],
    socket: BorrowedFd<'_>,
) -> Result<(), SysError> {
    let listener = load_with_listener(instructions)?;
    send_rights(socket, listener.as_fd());
    // To close it would be a call that waits; exec closes it, and so does the end of the process.
    let _raw = std::os::fd::IntoRawFd::into_raw_fd(listener);
    Ok(())
}

/// `sendmsg` of one byte and one descriptor, by the one call and without taking memory: neither is
/// promised by the C library's wrapper.
fn send_rights(socket: BorrowedFd<'_>, listener: BorrowedFd<'_>) {
    let number = listener.as_raw_fd().cast_unsigned();
    let [level, kind] = [libc::SOL_SOCKET, libc::SCM_RIGHTS].map(i32::cast_unsigned);
    // struct cmsghdr: length, level and kind; then the descriptor, padded to a word.
    let control = [RIGHTS_BYTES, in_halves(level, kind), in_halves(number, 0)];
    let byte = [1u8];
    let vector = libc::iovec {
        iov_base: byte.as_ptr().cast_mut().cast(),
        iov_len: byte.len(),
    };
    let message = MessageHeader {
        name: 0,
        name_bytes: 0,
        vectors: &raw const vector,
        vector_count: 1,
        control: control.as_ptr(),
        control_bytes: size_of_val(&control),
        flags: 0,
    };
    loop {
        #[expect(
            unsafe_code,
            reason = "the wrapper may make other calls, which would wait"
        )]
        // SAFETY: `message` has the layout of the kernel's struct user_msghdr, and points at one
        // iovec and three words that live through the call; the kernel only reads them.
        let code = unsafe {
            libc::syscall(
                libc::SYS_sendmsg,
                socket.as_raw_fd(),
                &raw const message,
                libc::MSG_NOSIGNAL,
            )
        };
        if code >= 0 {
            return;
        }
        std::hint::spin_loop();
    }
}

/// `struct user_msghdr` of the kernel, on 64-bit machines.
#[repr(C)]
struct MessageHeader {
    name: usize,
    name_bytes: u32,
    vectors: *const libc::iovec,
    vector_count: usize,
    control: *const u64,
    control_bytes: usize,
    flags: u32,
}

#[cfg(test)]
mod tests;
