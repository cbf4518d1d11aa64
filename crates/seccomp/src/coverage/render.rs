//! Coverage as text.
//!
//! Not for: computing it.

use std::fmt;

use super::{Coverage, Refused, Used};

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "used ({} calls):", self.used.len())?;
        for used in &self.used {
            writeln!(f, "  {used}")?;
        }
        writeln!(f, "refused by {} ({}):", self.profile, self.refused.len())?;
        for refused in &self.refused {
            write!(f, "{refused}")?;
        }
        if self.untold > 0 {
            writeln!(f, "  and {} that were counted and not named", self.untold)?;
        }
        writeln!(
            f,
            "allowed by {} and unused ({} calls):",
            self.profile,
            self.unused.len()
        )?;
        for alike in self
            .unused
            .chunk_by(|one, other| one.rule.why == other.rule.why)
        {
            let names: Vec<&str> = alike.iter().map(|one| one.call).collect();
            if let Some(first) = alike.first() {
                writeln!(
                    f,
                    "  {}: {}\n      {}",
                    first.rule,
                    names.join(" "),
                    first.rule.why
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} {}", self.count, self.call)?;
        for (error, count) in &self.failures {
            write!(f, " {error}:{count}")?;
        }
        if self.refused > 0 {
            write!(f, " (refused: {})", self.refused)?;
        }
        if self.undecided > 0 {
            write!(f, " (depends on arguments: {})", self.undecided)?;
        }
        Ok(())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:>8} {}", self.count, self.call)?;
        if let Some(arguments) = self.arguments {
            let all: Vec<String> = arguments.iter().map(|one| format!("{one:#x}")).collect();
            write!(f, "({})", all.join(", "))?;
        }
        writeln!(f, " {}", self.decision.action)?;
        match &self.decision.rule {
            Some(rule) => writeln!(f, "      {rule}: {}", rule.why)?,
            None => writeln!(f, "      {}", self.decision.ground)?,
        }
        match &self.group {
            Some(group) => writeln!(f, "      the optional group {group:?} would allow it"),
            None => Ok(()),
        }
    }
}
