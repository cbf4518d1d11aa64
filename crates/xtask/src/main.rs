//! Project chores as code: `cargo xtask test`, `demo`, `bench`.
//!
//! Not for: anything that is installed; this binary stays in the source tree.
#![forbid(unsafe_code)]

mod bench;
mod demo;
mod error;
mod fuzz;
mod probe;
mod release;
mod step;
mod test;
mod tree;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;

/// Chores of the Sheriff project.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about, long_about = None)]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Format, lints, unit tests, black-box tests, and as root the privileged suite.
    Test,
    /// Build what is needed and run a program in a jail, with a report of what happened.
    Demo,
    /// Build the three binaries as they are installed, into `target/release`.
    Build,
    /// Build release binaries and measure them beside bwrap, runc and other proxies.
    Bench(bench::Args),
    /// Feed each parser of foreign input with ever new inputs (`fuzz/`), so many seconds each.
    Fuzz(fuzz::Args),
    /// Run the privileged suite in a virtual machine with another kernel and cgroup v2 alone.
    Vm(vm::Args),
    /// The client of the proxy measurements, in a jail and on the host.
    #[command(hide = true)]
    BenchClient {
        #[command(subcommand)]
        task: bench::Task,
    },
    /// The demo's second half, after sudo.
    #[command(hide = true)]
    DemoAsRoot,
    /// The program that the demo runs in its jail.
    #[command(hide = true)]
    Probe,
}

fn main() -> ExitCode {
    let result = match Args::parse().chore {
        Chore::Test => test::run(),
        Chore::Demo => demo::run(),
        Chore::Build => release::run(),
        Chore::Bench(args) => bench::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Vm(args) => vm::run(&args),
        Chore::BenchClient { task } => bench::run_client(task),
        Chore::DemoAsRoot => demo::run_as_root(),
        Chore::Probe => probe::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where a chore's failure is printed"
)]
fn report(error: &Error) -> ExitCode {
    eprintln!("xtask: {error}");
    ExitCode::FAILURE
}
