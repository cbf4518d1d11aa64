//! The live view of living jails: a table, the hosts of the chosen one, its budgets, its recent rate.
//!
//! Not for: asking the daemon or reading keys (`commands::egress`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use api::usage::{BudgetLine, LiveEgress, LiveSession};
use clap::ValueEnum;
use model::{Money, SessionId};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table as Grid};

use super::{Output, Table, text};
use crate::failure::Failure;

/// Rates that are kept for the line of bars: as many as a wide terminal has columns.
const HISTORY: usize = 240;
/// Hosts that are listed.
const HOSTS: usize = 64;
/// Longest host shown.
const HOST_CHARS: usize = 60;
/// Longest command shown.
const COMMAND_CHARS: usize = 32;

/// What rows are ordered by, largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Bytes a second, both directions.
    Rate,
    /// Bytes sent.
    Up,
    /// Bytes received.
    Down,
    /// Denied requests.
    Denied,
}

/// All that is shown.
#[derive(Debug)]
pub(crate) struct Board {
    sort: Sort,
    rows: Vec<Shown>,
    chosen: Option<SessionId>,
    before: BTreeMap<SessionId, Trace>,
    taken: Option<Instant>,
}

/// A session with its rates in bytes a second.
#[derive(Debug)]
struct Shown {
    live: LiveSession,
    up: u64,
    down: u64,
}

/// What is remembered of a session between two answers.
#[derive(Debug, Default)]
struct Trace {
    bytes: (u64, u64),
    rates: VecDeque<u64>,
}

impl Board {
    pub(crate) const fn new(sort: Sort) -> Self {
        Self {
            sort,
            rows: Vec::new(),
            chosen: None,
            before: BTreeMap::new(),
            taken: None,
        }
    }

    /// Takes the daemon's next answer.
    pub(crate) fn take(&mut self, live: LiveEgress, now: Instant) {
        let passed = self.taken.replace(now);
        let millis = passed.map_or(0, |before| {
            now.saturating_duration_since(before).as_millis()
        });
        let mut before = std::mem::take(&mut self.before);
        self.rows = Vec::with_capacity(live.sessions.len());
        for session in live.sessions {
            let id = session.line.session.clone();
            let bytes = (session.egress.bytes_up, session.egress.bytes_down);
            let known = before.remove(&id);
            let is_new = known.is_none();
            let mut trace = known.unwrap_or_default();
            let rate = |now: u64, then: u64| match is_new {
                true => 0,
                false => per_second(now.saturating_sub(then), millis),
            };
            let (up, down) = (rate(bytes.0, trace.bytes.0), rate(bytes.1, trace.bytes.1));
            trace.bytes = bytes;
            trace.rates.push_back(up.saturating_add(down));
            if trace.rates.len() > HISTORY {
                trace.rates.pop_front();
            }
            self.before.insert(id, trace);
            self.rows.push(Shown {
                live: session,
                up,
                down,
            });
        }
        self.order();
    }

    /// Orders by the next column.
    pub(crate) fn sort_by_next(&mut self) {
        self.sort = match self.sort {
            Sort::Rate => Sort::Up,
            Sort::Up => Sort::Down,
            Sort::Down => Sort::Denied,
            Sort::Denied => Sort::Rate,
        };
        self.order();
    }

    /// Moves the choice so many rows down.
    pub(crate) fn choose(&mut self, rows: isize) {
        let last = self.rows.len().saturating_sub(1);
        let next = self.place().saturating_add_signed(rows).min(last);
        self.chosen = self.rows.get(next).map(|row| row.live.line.session.clone());
    }

    /// The chosen row; the first one when the chosen session is gone.
    fn place(&self) -> usize {
        let is_it = |row: &Shown| Some(&row.live.line.session) == self.chosen.as_ref();
        self.rows.iter().position(is_it).unwrap_or(0)
    }

    fn order(&mut self) {
        let sort = self.sort;
        self.rows.sort_by_key(|row| {
            let key = match sort {
                Sort::Rate => row.up.saturating_add(row.down),
                Sort::Up => row.live.egress.bytes_up,
                Sort::Down => row.live.egress.bytes_down,
                Sort::Denied => row.live.egress.denied,
            };
            (std::cmp::Reverse(key), row.live.line.session.clone())
        });
    }
}

/// Prints the table once, for scripts and pipes.
pub(crate) fn print(board: &Board, output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new(HEADING);
    for row in &board.rows {
        let cells = cells(row);
        table.row(cells.each_ref().map(String::as_str));
    }
    table.print(output)
}

/// Draws one picture.
pub(crate) fn draw(board: &Board, frame: &mut Frame<'_>) {
    let areas = Layout::vertical([
        Constraint::Percentage(50),
        Constraint::Min(6),
        Constraint::Length(5),
        Constraint::Length(1),
    ]);
    let [sessions, below, bars, foot] = areas.areas(frame.area());
    draw_sessions(board, frame, sessions);
    let chosen = board.rows.get(board.place());
    if let Some(row) = chosen {
        let [hosts, budgets] =
            Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(below);
        draw_hosts(&row.live, frame, hosts);
        draw_budgets(&row.live, frame, budgets);
        draw_bars(board, row, frame, bars);
    }
    let keys = format!("q quit   s sort ({:?})   up/down choose", board.sort).to_lowercase();
    frame.render_widget(Paragraph::new(keys), foot);
}

const HEADING: [&str; 9] = [
    "SESSION", "STATE", "UP/S", "DOWN/S", "UP", "DOWN", "REQUESTS", "DENIED", "COMMAND",
];

fn cells(row: &Shown) -> [String; 9] {
    let (line, usage) = (&row.live.line, &row.live.egress);
    let alert = match row.live.unexplained_bytes {
        0 => String::new(),
        count => format!(" UNEXPLAINED:{count}B"),
    };
    [
        line.session.to_string(),
        text::brief(&line.state, 10),
        text::bytes(row.up),
        text::bytes(row.down),
        text::bytes(usage.bytes_up),
        text::bytes(usage.bytes_down),
        usage.requests.to_string(),
        usage.denied.to_string(),
        text::brief(&line.command, COMMAND_CHARS) + &alert,
    ]
}

fn draw_sessions(board: &Board, frame: &mut Frame<'_>, area: Rect) {
    let place = board.place();
    // The chosen row stays in sight.
    let room = usize::from(area.height.saturating_sub(3)).max(1);
    let first = place.saturating_sub(room.saturating_sub(1));
    let rows = board
        .rows
        .iter()
        .enumerate()
        .skip(first)
        .map(|(index, row)| {
            let style = match index == place {
                true => Style::new().add_modifier(Modifier::REVERSED),
                false => Style::new(),
            };
            Row::new(cells(row)).style(style)
        });
    let widths = [18, 8, 10, 10, 10, 10, 9, 7].map(Constraint::Length);
    let widths = widths.into_iter().chain([Constraint::Fill(1)]);
    let heading = Row::new(HEADING).style(Style::new().add_modifier(Modifier::BOLD));
    let title = format!(" {} jails ", board.rows.len());
    let grid = Grid::new(rows, widths)
        .header(heading)
        .block(Block::bordered().title(title));
    frame.render_widget(grid, area);
}

fn draw_hosts(session: &LiveSession, frame: &mut Frame<'_>, area: Rect) {
    let mut hosts: Vec<_> = session.egress.by_host.iter().collect();
    hosts.sort_by_key(|(name, usage)| {
        let moved = usage.bytes_up.saturating_add(usage.bytes_down);
        (std::cmp::Reverse((moved, usage.requests)), name.to_owned())
    });
    let lines = hosts.into_iter().take(HOSTS).map(|(name, usage)| {
        Line::from(format!(
            "{}  up {}  down {}  {} requests, {} denied",
            text::brief(name, HOST_CHARS),
            text::bytes(usage.bytes_up),
            text::bytes(usage.bytes_down),
            usage.requests,
            usage.denied
        ))
    });
    let title = format!(" hosts of {} ", session.line.session);
    let lines = Paragraph::new(lines.collect::<Vec<_>>()).block(Block::bordered().title(title));
    frame.render_widget(lines, area);
}

fn draw_budgets(session: &LiveSession, frame: &mut Frame<'_>, area: Rect) {
    let mut lines: Vec<_> = session
        .budgets
        .iter()
        .map(|line| Line::from(budget(line)))
        .collect();
    let llm = &session.egress.llm;
    if llm.answers > 0 {
        lines.push(Line::from(format!(
            "models: {} answers, {} tokens, {}",
            llm.answers,
            llm.tokens(),
            llm.cost
        )));
    }
    let lines = Paragraph::new(lines).block(Block::bordered().title(" budgets "));
    frame.render_widget(lines, area);
}

fn draw_bars(board: &Board, row: &Shown, frame: &mut Frame<'_>, area: Rect) {
    let trace = board.before.get(&row.live.line.session);
    let rates = trace
        .map(|trace| trace.rates.iter().copied().collect::<Vec<u64>>())
        .unwrap_or_default();
    let room = usize::from(area.width.saturating_sub(2));
    let recent = rates
        .get(rates.len().saturating_sub(room)..)
        .unwrap_or_default();
    let most = text::bytes(recent.iter().copied().max().unwrap_or_default());
    let title = format!(" bytes/s, at most {most} ");
    let bars = Sparkline::default()
        .data(recent)
        .block(Block::bordered().title(title));
    frame.render_widget(bars, area);
}

/// `egress_up 3.0MiB of 10.0MiB (30%)`.
fn budget(line: &BudgetLine) -> String {
    let unit = |count: u64| match line.budget.as_str() {
        "egress_up" | "egress_down" => text::bytes(count),
        "llm_cost" => Money::from_micros(count).to_string(),
        _ => count.to_string(),
    };
    let percent = u128::from(line.used) * 100 / u128::from(line.limit.max(1));
    format!(
        "{} {} of {} ({percent}%)",
        text::brief(&line.budget, 16),
        unit(line.used),
        unit(line.limit)
    )
}

fn per_second(bytes: u64, millis: u128) -> u64 {
    let rate = u128::from(bytes) * 1000 / millis.max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
