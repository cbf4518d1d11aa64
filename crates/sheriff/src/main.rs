//! `sheriff`, the operator's command line: reads arguments, runs one command, says how it ended.
//!
//! Not for: anything privileged; the daemon decides, this program asks.
#![forbid(unsafe_code)]

mod args;
mod attach;
mod commands;
mod control;
mod deposit;
mod failure;
mod intake;
mod render;
mod shelf;
mod sockets;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return render::usage(&error, starts_something()),
    };
    match commands::run(cli.command, &cli.sockets) {
        Ok(code) => code.into(),
        Err(failure) => {
            render::failure(&failure);
            failure.exit_code().into()
        }
    }
}

/// Whether the command line, which could not be read, asks for `run`, `exec`, `seccomp record` or
/// `egress learn`.
fn starts_something() -> bool {
    let words = std::env::args_os().skip(1).take_while(|word| word != "--");
    let words: Vec<_> = words.collect();
    let pairs = [["seccomp", "record"], ["egress", "learn"]];
    let records = words
        .windows(2)
        .any(|pair| pairs.iter().any(|it| pair == it));
    records || words.iter().any(|word| word == "run" || word == "exec")
}
