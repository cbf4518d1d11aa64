//! From an operator's request to a running command, in the order *check, build, serve, record, start*.
//!
//! Not for: what happens afterwards (`ending`), nor for judging what a jail may have; the warden does
//! that from its own configuration.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use api::attach::Run;
use audit::{Event, Kind, LogError, Principal, Receipt};
use model::SessionId;
use serde_json::json;
use vault::Wallet;
use warrant::{ArgumentError, Command, KillReason, Launch, PortsError, Prepared, ProcessId};

use crate::exec::is_programs_fault;
use crate::granted::{self, SecretError};
use crate::learning::{self, LearningError};
use crate::policies::{PolicyError, Resolved};
use crate::ports::further_ports;
use crate::registry::RegistryError;
use crate::saved::{Saved, SavedError};
use crate::session::{Carried, Facts};
use crate::token::{RandomError, Token};
use crate::trust::{Trust, TrustError};
use crate::warden::{Held, Sockets, Started, WardenError, stream_count};
use crate::{Office, Session, command, environment};

/// How long the connections of a session that did not start may take to close; there are none yet.
const GRACE: Duration = Duration::from_millis(100);

/// Wait for the end of a jail whose command could not be executed; its PID 1 ends at once.
const EXEC_FAILED_WAIT: Duration = Duration::from_secs(5);

/// A request with what came along with it.
#[derive(Debug)]
pub struct LaunchRequest {
    /// What the client wrote.
    pub run: Run,
    /// Its descriptors: streams, then the workspace.
    pub fds: Vec<OwnedFd>,
    /// Its connection; the warden reads the peer's credentials from it.
    pub connection: OwnedFd,
    /// Its user, as the kernel says.
    pub operator_uid: u32,
}

/// A command that runs.
#[derive(Debug)]
pub struct Launched {
    /// Its session.
    pub session: Arc<Session>,
    /// Its terminal's master, when one was asked for.
    pub terminal: Option<OwnedFd>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The command line breaks a bound.
    #[error(transparent)]
    Command(#[from] ArgumentError),
    /// A profile, rule or limit is none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The descriptors are not those that the request speaks of.
    #[error("the request came with {got} descriptors instead of {wanted}")]
    Descriptors {
        /// How many it needs.
        wanted: usize,
        /// How many there were.
        got: usize,
    },
    /// It may not learn.
    #[error(transparent)]
    Learning(#[from] LearningError),
    /// It names a secret that it can't have.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The rules name ports that can't be opened.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// No room.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The token's file could not be made.
    #[error("token: {0}")]
    Token(#[source] sys::SysError),
    /// The certificate authority that the rules need could not be made.
    #[error("certificate authority: {0}")]
    Trust(#[from] TrustError),
    /// The warden refused or failed.
    #[error(transparent)]
    Warden(#[from] WardenError),
    /// The proxy could not serve the jail.
    #[error("proxy: {0}")]
    Proxy(#[from] egress::ServeError),
    /// The gateway could not serve the jail.
    #[error("gateway: {0}")]
    Gateway(#[source] std::io::Error),
    /// The start could not be put on record.
    #[error("the start is not on record: {0}")]
    NotRecorded(#[from] LogError),
    /// The session's state could not be written down.
    #[error("the session's state is not written down: {0}")]
    NotSaved(#[from] SavedError),
    /// The office is going away.
    #[error("the office is closing")]
    Closing,
}

/// A request that was checked.
struct Order {
    session: SessionId,
    resolved: Resolved,
    wallet: Arc<Wallet>,
    ports: Vec<u16>,
    trust: Option<Trust>,
    command: Command,
    run: Run,
    operator_uid: u32,
}

impl Office {
    /// Builds a jail for a request and starts its command once that is on record.
    ///
    /// Run it to its end: a launch that is dropped on the way leaves a held jail to the warden.
    ///
    /// # Errors
    /// [`LaunchError`]; nothing is left running then, and the refusal is on record.
    pub async fn launch(self: &Arc<Self>, request: LaunchRequest) -> Result<Launched, LaunchError> {
        let uid = request.operator_uid;
        let profile = request.run.profile.clone();
        let launched = self.try_launch(request).await;
        if let Err(error) = &launched {
            let data = json!({ "profile": profile, "reason": error.to_string() });
            let refused = Event::new(Kind::SessionRefused, Principal::Operator { uid });
            self.parts.recorder.note(refused.data(data)).await;
        }
        launched
    }

    async fn try_launch(self: &Arc<Self>, request: LaunchRequest) -> Result<Launched, LaunchError> {
        let turn = self.launches.acquire().await;
        let turn = turn.map_err(|_closed| LaunchError::Closing)?;
        let LaunchRequest {
            run,
            fds,
            connection,
            operator_uid,
        } = request;
        let order = self.check(run, fds.len(), operator_uid)?;
        let token = Token::draw()?;
        let asked = self.record_prepared(&order).await?;
        let session = self.enter(&order, &token, asked)?;
        let mut sent = vec![token.file().map_err(LaunchError::Token)?, connection];
        sent.extend(fds);
        if let Some(trust) = &order.trust {
            sent.extend(trust.files()?);
        }
        let started = self.build_and_start(&session, order, sent).await;
        drop(turn);
        match started {
            Ok(started) => Ok(Launched {
                session,
                terminal: started.terminal,
            }),
            Err(error) => {
                self.abandon(&session).await;
                Err(error)
            }
        }
    }

    /// Everything that can be judged without touching anything.
    fn check(&self, run: Run, fds: usize, operator_uid: u32) -> Result<Order, LaunchError> {
        let stdio = command::stdio(run.terminal);
        let wanted = stream_count(stdio) + usize::from(run.workspace);
        if fds != wanted {
            return Err(LaunchError::Descriptors { wanted, got: fds });
        }
        learning::check(&run, operator_uid, self.parts.learn)?;
        let brought = granted::rules(&run, &self.parts.vault)?;
        let resolved = self.parts.policies.resolve_with(&run, brought)?;
        let wallet = granted::wallet(resolved.policy(), &self.parts.vault)?;
        let ports = further_ports(resolved.policy())?;
        let session = SessionId::from_random(crate::random()?);
        let trust = Trust::new(&session, resolved.policy(), &self.parts.roots)?;
        let command = Command {
            argv: run.argv.clone(),
            env: run.env.clone(),
            stdio,
        };
        command.validate()?;
        let command = Command {
            env: environment::complete(
                granted::add_to(command.env, &wallet),
                &session,
                trust.is_some(),
            ),
            ..command
        };
        command.validate()?;
        Ok(Order {
            session,
            resolved,
            wallet,
            ports,
            trust,
            command,
            run,
            operator_uid,
        })
    }

    async fn record_prepared(&self, order: &Order) -> Result<Receipt, LogError> {
        let data = json!({
            "profile": order.run.profile,
            "command": command::summary(&order.run.argv),
        });
        let event = self.event(Kind::SessionPrepared, order).data(data);
        self.parts.recorder.append(event).await
    }

    fn event(&self, kind: Kind, order: &Order) -> Event {
        let uid = order.operator_uid;
        Event::new(kind, Principal::Operator { uid }).session(order.session.clone())
    }

    /// Makes the session known before the warden hears of it, so that no notice finds it missing.
    fn enter(
        &self,
        order: &Order,
        token: &Token,
        asked: Receipt,
    ) -> Result<Arc<Session>, LaunchError> {
        let facts = Facts {
            session: order.session.clone(),
            profile: order.run.profile.clone(),
            command: command::summary(&order.run.argv),
            operator_uid: order.operator_uid,
            token: token.hash(),
            allow: order.run.allow.clone(),
            connect: order.run.connect.clone(),
            secrets: order.run.secrets.clone(),
            secret_hosts: granted::hosts(&order.run.secrets, &order.wallet),
            learn: order.run.learn,
            placeholders: granted::placeholders(&order.wallet),
        };
        let carried = Carried::default();
        let trust = order.trust.as_ref();
        let authority = trust.map(|trust| Arc::clone(&trust.authority));
        let rules = order.resolved.rules(
            order.session.clone(),
            &carried,
            (authority, Arc::clone(&order.wallet)),
        );
        let servers = self.parts.group.child("session");
        let session = Session::new(facts, (rules, carried), asked.time, servers);
        let session = Arc::new(session);
        self.registry.insert(Arc::clone(&session))?;
        Ok(session)
    }

    async fn build_and_start(
        self: &Arc<Self>,
        session: &Arc<Session>,
        order: Order,
        fds: Vec<OwnedFd>,
    ) -> Result<Started, LaunchError> {
        let event = self.event(Kind::SessionStarted, &order);
        let launch = Launch {
            session: order.session,
            profile: order.run.profile,
            generation: session.rules().generation,
            command: order.command,
            workspace: order.run.workspace,
            limits: order.run.limits,
            timeout: order.run.timeout,
            record: order.run.record,
            ports: order.ports,
            trust: match order.trust {
                Some(_) => warrant::Trust::Own,
                None => warrant::Trust::Host,
            },
        };
        let Held { prepared, sockets } = self.parts.warden.launch(launch, fds).await?;
        let data = started_data((&order.run.argv, order.run.record), session, &prepared);
        self.serve(session, prepared, sockets)?;
        let receipt = self.parts.recorder.append(event.data(data)).await?;
        if let Some(trust) = order.trust {
            self.parts
                .saved
                .write_authority(session.id(), &trust.authority)?;
        }
        self.parts.saved.write(&Saved::of(session))?;
        self.start(session, receipt).await
    }

    /// Serves a jail's cell and gateway. From here on it has what its policy allows it.
    pub(crate) fn serve(
        &self,
        session: &Arc<Session>,
        prepared: Prepared,
        sockets: Sockets,
    ) -> Result<(), LaunchError> {
        session.set_prepared(prepared);
        let egress = Arc::clone(session.egress());
        self.parts.proxy.serve(egress, sockets.listeners)?;
        let opened = self.parts.door.open(Arc::clone(session), sockets.gateway);
        opened.map_err(LaunchError::Gateway)
    }

    /// The start is on record. A command that then does not start has its end recorded too.
    async fn start(
        self: &Arc<Self>,
        session: &Arc<Session>,
        receipt: Receipt,
    ) -> Result<Started, LaunchError> {
        // Running from here on: the command may have spoken before the warden's answer is heard.
        self.go_on(session, receipt);
        let committed = self.parts.warden.commit(session.id().clone()).await;
        match committed {
            Ok(started) => Ok(started),
            Err(WardenError::Refused(refusal)) if self.is_over(session).await => {
                // No such program, or none that can be executed: an end like any other.
                tracing::debug!(session = %session.id(), reason = refusal.message, "exec failed");
                Ok(Started {
                    process: ProcessId::MAIN,
                    terminal: None,
                })
            }
            Err(error) => {
                self.record_failed_start(session).await;
                Err(error.into())
            }
        }
    }

    fn go_on(self: &Arc<Self>, session: &Arc<Session>, receipt: Receipt) {
        match session.start(receipt.time) {
            Ok(()) => self.spawn_guard(Arc::clone(session)),
            Err(error) => tracing::error!(session = %session.id(), %error, "started twice"),
        }
    }

    /// Whether the jail of a command that could not be executed ends by itself, as it should.
    async fn is_over(&self, session: &Session) -> bool {
        let ended = tokio::time::timeout(EXEC_FAILED_WAIT, session.gone()).await;
        ended.is_ok_and(|ended| is_programs_fault(ended.record.reason))
    }

    /// Takes back all that a launch has done.
    async fn abandon(&self, session: &Session) {
        let id = session.id().clone();
        match self.parts.warden.kill(id, KillReason::NotRecorded).await {
            Ok(()) | Err(WardenError::Refused(_) | WardenError::Gone) => {}
            Err(error) => tracing::error!(session = %session.id(), %error, "jail not ended"),
        }
        session.servers().close(GRACE).await;
        session.egress().close(GRACE).await;
        if let Err(error) = self.parts.saved.remove(session.id()) {
            tracing::error!(session = %session.id(), %error, "state not removed");
        }
        self.registry.remove(session.id());
    }
}

/// What the chain says of a start. The environment is not in it: it may hold what nobody should read.
fn started_data(
    (argv, recording): (&[Vec<u8>], bool),
    session: &Session,
    prepared: &Prepared,
) -> serde_json::Value {
    let facts = session.facts();
    audit::canonical::tame(json!({
        "profile": facts.profile,
        "argv": command::listed(argv),
        "arguments": argv.len(),
        "operator_uid": facts.operator_uid,
        "allow": facts.allow,
        "connect": facts.connect,
        "layers": prepared.layers,
        "limits": prepared.limits,
        "address": prepared.address,
        "ports": prepared.ports,
        "agent_uid": prepared.agent_uid,
        "build_us": prepared.build_us,
        "policy_generation": session.rules().generation,
        "recording": recording,
        "learning": facts.learn,
    }))
}
