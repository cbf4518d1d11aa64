//! A command in a new jail: the options that say what it may, and its way to the end.
//!
//! Not for: what is made of its end, which `run` and `seccomp record` differ in.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use api::attach::Hello;
use clap::builder::{OsStringValueParser, TypedValueParser};
use model::{ProfileName, SecretName, Span};
use policy::Rule;

use super::words;
use crate::attach::{AttachError, Attachment, Ending, Streams, reason};
use crate::failure::Failure;
use crate::render;
use crate::sockets::Sockets;

/// Options of every command that starts a jail.
#[derive(Debug, clap::Args)]
pub(crate) struct Jailed {
    /// Profile of the jail
    #[arg(long, value_name = "NAME", default_value = "base")]
    profile: ProfileName,
    /// Folder that becomes the jail's workspace; opened with your own rights
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Allow a host beyond the profile
    #[arg(long, value_name = "HOST[:PORT]", value_parser = words::allow)]
    pub(crate) allow: Vec<String>,
    /// Allow a host and dial this address for it
    #[arg(long, value_name = "HOST=ADDR:PORT", value_parser = words::connect)]
    connect: Vec<String>,
    /// Let the command use a secret: its hosts are allowed with it, and its variable holds a placeholder
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<SecretName>,
    /// Set an environment variable of the command
    #[arg(long, value_name = "K=V", value_parser = OsStringValueParser::new().try_map(words::env))]
    env: Vec<Vec<u8>>,
    /// Override a limit of the profile
    #[arg(long, value_name = "K=V", value_parser = words::limit)]
    limit: Vec<String>,
    /// End the jail after this time
    #[arg(long, value_name = "TIME", value_parser = words::timeout)]
    timeout: Option<Span>,
    /// Give the command a terminal
    #[arg(short = 't', long)]
    pub(crate) terminal: bool,
    /// Start a daemon for the length of this command, even if one is installed; needs root
    #[arg(long)]
    ephemeral: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// A command whose workspace and streams are there.
#[derive(Debug)]
pub(crate) struct Ready {
    options: Jailed,
    workspace: Option<OwnedFd>,
    streams: Streams,
}

/// What is recorded of a command beyond what always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    Nothing,
    /// Its system calls.
    SystemCalls,
    /// Its requests, all of which are let through.
    Egress,
}

impl Jailed {
    /// The rules of `--connect`.
    pub(crate) fn connections(&self) -> Result<Vec<Rule>, Failure> {
        let rules = self.connect.iter().zip(0..);
        let rules = rules.map(|(text, index)| Ok(Rule::from_cli_connect(text, index)?));
        rules.collect()
    }

    /// What can fail without a jail fails before there is one.
    pub(crate) fn prepare(self) -> Result<Ready, Failure> {
        let opened = self.workspace.as_deref().map(sys::command::open_folder);
        let workspace = opened.transpose().map_err(Failure::Workspace)?;
        let streams = Streams::choose(self.terminal).map_err(AttachError::from)?;
        Ok(Ready {
            options: self,
            workspace,
            streams,
        })
    }
}

impl Ready {
    /// Runs the command to its end, and says what there is to say about it.
    pub(crate) fn follow(self, sockets: &Sockets, watched: Watched) -> Result<Ending, Failure> {
        let (ending, ()) = self.follow_with(sockets, watched, |_, _| ())?;
        Ok(ending)
    }

    /// The same; `last` is done after the end, while the daemon is still there.
    pub(crate) fn follow_with<T>(
        self,
        sockets: &Sockets,
        watched: Watched,
        last: impl FnOnce(&Ending, &Sockets) -> T,
    ) -> Result<(Ending, T), Failure> {
        let Self {
            options,
            workspace,
            streams,
        } = self;
        let program = words::program(&options.command);
        let attachment = if options.ephemeral {
            Attachment::ephemeral()?
        } else {
            Attachment::open(sockets)?
        };
        let request = api::attach::Run {
            profile: options.profile,
            argv: words::bytes(options.command),
            env: options.env,
            allow: options.allow,
            connect: options.connect,
            secrets: options.secrets,
            limits: options.limit,
            timeout: options.timeout,
            workspace: workspace.is_some(),
            terminal: streams.window(),
            record: watched == Watched::SystemCalls,
            learn: watched == Watched::Egress,
        };
        let hello = Hello::Run(Box::new(request));
        let workspace = workspace.as_ref().map(AsFd::as_fd);
        let (ending, last) = attachment.follow_with(&hello, (streams, workspace), last)?;
        if let Some(text) = reason(&ending.record, &program) {
            render::note(&text);
        }
        Ok((ending, last))
    }
}
