//! The only place that prints. Everything passes through the escaping of `text`.
//!
//! Not for: the raw bytes of a terminal session (`attach::pump`).

pub(crate) mod egress;
pub(crate) mod entry;
pub(crate) mod filter;
pub(crate) mod installed;
mod json;
mod output;
pub(crate) mod page;
pub(crate) mod profile;
pub(crate) mod replay;
pub(crate) mod ruling;
pub(crate) mod secret;
pub(crate) mod session;
mod style;
mod syscall;
mod table;
pub(crate) mod text;
pub(crate) mod toml;
pub(crate) mod top;
pub(crate) mod usage;
pub(crate) mod verdict;

use std::io::{self, Write};
use std::process::ExitCode;

use model::exit::EXIT_START_FAILED;

pub(crate) use self::json::pretty;
pub(crate) use self::output::Output;
pub(crate) use self::style::{Paint, Style};
pub(crate) use self::table::Table;

use crate::failure::Failure;

/// Prints clap's own message: help to standard output, errors to standard error.
pub(crate) fn usage(error: &clap::Error, starts: bool) -> ExitCode {
    let code = match error.exit_code() {
        // `run` and `exec` end with their command's code, so a mistake of ours needs one of its own.
        2 if starts => EXIT_START_FAILED,
        code => u8::try_from(code).unwrap_or(u8::MAX),
    };
    match error.print() {
        Ok(()) => code.into(),
        // Nobody reads: the code still says what there was to say.
        Err(_unread) => code.max(1).into(),
    }
}

/// Says on standard error why a command failed, and what to do.
pub(crate) fn failure(failure: &Failure) {
    if !failure.is_worth_saying() {
        return;
    }
    note(&failure.to_string());
    if let Some(remedy) = failure.remedy() {
        say(&format!("  remedy: {}", text::escape(&remedy)));
    }
}

/// Says something about the command on standard error.
pub(crate) fn note(message: &str) {
    let style = Style::of(&io::stderr());
    let name = style.paint(Paint::Bad, "sheriff:");
    say(&format!("{name} {}", text::escape(message)));
}

fn say(line: &str) {
    // When standard error is gone, there is no place left to say so; the exit code remains.
    drop(writeln!(io::stderr().lock(), "{line}"));
}
