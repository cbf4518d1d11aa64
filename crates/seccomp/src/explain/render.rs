//! Explanations as text for a terminal.
//!
//! Not for: colours or widths of a terminal.

use std::fmt;

use super::{CallExplanation, Count, Effect, Explanation, Group, Outcome, Shield, Stopped};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.profile, self.description)?;
        if let [_, parents @ ..] = self.lineage.as_slice()
            && !parents.is_empty()
        {
            writeln!(f, "narrows {}", parents.join(", which narrows "))?;
        }
        for count in &self.counts {
            writeln!(f, "{count}")?;
        }
        section(f, "allowed", self.of(Effect::Allow))?;
        section(f, "denied", self.of(Effect::Deny))?;
        section(f, "optional, off", self.of(Effect::Off))?;
        writeln!(f, "\n== everything else ==")?;
        self.defaults
            .iter()
            .try_for_each(|text| writeln!(f, "  {text}"))
    }
}

impl Explanation {
    fn of(&self, effect: Effect) -> impl Iterator<Item = &Group> {
        self.groups
            .iter()
            .filter(move |group| group.effect == effect)
    }
}

fn section<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    groups: impl Iterator<Item = &'a Group>,
) -> fmt::Result {
    let mut groups = groups.peekable();
    if groups.peek().is_none() {
        return Ok(());
    }
    writeln!(f, "\n== {title} ==")?;
    groups.try_for_each(|group| write!(f, "{group}"))
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} calls always, {} depending on their arguments, {} never",
            self.arch, self.always, self.conditional, self.never
        )
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action, self.calls.join(" "))?;
        match &self.only_on {
            Some(arch) => writeln!(f, " (on {arch} only)")?,
            None => writeln!(f)?,
        }
        if let Some(name) = &self.optional {
            writeln!(f, "    group {name}")?;
        }
        alternatives(f, &self.when)?;
        if let Some(errno) = &self.otherwise {
            writeln!(f, "    otherwise {errno}")?;
        }
        if self.quiet {
            writeln!(
                f,
                "    quiet: programs expect the refusal, so it is no event"
            )?;
        }
        writeln!(f, "    {} ({}:{})", self.why, self.file, self.line)?;
        self.cves
            .iter()
            .try_for_each(|cve| writeln!(f, "    {cve}"))
    }
}

fn alternatives(f: &mut fmt::Formatter<'_>, when: &[String]) -> fmt::Result {
    let mut word = "when";
    for text in when {
        writeln!(f, "    {word} {text}")?;
        word = "or when";
    }
    Ok(())
}

impl fmt::Display for CallExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.call {
            Some(name) => write!(f, "{} {name} ({})", self.arch, self.number)?,
            None => write!(f, "{} {:#x}", self.arch, self.number)?,
        }
        for argument in &self.arguments {
            write!(f, " {argument:#x}")?;
        }
        writeln!(f, " under {}", self.profile)?;
        self.outcomes
            .iter()
            .try_for_each(|outcome| write!(f, "{outcome}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = &self.decision;
        let quietly = decision.quietly();
        writeln!(f, "{}{quietly}: {}", decision.action, decision.ground)?;
        alternatives(f, &self.when)?;
        if let Some(because) = &self.because {
            writeln!(f, "    because {because}")?;
        }
        let Some(rule) = &decision.rule else {
            return Ok(());
        };
        writeln!(f, "    {} ({rule})", rule.why)?;
        rule.cves
            .iter()
            .try_for_each(|cve| writeln!(f, "    {cve}"))
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vulnerability = &self.vulnerability;
        write!(
            f,
            "{} {}  {}",
            vulnerability.published, vulnerability.id, vulnerability.what
        )?;
        self.by
            .iter()
            .try_for_each(|shield| write!(f, "\n    {shield}"))
    }
}

impl fmt::Display for Shield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action, self.calls.join(" "))?;
        if !self.when.is_empty() {
            write!(f, " when {}", self.when.join("; or "))?;
        }
        write!(f, " ({}:{})", self.file, self.line)
    }
}
