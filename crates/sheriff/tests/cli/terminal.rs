//! `-t` between two real pseudo-terminals: ours, which the command line holds, and the jail's.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use api::attach::{Hello, Window};
use model::ExitRecord;
use sys::command::Interest;
use sys::terminal;

use crate::office::{Client, Office, command, send_signal};

/// Longest wait for something on a terminal; reached only when the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running session: our terminal's master, the jail's slave, and the office's connection, which
/// the test may drop.
struct Session {
    _office: Office,
    client: Option<Client>,
    child: Child,
    ours: File,
    ours_slave: OwnedFd,
    jail: File,
}

impl Session {
    fn start() -> Self {
        let office = Office::new();
        let (ours, ours_slave) = terminal::pair(40, 100).unwrap();
        let slave = || ours_slave.try_clone().unwrap();
        let child = command(office.folder(), &["run", "-t", "--", "sh"])
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        let client = office.meet();
        let (master, jail) = terminal::pair(24, 80).unwrap();
        client.say_started(&[master.as_fd()]);
        let (ours, jail) = (ours.into(), jail.into());
        Self {
            _office: office,
            client: Some(client),
            child,
            ours,
            ours_slave,
            jail,
        }
    }

    fn await_window(&self, expected: (u16, u16)) {
        let deadline = Instant::now() + PATIENCE;
        while terminal::window(self.jail.as_fd()).unwrap() != Some(expected) {
            assert!(
                Instant::now() < deadline,
                "the window never became {expected:?}"
            );
            std::thread::yield_now();
        }
    }

    /// The command line has ended and our terminal echoes again, as terminals do unless raw.
    fn expect_end(mut self, code: i32) {
        assert_eq!(self.child.wait().unwrap().code(), Some(code));
        self.ours.write_all(b"echoed?\n").unwrap();
        await_text(&mut self.ours, "echoed?");
        drop(self.ours_slave);
    }
}

fn await_text(file: &mut File, expected: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(expected) {
        let ready = sys::command::wait([(file.as_fd(), Interest::Input)], Some(PATIENCE)).unwrap();
        let so_far = String::from_utf8_lossy(&seen).into_owned();
        assert!(ready[0].input, "waited for {expected:?}, saw {so_far:?}");
        let mut chunk = [0; 1024];
        let count = file.read(&mut chunk).unwrap();
        seen.extend(chunk.into_iter().take(count));
    }
}

#[test]
fn keys_output_and_window_reach_the_other_side() {
    let mut session = Session::start();
    let Hello::Run(run) = &session.client.as_ref().unwrap().hello else {
        panic!("not run")
    };
    assert_eq!(
        run.terminal,
        Some(Window {
            rows: 40,
            columns: 100
        })
    );
    assert!(session.client.as_ref().unwrap().fds.is_empty());

    session.jail.write_all(b"prompt> ").unwrap();
    await_text(&mut session.ours, "prompt> ");
    session.await_window((40, 100));
    session.ours.write_all(b"ls\r").unwrap();
    await_text(&mut session.jail, "ls\n");

    terminal::set_window(session.ours.as_fd(), 50, 132).unwrap();
    send_signal(&session.child, "-WINCH");
    session.await_window((50, 132));

    session.jail.write_all(b"last words").unwrap();
    session
        .client
        .as_ref()
        .unwrap()
        .say_ended(ExitRecord::exited(5));
    await_text(&mut session.ours, "last words");
    session.expect_end(5);
}

#[test]
fn an_interrupt_key_is_a_byte_for_the_jail_not_a_signal_for_us() {
    let mut session = Session::start();
    session.jail.write_all(b"prompt> ").unwrap();
    await_text(&mut session.ours, "prompt> ");
    session.ours.write_all(b"\x03\x03after\r").unwrap();
    await_text(&mut session.jail, "after\n");
    session
        .client
        .as_ref()
        .unwrap()
        .say_ended(ExitRecord::exited(0));
    session.expect_end(0);
}

#[test]
fn the_terminal_is_restored_when_the_daemon_is_lost() {
    let mut session = Session::start();
    session.jail.write_all(b"prompt> ").unwrap();
    await_text(&mut session.ours, "prompt> ");
    session.client = None;
    session.expect_end(137);
}
