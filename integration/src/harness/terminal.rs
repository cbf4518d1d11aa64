//! A terminal that we hold, with a `sheriff run -t` at its other end.
//!
//! Not for: what a terminal shows; the bytes are taken as they come.

use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::PATIENCE;
use super::child::{Child, State};

/// A running command and our side of its terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: File,
    child: Child,
}

impl Terminal {
    /// Starts the command as the leader of a session of its own with a new terminal.
    pub(super) fn start(command: &Command, window: (u16, u16)) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        resize(&master, window);
        let path = ptsname(&master, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(path.as_bytes());
        let slave = || {
            let options =
                rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
            let mode = rustix::fs::Mode::empty();
            Stdio::from(rustix::fs::open(path, options, mode).unwrap())
        };
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program());
        leader.args(command.get_args()).env("TERM", "xterm");
        leader.stdin(slave()).stdout(slave()).stderr(slave());
        let process = leader.spawn().unwrap();
        // Our copies of the other side would keep the terminal open for ever.
        drop(leader);
        let child = Child::adopt(process, 1);
        let master = File::from(master);
        child.collect(master.try_clone().unwrap(), |state: &mut State| {
            &mut state.stdout
        });
        Self { master, child }
    }

    /// Types these characters.
    pub(crate) fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the terminal has shown this text.
    pub(crate) fn await_text(&self, text: &str) -> String {
        self.child.await_text(text, PATIENCE)
    }

    /// Gives the window another size, as a window manager does.
    pub(crate) fn resize(&self, window: (u16, u16)) {
        resize(&self.master, window);
    }

    /// Waits for the command's end; the result is its exit code and all that was shown.
    pub(crate) fn wait(&self, patience: Duration) -> (i32, String) {
        let state = self.child.wait(patience);
        let shown = String::from_utf8_lossy(&state.stdout).into_owned();
        (state.code(), shown)
    }
}

fn resize(master: impl std::os::fd::AsFd, (rows, columns): (u16, u16)) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).unwrap();
}
