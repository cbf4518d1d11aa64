//! Moves bytes between our terminal and the jail's: keyboard to master, master to screen.
//!
//! Not for: looking at them. What a jailed program writes to a terminal it was given is passed on
//! as it is, as every terminal session does.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::command::{Interest, Ready};
use sys::terminal::{RawMode, set_window};
use sys::{Context, Errno, SysError};

use super::streams::current_window;

/// Bytes moved at once. A pipe or terminal that polls as writable takes this many without blocking
/// (`PIPE_BUF`, pipe(7)).
const CHUNK_BYTES: usize = 4096;
/// Most that is still read after the end: what the kernel can hold for a pseudo-terminal (64 KiB of
/// flip buffers and 4 KiB of line buffer), so that a process left behind can't keep us here.
const DRAIN_BYTES_MAX: usize = 128 * 1024;
/// ^D: what a terminal's line discipline takes for the end of input.
const END_OF_INPUT: u8 = 4;

/// The two directions of a terminal session. Dropping it gives our terminal its mode back.
#[derive(Debug)]
pub(super) struct Pump {
    keyboard: File,
    master: File,
    screen: File,
    typed: Pending,
    shown: Pending,
    keyboard_open: bool,
    master_open: bool,
    _raw: Option<RawMode>,
}

impl Pump {
    /// Takes our terminal over, when stdin is one, for the session at `master`.
    pub(super) fn open(master: OwnedFd) -> Result<Self, SysError> {
        sys::fds::set_nonblocking(master.as_fd(), true)?;
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let raw = stdin
            .is_terminal()
            .then(|| RawMode::enter(stdin.as_fd()))
            .transpose()?;
        let pump = Self {
            keyboard: stdin.as_fd().try_clone_to_owned().call("dup")?.into(),
            master: master.into(),
            screen: stdout.as_fd().try_clone_to_owned().call("dup")?.into(),
            typed: Pending::default(),
            shown: Pending::default(),
            keyboard_open: true,
            master_open: true,
            _raw: raw,
        };
        // The window may have changed since it was asked for.
        pump.resize()?;
        Ok(pump)
    }

    /// What to wait for on keyboard, master and screen. A direction reads only when the last bytes
    /// were taken, so a reader that doesn't read holds its writer and nothing piles up here.
    pub(super) fn watched(&self) -> [(BorrowedFd<'_>, Interest); 3] {
        let keyboard = match self.keyboard_open && self.typed.is_empty() {
            true => Interest::Input,
            false => Interest::Ignored,
        };
        let screen = match self.shown.is_empty() {
            true => Interest::Ignored,
            false => Interest::Room,
        };
        let master = self.master_interest();
        [
            (self.keyboard.as_fd(), keyboard),
            (self.master.as_fd(), master),
            (self.screen.as_fd(), screen),
        ]
    }

    /// Moves what can be moved without waiting.
    pub(super) fn turn(&mut self, ready: [Ready; 3]) -> Result<(), SysError> {
        let [keyboard, master, screen] = ready;
        if screen.room && !self.shown.is_empty() {
            self.shown
                .write_to(&mut self.screen)
                .call_on("write", "standard output")?;
        }
        if master.room && !self.typed.is_empty() {
            self.type_in()?;
        }
        if keyboard.input && self.typed.is_empty() {
            self.read_keyboard()?;
        }
        if master.input && self.shown.is_empty() {
            self.read_master()?;
        }
        Ok(())
    }

    /// Shows what the jail wrote before its end.
    pub(super) fn drain(&mut self) -> Result<(), SysError> {
        let mut left = DRAIN_BYTES_MAX / CHUNK_BYTES;
        loop {
            while !self.shown.is_empty() {
                self.shown
                    .write_to(&mut self.screen)
                    .call_on("write", "standard output")?;
            }
            if !self.master_open || left == 0 {
                return Ok(());
            }
            self.read_master()?;
            if self.shown.is_empty() {
                return Ok(());
            }
            left -= 1;
        }
    }

    /// Gives the jail's terminal the window of ours.
    pub(super) fn resize(&self) -> Result<(), SysError> {
        let Some(window) = current_window()? else {
            return Ok(());
        };
        match set_window(self.master.as_fd(), window.rows, window.columns) {
            // The jail's side is closed: it has no window any more.
            Err(error) if error.errno == Errno::EIO => Ok(()),
            other => other,
        }
    }

    fn master_interest(&self) -> Interest {
        match (self.shown.is_empty(), self.typed.is_empty()) {
            _ if !self.master_open => Interest::Ignored,
            (true, true) => Interest::Input,
            (true, false) => Interest::Both,
            (false, false) => Interest::Room,
            (false, true) => Interest::Ignored,
        }
    }

    fn read_keyboard(&mut self) -> Result<(), SysError> {
        match self
            .typed
            .read_from(&mut self.keyboard)
            .call_on("read", "standard input")
        {
            Ok(Some(0)) => {
                self.keyboard_open = false;
                self.typed.push(END_OF_INPUT);
                Ok(())
            }
            // Our own terminal was hung up.
            Err(error) if error.errno == Errno::EIO => {
                self.keyboard_open = false;
                Ok(())
            }
            other => other.map(drop),
        }
    }

    fn read_master(&mut self) -> Result<(), SysError> {
        match self
            .shown
            .read_from(&mut self.master)
            .call_on("read", "the jail's terminal")
        {
            Ok(Some(0)) => self.master_open = false,
            // The last process on the jail's side closed it (pty(7)).
            Err(error) if error.errno == Errno::EIO => self.master_open = false,
            other => return other.map(drop),
        }
        Ok(())
    }

    fn type_in(&mut self) -> Result<(), SysError> {
        match self
            .typed
            .write_to(&mut self.master)
            .call_on("write", "the jail's terminal")
        {
            Err(error) if error.errno == Errno::EIO => {
                self.typed.clear();
                Ok(())
            }
            other => other,
        }
    }
}

/// Bytes read from one side and not yet written to the other.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    written: usize,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.written >= self.bytes.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.written = 0;
    }

    fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Reads once: `None` when nothing is there, 0 at the end.
    fn read_from(&mut self, source: &mut File) -> io::Result<Option<usize>> {
        self.clear();
        let mut chunk = [0; CHUNK_BYTES];
        match source.read(&mut chunk) {
            Ok(count) => {
                self.bytes
                    .extend_from_slice(chunk.get(..count).unwrap_or_default());
                Ok(Some(count))
            }
            Err(error) if is_for_later(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes once, as much as is taken.
    fn write_to(&mut self, sink: &mut File) -> io::Result<()> {
        match sink.write(self.bytes.get(self.written..).unwrap_or_default()) {
            Ok(count) => self.written = self.written.saturating_add(count),
            Err(error) if is_for_later(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
