//! What stands in for a command on the side of whoever called it: the signals meant for it, its
//! streams watched for input and room, and the folder handed to it.
//!
//! Not for: the command itself, which runs elsewhere; nor for many descriptors (`epoll`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;

use crate::error::{Context, SysError};

/// Signals that a caller collects; their numbers are the same on every architecture we build for.
pub mod signal {
    /// The terminal or its session went away.
    pub const HANGUP: i32 = libc::SIGHUP;
    /// ^C.
    pub const INTERRUPT: i32 = libc::SIGINT;
    /// ^\\ .
    pub const QUIT: i32 = libc::SIGQUIT;
    /// Please end.
    pub const TERMINATE: i32 = libc::SIGTERM;
    /// First of the two without a meaning of their own.
    pub const USER_1: i32 = libc::SIGUSR1;
    /// Second of the two without a meaning of their own.
    pub const USER_2: i32 = libc::SIGUSR2;
    /// The terminal's window changed.
    pub const WINDOW: i32 = libc::SIGWINCH;
    /// A child changed its state.
    pub const CHILD: i32 = libc::SIGCHLD;
}

/// Signals that arrive on a descriptor instead of interrupting the process.
#[derive(Debug)]
pub struct Collected {
    fd: SignalFd,
}

impl Collected {
    /// Blocks these signals in the calling thread, which must be the only one, and collects them
    /// from now on. They stay blocked when the value is gone.
    ///
    /// # Errors
    /// `EINVAL` for a number that is no signal; `sigprocmask`'s and `signalfd`'s.
    pub fn new(numbers: &[i32]) -> Result<Self, SysError> {
        let mut set = SigSet::empty();
        for number in numbers {
            set.add(Signal::try_from(*number).call_on("signalfd", number)?);
        }
        set.thread_block().call("sigprocmask")?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&set, flags).call("signalfd")?;
        Ok(Self { fd })
    }

    /// The number of the next signal that waits, if one does.
    ///
    /// # Errors
    /// `read`'s.
    pub fn take(&self) -> Result<Option<i32>, SysError> {
        match self.fd.read_signal() {
            Ok(info) => Ok(info.and_then(|info| i32::try_from(info.ssi_signo).ok())),
            Err(Errno::EINTR) => Ok(None),
            Err(errno) => Err(SysError::new("read", "signalfd", errno)),
        }
    }
}

impl AsFd for Collected {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens a folder for reading, by the caller's own rights. Close-on-exec.
///
/// # Errors
/// `open`'s: `ENOTDIR` for anything else, which is then not waited for nor changed.
pub fn open_folder(path: &Path) -> Result<OwnedFd, SysError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).call_on("open", path.display())
}

/// What to wait for on a descriptor. Hang-up and error count as both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Nothing: the descriptor keeps its place and is never ready.
    Ignored,
    /// Something to read, or its end.
    Input,
    /// Room to write.
    Room,
    /// Either.
    Both,
}

/// What a descriptor is ready for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// A read returns at once.
    pub input: bool,
    /// A write of up to 4,096 bytes returns at once, or fails.
    pub room: bool,
}

/// Waits until one of the descriptors is ready, at most `timeout`; answers in the same order.
/// Nothing is ready when the time is over.
///
/// # Errors
/// `poll`'s.
pub fn wait<const N: usize>(
    watched: [(BorrowedFd<'_>, Interest); N],
    timeout: Option<Duration>,
) -> Result<[Ready; N], SysError> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut fds = Vec::with_capacity(N);
    let mut places = Vec::with_capacity(N);
    for (place, (fd, interest)) in watched.into_iter().enumerate() {
        if interest != Interest::Ignored {
            fds.push(PollFd::new(fd, flags(interest)));
            places.push(place);
        }
    }
    while let Err(errno) = nix::poll::poll(&mut fds, remaining(deadline)) {
        if errno != Errno::EINTR {
            return Err(SysError::new("poll", "", errno));
        }
    }
    let mut ready = [Ready::default(); N];
    for (fd, place) in fds.iter().zip(places) {
        if let Some(slot) = ready.get_mut(place) {
            *slot = readiness(fd.revents().unwrap_or(PollFlags::empty()));
        }
    }
    Ok(ready)
}

const fn flags(interest: Interest) -> PollFlags {
    match interest {
        Interest::Ignored => PollFlags::empty(),
        Interest::Input => PollFlags::POLLIN,
        Interest::Room => PollFlags::POLLOUT,
        Interest::Both => PollFlags::POLLIN.union(PollFlags::POLLOUT),
    }
}

fn readiness(flags: PollFlags) -> Ready {
    let over = flags.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL);
    Ready {
        input: over || flags.contains(PollFlags::POLLIN),
        room: over || flags.contains(PollFlags::POLLOUT),
    }
}

/// Rounded up, so that a wait never ends early and spins; cut to poll's own maximum of 24 days.
fn remaining(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let millis = left.as_micros().div_ceil(1000);
    i32::try_from(millis).map_or(PollTimeout::MAX, |millis| {
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn tells_input_room_and_the_end_apart() {
        let (read, mut write) = std::io::pipe().unwrap();
        let soon = Some(Duration::ZERO);
        let look = |interest| wait([(read.as_fd(), interest)], soon).unwrap()[0];
        assert!(!look(Interest::Input).input);
        write.write_all(b"x").unwrap();
        assert!(look(Interest::Input).input);
        assert_eq!(look(Interest::Ignored), Ready::default());
        let room = wait([(write.as_fd(), Interest::Room)], soon).unwrap()[0];
        assert!(room.room && !room.input);
        drop(write);
        assert!(look(Interest::Room).input);
    }

    #[test]
    fn a_blocked_signal_is_collected_not_delivered() {
        let collected = Collected::new(&[signal::USER_2]).unwrap();
        assert_eq!(collected.take(), Ok(None));
        nix::sys::signal::raise(Signal::SIGUSR2).unwrap();
        let ready = wait([(collected.as_fd(), Interest::Input)], None).unwrap();
        assert!(ready[0].input);
        assert_eq!(collected.take(), Ok(Some(signal::USER_2)));
        assert!(Collected::new(&[-1]).is_err());
    }

    #[test]
    fn only_a_folder_opens_as_one() {
        assert!(open_folder(Path::new("/")).is_ok());
        let error = open_folder(Path::new("/dev/null")).unwrap_err();
        assert_eq!(error.errno, Errno::ENOTDIR);
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        let (read, _write) = std::io::pipe().unwrap();
        let wait_for = Duration::from_millis(20);
        let start = Instant::now();
        let ready = wait([(read.as_fd(), Interest::Input)], Some(wait_for)).unwrap();
        assert_eq!(ready, [Ready::default()]);
        assert!(start.elapsed() >= wait_for);
    }
}
