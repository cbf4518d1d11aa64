//! Starting one program in a jail: what the fork of PID 1 does to itself before exec, and what it
//! says when exec fails.
//!
//! Not for: the restrictions that all programs inherit (`interior`).

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use seccomp::{EXEC_DESCRIPTOR, EXEC_PATH};
use sys::directory::{enter_verified, is_no_exec, open_program, set_creation_mask};
use sys::exec::{StringList, execute, execute_open};
use sys::privileges::{self, Capabilities};
use sys::rlimit::{self, Limit};
use sys::{Errno, SysError, fds, first_page, pty, signals};

use crate::fault::{Layer, omitted};
use crate::filter::Start;
use crate::recording::{Handover, Kept, RECORD_NUMBER};
use crate::wire::{Malformed, Spawn};

/// Where programs are looked up when the environment has no `PATH`.
const PATH_DEFAULT: &[u8] = b"/usr/local/bin:/usr/bin:/bin";
/// Number of the pipe that tells PID 1 how exec went; exec closes it.
const STATUS: i32 = 3;
/// Permission bits that files of the agent lack by default.
const CREATION_MASK: u32 = 0o022;
/// How much of a program is read to find out what it wanted.
const HEAD_BYTES: u64 = 256;
/// How deep into an ELF file its program headers are looked for.
const ELF_HEADERS_MAX: u16 = 64;
/// Exit code of a fork whose exec failed; PID 1 reports the reason instead.
const NOT_STARTED: i32 = 127;
/// Longest message through the pipe: what a pipe takes in one piece is far more.
const MESSAGE_MAX: usize = 512;

/// Arguments and environment.
type Lists<'a> = (&'a StringList<'a>, &'a StringList<'a>);
/// From where, and the limit of open files that the program is to have.
type Way = (Start, u64);

/// The standard streams of a program to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Standard<'a> {
    /// Three descriptors.
    Three([BorrowedFd<'a>; 3]),
    /// A terminal that becomes the program's own.
    Terminal(BorrowedFd<'a>),
}

/// As whom and how a program is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    /// User id of the agent.
    pub(crate) agent: u32,
    /// From where.
    pub(crate) start: Start,
    /// What records it, if it is to be recorded.
    pub(crate) recorded: Option<Handover<'a>>,
}

/// Why a program did not start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotStarted {
    /// Whether exec itself failed, not something before it.
    pub(crate) at_exec: bool,
    /// The kernel's answer.
    pub(crate) errno: Errno,
    /// For the user.
    pub(crate) message: String,
}

impl NotStarted {
    /// Something before exec failed.
    pub(crate) fn because(error: &SysError) -> Self {
        Self {
            at_exec: false,
            errno: error.errno,
            message: error.to_string(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.at_exec)];
        out.extend((self.errno as i32).to_le_bytes());
        let text = self.message.as_bytes();
        out.extend(text.get(..MESSAGE_MAX).unwrap_or(text));
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (head, text) = bytes.split_first_chunk::<5>().ok_or(Malformed)?;
        let [at_exec, errno @ ..] = *head;
        Ok(Self {
            at_exec: at_exec == 1,
            errno: Errno::from_raw(i32::from_le_bytes(errno)),
            message: String::from_utf8_lossy(text).into_owned(),
        })
    }
}

/// Forks; the child becomes the program in the given manner. Returns its pid and the pipe that closes
/// without a word when exec worked ([`read_status`]).
///
/// # Errors
/// `fork`'s and `pipe2`'s.
pub(crate) fn start(
    spawn: &Spawn,
    standard: Standard<'_>,
    manner: Manner<'_>,
) -> Result<(i32, OwnedFd), SysError> {
    let (reader, writer) = sys::readiness::pipe()?;
    // Asked here: once the fork is the agent's, other processes of the agent's can set its limits
    // (prlimit(2)), up to its hard ones.
    let (open_files, _hard) = rlimit::get(Limit::OpenFiles)?;
    let pid = sys::clone::fork(|| {
        let failure = match prepare(&spawn.cwd, standard, manner, &writer) {
            Ok(()) => find_and_execute(spawn, (manner.start, open_files)),
            Err(error) => NotStarted::because(&error),
        };
        // The pipe may have moved to its number already, or not yet.
        let bytes = failure.encode();
        let moved = fds::inherited(STATUS).map(File::from);
        let unmoved = writer.try_clone().map(File::from);
        let wrote = unmoved.is_ok_and(|mut pipe| pipe.write_all(&bytes).is_ok());
        if !wrote && let Ok(mut pipe) = moved {
            drop(pipe.write_all(&bytes));
        }
        NOT_STARTED
    })?;
    Ok((pid, reader))
}

/// What the pipe of a program says, once there is something to read: `None` when exec worked.
pub(crate) fn read_status(pipe: OwnedFd) -> Option<NotStarted> {
    let mut bytes = [0; MESSAGE_MAX + 5];
    // One read: a pipe takes and gives a message of this size in one piece (pipe(7)), while to wait
    // for its end would be to wait for a process that may wait for us.
    let read = File::from(pipe).read(&mut bytes);
    match read.map(|length| bytes.get(..length).unwrap_or_default()) {
        Ok([]) => None,
        Ok(bytes) => NotStarted::decode(bytes).ok(),
        Err(_) => Some(NotStarted {
            at_exec: false,
            errno: Errno::EIO,
            message: "the status pipe broke".into(),
        }),
    }
}

fn prepare(
    cwd: &CStr,
    standard: Standard<'_>,
    manner: Manner<'_>,
    status: &OwnedFd,
) -> Result<(), SysError> {
    // A session of its own: no process of the jail shares a terminal it was not given (TIOCSTI).
    pty::start_session()?;
    place_streams(standard)?;
    // While this is still no process of the agent's user: the connection to the warden and the
    // listener that answers for the seccomp program must never be in one.
    fds::place(status.as_fd(), STATUS)?;
    let recorded = manner.recorded.map(Handover::keep).transpose()?;
    if !omitted(Layer::DescriptorSweep) {
        sweep(recorded.is_some())?;
    }
    let _raw = std::os::fd::IntoRawFd::into_raw_fd(fds::inherited(STATUS)?);
    privileges::set_group(manner.agent)?;
    privileges::set_user(manner.agent)?;
    // The change of user has cleared them already where PID 1 was the jail's root; this clears them
    // whatever it was.
    if !omitted(Layer::Capabilities) {
        privileges::keep_capabilities(0)?;
    }
    check_powerless(manner.agent)?;
    if manner.start == Start::ByDescriptor {
        first_page::require_closed()?;
    }
    signals::reset()?;
    set_creation_mask(CREATION_MASK);
    enter_verified(cwd)?;
    // Last: from here on each call waits for PID 1.
    recorded.map_or(Ok(()), Kept::take_effect)
}

fn sweep(recorded: bool) -> Result<(), SysError> {
    if !recorded {
        return fds::close_from(STATUS + 1);
    }
    fds::close_between(STATUS + 1, RECORD_NUMBER - 1)?;
    fds::close_from(RECORD_NUMBER + 1)
}

fn place_streams(standard: Standard<'_>) -> Result<(), SysError> {
    let streams = match standard {
        Standard::Three(streams) => streams,
        Standard::Terminal(terminal) => {
            pty::take_control(terminal)?;
            [terminal; 3]
        }
    };
    for (number, fd) in (0..).zip(streams) {
        fds::place(fd, number)?;
    }
    Ok(())
}

/// The last look before hostile code: no capability in any set, and none to be had by exec.
fn check_powerless(agent: u32) -> Result<(), SysError> {
    let none = Capabilities {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    };
    let powerless = omitted(Layer::Capabilities) || privileges::capabilities()? == none;
    let bound = omitted(Layer::NoNewPrivs) || privileges::has_no_new_privs()?;
    if powerless && bound {
        return Ok(());
    }
    Err(SysError::new(
        "capget",
        format!("user {agent} kept privileges"),
        Errno::EPERM,
    ))
}

/// Returns only when something failed.
fn find_and_execute(spawn: &Spawn, way: Way) -> NotStarted {
    let lists = (&StringList::new(&spawn.argv), &StringList::new(&spawn.env));
    let Some(name) = spawn.argv.first().filter(|name| !name.is_empty()) else {
        return explain(c"", Errno::ENOENT);
    };
    if name.as_bytes().contains(&b'/') {
        return attempt(name, lists, way);
    }
    let mut refused = None;
    for folder in search_path(&spawn.env).split(|byte| *byte == b':') {
        let Ok(path) = CString::new([folder, b"/", name.as_bytes()].concat()) else {
            continue;
        };
        let failure = attempt(&path, lists, way);
        let absent = matches!(failure.errno, Errno::ENOENT | Errno::ENOTDIR) && !exists(&path);
        if !absent {
            refused.get_or_insert(failure);
        }
    }
    refused.unwrap_or_else(|| explain(name, Errno::ENOENT))
}

/// Executes one path; returns why that failed.
fn attempt(path: &CStr, (argv, env): Lists<'_>, (start, open_files): Way) -> NotStarted {
    match start {
        Start::ByPath => explain(path, execute(path, argv, env)),
        Start::ByDescriptor => match place_program(path, open_files) {
            Ok(program) => explain_open(path, execute_open(program.as_fd(), EXEC_PATH, argv, env)),
            Err(error) => explain(path, error.errno),
        },
    }
}

/// Puts a program at the one number from which it may be started, and takes the number out of reach
/// for good: at once, since nothing can be taken back after exec.
fn place_program(path: &CStr, open_files: u64) -> Result<OwnedFd, SysError> {
    let program = open_program(path)?;
    // Those that can't be executed must not use up the only try.
    let found = as_path(path).metadata();
    if !found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0) {
        return Err(SysError::new("execveat", shown(path), Errno::EACCES));
    }
    let number = i32::try_from(EXEC_DESCRIPTOR).unwrap_or(i32::MAX);
    rlimit::set(Limit::OpenFiles, u64::from(EXEC_DESCRIPTOR) + 1)?;
    let placed = fds::place_until_exec(program.as_fd(), number);
    rlimit::set(Limit::OpenFiles, open_files)?;
    placed
}

fn search_path(env: &[CString]) -> &[u8] {
    env.iter()
        .find_map(|entry| entry.as_bytes().strip_prefix(b"PATH="))
        .unwrap_or(PATH_DEFAULT)
}

fn as_path(path: &CStr) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()))
}

fn shown(path: &CStr) -> String {
    path.to_string_lossy().into_owned()
}

fn exists(path: &CStr) -> bool {
    as_path(path).symlink_metadata().is_ok()
}

/// Says what was missing or forbidden. Runs as the agent, in the jail: it reads what the agent may
/// read, and nothing else.
fn explain(path: &CStr, errno: Errno) -> NotStarted {
    let shown = path.to_string_lossy();
    let message = match errno {
        Errno::ENOENT if exists(path) => match interpreter(as_path(path)) {
            Some(name) => format!("{shown}: its interpreter {name} is not in the jail"),
            None => format!("{shown}: a part it needs is not in the jail"),
        },
        Errno::ENOENT => format!("{shown}: not found in the jail"),
        Errno::EACCES if is_no_exec(path).unwrap_or(false) => {
            format!("{shown}: on a file system mounted noexec")
        }
        Errno::EACCES => format!("{shown}: not executable, or no rule of the jail allows it"),
        Errno::ENOEXEC => format!("{shown}: for another architecture, or without a #! line"),
        other => format!("{shown}: {other}"),
    };
    NotStarted {
        at_exec: true,
        errno,
        message,
    }
}

/// The same for a program that was executed from its descriptor, which no interpreter can open.
fn explain_open(path: &CStr, errno: Errno) -> NotStarted {
    let mut head = Vec::new();
    let read = File::open(as_path(path)).map(|file| file.take(2).read_to_end(&mut head));
    if errno != Errno::ENOENT || read.is_err() || head != b"#!" {
        return explain(path, errno);
    }
    let shown = path.to_string_lossy();
    NotStarted {
        at_exec: true,
        errno: Errno::ENOEXEC,
        message: format!(
            "{shown}: a script, and this jail starts one program only: name its interpreter first, \
             as in `sh {shown}`"
        ),
    }
}

/// The interpreter that a script or an ELF file names.
fn interpreter(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut head = Vec::new();
    Read::by_ref(&mut file)
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .ok()?;
    let name = match head.strip_prefix(b"#!") {
        Some(line) => {
            let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii();
            line.split(u8::is_ascii_whitespace).next()?.to_vec()
        }
        None => elf_interpreter(&mut file, &head)?,
    };
    Some(String::from_utf8_lossy(&name).into_owned())
}

/// `PT_INTERP` of a 64-bit little-endian ELF file (elf(5)).
fn elf_interpreter(file: &mut File, head: &[u8]) -> Option<Vec<u8>> {
    const PT_INTERP: u32 = 3;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let long = |bytes: &[u8], at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let short =
        |bytes: &[u8], at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (table, size, count) = (long(head, 32)?, short(head, 54)?, short(head, 56)?);
    for index in 0..count.min(ELF_HEADERS_MAX) {
        let at = table.checked_add(u64::from(index) * u64::from(size))?;
        let header = read_at(file, at, 56)?;
        if u32::from_le_bytes(*header.first_chunk()?) == PT_INTERP {
            let length = long(&header, 32)?.min(HEAD_BYTES);
            let name = read_at(file, long(&header, 8)?, length)?;
            return name.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
        }
    }
    None
}

fn read_at(file: &mut File, at: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at)).ok()?;
    file.take(length).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
