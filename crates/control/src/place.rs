//! Where the rule of a recorded verdict stands, and what it says.
//!
//! Not for: judging; the text is the one by which the verdict was made, or none is given.

use std::sync::Arc;

use api::control::RulePlace;
use model::EgressEvent;

use crate::policies::Set;
use crate::{Office, Session};

impl Office {
    /// The rule that decided, with its file and text. `None`: no rule did, or the profiles of that
    /// generation are gone with the session.
    #[must_use]
    pub fn rule_place(&self, event: &EgressEvent) -> Option<RulePlace> {
        let (source, number) = event.rule.as_deref()?.rsplit_once(':')?;
        let number: u32 = number.parse().ok()?;
        let session = self.registry().get(&event.session);
        if source == policy::origin::CLI {
            return option(&*session?, number);
        }
        let own = session.map(|session| Arc::clone(&session.rules().syscalls.set));
        let sets = own.into_iter().chain([self.policies().current()]);
        let mut of_then = sets.filter(|set| set.generation() == event.policy_generation);
        of_then.next().and_then(|set| line(&set, source, number))
    }
}

/// The option that a rule of the command line was given with.
fn option(session: &Session, index: u32) -> Option<RulePlace> {
    let facts = session.facts();
    let allow = facts.allow.iter().map(|text| ("--allow", text));
    let connect = facts.connect.iter().map(|text| ("--connect", text));
    let secrets = facts.secrets.iter().map(|name| ("--secret", name.as_str()));
    let texts = allow
        .chain(connect)
        .map(|(option, text)| (option, text.as_str()));
    let (option, text) = texts.chain(secrets).nth(usize::try_from(index).ok()?)?;
    Some(RulePlace {
        file: "command line".to_owned(),
        line: index,
        text: format!("{option} {text}"),
    })
}

fn line(set: &Set, source: &str, number: u32) -> Option<RulePlace> {
    let text = set.text_of_rule(source)?;
    Some(RulePlace {
        file: text.source.clone(),
        line: number,
        text: policy::excerpt::excerpt(&text.text, number)?,
    })
}
