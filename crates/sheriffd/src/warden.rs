//! The warden's loop: one thread, one wait, everything else is an event.
//!
//! Not for: what each request means (`requests`), nor how a jail is built (`launch`, crate `jail`).

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use jail::Cgroups;
use network::Pool;
use sys::epoll::Poller;
use sys::signal_queue::{CHILD, HANGUP, SignalQueue};
use warrant::{Notice, Tell};

use crate::config::Config;
use crate::folders::{Folders, OperatorSockets};
use crate::living::{Jails, Living};
use crate::office::{Office, OfficeProgram, Patience};
use crate::operator::Operators;
use crate::parking::Lot;
use crate::profiles::Profiles;
use crate::secrets::Sources;
use crate::uids::Uids;
use crate::welcome::WelcomeError;

/// Tokens of the poller below this are fixed sources; jails count up from it.
pub(crate) const TOKEN_JAILS: u64 = 16;
const TOKEN_SIGNALS: u64 = 0;
const TOKEN_OFFICE: u64 = 1;
const TOKEN_LIFELINE: u64 = 2;

/// Requests taken from the office before other sources get their turn.
const REQUESTS_PER_TURN: usize = 32;
/// How long nothing must have happened before something is made ahead: that takes one to three
/// milliseconds, and a launch consists of several requests that should not wait for it. Longer, and
/// launches in a row would find nothing made ahead.
const QUIET: Duration = Duration::from_millis(3);
/// How long jails may take to end when the daemon stops.
const JAILS_GRACE: Duration = Duration::from_secs(5);
/// How long the office may then take to flush and exit.
const OFFICE_GRACE: Duration = Duration::from_secs(5);

/// Everything the warden is made of.
#[derive(Debug)]
pub(crate) struct Warden {
    pub(crate) config: Config,
    pub(crate) folders: Folders,
    pub(crate) sockets: OperatorSockets,
    /// Where metrics are served beside their socket.
    pub(crate) metrics_tcp: Option<std::os::fd::OwnedFd>,
    pub(crate) profiles: Profiles,
    pub(crate) sources: Sources,
    pub(crate) pool: Pool,
    pub(crate) lot: Lot,
    pub(crate) cgroups: Cgroups,
    pub(crate) uids: Uids,
    pub(crate) operators: Operators,
    pub(crate) jails: Jails,
    pub(crate) poller: Poller,
    pub(crate) program: OfficeProgram,
    pub(crate) office: Option<Office>,
    pub(crate) patience: Patience,
    /// With the making of cells ahead, after it failed.
    pub(crate) supply: Patience,
    pub(crate) restarts: u32,
    pub(crate) stopping: bool,
}

/// The loop can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WardenError {
    #[error(transparent)]
    Sys(#[from] sys::SysError),
    #[error(transparent)]
    Office(#[from] crate::office::OfficeError),
    #[error(transparent)]
    Welcome(#[from] WelcomeError),
}

impl Warden {
    /// Serves until a signal or the lifeline says stop; then ends jails and office, in that order.
    pub(crate) fn run(
        &mut self,
        signals: &SignalQueue,
        lifeline: Option<BorrowedFd<'_>>,
    ) -> Result<(), WardenError> {
        self.poller.add(signals.as_fd(), TOKEN_SIGNALS)?;
        if let Some(lifeline) = lifeline {
            self.poller.add(lifeline, TOKEN_LIFELINE)?;
        }
        self.ensure_office()?;
        while !self.stopping {
            let wait = self.next_wait();
            self.turn(signals, wait)?;
            self.ensure_office()?;
        }
        if let Some(lifeline) = lifeline {
            // Broken, it would read as ready for as long as it is watched.
            self.poller.remove(lifeline)?;
        }
        self.wind_down(signals)
    }

    /// Waits once and deals with what came.
    fn turn(&mut self, signals: &SignalQueue, wait: Option<Duration>) -> Result<(), WardenError> {
        let tokens = self.poller.wait(wait)?;
        if tokens.is_empty() {
            self.get_ahead();
        }
        for token in tokens {
            match token {
                TOKEN_SIGNALS => self.on_signals(signals)?,
                TOKEN_OFFICE => self.on_office(),
                TOKEN_LIFELINE => self.stopping = true,
                jail => self.on_jail(jail),
            }
        }
        self.enforce_deadlines();
        Ok(())
    }

    /// A short while when something is to be made ahead; else until the next deadline.
    fn next_wait(&self) -> Option<Duration> {
        let refill = self.next_refill();
        let deadlines = [self.jails.next_deadline(), self.lot.next_deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        let deadline = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let restart = self.office.is_none().then(|| self.patience.remaining());
        [deadline, restart, refill].into_iter().flatten().min()
    }

    /// How long until something may be made ahead, if anything is missing.
    fn next_refill(&self) -> Option<Duration> {
        let cell = self.pool.is_short().then(|| self.supply.remaining());
        let jail = self.lot.is_short().then_some(Duration::ZERO);
        let soonest = [cell, jail].into_iter().flatten().min()?;
        self.office.is_some().then_some(soonest.max(QUIET))
    }

    fn on_signals(&mut self, signals: &SignalQueue) -> Result<(), WardenError> {
        while let Some(signal) = signals.next()? {
            match signal {
                CHILD => {
                    self.check_office();
                    self.lot.suspect();
                }
                HANGUP => self.reload_on_signal(),
                _interrupt_or_terminate => self.stopping = true,
            }
        }
        Ok(())
    }

    fn on_office(&mut self) {
        for _ in 0..REQUESTS_PER_TURN {
            let Some(office) = &self.office else { return };
            match office.next() {
                Ok(Some((ask, fds))) => self.answer(ask, fds),
                Ok(None) => return self.lose_office("it closed its channel"),
                Err(error) if error.would_block() => return,
                Err(error) => return self.lose_office(&error.to_string()),
            }
        }
    }

    /// A child ended; jails have descriptors of their own, so only the office is looked at here.
    fn check_office(&mut self) {
        if self.office.as_mut().is_some_and(Office::has_ended) {
            self.lose_office("its process ended");
        }
    }

    /// Drops an office that is gone or not to be trusted any more. Jails go on, offline.
    pub(crate) fn lose_office(&mut self, cause: &str) {
        let Some(office) = self.office.take() else {
            return;
        };
        self.patience.lost(office.age());
        // A removal that fails leaves a closed descriptor in the set, which the kernel drops itself.
        drop(self.poller.remove(office.as_fd()));
        let end = office.bury();
        if !self.stopping {
            tracing::error!(
                cause,
                end,
                "office lost; jails are offline until the next one is up"
            );
        }
        // Nobody can put their start on record any more, so they must not start.
        for session in self.jails.uncommitted() {
            self.end_jail(&session, model::ExitReason::StartFailed);
        }
    }

    fn ensure_office(&mut self) -> Result<(), WardenError> {
        if self.office.is_some() || !self.patience.remaining().is_zero() {
            return Ok(());
        }
        let office = self.program.start()?;
        self.poller.add(office.as_fd(), TOKEN_OFFICE)?;
        self.office = Some(office);
        self.welcome()?;
        self.restarts += 1;
        Ok(())
    }

    fn enforce_deadlines(&mut self) {
        for session in self.jails.overdue(Instant::now()) {
            tracing::info!(%session, "wall-clock limit reached");
            self.end_jail(&session, model::ExitReason::Timeout);
        }
    }

    /// Says something to the office; one that can't be told is lost.
    pub(crate) fn tell(&mut self, tell: &Tell, fds: &[BorrowedFd<'_>]) {
        let Some(office) = &self.office else { return };
        if let Err(error) = office.tell(tell, fds) {
            self.lose_office(&error.to_string());
        }
    }

    /// Tells the office something that can wait, if it keeps up; says whether it was told.
    pub(crate) fn offer(&mut self, tell: &Tell) -> bool {
        let offered = self.office.as_ref().map(|office| office.offer(tell));
        offered.is_some_and(|offered| {
            offered.unwrap_or_else(|error| {
                self.lose_office(&error.to_string());
                false
            })
        })
    }

    /// Ends in order: jails (their ends go on record), then the office, then what is left of both.
    fn wind_down(&mut self, signals: &SignalQueue) -> Result<(), WardenError> {
        tracing::info!(jails = self.jails.len(), "stopping");
        self.clear_lot();
        for session in self.jails.ids() {
            self.end_jail(&session, model::ExitReason::DaemonGone);
        }
        let until = Instant::now() + JAILS_GRACE;
        while self.jails.len() > 0 && Instant::now() < until {
            self.turn(signals, Some(Duration::from_millis(50)))?;
        }
        self.tell(&Tell::Notice(Notice::Drain), &[]);
        let until = Instant::now() + OFFICE_GRACE;
        while self.office.is_some() && Instant::now() < until {
            self.turn(signals, Some(Duration::from_millis(50)))?;
        }
        self.lose_office("it did not exit in time");
        Ok(())
    }

    fn on_jail(&mut self, token: u64) {
        let Some(living) = self.jails.by_token(token) else {
            return;
        };
        let session = living.session.clone();
        let pumped = living.jail.pump();
        if !living.silent
            && let Some(fd) = living.jail.silent_fd()
        {
            living.silent = true;
            // Level-triggered, it would wake the loop until the jail is reaped.
            drop(self.poller.remove(fd));
        }
        let events = match pumped {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(%session, %error, "jail can't be heard; ending it");
                return self.end_jail(&session, model::ExitReason::StartFailed);
            }
        };
        for event in events {
            self.on_jail_event(&session, event);
        }
    }

    /// Registers a jail's descriptors and takes it in. One that can't be watched is ended.
    pub(crate) fn take_in(&mut self, living: Living) -> Result<(), sys::SysError> {
        let fds = living.jail.poll_fds();
        let watched = fds
            .into_iter()
            .try_for_each(|fd| self.poller.add(fd, living.token));
        match watched {
            Ok(()) => self.jails.insert(living),
            Err(_) => {
                let Living { jail, ground, .. } = living;
                drop(jail);
                self.clear_ground(ground);
            }
        }
        watched
    }
}
