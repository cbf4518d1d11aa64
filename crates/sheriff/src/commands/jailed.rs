//! A command in a new jail: the options that say what it may, and its way to the end.
//!
//! Not for: what is made of its end, which `run` and `seccomp record` differ in.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use api::attach::Hello;
use clap::builder::{OsStringValueParser, TypedValueParser};
use model::{ProfileName, Span};

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

impl Jailed {
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
    pub(crate) fn follow(self, sockets: &Sockets, record: bool) -> Result<Ending, Failure> {
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
            limits: options.limit,
            timeout: options.timeout,
            workspace: workspace.is_some(),
            terminal: streams.window(),
            record,
        };
        let hello = Hello::Run(Box::new(request));
        let ending = attachment.follow(&hello, streams, workspace.as_ref().map(AsFd::as_fd))?;
        if let Some(text) = reason(&ending.record, &program) {
            render::note(&text);
        }
        Ok(ending)
    }
}
