//! The warden's verbs, each with the answer and the descriptors that it has to bring.
//!
//! Not for: sending and waiting.

use std::os::fd::OwnedFd;

use egress::Listeners;
use model::SessionId;
use warrant::{
    Answer, Command, Counters, KillReason, Launch, Prepared, ProcessId, Reloaded, Request, Stdio,
};

use super::{ANSWER_TIMEOUT, LAUNCH_TIMEOUT, Warden, WardenError};

/// A jail that waits for its start.
#[derive(Debug)]
pub struct Held {
    /// What the kernel confirmed.
    pub prepared: Prepared,
    /// The sockets that came with it.
    pub sockets: Sockets,
}

/// The sockets of one jail.
#[derive(Debug)]
pub struct Sockets {
    /// The proxy's listeners in its cell.
    pub listeners: Listeners,
    /// The listener of its gateway socket.
    pub gateway: OwnedFd,
}

/// A process that runs.
#[derive(Debug)]
pub struct Started {
    /// Its number in its jail.
    pub process: ProcessId,
    /// Master of its terminal, when one was asked for.
    pub terminal: Option<OwnedFd>,
}

impl Sockets {
    /// Puts descriptors in their places: [`warrant::answer::LISTENERS`], then the gateway's, then those of
    /// further ports.
    #[must_use]
    pub fn from_fds(mut fds: Vec<OwnedFd>, ports: &[u16]) -> Option<Self> {
        let usual = fds.len().checked_sub(ports.len())?;
        let further = ports.iter().copied().zip(fds.split_off(usual)).collect();
        let [explicit, http, https, dns_tcp, dns_udp, gateway] = fds.try_into().ok()?;
        let listeners = Listeners {
            explicit,
            http,
            https,
            dns_tcp,
            dns_udp,
            further,
        };
        Some(Self { listeners, gateway })
    }
}

impl Warden {
    /// Has a jail built and held.
    ///
    /// # Errors
    /// [`WardenError`]; after a timeout the jail may yet come to be: end it.
    pub async fn launch(&self, launch: Launch, fds: Vec<OwnedFd>) -> Result<Held, WardenError> {
        let request = Request::Launch(Box::new(launch));
        let (answer, fds) = self.ask(request, fds, LAUNCH_TIMEOUT).await?;
        if let Answer::Prepared(prepared) = answer
            && let Some(sockets) = Sockets::from_fds(fds, &prepared.ports)
        {
            let prepared = *prepared;
            return Ok(Held { prepared, sockets });
        }
        Err(WardenError::Unexpected { request: "launch" })
    }

    /// Starts a held command.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn commit(&self, session: SessionId) -> Result<Started, WardenError> {
        self.start_process(Request::Commit(session), Vec::new())
            .await
    }

    /// Starts a further process.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn exec(
        &self,
        session: SessionId,
        command: Command,
        fds: Vec<OwnedFd>,
    ) -> Result<Started, WardenError> {
        self.start_process(Request::Exec(session, Box::new(command)), fds)
            .await
    }

    /// Sends a signal to a process's group.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn signal(
        &self,
        session: SessionId,
        process: ProcessId,
        signal: u8,
    ) -> Result<(), WardenError> {
        self.act(Request::Signal(session, process, signal)).await
    }

    /// Ends a jail; the notice of its end follows.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn kill(&self, session: SessionId, reason: KillReason) -> Result<(), WardenError> {
        self.act(Request::Kill(session, reason)).await
    }

    /// Stops every process of a jail.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn freeze(&self, session: SessionId) -> Result<(), WardenError> {
        self.act(Request::Freeze(session)).await
    }

    /// Lets the processes of a jail go on.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn thaw(&self, session: SessionId) -> Result<(), WardenError> {
        self.act(Request::Thaw(session)).await
    }

    /// Reads the kernel's counters of a jail.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn counters(&self, session: SessionId) -> Result<Counters, WardenError> {
        let request = Request::Counters(session);
        match self.ask(request, Vec::new(), ANSWER_TIMEOUT).await? {
            (Answer::Counters(counters), _) => Ok(counters),
            _ => Err(WardenError::Unexpected {
                request: "counters",
            }),
        }
    }

    /// Has further ports of a running jail opened; answers with those that were not open already.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn open_ports(
        &self,
        session: SessionId,
        ports: Vec<u16>,
    ) -> Result<Vec<(u16, OwnedFd)>, WardenError> {
        let request = Request::OpenPorts(session, ports);
        match self.ask(request, Vec::new(), ANSWER_TIMEOUT).await? {
            (Answer::Opened(ports), fds) if ports.len() == fds.len() => {
                Ok(ports.into_iter().zip(fds).collect())
            }
            _ => Err(WardenError::Unexpected {
                request: "open_ports",
            }),
        }
    }

    /// Has profiles and configuration read anew; the notices of it come before the answer.
    ///
    /// # Errors
    /// [`WardenError`].
    pub async fn reload(&self, operator: u32) -> Result<Reloaded, WardenError> {
        let request = Request::Reload(operator);
        match self.ask(request, Vec::new(), ANSWER_TIMEOUT).await? {
            (Answer::Reloaded(reloaded), _) => Ok(reloaded),
            _ => Err(WardenError::Unexpected { request: "reload" }),
        }
    }

    async fn start_process(
        &self,
        request: Request,
        fds: Vec<OwnedFd>,
    ) -> Result<Started, WardenError> {
        let name = name(&request);
        match self.ask(request, fds, ANSWER_TIMEOUT).await? {
            (Answer::Started(process), mut fds) if fds.len() <= 1 => Ok(Started {
                process,
                terminal: fds.pop(),
            }),
            _ => Err(WardenError::Unexpected { request: name }),
        }
    }

    async fn act(&self, request: Request) -> Result<(), WardenError> {
        let name = name(&request);
        match self.ask(request, Vec::new(), ANSWER_TIMEOUT).await? {
            (Answer::Done, _) => Ok(()),
            _ => Err(WardenError::Unexpected { request: name }),
        }
    }
}

/// How many stream descriptors a command's streams need.
#[must_use]
pub const fn stream_count(stdio: Stdio) -> usize {
    match stdio {
        Stdio::Inherit => 3,
        Stdio::Terminal { .. } => 0,
    }
}

pub(super) const fn name(request: &Request) -> &'static str {
    match request {
        Request::Launch(_) => "launch",
        Request::Commit(_) => "commit",
        Request::Exec(..) => "exec",
        Request::Signal(..) => "signal",
        Request::Kill(..) => "kill",
        Request::Freeze(_) => "freeze",
        Request::Thaw(_) => "thaw",
        Request::Counters(_) => "counters",
        Request::OpenPorts(..) => "open_ports",
        Request::Reload(_) => "reload",
    }
}
