//! `sheriffd`, the warden: root, one thread, no network parsing, no secrets.
//!
//! Not for: whatever reads bytes of a jail or of the internet; that is `sheriff-office`.
#![forbid(unsafe_code)]

mod args;
mod authority;
mod command;
mod config;
mod filters;
mod folders;
mod launch;
mod living;
mod log;
mod office;
mod operator;
mod parking;
mod profiles;
mod reload;
mod requests;
mod secrets;
mod site;
mod start;
mod streams;
mod uids;
mod undertaker;
mod warden;
mod welcome;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    log::init(args.log);
    match start::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
