//! One command of a chore, announced, run, and checked.
//!
//! Not for: commands whose output is read (`std::process::Command` as it is).

use std::ffi::OsStr;
use std::process::Command;

use crate::error::Error;
use crate::tree;

/// A command to run from the workspace's root.
#[derive(Debug)]
pub(crate) struct Step {
    command: Command,
}

impl Step {
    /// A cargo command, by the cargo that runs us.
    pub(crate) fn cargo(args: &[&str]) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::program(&cargo, args)
    }

    /// Any program.
    pub(crate) fn program(program: &OsStr, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).current_dir(tree::root());
        Self { command }
    }

    /// Adds a variable to the environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with our own streams.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let command = self.describe();
        announce(&command);
        let start = |source| Error::Start {
            program: command.clone(),
            source,
        };
        let status = self.command.status().map_err(start)?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed { command, status })
    }

    fn describe(&self) -> String {
        let program = std::path::Path::new(self.command.get_program());
        let name = program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_string_lossy();
        let args = self.command.get_args().map(OsStr::to_string_lossy);
        std::iter::once(name)
            .chain(args)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[expect(clippy::print_stderr, reason = "a chore says what it does")]
fn announce(command: &str) {
    eprintln!("xtask: {command}");
}
