//! The daemon's command line.
//!
//! Not for: settings; those are in the configuration file.

use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::Parser;

/// Where the configuration is looked for.
const DEFAULT_CONFIG: &str = "/etc/sheriff/sheriffd.toml";

/// The warden: builds jails and answers the office. Runs as root.
#[derive(Debug, Parser)]
#[command(name = "sheriffd", version, about, long_about = None)]
pub(crate) struct Args {
    /// Configuration file; without one at the default place, built-in settings hold.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use private folders that vanish at the end; users and groups of the host are not needed.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Write the runtime folder's path and a newline to this descriptor once jails can be started.
    #[arg(long, value_name = "FD")]
    pub(crate) ready_fd: Option<RawFd>,
    /// End when this descriptor reads end-of-file.
    #[arg(long, value_name = "FD")]
    pub(crate) lifeline_fd: Option<RawFd>,
    /// Least severe messages to log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log: tracing::Level,
    /// Print the configuration's problems, if any, and exit.
    #[arg(long)]
    pub(crate) check: bool,
}

impl Args {
    /// The configuration file to read, `None` when built-in settings hold.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        let default = || PathBuf::from(DEFAULT_CONFIG);
        match &self.config {
            Some(file) => Some(file.clone()),
            None => Some(default()).filter(|file| !self.ephemeral && file.exists()),
        }
    }
}
