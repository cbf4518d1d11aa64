//! `sheriff run -t`: an interactive shell with its window, its line editing and its ^C.
//!
//! Not for: pipes (`shell`).

use crate::harness::{Jail, PATIENCE, Terminal};

const SHELL: [&str; 4] = ["/bin/bash", "--norc", "--noprofile", "-i"];

/// A shell that waits for input: what is typed earlier, it may throw away as it takes the terminal.
fn shell(jail: &Jail, window: (u16, u16)) -> Terminal {
    let terminal = jail.terminal(&SHELL, window);
    terminal.await_text("$ ");
    terminal
}

#[test]
fn an_interactive_shell_has_a_window_and_follows_its_size() {
    let jail = Jail::new();
    let mut terminal = shell(&jail, (33, 101));
    terminal.send("echo size=$(stty size | tr ' ' x); tty\n");
    let shown = terminal.await_text("size=33x101");
    assert!(!shown.contains("job control"), "{shown}");
    terminal.await_text("/dev/pts/");
    terminal.resize((20, 60));
    terminal.send("for i in $(seq 500); do s=$(stty size); test \"$s\" = '20 60' && break; sleep 0.02; done; echo now=${s/ /x}\n");
    terminal.await_text("now=20x60");
    terminal.send("exit 5\n");
    assert_eq!(terminal.wait(PATIENCE).0, 5);
}

#[test]
fn control_c_interrupts_the_foreground_and_not_the_session() {
    let jail = Jail::new();
    let mut terminal = shell(&jail, (24, 80));
    // The program says it itself, so it is in the foreground by then.
    terminal.send("sh -c 'echo rea\"\"dy; exec sleep 600'\n");
    terminal.await_text("ready");
    terminal.send("\x03");
    terminal.send("echo interrupted=$?\n");
    terminal.await_text("interrupted=130");
    terminal.send("exit\n");
    terminal.wait(PATIENCE);
}

#[test]
fn job_control_works() {
    let jail = Jail::new();
    let mut terminal = shell(&jail, (24, 80));
    terminal.send("sh -c 'echo be\"\"gin; exec cat'\n");
    terminal.await_text("begin");
    terminal.send("\x1a");
    terminal.await_text("Stopped");
    terminal.send("echo do''ne\n");
    terminal.await_text("done");
    // A shell with a stopped job asks before it exits; a program in its place does not.
    terminal.send("exec true\n");
    assert_eq!(terminal.wait(PATIENCE).0, 0);
}
