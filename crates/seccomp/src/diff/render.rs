//! A comparison as text for a terminal.
//!
//! Not for: colours.

use std::fmt;

use super::{Case, Change, Difference, Direction};
use crate::arch::Arch;
use crate::decision::Decision;
use crate::syscalls;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compared = self.compared;
        writeln!(
            f,
            "{} and {}: {} calls in {} classes of arguments compared, and {} numbers and entries without a name",
            self.left, self.right, compared.calls, compared.classes, compared.others
        )?;
        if self.is_none() {
            return writeln!(f, "no difference");
        }
        let sections = [
            (Direction::Wider, "permits what", "refuses"),
            (Direction::Narrower, "refuses what", "permits"),
            (Direction::Otherwise, "answers otherwise than", ""),
            (Direction::Quieter, "does not report refusals that", "does"),
            (Direction::Louder, "reports refusals that", "does not"),
        ];
        for (direction, verb, other) in sections {
            let title = format!("{} {verb} {} {other}", self.right, self.left);
            self.section(f, direction, title.trim_end())?;
        }
        self.groups(f)
    }
}

impl Difference {
    fn groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.groups.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n== optional groups, off unless a profile enables them =="
        )?;
        for change in &self.groups {
            writeln!(f, "{}", change.group)?;
            let only = [(&self.left, &change.left), (&self.right, &change.right)];
            for (name, calls) in only.iter().filter(|(_, calls)| !calls.is_empty()) {
                writeln!(f, "    only {name} offers {}", calls.join(", "))?;
            }
            if !change.otherwise.is_empty() {
                let calls = change.otherwise.join(", ");
                writeln!(f, "    for other arguments: {calls}")?;
            }
        }
        Ok(())
    }

    fn section(
        &self,
        f: &mut fmt::Formatter<'_>,
        direction: Direction,
        title: &str,
    ) -> fmt::Result {
        let cases = self.changes.iter().flat_map(|change| {
            let in_it = change
                .cases
                .iter()
                .filter(move |case| case.direction == direction);
            in_it.map(move |case| (change, case))
        });
        let mut groups: Vec<(&Case, Vec<&Change>)> = Vec::new();
        for (change, case) in cases {
            match groups.iter_mut().find(|(known, _)| is_alike(known, case)) {
                Some((_, changes)) => changes.push(change),
                None => groups.push((case, vec![change])),
            }
        }
        if groups.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n== {title} ==")?;
        groups
            .iter()
            .try_for_each(|(case, changes)| self.group(f, case, changes))
    }

    /// Calls that differ in the same way, for the same reasons.
    fn group(&self, f: &mut fmt::Formatter<'_>, case: &Case, changes: &[&Change]) -> fmt::Result {
        let names: Vec<String> = changes.iter().map(|change| place(change)).collect();
        writeln!(f, "{}", names.join(", "))?;
        let mut word = "when";
        for text in &case.when {
            writeln!(f, "  {word} {text}")?;
            word = "or when";
        }
        side(f, &self.left, &case.left)?;
        side(f, &self.right, &case.right)
    }
}

/// Whether two cases read the same but for the call's name and line.
fn is_alike(one: &Case, other: &Case) -> bool {
    let sides = [(&one.left, &other.left), (&one.right, &other.right)];
    one.when == other.when
        && sides.iter().all(|(one, other)| {
            let text = |decision: &Decision| {
                decision
                    .rule
                    .as_ref()
                    .map(|rule| (rule.file.clone(), rule.why.clone()))
            };
            let told = |decision: &Decision| (decision.action, decision.ground, decision.quiet);
            told(one) == told(other) && text(one) == text(other)
        })
}

fn side(f: &mut fmt::Formatter<'_>, name: &str, decision: &Decision) -> fmt::Result {
    write!(f, "    {name}: {}{}, ", decision.action, decision.quietly())?;
    let Some(rule) = &decision.rule else {
        return writeln!(f, "as {}", decision.ground);
    };
    writeln!(f, "{rule}: {}", rule.why)?;
    rule.cves
        .iter()
        .try_for_each(|cve| writeln!(f, "      {cve}"))
}

/// The call, and its architecture when the other does not share the change.
fn place(change: &Change) -> String {
    match change.on.as_slice() {
        [only] if is_on_both(&change.call) => format!("{} (on {} only)", change.call, only.arch),
        _ => change.call.clone(),
    }
}

fn is_on_both(call: &str) -> bool {
    Arch::ALL
        .iter()
        .all(|arch| syscalls::number(*arch, call).is_some())
}
