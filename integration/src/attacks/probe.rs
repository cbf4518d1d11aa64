//! Tables of probes: one Python expression each, asked in the jail and, as the control, outside of it.
//!
//! Not for: what the answers ought to be.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::harness::{Child, Jail, PATIENCE};

/// What expressions may call. `syscall` and `attempt` answer `ok` or the name of the errno, `forked`
/// the same for a child that may be killed on the way.
pub(crate) const TOOLS: &str = r#"
import ctypes, errno, os, signal, socket, stat, struct, sys, time
LIBC = ctypes.CDLL(None, use_errno=True)
def syscall(number, *arguments):
    ctypes.set_errno(0)
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    answer = LIBC.syscall(ctypes.c_long(number), *wide)
    return errno.errorcode[ctypes.get_errno()] if answer == -1 else 'ok'
def attempt(call, *arguments, **named):
    try:
        call(*arguments, **named)
        return 'ok'
    except OSError as error:
        return errno.errorcode[error.errno]
def forked(call, *arguments):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, str(call(*arguments)).encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(pid, 0)[1]
    said = os.read(reader, 100).decode()
    os.close(reader)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else said
def content(path):
    with open(path, 'rb') as file: return file.read(4096)
def reading(path): return attempt(content, path)
def writing(path):
    def write():
        with open(path, 'r+b', buffering=0) as file: file.write(b'')
    return attempt(write)
"#;

/// One probe: its name, the expression, the jail's answer and the one outside.
pub(crate) type Probe = (&'static str, &'static str, &'static str, &'static str);

/// Asks all of them inside and outside; fails with every answer that is another.
///
/// Outside means root with all capabilities in new namespaces, so that what works there harms nothing.
#[track_caller]
pub(crate) fn compare(jail: &Jail, setup: &str, probes: &[Probe]) {
    let script = script(setup, probes);
    let inside = jail.run(&["/usr/bin/python3", "-c", &script]).ok();
    let inside = answers(&inside.text());
    let outside = answers(&outside(&script));
    let mut wrong = Vec::new();
    for (name, _, jailed, free) in probes {
        for (place, found, expected) in [("inside", &inside, jailed), ("outside", &outside, free)] {
            let found = found.get(*name).map_or("nothing", String::as_str);
            if !expected.split('|').any(|one| one == found) {
                wrong.push(format!("{name} {place}: {found}, expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Asks them in the jail only.
#[track_caller]
pub(crate) fn ask(jail: &Jail, setup: &str, probes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let lines = probes.iter().map(|(name, call)| line(name, call));
    let script = format!("{TOOLS}\n{setup}\n{}", lines.collect::<String>());
    let outcome = jail.run(&["/usr/bin/python3", "-c", &script]).ok();
    answers(&outcome.text())
}

/// Runs a program on the host and gives what it printed, whatever its code.
pub(crate) fn on_host(argv: &[&str]) -> String {
    let mut command = Command::new(argv[0]);
    let child = Child::start(command.args(&argv[1..]).stdin(Stdio::null()));
    let state = child.wait(PATIENCE);
    let (out, err) = (state.stdout, state.stderr);
    String::from_utf8_lossy(&[out, err].concat())
        .trim()
        .to_owned()
}

fn script(setup: &str, probes: &[Probe]) -> String {
    let lines = probes.iter().map(|(name, call, _, _)| line(name, call));
    format!("{TOOLS}\n{setup}\n{}", lines.collect::<String>())
}

fn line(name: &str, call: &str) -> String {
    format!("print('{name}', {call}, flush=True)\n")
}

fn outside(script: &str) -> String {
    let spaces = [
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
        "--fork",
        "--mount-proc",
    ];
    on_host(&[&["unshare"], &spaces[..], &["python3", "-c", script]].concat())
}

fn answers(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (name, answer) = line.split_once(' ')?;
        Some((name.to_owned(), answer.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}
