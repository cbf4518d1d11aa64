//! `sheriff run`: a command in a new jail, from its start to its exit code.
//!
//! Not for: goals with budgets and states.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use api::attach::Hello;
use clap::builder::{OsStringValueParser, TypedValueParser};
use model::{ProfileName, Span};

use super::words;
use crate::attach::{Attachment, Ending, Streams, reason};
use crate::failure::Failure;
use crate::render;
use crate::sockets::Sockets;

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
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
    /// Write the session's account to this file as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Runs the command; its exit code is ours.
pub(crate) fn run(args: Args, sockets: &Sockets) -> Result<u8, Failure> {
    // What can fail without a jail fails before there is one.
    let workspace = args
        .workspace
        .as_deref()
        .map(sys::command::open_folder)
        .transpose()
        .map_err(Failure::Workspace)?;
    let report = args.report.as_deref().map(open_report).transpose()?;
    let program = words::program(&args.command);
    let streams = Streams::choose(args.terminal).map_err(crate::attach::AttachError::from)?;
    let attachment = if args.ephemeral {
        Attachment::ephemeral()?
    } else {
        Attachment::open(sockets)?
    };
    let hello = Hello::Run(Box::new(request(args, streams)));
    let ending = attachment.follow(&hello, streams, workspace.as_ref().map(AsFd::as_fd))?;
    if let Some(text) = reason(&ending.record, &program) {
        render::note(&text);
    }
    finish(&ending, report)
}

fn request(args: Args, streams: Streams) -> api::attach::Run {
    api::attach::Run {
        profile: args.profile,
        argv: words::bytes(args.command),
        env: args.env,
        allow: args.allow,
        connect: args.connect,
        limits: args.limit,
        timeout: args.timeout,
        workspace: args.workspace.is_some(),
        terminal: streams.window(),
        record: false,
    }
}

fn open_report(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|source| Failure::Report {
        path: path.to_owned(),
        source,
    })
}

/// Writes the report. A command that succeeded without its report written has not succeeded.
fn finish(ending: &Ending, report: Option<File>) -> Result<u8, Failure> {
    let code = ending.record.code;
    let Some(file) = report else {
        return Ok(code);
    };
    match write_report(ending, file) {
        Err(failure) if code != 0 => {
            render::failure(&failure);
            Ok(code)
        }
        other => other.map(|()| code),
    }
}

fn write_report(ending: &Ending, mut file: File) -> Result<(), Failure> {
    let error = |source| Failure::ReportWrite { source };
    let text = render::pretty(&ending.report).map_err(|source| error(source.into()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .map_err(error)
}
