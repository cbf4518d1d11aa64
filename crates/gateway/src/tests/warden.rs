//! A warden that says what a real one would, and remembers what it was asked.

use std::collections::HashMap;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use model::layers::{CgroupLayer, Namespaces};
use model::{ByteSize, ExitReason, ExitRecord, Layers, Limits, Recorded, SessionId};
use tokio::sync::watch;
use warrant::{
    Answer, Ask, Channel, Counters, Ended, KillReason, Launch, Notice, Prepared, ProcessId,
    Refusal, Reload, Reloaded, Request, Tell,
};

/// What the warden was asked, without descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Launch(SessionId),
    Commit(SessionId),
    Exec(SessionId),
    Signal(ProcessId, u8),
    Kill(KillReason),
    Freeze,
    Thaw,
    OpenPorts(Vec<u16>),
    Reload(u32),
}

/// How this warden differs from one whose jails all stand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Script {
    /// What it refuses to do.
    pub(crate) refuses: Refuses,
    /// The command of the jail can't be found.
    pub(crate) no_program: bool,
    /// Further processes do not start, for this reason.
    pub(crate) exec_fails: Option<ExitReason>,
    /// Added to the agent's uid, so that the tests' own is another.
    pub(crate) uid_offset: u32,
}

/// What a warden refuses to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Refuses {
    /// Nothing.
    #[default]
    Nothing,
    /// To build jails.
    Launch,
    /// To freeze them.
    Freeze,
    /// To open further ports.
    Ports,
}

/// A played warden.
#[derive(Debug)]
pub(crate) struct FakeWarden {
    channel: Channel<Tell, Ask>,
    folder: PathBuf,
    script: Script,
    seen: watch::Sender<Vec<Seen>>,
    launches: Mutex<HashMap<SessionId, Brought>>,
    /// Generation and profiles that an operator's reload finds; without, it is refused.
    on_disk: Mutex<Option<(u64, Vec<u8>)>>,
}

/// What came with a launch.
#[derive(Debug)]
pub(crate) struct Brought {
    pub(crate) token: String,
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) record: bool,
    pub(crate) fds: usize,
}

impl FakeWarden {
    /// Answers in a thread until the office closes its end.
    pub(crate) fn start(channel: Channel<Tell, Ask>, folder: &Path, script: Script) -> Arc<Self> {
        let warden = Arc::new(Self {
            channel,
            folder: folder.to_owned(),
            script,
            seen: watch::Sender::new(Vec::new()),
            launches: Mutex::default(),
            on_disk: Mutex::default(),
        });
        let own = Arc::clone(&warden);
        drop(tasks::thread("warden", move || own.answer_all()).unwrap());
        warden
    }

    pub(crate) fn notice(&self, notice: Notice) {
        self.channel.send(&Tell::Notice(notice), &[]).unwrap();
    }

    /// Announces profiles of which the memory file holds these bytes.
    pub(crate) fn reload(&self, generation: u64, bytes: &[u8]) {
        self.reload_by(None, generation, bytes);
    }

    /// What an operator's next reload finds.
    pub(crate) fn put_on_disk(&self, generation: u64, bytes: Vec<u8>) {
        *self.on_disk.lock().unwrap() = Some((generation, bytes));
    }

    fn reload_by(&self, operator: Option<u32>, generation: u64, bytes: &[u8]) {
        let file = sys::fds::memory_file(c"profiles", bytes).unwrap();
        let notice = Tell::Notice(Notice::Profiles(Box::new(Reload {
            generation,
            operator,
            prices: Default::default(),
        })));
        self.channel.send(&notice, &[file.as_fd()]).unwrap();
    }

    pub(crate) fn end(&self, session: &SessionId, record: ExitRecord) {
        self.end_recorded(session, record, None);
    }

    /// The same with what the command called.
    pub(crate) fn end_recorded(
        &self,
        session: &SessionId,
        record: ExitRecord,
        recorded: Option<Recorded>,
    ) {
        let counters = Counters {
            bytes_up: 700,
            bytes_down: 900,
            memory_peak: 4096,
            ..Counters::default()
        };
        let session = session.clone();
        self.notice(Notice::Ended(Box::new(Ended {
            session,
            record,
            counters,
            recorded,
        })));
    }

    /// Hands a jail over to a new office.
    pub(crate) fn adopt(&self, session: &SessionId, profile: &str) {
        let fds = self.sockets(session);
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let notice = Notice::Adopt(
            session.clone(),
            profile.parse().unwrap(),
            Box::new(self.prepared()),
        );
        self.channel.send(&Tell::Notice(notice), &borrowed).unwrap();
    }

    /// Waits until it was asked something that `wanted` accepts.
    pub(crate) async fn until(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.subscribe();
        let all = seen
            .wait_for(|seen| seen.iter().any(&wanted))
            .await
            .unwrap();
        all.iter().find(|one| wanted(one)).unwrap().clone()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// What came with the launch of a session.
    pub(crate) fn brought<T>(&self, session: &SessionId, look: impl Fn(&Brought) -> T) -> T {
        look(self.launches.lock().unwrap().get(session).unwrap())
    }

    /// The gateway socket of a session.
    pub(crate) fn gateway(&self, session: &SessionId) -> PathBuf {
        self.folder.join(format!("{session}.sock"))
    }

    fn answer_all(&self) {
        while let Ok(Some((Ask { tag, request }, fds))) = self.channel.receive() {
            self.answer(tag, request, fds);
        }
    }

    fn answer(&self, tag: u64, request: Request, fds: Vec<OwnedFd>) {
        match request {
            Request::Launch(launch) => self.launch(tag, &launch, fds),
            Request::Commit(session) => self.commit(tag, &session),
            Request::Exec(session, _command) => {
                self.note(Seen::Exec(session));
                let exit = self.script.exec_fails.map(ExitRecord::ended);
                self.say(tag, exit.map_or(Answer::Started(ProcessId(1)), failed));
            }
            Request::Signal(_, process, signal) => {
                self.note(Seen::Signal(process, signal));
                self.say(tag, Answer::Done);
            }
            Request::Kill(session, reason) => {
                self.note(Seen::Kill(reason));
                self.say(tag, Answer::Done);
                self.end(&session, ExitRecord::ended(ExitReason::Killed));
            }
            Request::Freeze(_) => {
                self.note(Seen::Freeze);
                let answer = match self.script.refuses {
                    Refuses::Freeze => Answer::Refused(refusal("freeze", "no freezer")),
                    _ => Answer::Done,
                };
                self.say(tag, answer);
            }
            Request::Thaw(_) => {
                self.note(Seen::Thaw);
                self.say(tag, Answer::Done);
            }
            Request::Counters(_) => self.say(tag, Answer::Counters(Counters::default())),
            Request::OpenPorts(_, ports) => self.open_ports(tag, ports),
            Request::Reload(operator) => self.reload_for(tag, operator),
        }
    }

    fn launch(&self, tag: u64, launch: &Launch, fds: Vec<OwnedFd>) {
        self.note(Seen::Launch(launch.session.clone()));
        if self.script.refuses == Refuses::Launch {
            return self.say(
                tag,
                Answer::Refused(refusal("cgroup", "no memory controller")),
            );
        }
        let count = fds.len();
        let mut token = String::new();
        let file = fds.into_iter().next().unwrap();
        std::fs::File::from(file)
            .read_to_string(&mut token)
            .unwrap();
        let brought = Brought {
            token,
            env: launch.command.env.clone(),
            record: launch.record,
            fds: count,
        };
        let session = launch.session.clone();
        self.launches.lock().unwrap().insert(session, brought);
        let fds = self.sockets(&launch.session);
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let answer = Answer::Prepared(Box::new(self.prepared()));
        self.channel
            .send(&Tell::Answer(tag, answer), &borrowed)
            .unwrap();
    }

    fn commit(&self, tag: u64, session: &SessionId) {
        self.note(Seen::Commit(session.clone()));
        if self.script.no_program {
            self.say(tag, Answer::Refused(refusal("exec", "no such program")));
            self.end(session, ExitRecord::ended(ExitReason::NotFound));
        } else {
            self.say(tag, Answer::Started(ProcessId::MAIN));
        }
    }

    fn open_ports(&self, tag: u64, ports: Vec<u16>) {
        self.note(Seen::OpenPorts(ports.clone()));
        if self.script.refuses == Refuses::Ports {
            return self.say(tag, Answer::Refused(refusal("ports", "no more")));
        }
        let bound = ports
            .iter()
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let fds: Vec<OwnedFd> = bound.map(OwnedFd::from).collect();
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let answer = Tell::Answer(tag, Answer::Opened(ports));
        self.channel.send(&answer, &borrowed).unwrap();
    }

    fn reload_for(&self, tag: u64, operator: u32) {
        self.note(Seen::Reload(operator));
        let found = self.on_disk.lock().unwrap().take();
        let Some((generation, bytes)) = found else {
            let problem = "coder.toml:7: `egress.allow.hots`: unknown key";
            return self.say(tag, Answer::Refused(refusal("reload", problem)));
        };
        self.reload_by(Some(operator), generation, &bytes);
        let reloaded = Reloaded {
            generation,
            restart: vec!["jails".to_owned()],
        };
        self.say(tag, Answer::Reloaded(reloaded));
    }

    fn note(&self, seen: Seen) {
        self.seen.send_modify(|all| all.push(seen));
    }

    fn say(&self, tag: u64, answer: Answer) {
        self.channel.send(&Tell::Answer(tag, answer), &[]).unwrap();
    }

    fn sockets(&self, session: &SessionId) -> Vec<OwnedFd> {
        let tcp = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let udp = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
        let path = self.gateway(session);
        if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
        let gateway = OwnedFd::from(UnixListener::bind(path).unwrap());
        vec![tcp(), tcp(), tcp(), tcp(), udp, gateway]
    }

    fn prepared(&self) -> Prepared {
        Prepared {
            ports: Vec::new(),
            layers: layers(),
            limits: limits(),
            address: [10, 77, 0, 2].into(),
            agent_uid: sys::privileges::effective_user() + self.script.uid_offset,
            build_us: 1500,
        }
    }
}

fn failed(exit: ExitRecord) -> Answer {
    Answer::Refused(Refusal {
        exit: Some(exit),
        ..refusal("exec", "the kernel said no")
    })
}

fn refusal(step: &str, message: &str) -> Refusal {
    Refusal {
        step: step.to_owned(),
        message: message.to_owned(),
        remedy: "see the manual".to_owned(),
        callers_fault: false,
        exit: None,
    }
}

fn limits() -> Limits {
    Limits {
        memory: ByteSize(1 << 30),
        pids: 256,
        cpu_millis: 2000,
        open_files: 4096,
        file_size: ByteSize(1 << 30),
        wall_clock: None,
    }
}

fn layers() -> Layers {
    Layers {
        namespaces: Namespaces {
            user: 1,
            mnt: 2,
            pid: 3,
            net: 4,
            ipc: 5,
            uts: 6,
            cgroup: 7,
        },
        no_new_privs: true,
        seccomp_mode: 2,
        seccomp_filters: 1,
        seccomp_hash: "00".repeat(32),
        seccomp_enforce_hash: None,
        landlock_abi: 6,
        landlock_status: "fully_enforced".to_owned(),
        cap_bounding: "0".repeat(16),
        cap_effective: "0".repeat(16),
        mounts: vec!["/".to_owned()],
        pivoted: true,
        cgroup: CgroupLayer {
            mode: "v2".to_owned(),
            memory_max: 1 << 30,
            swap_max: 0,
            pids_max: 256,
            cpu_millis: 2000,
        },
        uids: [100_000, 100_001],
    }
}
