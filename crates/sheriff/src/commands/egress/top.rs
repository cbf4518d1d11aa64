//! `sheriff egress top`: living jails, what they move right now and what is left of their budgets.
//!
//! Not for: the past (`egress usage`).

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use api::usage::LiveEgress;
use model::SessionId;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::control::Control;
use crate::failure::Failure;
use crate::render::Output;
use crate::render::top::{self, Board, Sort};
use crate::sockets::Sockets;

/// How often the daemon is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Between two answers of `--once`, so that there are rates to print.
const ONCE: Duration = Duration::from_millis(500);

/// Options of `egress top`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Print one table and end; so it does when standard output is no terminal
    #[arg(long)]
    once: bool,
    /// What to order by
    #[arg(long, value_name = "COLUMN", default_value = "rate")]
    sort: Sort,
    /// Print one JSON document and end
    #[arg(long, conflicts_with = "once")]
    json: bool,
}

/// Watches until `q`.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let control = Control::new(sockets);
    let ask = || -> Result<LiveEgress, Failure> {
        let mut live: LiveEgress = control.get("/v1/egress/live")?;
        if let Some(wanted) = &args.session {
            live.sessions
                .retain(|session| session.line.session == *wanted);
        }
        Ok(live)
    };
    if args.json {
        let mut output = Output::new();
        output.json(&ask()?)?;
        return output.finish().map(|()| 0);
    }
    let mut board = Board::new(args.sort);
    board.take(ask()?, Instant::now());
    if args.once || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        std::thread::sleep(ONCE);
        board.take(ask()?, Instant::now());
        let mut output = Output::new();
        top::print(&board, &mut output)?;
        return output.finish().map(|()| 0);
    }
    watch(&mut board, ask)
}

/// The terminal is put back in order however this ends.
fn watch(board: &mut Board, ask: impl Fn() -> Result<LiveEgress, Failure>) -> Result<u8, Failure> {
    let failed = |source| Failure::Output { source };
    let mut screen = ratatui::try_init().map_err(failed)?;
    let outcome = loop {
        if let Err(source) = screen.draw(|frame| top::draw(board, frame)) {
            break Err(Failure::Output { source });
        }
        match key_within(EVERY) {
            Ok(Some(key)) if is_end(key) => break Ok(0),
            Ok(Some(key)) => turn(board, key),
            Ok(None) => match ask() {
                Ok(live) => board.take(live, Instant::now()),
                Err(failure) => break Err(failure),
            },
            Err(source) => break Err(Failure::Output { source }),
        }
    };
    ratatui::try_restore().map_err(failed)?;
    outcome
}

/// The next key, or none within that time.
fn key_within(time: Duration) -> io::Result<Option<KeyEvent>> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if !event::poll(left)? {
            return Ok(None);
        }
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            return Ok(Some(key));
        }
        if left.is_zero() {
            return Ok(None);
        }
    }
}

fn is_end(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

fn turn(board: &mut Board, key: KeyEvent) {
    match key.code {
        KeyCode::Char('s') => board.sort_by_next(),
        KeyCode::Down | KeyCode::Char('j') => board.choose(1),
        KeyCode::Up | KeyCode::Char('k') => board.choose(-1),
        _ => {}
    }
}
