//! Where a rule stands among the files of profiles, and what it says.
//!
//! Not for: rules of the command line.

use api::control::RulePlace;
use policy::ProfileKind;
use policy::excerpt::excerpt;

use super::{Kind, Shelf};

impl Shelf {
    /// The place of `coder:31` or `egress/web:4`; none when there is no such profile or line.
    pub(crate) fn rule_place(&self, rule: &str) -> Option<RulePlace> {
        let (source, line) = rule.rsplit_once(':')?;
        let line = line.parse().ok()?;
        let (kind, name) = match source.strip_prefix("egress/") {
            Some(name) => (ProfileKind::Egress, name),
            None => (ProfileKind::Jail, source),
        };
        let found = self.find(Kind::from(kind), &name.parse().ok()?).ok()?;
        Some(RulePlace {
            line,
            text: excerpt(&found.text, line)?,
            file: found.file,
        })
    }
}
