//! Every command: its options, what it does, and in this order in a file of its own.
//!
//! Not for: printing (`render`) or talking to the daemon (`attach`, `control`).

mod audit;
mod doctor;
mod egress;
mod exec;
mod folder;
mod governed;
mod inspect;
pub(crate) mod jailed;
mod kill;
mod logs;
mod pause;
mod profile;
mod ps;
mod reload;
mod resume;
mod run;
mod seccomp;
mod secret;
mod stop;
mod version;
mod words;

use clap::Subcommand;

pub(crate) use self::audit::DEFAULT_DIR as AUDIT_DIR;
pub(crate) use self::doctor::Property;
pub(crate) use self::egress::{
    Bound as EgressBound, Change as ReplayChange, Kind as ReplayKind, Outcome as ReplayOutcome,
    QuestionError, ReplayError, Ruling as EgressRuling, Told as ReplayTold,
    Treatment as EgressTreatment, WrittenError,
};
pub(crate) use self::profile::Finding as ProfileFinding;
pub(crate) use self::profile::Page as ProfilePage;
pub(crate) use self::seccomp::{
    Answer, Attached, Installed, Linted, ListedFilter, ListedState, SeccompError, Summary,
};
pub(crate) use self::secret::ValueError;

use crate::failure::Failure;
use crate::sockets::Sockets;

/// What the command line can be told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command in a new jail
    Run(run::Args),
    /// Run a further command in a living jail
    Exec(exec::Args),
    /// List living jails
    Ps(ps::Args),
    /// Show all about a living jail
    Inspect(inspect::Args),
    /// Show what the audit log has about a session, its egress included
    Logs(logs::Args),
    /// End a jail at once
    Kill(kill::Args),
    /// Ask a jail's command to end, and end the jail when it doesn't
    Stop(stop::Args),
    /// Freeze a jail
    Pause(pause::Args),
    /// Let a frozen jail go on
    Resume(resume::Args),
    /// Have the daemon read profiles and configuration anew, also for living jails
    Reload(reload::Args),
    /// Watch and explain what jails send and ask for
    #[command(subcommand)]
    Egress(egress::Command),
    /// Set, list and remove secrets, which agents use and never hold
    #[command(subcommand)]
    Secret(secret::Command),
    /// Check and show profiles
    #[command(subcommand)]
    Profile(profile::Command),
    /// Ask what system calls a profile permits, and why
    #[command(subcommand)]
    Seccomp(seccomp::Command),
    /// Verify and read the audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Tell whether this host can hold jails, and what to change if not
    Doctor(doctor::Args),
    /// Show the version
    Version(version::Args),
}

/// Runs a command; the result is the exit code of this process.
pub(crate) fn run(command: Command, sockets: &Sockets) -> Result<u8, Failure> {
    match command {
        Command::Run(args) => run::run(args, sockets),
        Command::Exec(args) => exec::run(args, sockets),
        Command::Ps(args) => ps::run(&args, sockets),
        Command::Inspect(args) => inspect::run(&args, sockets),
        Command::Logs(args) => logs::run(&args, sockets),
        Command::Kill(args) => kill::run(&args, sockets),
        Command::Stop(args) => stop::run(&args, sockets),
        Command::Pause(args) => pause::run(&args, sockets),
        Command::Resume(args) => resume::run(&args, sockets),
        Command::Reload(args) => reload::run(&args, sockets),
        Command::Egress(command) => egress::run(command, sockets),
        Command::Secret(command) => secret::run(command, sockets),
        Command::Profile(command) => profile::run(command),
        Command::Seccomp(command) => seccomp::run(command, sockets),
        Command::Audit(command) => audit::run(command),
        Command::Doctor(args) => doctor::run(&args),
        Command::Version(args) => version::run(&args),
    }
}
