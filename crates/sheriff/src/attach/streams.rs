//! Whether the command gets our own streams or a terminal of its own.
//!
//! Not for: moving its bytes (`pump`).

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};

use api::attach::Window;
use sys::SysError;

/// Window of a terminal when ours has none, as the VT100 had it.
const WINDOW_WITHOUT_TERMINAL: Window = Window {
    rows: 24,
    columns: 80,
};

/// What stands behind the command's stdin, stdout and stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Our own three descriptors are passed on.
    Own,
    /// A new terminal in the jail; we move its bytes.
    Terminal(Window),
}

impl Streams {
    /// A terminal with the window of ours when one is asked for, else our own streams.
    pub(crate) fn choose(terminal: bool) -> Result<Self, SysError> {
        if !terminal {
            return Ok(Self::Own);
        }
        Ok(Self::Terminal(
            current_window()?.unwrap_or(WINDOW_WITHOUT_TERMINAL),
        ))
    }

    /// The window to ask the daemon for.
    pub(crate) const fn window(self) -> Option<Window> {
        match self {
            Self::Own => None,
            Self::Terminal(window) => Some(window),
        }
    }
}

/// The window of our own terminal: that of stdin, or else of stdout.
pub(super) fn current_window() -> Result<Option<Window>, SysError> {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let terminal: BorrowedFd<'_> = match (stdin.is_terminal(), stdout.is_terminal()) {
        (true, _) => stdin.as_fd(),
        (false, true) => stdout.as_fd(),
        (false, false) => return Ok(None),
    };
    let size = sys::terminal::window(terminal)?;
    Ok(size.map(|(rows, columns)| Window { rows, columns }))
}
