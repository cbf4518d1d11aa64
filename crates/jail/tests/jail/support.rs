//! A jail to test with, and what its command printed.
//!
//! Not for: assertions.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jail::{
    Cgroups, Command, Filter, Furniture, Jail, JailEvent, Root, Site, Spec, Stdio, View, Workspace,
};
use model::{ByteSize, ExitRecord, Limits, SessionId};
use seccomp::{Arch, Instruction, Program};
use sys::netns::Visit;
use sys::readiness::wait_readable;

/// Longest wait for a jail to do what a test expects.
const PATIENCE: Duration = Duration::from_secs(30);

/// One jail at a time, so that what is timed is timed alone.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// Events that came along with the one that was waited for, by the jail's pid.
    static LATER: RefCell<VecDeque<(i32, JailEvent)>> = const { RefCell::new(VecDeque::new()) };
}

/// A place to make jails in.
pub(crate) struct Yard {
    pub(crate) cgroups: Option<Cgroups>,
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
}

/// Runs a test's body in a process of its own: jails are forks of a process with one thread, which
/// a test runner is not. Says so, and does nothing, without root.
pub(crate) fn in_a_yard(body: impl FnOnce(&Yard)) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("skipped: needs root");
        return;
    }
    let (reader, writer) = sys::readiness::pipe().unwrap();
    sys::clone::fork(|| {
        std::panic::set_hook(Box::new(|panic| {
            // Not `eprintln!`: the runner's capture of it is lost with this process.
            let line = format!("{panic}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }));
        let yard = Yard::open();
        body(&yard);
        drop(yard);
        File::from(writer.try_clone().unwrap())
            .write_all(b"passed")
            .unwrap();
        0
    })
    .unwrap();
    drop(writer);
    let mut verdict = String::new();
    File::from(reader).read_to_string(&mut verdict).unwrap();
    assert_eq!(verdict, "passed", "see the panic above");
}

impl Yard {
    fn open() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(format!("sheriff-{name}"));
        fs::create_dir_all(folder.join("gateway")).unwrap();
        fs::create_dir_all(folder.join("workspace")).unwrap();
        for name in ["", "gateway", "workspace"] {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(folder.join(name), mode).unwrap();
        }
        std::os::unix::fs::chown(folder.join("workspace"), Some(4321), Some(4322)).unwrap();
        Self {
            cgroups: Some(Cgroups::discover(&name).unwrap()),
            folder,
            name,
        }
    }

    pub(crate) fn cgroups(&self) -> &Cgroups {
        self.cgroups.as_ref().unwrap()
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    /// The folder that is at `/run/sheriff` in the jail.
    pub(crate) fn gateway(&self) -> PathBuf {
        self.folder.join("gateway")
    }

    /// A jail for a shell script.
    pub(crate) fn spec(&self, script: &str, stdio: Stdio) -> Spec {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let token = self.folder.join("gateway/token");
        if token.exists() {
            fs::remove_file(token).unwrap();
        }
        let (visit, netns) = Visit::create().unwrap();
        drop(visit);
        let site = Site {
            name: SessionId::from_random(u64::from(number).to_be_bytes()),
            root_uid: 700_000 + number * 2,
            view: View {
                root: Root::Host,
                read_only: Vec::new(),
                tmpfs: Vec::new(),
            },
            workspace_at: "/workspace".into(),
            likely_owner: None,
            limits: limits(),
            program: Arc::new(no_mount()),
            landlock_min_abi: 2,
            netns,
            gateway_dir: self.folder.join("gateway"),
            hostname: "jail-under-test".into(),
        };
        let furniture = Furniture {
            workspace: Workspace::Bound {
                fd: File::open(self.workspace()).unwrap().into(),
                owner_uid: 4321,
                owner_gid: 4322,
                at: "/workspace".into(),
                read_only: false,
            },
            limits: limits(),
            token: sys::fds::memory_file(c"token", b"secret-token").unwrap(),
            trust: None,
            command: shell(script, stdio),
        };
        Spec { site, furniture }
    }

    /// Runs a script to its end; its output and its record.
    pub(crate) fn run(&self, script: &str) -> (String, ExitRecord) {
        self.run_spec(|_| {}, script)
    }

    pub(crate) fn run_spec(
        &self,
        change: impl FnOnce(&mut Spec),
        script: &str,
    ) -> (String, ExitRecord) {
        let (stdio, mut output) = captured();
        let mut spec = self.spec(script, stdio);
        change(&mut spec);
        let mut jail = jail::launch(spec, self.cgroups()).unwrap();
        jail.commit().unwrap();
        let record = until_over(&mut jail);
        drop(jail);
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).unwrap();
        (String::from_utf8_lossy(&bytes).into_owned(), record)
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        drop(self.cgroups.take());
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Standard streams that end up in one pipe.
pub(crate) fn captured() -> (Stdio, File) {
    let (reader, writer) = sys::readiness::pipe().unwrap();
    let null: OwnedFd = File::open("/dev/null").unwrap().into();
    let error = writer.try_clone().unwrap();
    (Stdio::Fds([null, writer, error]), File::from(reader))
}

pub(crate) fn shell(script: &str, stdio: Stdio) -> Command {
    Command {
        argv: vec![c"sh".into(), c"-c".into(), CString::new(script).unwrap()],
        env: vec![c"PATH=/usr/bin:/bin".into(), c"HOME=/home/agent".into()],
        cwd: c"/workspace".into(),
        stdio,
    }
}

/// Pumps until the event; panics when it does not come. Events after it wait for the next call.
pub(crate) fn until<T>(jail: &mut Jail, mut wanted: impl FnMut(JailEvent) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let pid = jail.pid();
    loop {
        let came = jail.pump().unwrap().into_iter().map(|event| (pid, event));
        LATER.with_borrow_mut(|later| later.extend(came));
        while let Some((of, event)) = LATER.with_borrow_mut(VecDeque::pop_front) {
            if of == pid
                && let Some(found) = wanted(event)
            {
                return found;
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "the event never came");
        wait_readable(&jail.poll_fds(), Some(left)).unwrap();
    }
}

pub(crate) fn until_over(jail: &mut Jail) -> ExitRecord {
    until(jail, |event| match event {
        JailEvent::Over { record } => Some(record),
        JailEvent::ExecFailed { message, .. } => {
            eprintln!("exec failed: {message}");
            None
        }
        _ => None,
    })
}

fn limits() -> Limits {
    Limits {
        memory: ByteSize(256 << 20),
        pids: 64,
        cpu_millis: 2000,
        open_files: 256,
        file_size: ByteSize(64 << 20),
        wall_clock: None,
    }
}

/// Everything allowed but `mount`: enough of a program to tell that one is in force.
fn no_mount() -> Filter {
    let mount = seccomp::syscalls::number(Arch::native().unwrap(), "mount").unwrap();
    Filter::new(refusing(&[mount], 0x0005_0001), None)
}

/// Everything allowed but these numbers, which get this return value.
pub(crate) fn refusing(numbers: &[u32], answer: u32) -> Program {
    let answers: Vec<_> = numbers.iter().map(|number| (*number, answer)).collect();
    answering(&answers)
}

/// Everything allowed but these numbers, which get these return values.
pub(crate) fn answering(answers: &[(u32, u32)]) -> Program {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let one = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let mut instructions = vec![one(LOAD, 0, 0, 0)];
    for (number, answer) in answers {
        instructions.push(one(EQUAL, 0, 1, *number));
        instructions.push(one(RETURN, 0, 0, *answer));
    }
    instructions.push(one(RETURN, 0, 0, 0x7fff_0000));
    Program::from_instructions(instructions)
}
