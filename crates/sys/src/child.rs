//! A child program that starts with fewer rights than its parent, and a bare fork.
//!
//! Not for: jails; they are made by `jail` with namespaces of their own.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
pub use nix::unistd::Pid;
use nix::unistd::{ForkResult, Gid, Uid, fork, setresgid, setresuid};

use crate::error::{Context, SysError};

/// Signals that tell a whole process group or service to end: a key, a hang-up, a service manager's
/// stop. They are for the parent, which ends its child when its own order of ending has come to it.
const ORDERS: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// A program to start unprivileged.
#[derive(Debug)]
pub struct Unprivileged {
    /// Its executable.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// User id it runs as.
    pub uid: u32,
    /// Group id it runs as; it has no supplementary groups.
    pub gid: u32,
    /// A descriptor that it finds under this number. All others but stdio are closed.
    pub channel: (OwnedFd, RawFd),
}

impl Unprivileged {
    /// Starts it: own user, no groups, no new privileges, killed when this thread ends, deaf to what
    /// tells a whole process group to end.
    ///
    /// # Errors
    /// The first of the steps that failed, or exec's.
    pub fn spawn(self) -> Result<Child, SysError> {
        let object = self.program.display().to_string();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let (channel, number) = self.channel;
        let mut command = Command::new(&self.program);
        command
            .args(self.args)
            .env_clear()
            .envs(self.env)
            .current_dir("/")
            .stdin(Stdio::null());
        let from = channel.as_raw_fd();
        let lower = move || lower_rights(uid, gid).and_then(|()| keep_only(from, number));
        #[expect(unsafe_code, reason = "steps between fork and exec need pre_exec")]
        // SAFETY: the closure makes system calls only: it neither allocates nor locks, and `channel`
        // is open until `spawn` has returned.
        unsafe {
            command.pre_exec(move || lower().map_err(io::Error::from));
        }
        let child = command.spawn().call_on("exec", object)?;
        drop(channel);
        Ok(child)
    }
}

/// Everything that a compromised child could use against its parent goes here, before exec.
fn lower_rights(uid: Uid, gid: Gid) -> nix::Result<()> {
    // So that it may lock all of its memory. Where root has not the right to permit it (some containers),
    // the child finds its old limit and says so.
    match setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY) {
        Ok(()) | Err(Errno::EPERM) => {}
        Err(error) => return Err(error),
    }
    nix::unistd::setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    prctl::set_no_new_privs()?;
    // After the last change of credentials, which clears it.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    ORDERS.into_iter().collect::<SigSet>().thread_set_mask()
}

/// Leaves stdio and `number`, a duplicate of `from`; the rest closes itself on exec.
fn keep_only(from: RawFd, number: RawFd) -> nix::Result<()> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    #[expect(unsafe_code, reason = "plain descriptor numbers between fork and exec")]
    // SAFETY: dup2(2) takes two numbers; in this child no value owns `number`.
    let code = unsafe { libc::dup2(from, number) };
    Errno::result(code)?;
    let first = number.saturating_add(1);
    #[expect(unsafe_code, reason = "close_range has no safe wrapper")]
    // SAFETY: close_range(2) takes plain numbers; with CLOEXEC it closes nothing before exec.
    let code = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            RawFd::MAX,
            CLOSE_RANGE_CLOEXEC,
        )
    };
    Errno::result(code).map(drop)
}

/// Forks a process that has one thread.
///
/// In the child returns `None`; in the parent the child's id.
///
/// # Errors
/// `EBUSY` when the process has more threads, whose locks the child would inherit held; `fork`'s.
pub fn fork_alone() -> Result<Option<Pid>, SysError> {
    let threads = fs::read_dir("/proc/self/task")
        .call_on("opendir", "/proc/self/task")?
        .count();
    if threads != 1 {
        return Err(SysError::new(
            "fork",
            format!("{threads} threads"),
            Errno::EBUSY,
        ));
    }
    #[expect(unsafe_code, reason = "fork has no safe wrapper")]
    // SAFETY: the process has just this thread (counted above), so no lock can be held by another
    // and the child may go on with ordinary code.
    let result = unsafe { fork() }.call("fork")?;
    match result {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Detaches from the terminal's session, so that its signals pass by.
///
/// # Errors
/// `setsid`'s.
pub fn detach() -> Result<(), SysError> {
    nix::unistd::setsid().call("setsid")?;
    let all = SigSet::all();
    all.thread_block().call("sigprocmask")
}

/// Leaves the terminal's session, so that a key pressed there signals others only. Returns whether
/// that was possible: the leader of a process group, such as a shell's job, stays.
#[must_use]
pub fn leave_session() -> bool {
    nix::unistd::setsid().is_ok()
}

/// Waits for one child.
///
/// # Errors
/// `waitpid`'s.
pub fn wait(child: Pid) -> Result<(), SysError> {
    loop {
        match nix::sys::wait::waitpid(child, None) {
            Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(SysError::new("waitpid", child.to_string(), errno)),
        }
    }
}
