//! The board over time, and its picture on a screen in memory.

use std::time::Duration;

use model::{HostUsage, Usage};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;

fn session(id: u64, command: &str, (up, down): (u64, u64)) -> LiveSession {
    let host = HostUsage {
        requests: 1,
        allowed: 1,
        bytes_up: up,
        bytes_down: down,
        ..HostUsage::default()
    };
    LiveSession {
        line: serde_json::from_value(serde_json::json!({
            "session": format!("s-{id:016x}"), "profile": "base", "command": command,
            "state": "running", "started": "2025-01-01T00:00:00.000Z", "bytes_up": up,
            "bytes_down": down
        }))
        .unwrap(),
        egress: Usage {
            requests: 1,
            allowed: 1,
            bytes_up: up,
            bytes_down: down,
            by_host: [("api.example.com".to_owned(), host)].into(),
            ..Usage::default()
        },
        budgets: vec![BudgetLine {
            budget: "egress_up".to_owned(),
            used: 3 << 20,
            limit: 10 << 20,
        }],
        unexplained_bytes: 0,
    }
}

fn live(sessions: Vec<LiveSession>) -> LiveEgress {
    LiveEgress {
        time: "2025-01-01T00:00:00.000Z".to_owned(),
        sessions,
    }
}

fn board() -> Board {
    let mut board = Board::new(Sort::Rate);
    let start = Instant::now();
    board.take(
        live(vec![session(1, "a", (0, 9)), session(2, "b", (0, 0))]),
        start,
    );
    let next = vec![session(1, "a", (0, 9)), session(2, "b", (2048, 4096))];
    board.take(live(next), start + Duration::from_secs(2));
    board
}

fn order(board: &Board) -> Vec<&str> {
    let rows = board.rows.iter();
    rows.map(|row| row.live.line.command.as_str()).collect()
}

fn picture(board: &Board) -> String {
    let mut terminal = Terminal::new(TestBackend::new(140, 30)).unwrap();
    terminal.draw(|frame| draw(board, frame)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn rates_are_what_moved_since_the_answer_before() {
    let mut board = board();
    assert_eq!((board.rows[0].up, board.rows[0].down), (1024, 2048));
    assert_eq!((board.rows[1].up, board.rows[1].down), (0, 0));
    assert_eq!(order(&board), ["b", "a"]);
    let later = board.taken.unwrap() + Duration::from_secs(1);
    board.take(live(vec![session(3, "new", (1 << 30, 0))]), later);
    assert_eq!(
        board.rows[0].up, 0,
        "its first bytes were not moved in this second"
    );
    assert_eq!(
        board.before.len(),
        1,
        "sessions that are gone are forgotten"
    );
}

#[test]
fn the_choice_stays_with_its_session_when_the_order_changes() {
    let mut board = board();
    board.choose(1);
    assert_eq!(board.rows[board.place()].live.line.command, "a");
    board.choose(5);
    board.sort_by_next();
    assert_eq!(order(&board), ["b", "a"]);
    assert_eq!(board.rows[board.place()].live.line.command, "a");
    board.choose(-9);
    assert_eq!(board.place(), 0);
}

#[test]
fn shows_sessions_hosts_budgets_and_bars() {
    let picture = picture(&board());
    for part in [
        "s-0000000000000002",
        "1.0KiB",
        "2 jails",
        "hosts of s-0000000000000002",
        "api.example.com  up 2.0KiB",
        "egress_up 3.0MiB of 10.0MiB (30%)",
        "bytes/s, at most 3.0KiB",
        "q quit",
    ] {
        assert!(picture.contains(part), "{part} is not in\n{picture}");
    }
}

#[test]
fn hostile_names_stay_in_their_cells_and_no_terminal_is_too_small() {
    let mut board = board();
    let hostile = "\u{1b}[2J\n\u{202e}".repeat(1000);
    let mut session = session(1, &hostile, (1, 1));
    session.egress.by_host = [(hostile.clone(), HostUsage::default())].into();
    session.budgets[0].budget = hostile;
    board.take(live(vec![session]), Instant::now());
    let picture = picture(&board);
    assert!(!picture.replace('\n', "").contains(text::is_unsafe));
    assert!(picture.contains("\\u{1b}[2J"));
    for (width, height) in [(1, 1), (10, 3), (400, 2)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(&board, frame)).unwrap();
    }
}
