//! The seccomp programs that are really installed on another process, as the kernel gives them.
//!
//! Not for: installing one (`filter`), nor for comparing programs.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::{Context, SysError};
use crate::filter::{INSTRUCTIONS_MAX, Instruction};

/// Longest to wait for the process to stop; it does at once unless it is frozen.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// Time between two looks.
const STOP_STEP: Duration = Duration::from_millis(2);
/// Most programs of one process that are read; each costs the process time at every call.
pub const PROGRAMS_MAX: usize = 64;
/// A stop that `PTRACE_INTERRUPT` asked for, in bits 16 and up of the wait status.
const EVENT_STOP: i32 = 128;
/// `PTRACE_SECCOMP_GET_FILTER` (linux/ptrace.h).
const GET_FILTER: libc::c_uint = 0x420C;

/// A process that is stopped for us; it goes on when this value is dropped.
#[derive(Debug)]
struct Stopped {
    pid: i32,
    /// A signal that was on its way when the process stopped.
    signal: i32,
}

/// Reads the programs of a process, in the order in which they were installed.
///
/// The process is stopped for the moment of reading (`ptrace(2)`, `PTRACE_SECCOMP_GET_FILTER`).
///
/// # Errors
/// `ESRCH` without such a process; `EPERM` when it is traced already or beyond our rights; `EACCES`
/// without `CAP_SYS_ADMIN` in the initial user namespace or under a filter of our own; `EIO` or
/// `EINVAL` from a kernel without `CONFIG_CHECKPOINT_RESTORE`; `ETIMEDOUT` when the process does
/// not stop; `E2BIG` beyond [`PROGRAMS_MAX`].
pub fn programs_of(pid: i32) -> Result<Vec<Vec<Instruction>>, SysError> {
    let stopped = Stopped::stop(pid)?;
    let mut programs = Vec::new();
    while let Some(program) = stopped.program(programs.len())? {
        if programs.len() == PROGRAMS_MAX {
            return Err(SysError::new("ptrace", "too many programs", Errno::E2BIG));
        }
        programs.push(program);
    }
    Ok(programs)
}

impl Stopped {
    fn stop(pid: i32) -> Result<Self, SysError> {
        request(libc::PTRACE_SEIZE, pid, 0).call_on("ptrace", "PTRACE_SEIZE")?;
        // From here on it is traced, so it must be let go of, whatever happens.
        let mut stopped = Self { pid, signal: 0 };
        request(libc::PTRACE_INTERRUPT, pid, 0).call_on("ptrace", "PTRACE_INTERRUPT")?;
        let status = stopped.await_stop()?;
        if status >> 16 != EVENT_STOP {
            stopped.signal = libc::WSTOPSIG(status);
        }
        Ok(stopped)
    }

    fn await_stop(&self) -> Result<i32, SysError> {
        let until = Instant::now() + STOP_WAIT;
        loop {
            let mut status = 0;
            #[expect(unsafe_code, reason = "nix does not decode stops of a seized process")]
            // SAFETY: `status` is written during the call and lives longer than it.
            let found =
                unsafe { libc::waitpid(self.pid, &raw mut status, libc::__WALL | libc::WNOHANG) };
            let found = Errno::result(found).call("waitpid")?;
            if found == self.pid && libc::WIFSTOPPED(status) {
                return Ok(status);
            }
            if found == self.pid {
                return Err(SysError::new("waitpid", "the process ended", Errno::ESRCH));
            }
            if Instant::now() > until {
                return Err(SysError::new(
                    "waitpid",
                    "the process does not stop; is it frozen?",
                    Errno::ETIMEDOUT,
                ));
            }
            std::thread::sleep(STOP_STEP);
        }
    }

    /// One of its programs; `None` behind the last.
    fn program(&self, index: usize) -> Result<Option<Vec<Instruction>>, SysError> {
        let length = match self.get_filter(index, None) {
            Err(Errno::ENOENT) => return Ok(None),
            // A process without any filter has no list to index.
            Err(Errno::EINVAL) if index == 0 && !self.is_filtered() => return Ok(None),
            other => other.call_on("ptrace", "PTRACE_SECCOMP_GET_FILTER")?,
        };
        let zero = Instruction {
            code: 0,
            jt: 0,
            jf: 0,
            k: 0,
        };
        let mut program = vec![zero; INSTRUCTIONS_MAX.max(length)];
        let length = self
            .get_filter(index, Some(&mut program))
            .call_on("ptrace", "PTRACE_SECCOMP_GET_FILTER")?;
        program.truncate(length);
        Ok(Some(program))
    }

    /// Whether the kernel says that it runs under filters.
    fn is_filtered(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid));
        status.is_ok_and(|text| text.lines().any(|line| line == "Seccomp:\t2"))
    }

    /// Length of a program in instructions; its instructions go into `to`.
    fn get_filter(&self, index: usize, to: Option<&mut [Instruction]>) -> Result<usize, Errno> {
        let data = to.map_or(std::ptr::null_mut(), <[Instruction]>::as_mut_ptr);
        #[expect(unsafe_code, reason = "ptrace has no safe wrapper for this request")]
        // SAFETY: the kernel writes at most BPF_MAXINSNS instructions, which `to` has room for, or
        // nothing for a null pointer. `Instruction` has the layout of struct sock_filter.
        let length = unsafe { libc::ptrace(GET_FILTER, self.pid, index, data) };
        let length = Errno::result(length)?;
        usize::try_from(length).map_err(|_negative| Errno::EINVAL)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Fails only when the process has ended meanwhile.
        request(libc::PTRACE_DETACH, self.pid, self.signal).unwrap_or(());
    }
}

/// A request without an address, whose data is a number.
fn request(request: libc::c_uint, pid: i32, data: i32) -> Result<(), Errno> {
    #[expect(
        unsafe_code,
        reason = "ptrace has no safe wrapper in nix without its feature"
    )]
    // SAFETY: these requests take no pointers: the address is null and the data a plain number.
    let code = unsafe { libc::ptrace(request, pid, std::ptr::null_mut::<u8>(), i64::from(data)) };
    Errno::result(code).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// `SECCOMP_RET_ALLOW` for everything, behind one load, so that it is not the shortest there is.
    const HARMLESS: [Instruction; 2] = [
        Instruction {
            code: 0x20,
            jt: 0,
            jf: 0,
            k: 0,
        },
        Instruction {
            code: 0x06,
            jt: 0,
            jf: 0,
            k: 0x7FFF_0000,
        },
    ];

    #[test]
    fn a_process_without_a_filter_has_no_program_and_goes_on() {
        if crate::users::effective() != 0 {
            return;
        }
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        assert_eq!(programs_of(pid).unwrap(), Vec::<Vec<Instruction>>::new());
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "it was left stopped");
    }

    #[test]
    fn an_installed_program_is_read_back_as_it_was_given() {
        if crate::users::effective() != 0 {
            return;
        }
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let confine = || {
            let confined = crate::privileges::set_no_new_privs()
                .and_then(|()| crate::filter::install(&HARMLESS))
                .and_then(|()| crate::filter::install(&HARMLESS[1..]));
            confined.map_err(|error| std::io::Error::from_raw_os_error(error.errno as i32))
        };
        #[expect(unsafe_code, reason = "a filter is installed between fork and exec")]
        // SAFETY: the closure makes system calls and allocates nothing.
        unsafe {
            command.pre_exec(confine)
        };
        let mut child = command.spawn().unwrap();
        let pid = child.id().cast_signed();
        let found = programs_of(pid).unwrap();
        assert_eq!(found, [HARMLESS.to_vec(), HARMLESS[1..].to_vec()]);
        child.stdin.take().unwrap().write_all(b"on").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.stdout.as_slice(), output.status.code()),
            (&b"on"[..], Some(0))
        );
        assert_eq!(programs_of(pid).unwrap_err().errno, Errno::ESRCH);
    }
}
