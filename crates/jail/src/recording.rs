//! PID 1 and the calls of a recorded command: it counts each, and lets it go on.
//!
//! Not for: deciding. The program that enforces the profile is beneath: PID 1 installed it on itself,
//! and the command's process put the recording one above before its exec. The kernel asks both and
//! takes the strictest answer, so a refused call is refused by it alone, and never heard of here; what
//! is heard of was permitted, and goes on whatever this sees (`sys::listener::recorder`). So nothing
//! is gained by whoever changes arguments in memory meanwhile.
//!
//! A chain of programs can have one listener only. That of a recording jail is this one, so there its
//! denials are enforced and not reported.
//!
//! PID 1 itself is not under the recording program, and never waits for the command's process.

use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Recorded;
use model::recorded::NUMBERS_MAX;
use seccomp::{Arch, RECORD_DESCRIPTOR};
use sys::filter::Instruction;
use sys::listener::Waiting;
use sys::listener::recorder::{Pending, Recorder, install_and_hand_over};
use sys::seqpacket::Seqpacket;
use sys::{SysError, fds};

use crate::filter::Filter;
use crate::wire::Report;

/// [`RECORD_DESCRIPTOR`], as descriptors are numbered.
pub(crate) const RECORD_NUMBER: i32 = RECORD_DESCRIPTOR.cast_signed();
/// Calls that are let go on before everything else has its turn again.
const CALLS_PER_TURN: usize = 64;
/// How often the warden is told while there is news, so that the record of a command that is killed
/// lacks no more than the last moment.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The record of the jail's command.
#[derive(Debug)]
pub(crate) struct Recording {
    filter: Arc<Filter>,
    stage: Stage,
    /// By number.
    counts: Vec<u64>,
    odd: u64,
    last: Option<usize>,
    /// Whether the command runs: before, calls are those of the process that becomes it.
    begun: bool,
    told: Instant,
    news: bool,
}

#[derive(Debug)]
enum Stage {
    /// The socket pair that the listener will come over. It was made before PID 1 confined itself,
    /// so no profile need permit making one.
    Prepared { ours: Seqpacket, theirs: Seqpacket },
    /// A process was started that will send it.
    Awaited(Seqpacket),
    /// It is here.
    Served(Recorder),
    /// There is nothing to hear any more.
    Silent,
}

/// What a process needs so that it is recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handover<'a> {
    /// The program to install, right before exec.
    pub(crate) program: &'a [Instruction],
    /// Where to send the listener.
    pub(crate) socket: BorrowedFd<'a>,
}

/// The same in the process that is to be recorded, after PID 1's other descriptors went.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    program: &'a [Instruction],
    socket: OwnedFd,
}

impl<'a> Handover<'a> {
    /// Puts the socket at the one number that the recording program lets pass.
    ///
    /// # Errors
    /// `dup3`'s.
    pub(crate) fn keep(self) -> Result<Kept<'a>, SysError> {
        let socket = fds::place_until_exec(self.socket, RECORD_NUMBER)?;
        let program = self.program;
        Ok(Kept { program, socket })
    }
}

impl Kept<'_> {
    /// Installs the program and hands its listener over. From then on each call of this process
    /// waits for PID 1, so it stands right before exec.
    ///
    /// # Errors
    /// `seccomp`'s.
    pub(crate) fn take_effect(self) -> Result<(), SysError> {
        install_and_hand_over(self.program, self.socket.as_fd())?;
        // Exec closes it.
        let _raw = self.socket.into_raw_fd();
        Ok(())
    }
}

impl Recording {
    /// Gets ready to record, if these programs are for that.
    ///
    /// # Errors
    /// `socketpair`'s.
    pub(crate) fn prepare(filter: &Arc<Filter>) -> Result<Option<Self>, SysError> {
        if filter.record().is_none() {
            return Ok(None);
        }
        let (ours, theirs) = Seqpacket::pair()?;
        Ok(Some(Self {
            filter: Arc::clone(filter),
            stage: Stage::Prepared { ours, theirs },
            counts: vec![0; NUMBERS_MAX],
            odd: 0,
            last: None,
            begun: false,
            told: Instant::now(),
            news: false,
        }))
    }

    /// For the one process that is to be recorded; `None` once it was started.
    pub(crate) fn handover(&self) -> Option<Handover<'_>> {
        match (&self.stage, self.filter.record()) {
            (Stage::Prepared { theirs, .. }, Some(record)) => Some(Handover {
                program: &record.instructions,
                socket: theirs.as_fd(),
            }),
            _ => None,
        }
    }

    /// The process was started.
    pub(crate) fn expect(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Silent);
        if let Stage::Prepared { ours, .. } = stage {
            self.stage = Stage::Awaited(ours);
        }
    }

    /// Readable when [`Self::serve`] has something to do.
    pub(crate) fn watched(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Prepared { .. } | Stage::Silent => None,
            Stage::Awaited(socket) => Some(socket.as_fd()),
            Stage::Served(recorder) => Some(recorder.as_fd()),
        }
    }

    /// Takes the listener, or lets calls go on. Never waits.
    ///
    /// # Errors
    /// Those of the socket and the listener.
    pub(crate) fn serve(&mut self) -> Result<(), SysError> {
        let next = match std::mem::replace(&mut self.stage, Stage::Silent) {
            Stage::Awaited(socket) => take_listener(&socket)?,
            Stage::Served(recorder) => self.count_calls(recorder)?,
            other => other,
        };
        self.stage = next;
        Ok(())
    }

    /// The command runs. All that was heard of before its exec is ours, but for the last call, which
    /// was the exec: exec closes the pipe that says so before the new program's first instruction,
    /// and until then calls are taken one a turn.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
        self.counts.fill(0);
        self.odd = 0;
        if let Some(count) = self.last.and_then(|exec| self.counts.get_mut(exec)) {
            *count = 1;
        }
    }

    /// How long until the warden may be told, if there is news.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let due = || TELL_EVERY.saturating_sub(self.told.elapsed());
        (self.news && self.begun).then(due)
    }

    /// Tells the warden what was counted so far, if that is due. It may be busy, and calls wait, so
    /// what can't be told at once is told later.
    pub(crate) fn catch_up(&mut self, control: &Seqpacket) {
        if self.wait().is_some_and(|left| left.is_zero()) {
            self.told = Instant::now();
            self.news = !matches!(control.offer(&self.report()), Ok(true));
        }
    }

    /// Tells it in any case: there is no later.
    ///
    /// # Errors
    /// `sendmsg`'s.
    pub(crate) fn conclude(&self, control: &Seqpacket) -> Result<(), SysError> {
        if self.begun {
            control.send(&self.report(), &[])?;
        }
        Ok(())
    }

    fn report(&self) -> Vec<u8> {
        let calls = (0..).zip(self.counts.iter().copied());
        let recorded = Recorded {
            calls: calls.filter(|(_, count)| *count > 0).collect(),
            odd: self.odd,
        };
        Report::Recorded(recorded).encode()
    }

    fn count_calls(&mut self, mut recorder: Recorder) -> Result<Stage, SysError> {
        let most = if self.begun { CALLS_PER_TURN } else { 1 };
        for _ in 0..most {
            match recorder.pending()? {
                Pending::Nothing => break,
                Pending::Over => return Ok(Stage::Silent),
                Pending::Call => {}
            }
            if let Some(call) = recorder.receive()? {
                self.count(&call);
                recorder.let_go_on_undecided(&call)?;
            }
        }
        Ok(Stage::Served(recorder))
    }

    fn count(&mut self, call: &Waiting) {
        let native = Arch::native().is_some_and(|arch| arch.audit() == call.arch);
        let index = usize::try_from(call.number).ok().filter(|_index| native);
        let slot = match index.and_then(|index| self.counts.get_mut(index)) {
            Some(count) => {
                self.last = index;
                count
            }
            None => &mut self.odd,
        };
        *slot = slot.saturating_add(1);
        self.news = true;
    }
}

/// The listener, unless the process ended before it sent one.
fn take_listener(socket: &Seqpacket) -> Result<Stage, SysError> {
    let message = socket.receive()?;
    match message.and_then(|message| message.fds.into_iter().next()) {
        Some(listener) => Ok(Stage::Served(Recorder::received(listener)?)),
        None => Ok(Stage::Silent),
    }
}
