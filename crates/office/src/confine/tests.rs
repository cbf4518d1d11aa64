//! Landlock, seccomp and `no_new_privs` bind a thread, so each test confines one of its own.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::Command;

use super::*;

/// Runs `probe` in a thread that is confined to a folder's two subfolders.
fn confined(probe: impl FnOnce(&Path) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let folders = Folders {
        audit: path.join("audit"),
        sessions: path.join("sessions"),
        vault: path.join("vault"),
    };
    fs::create_dir(&folders.audit).unwrap();
    fs::create_dir(&folders.sessions).unwrap();
    vault::store::prepare(&folders.vault).unwrap();
    let thread = tasks::thread("confined", move || {
        // What is denied below works here.
        fs::write(path.join("secret"), "x").unwrap();
        fs::read(path.join("secret")).unwrap();
        assert!(Command::new("/usr/bin/true").status().unwrap().success());
        sys::privileges::set_no_new_privs().unwrap();
        confine(&folders).unwrap();
        probe(&path);
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn files_outside_its_folders_are_out_of_reach_and_those_inside_are_not() {
    confined(|path| {
        let denied = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
        assert!(fs::read(path.join("secret")).is_err_and(denied));
        assert!(fs::write(path.join("new"), "x").is_err_and(denied));
        assert!(fs::write("/etc/sheriff-probe", "x").is_err_and(denied));
        fs::read("/etc/passwd").unwrap();
        let file = path.join("sessions/one.new");
        fs::write(&file, "x").unwrap();
        fs::rename(&file, path.join("sessions/one")).unwrap();
        fs::remove_file(path.join("sessions/one")).unwrap();
        fs::write(path.join("vault/one.new"), "x").unwrap();
        fs::rename(path.join("vault/one.new"), path.join("vault/one")).unwrap();
    });
}

#[test]
fn no_program_can_be_started_and_the_network_is_there() {
    confined(|_path| {
        assert!(Command::new("/usr/bin/true").status().is_err());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        sys::fds::memory_file(c"token", b"x").unwrap();
    });
}

/// Without the filter of system calls, which denies most signals anyway.
#[test]
fn processes_and_abstract_sockets_outside_are_out_of_reach_and_its_own_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let folders = Folders {
        audit: path.clone(),
        sessions: path.clone(),
        vault: path,
    };
    let scoped = sys::landlock::landlock_abi().unwrap() >= LANDLOCK_SCOPES;
    let sleep = || Command::new("/usr/bin/sleep").arg("60").spawn().unwrap();
    let (mut before, mut after) = (sleep(), sleep());
    let outside = listen("outside");
    let thread = tasks::thread("scoped", move || {
        reach(&outside).unwrap();
        before.kill().unwrap();
        before.wait().unwrap();
        sys::privileges::set_no_new_privs().unwrap();
        restrict_reach(&folders).unwrap();
        let denied = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
        assert_eq!(reach(&outside).is_err_and(denied), scoped);
        assert_eq!(after.kill().is_err_and(denied), scoped);
        reach(&listen("inside")).unwrap();
        after
    });
    let mut after = thread.unwrap().join().unwrap();
    after.kill().unwrap();
    after.wait().unwrap();
}

/// Listens under an abstract name that no other test run has.
fn listen(name: &str) -> UnixListener {
    let name = format!("sheriff-confine-{name}-{}", std::process::id());
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
}

fn reach(listener: &UnixListener) -> std::io::Result<UnixStream> {
    UnixStream::connect_addr(&listener.local_addr().unwrap())
}

#[test]
fn a_thread_that_could_gain_privileges_is_refused() {
    let folders = Folders {
        audit: "/nowhere".into(),
        sessions: "/nowhere".into(),
        vault: "/nowhere".into(),
    };
    let thread = tasks::thread("open", move || confine(&folders));
    let refused = thread.unwrap().join().unwrap();
    assert!(matches!(refused, Err(ConfineError::Privileges)));
}
