//! Every system call by profile, on one page: verdict, reason and CVEs.
//!
//! Not for: pairs of profiles in detail (`diff`).

pub mod html;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::action::Action;
use crate::arch::Arch;
use crate::classes::{Point, Space, TooManyClasses};
use crate::decision::{self, Decision, Origin, as_text};
use crate::profile::Profile;
use crate::regions;
use crate::syscalls;

/// All calls by all given profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The columns, in the order given.
    pub profiles: Vec<Column>,
    /// The rows: calls on which the profiles differ come first, then by verdict, then by name.
    pub rows: Vec<Row>,
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name.
    pub call: &'static str,
    /// Its number on each architecture that has it.
    pub numbers: Vec<Number>,
    /// Whether the profiles agree on it.
    pub agreement: Agreement,
    /// What each profile does, in the order of the columns.
    pub cells: Vec<Cell>,
}

/// A call's number on an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Number {
    /// The architecture.
    #[serde(serialize_with = "as_text")]
    pub arch: Arch,
    /// The number.
    pub number: u32,
}

/// How a row's profiles go together; rows are grouped by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Some let more through than others.
    Differ,
    /// All let it through always.
    Allowed,
    /// All look at its arguments.
    Conditional,
    /// All refuse it always, in the same manner or not.
    Refused,
}

/// What one profile does with one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The verdict in one word.
    pub verdict: Verdict,
    /// The answers that the call can get, such as `allow` and `EPERM`.
    pub actions: Vec<String>,
    /// Each decision, with its rule and the arguments that lead there.
    pub cases: Vec<Case>,
}

/// A cell's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It takes place whatever the arguments are.
    Allow,
    /// It takes place with some arguments, or on one architecture.
    Conditional,
    /// It gets an error, whatever the arguments are.
    Errno,
    /// It is fatal, or a trap, whatever the arguments are.
    Kill,
}

/// One decision in a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Case {
    /// The action and its rule.
    #[serde(flatten)]
    pub decision: Decision,
    /// The only architecture where this holds; none when it holds on all that have the call.
    pub only_on: Option<String>,
    /// The arguments, one box of values each; empty when any do.
    pub when: Vec<String>,
}

/// The matrix of these profiles.
///
/// # Errors
///
/// When a call's conditions are too many to try every class of its arguments.
pub fn matrix(profiles: &[Profile]) -> Result<Matrix, TooManyClasses> {
    let calls: BTreeSet<&'static str> = Arch::ALL
        .into_iter()
        .flat_map(syscalls::calls)
        .map(|(_, call)| call)
        .collect();
    let mut rows: Vec<Row> = calls
        .into_iter()
        .map(|call| row(profiles, call))
        .collect::<Result<_, _>>()?;
    rows.sort_by(|one, other| {
        one.agreement
            .cmp(&other.agreement)
            .then(one.call.cmp(other.call))
    });
    let column = |profile: &Profile| Column {
        name: profile.name().to_string(),
        description: profile.description().to_owned(),
    };
    Ok(Matrix {
        profiles: profiles.iter().map(column).collect(),
        rows,
    })
}

fn row(profiles: &[Profile], call: &'static str) -> Result<Row, TooManyClasses> {
    let cells: Vec<Cell> = profiles
        .iter()
        .map(|profile| cell(profile, call))
        .collect::<Result<_, _>>()?;
    let number = |arch| syscalls::number(arch, call).map(|number| Number { arch, number });
    Ok(Row {
        call,
        numbers: Arch::ALL.into_iter().filter_map(number).collect(),
        agreement: agreement(&cells),
        cells,
    })
}

/// Conditions that are not the same make a difference too, as far as their outcomes show it.
fn agreement(cells: &[Cell]) -> Agreement {
    let verdicts: BTreeSet<Verdict> = cells.iter().map(|cell| cell.verdict).collect();
    let all: Vec<Verdict> = verdicts.into_iter().collect();
    match all.as_slice() {
        [Verdict::Allow] | [] => Agreement::Allowed,
        [Verdict::Conditional] if alike(cells) => Agreement::Conditional,
        [Verdict::Errno | Verdict::Kill] | [Verdict::Errno, Verdict::Kill] => Agreement::Refused,
        _ => Agreement::Differ,
    }
}

/// Whether all cells permit the call under the same arguments, word for word.
fn alike(cells: &[Cell]) -> bool {
    let open = |cell: &Cell| -> Vec<(Vec<String>, Option<String>)> {
        let cases = cell
            .cases
            .iter()
            .filter(|case| case.decision.action.permits());
        cases
            .map(|case| (case.when.clone(), case.only_on.clone()))
            .collect()
    };
    let mut all = cells.iter().map(open);
    let first = all.next();
    all.all(|other| Some(other) == first)
}

fn cell(profile: &Profile, call: &'static str) -> Result<Cell, TooManyClasses> {
    let mut by_arch: Vec<(Arch, Vec<Case>)> = Vec::new();
    for arch in Arch::ALL {
        if syscalls::number(arch, call).is_some() {
            by_arch.push((arch, cases(profile, arch, call)?));
        }
    }
    let cases = joined(by_arch);
    let actions: BTreeSet<Action> = cases.iter().map(|case| case.decision.action).collect();
    Ok(Cell {
        verdict: verdict(&actions),
        actions: actions.iter().rev().map(ToString::to_string).collect(),
        cases,
    })
}

/// Cases of all architectures at once when they are the same.
fn joined(by_arch: Vec<(Arch, Vec<Case>)>) -> Vec<Case> {
    let mut lists = by_arch.iter().map(|(_, cases)| cases);
    let first = lists.next();
    if lists.all(|other| Some(other) == first) {
        return first.cloned().unwrap_or_default();
    }
    let mark = |(arch, cases): (Arch, Vec<Case>)| {
        cases.into_iter().map(move |case| Case {
            only_on: Some(arch.to_string()),
            ..case
        })
    };
    by_arch.into_iter().flat_map(mark).collect()
}

fn cases(profile: &Profile, arch: Arch, call: &'static str) -> Result<Vec<Case>, TooManyClasses> {
    let space = Space::of(&[profile], arch, call)?;
    let by =
        |point: &[usize]| decision::named(profile, arch, call, &space.arguments(point)).of_rule();
    let groups: BTreeMap<Origin, Vec<Point>> = regions::grouped(space.points(), by);
    // The kernel's order of actions has what permits last; readers look for it first.
    let cases = groups.into_iter().rev().map(|(origin, points)| Case {
        decision: origin.told(profile, call),
        only_on: None,
        when: regions::words(&space, &points),
    });
    Ok(cases.collect())
}

fn verdict(actions: &BTreeSet<Action>) -> Verdict {
    let permitted = actions.iter().filter(|action| action.permits()).count();
    if permitted == actions.len() {
        Verdict::Allow
    } else if permitted > 0 {
        Verdict::Conditional
    } else if actions
        .iter()
        .any(|action| matches!(action, Action::Errno(_)))
    {
        Verdict::Errno
    } else {
        Verdict::Kill
    }
}

impl Agreement {
    /// A heading for the rows of this kind.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Differ => "profiles differ",
            Self::Allowed => "allowed by all",
            Self::Conditional => "conditional, and alike, in all",
            Self::Refused => "refused by all",
        }
    }

    /// All kinds in the order of rows.
    pub const ALL: [Self; 4] = [
        Self::Differ,
        Self::Allowed,
        Self::Conditional,
        Self::Refused,
    ];
}

impl Cell {
    /// Whether the call is refused, and nobody hears of it.
    fn is_quiet(&self) -> bool {
        self.verdict == Verdict::Errno && self.cases.iter().all(|case| case.decision.quiet)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions = self.actions.join("/");
        match self.verdict {
            Verdict::Conditional => write!(f, "if ({actions})"),
            Verdict::Errno if self.is_quiet() => write!(f, "{actions} (quiet)"),
            Verdict::Allow | Verdict::Errno | Verdict::Kill => f.write_str(&actions),
        }
    }
}

/// Widths of the text table's columns, which fit the longest name and most cells.
const CALL_WIDTH: usize = 24;
const CELL_WIDTH: usize = 18;

impl fmt::Display for Matrix {
    /// One line for each call; the reason is that of the first case of the first profile that
    /// names a rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<CALL_WIDTH$}", "call")?;
        for column in &self.profiles {
            write!(f, " {:<CELL_WIDTH$}", column.name)?;
        }
        writeln!(f, " reason")?;
        for kind in Agreement::ALL {
            let rows: Vec<&Row> = self
                .rows
                .iter()
                .filter(|row| row.agreement == kind)
                .collect();
            if !rows.is_empty() {
                writeln!(f, "\n== {}: {} ==", kind.title(), rows.len())?;
            }
            rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<CALL_WIDTH$}", self.call)?;
        for cell in &self.cells {
            write!(f, " {:<CELL_WIDTH$}", cell.to_string())?;
        }
        let rules = self.cells.iter().flat_map(|cell| &cell.cases);
        let Some(rule) = rules.filter_map(|case| case.decision.rule.as_ref()).next() else {
            return f.write_str(" no rule names it");
        };
        write!(f, " {}", rule.why)?;
        let cves: BTreeSet<&str> = self
            .cells
            .iter()
            .flat_map(|cell| &cell.cases)
            .filter_map(|case| case.decision.rule.as_ref())
            .flat_map(|rule| &rule.cves)
            .map(|cve| cve.id.as_str())
            .collect();
        if cves.is_empty() {
            return Ok(());
        }
        write!(f, " [{}]", cves.into_iter().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests;
