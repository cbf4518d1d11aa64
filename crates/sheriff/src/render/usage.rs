//! Sums of egress for a reader: per host, per secret, and whether that is all.
//!
//! Not for: fetching them (`control`).

use api::usage::{EgressUsage, SessionEgress};

use super::{Output, Paint, Table, text};
use crate::failure::Failure;

/// Prints one block per session.
pub(crate) fn print(usage: &EgressUsage, output: &mut Output) -> Result<(), Failure> {
    let since = usage.since.as_deref().unwrap_or("the log's beginning");
    output.line(&format!(
        "from {} to {}",
        text::escape(since),
        text::escape(&usage.until)
    ))?;
    if usage.sessions.is_empty() {
        output.line("no session has sent or asked for anything in that time")?;
    }
    for session in &usage.sessions {
        output.line("")?;
        block(session, output)?;
    }
    match usage.left_out {
        0 => Ok(()),
        left_out => output.line(&format!(
            "{left_out} further sessions: ask for a shorter time"
        )),
    }
}

fn block(session: &SessionEgress, output: &mut Output) -> Result<(), Failure> {
    let state = match &session.ended {
        Some(ended) => format!("ended {}", text::escape(ended)),
        None => "running".to_owned(),
    };
    let title = format!("{} ({state})", session.session);
    output.line(&output.style.paint(Paint::Heading, &title))?;
    hosts(session, output)?;
    secrets(session, output)?;
    if session.llm.answers > 0 {
        output.line(&llm(session))?;
    }
    if let Some(kernel) = &session.kernel {
        output.line(&format!(
            "kernel: {} B taken from the jail and {} B given to it over its connections (proxy: {} B and \
             {} B); on its wire {} B in {} frames up, {} B in {} frames down",
            kernel.socket_up,
            kernel.socket_down,
            kernel.client_up,
            kernel.client_down,
            kernel.bytes_up,
            kernel.packets_up,
            kernel.bytes_down,
            kernel.packets_down
        ))?;
    }
    let paint = match session.account.is_complete {
        true => Paint::Good,
        false => Paint::Bad,
    };
    let verdict = text::escape(&session.account.verdict);
    output.line(&output.style.paint(paint, &verdict))
}

/// Exact numbers: whoever asks this wants to compare.
fn hosts(session: &SessionEgress, output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new([
        "HOST",
        "REQUESTS",
        "DENIED",
        "SENT",
        "RECEIVED",
        "SENT, OPEN",
        "RECEIVED, OPEN",
    ]);
    let mut sum = [0_u64; 6];
    for (host, row) in &session.hosts {
        let usage = &row.usage;
        let numbers = [
            usage.requests,
            usage.denied,
            usage.bytes_up,
            usage.bytes_down,
            row.open_up,
            row.open_down,
        ];
        for (sum, number) in sum.iter_mut().zip(numbers) {
            *sum = sum.saturating_add(number);
        }
        line(&mut table, host, numbers);
    }
    if session.hosts.len() != 1 {
        line(&mut table, "all", sum);
    }
    table.print(output)
}

fn line(table: &mut Table<7>, host: &str, numbers: [u64; 6]) {
    let [a, b, c, d, e, f] = numbers.map(|number| number.to_string());
    table.row([host, &a, &b, &c, &d, &e, &f]);
}

fn secrets(session: &SessionEgress, output: &mut Output) -> Result<(), Failure> {
    if session.secrets.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["SECRET", "REQUESTS", "SENT", "RECEIVED"]);
    for (name, usage) in &session.secrets {
        let [a, b, c] = [usage.requests, usage.bytes_up, usage.bytes_down].map(|n| n.to_string());
        table.row([name, &a, &b, &c]);
    }
    table.print(output)
}

fn llm(session: &SessionEgress) -> String {
    let llm = &session.llm;
    let unpriced = match llm.unpriced {
        0 => String::new(),
        count => format!(", and {count} answers of models without a price"),
    };
    format!(
        "language models: {} answers, {} tokens read ({} cached), {} made ({} answers estimated), {}{unpriced}",
        llm.answers,
        llm.input
            .saturating_add(llm.cached)
            .saturating_add(llm.cache_written),
        llm.cached,
        llm.output,
        llm.estimated,
        llm.cost
    )
}
