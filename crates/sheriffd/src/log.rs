//! Where log lines go: text on a terminal, JSON lines otherwise, always stderr.
//!
//! Not for: the record of decisions; that is the audit log.

use std::io::{IsTerminal, stderr};

use tracing::Level;
use tracing_subscriber::fmt;

/// Starts logging at this level and above.
pub(crate) fn init(level: Level) {
    let builder = fmt()
        .with_max_level(level)
        .with_writer(stderr)
        .with_ansi(false);
    if stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().init();
    }
}
