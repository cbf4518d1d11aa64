//! Where log lines go: text on a terminal, JSON lines otherwise, always stderr.
//!
//! Not for: the record of decisions; that is the audit log.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr};

use tracing::Level;
use tracing_subscriber::fmt;

/// The option that sets the level: `--log LEVEL`.
const OPTION: &str = "--log";

/// Starts logging at the level that the arguments name, `info` without one.
pub(crate) fn init(args: impl Iterator<Item = OsString>) {
    let builder = fmt()
        .with_max_level(level(args))
        .with_writer(stderr)
        .with_ansi(false);
    if stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().init();
    }
}

fn level(args: impl Iterator<Item = OsString>) -> Level {
    let named = args.skip_while(|arg| arg != OPTION).nth(1);
    let named = named.and_then(|level| level.to_str()?.parse().ok());
    named.unwrap_or(Level::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_level_from_its_option_and_info_otherwise() {
        let of = |args: &[&str]| level(args.iter().map(OsString::from));
        assert_eq!(of(&["office", "--log", "debug"]), Level::DEBUG);
        assert_eq!(of(&["office", "--log", "loud"]), Level::INFO);
        assert_eq!(of(&["office"]), Level::INFO);
    }
}
