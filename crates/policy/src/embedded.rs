//! The profiles that Sheriff ships, built into the binary.
//!
//! Not for: profiles of the host, which are looked up in their folders first.

use crate::profile::ProfileKind;

const JAIL: [(&str, &str); 5] = [
    ("base", include_str!("../../../profiles/jail/base.toml")),
    ("coder", include_str!("../../../profiles/jail/coder.toml")),
    ("node", include_str!("../../../profiles/jail/node.toml")),
    ("python", include_str!("../../../profiles/jail/python.toml")),
    ("shell", include_str!("../../../profiles/jail/shell.toml")),
];

/// Lists that a profile can name; no shipped jail does, so each reaches nothing by default.
const EGRESS: [(&str, &str); 4] = [
    (
        "github",
        include_str!("../../../profiles/egress/github.toml"),
    ),
    (
        "github-write",
        include_str!("../../../profiles/egress/github-write.toml"),
    ),
    (
        "llm-anthropic",
        include_str!("../../../profiles/egress/llm-anthropic.toml"),
    ),
    (
        "llm-openai",
        include_str!("../../../profiles/egress/llm-openai.toml"),
    ),
];

/// The text of a shipped profile.
#[must_use]
pub fn shipped(kind: ProfileKind, name: &str) -> Option<&'static str> {
    let mut all = all(kind).iter();
    all.find(|(own, _)| *own == name).map(|(_, text)| *text)
}

/// The names of the shipped profiles, in order.
pub fn shipped_names(kind: ProfileKind) -> impl Iterator<Item = &'static str> {
    all(kind).iter().map(|(name, _)| *name)
}

const fn all(kind: ProfileKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        ProfileKind::Jail => &JAIL,
        ProfileKind::Egress => &EGRESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::profile::{LookupError, ResolvedProfile, Source};

    /// A shipped profile, or one with this text.
    fn resolve(name: &str, own: &str) -> ResolvedProfile {
        let resolved = ResolvedProfile::resolve(&name.parse().unwrap(), &mut |kind, name| {
            let text = shipped(kind, name.as_str()).unwrap_or(own);
            if text.is_empty() {
                return Err(LookupError::NotFound);
            }
            Ok(Source {
                file: format!("{name}.toml"),
                text: text.to_owned(),
            })
        });
        resolved.unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_shipped_list_says_why_and_is_as_narrow_as_it_can_be() {
        for list in shipped_names(ProfileKind::Egress) {
            let own = format!(
                "version = 1\nname = 'own'\nextends = 'base'\n[egress]\nextends = ['{list}']"
            );
            let rules = resolve("own", &own).egress.rules;
            assert!(!rules.is_empty());
            for rule in &rules {
                let name = rule.origin();
                assert!(rule.methods().is_some(), "{name}: any method");
                assert!(!rule.websocket(), "{name}: WebSockets");
                assert_eq!(rule.ports(), Some(vec![443]), "{name}");
                assert!(
                    matches!(rule.host(), crate::HostPattern::Exact(_)),
                    "{name}"
                );
                let writes =
                    |method: &crate::rule::Method| !matches!(method.as_str(), "GET" | "HEAD");
                if rule.methods().unwrap().iter().any(writes) {
                    assert!(rule.paths().is_some(), "{name}: writes anywhere");
                    assert!(rule.max_body().is_some(), "{name}: writes without a limit");
                }
            }
            let text = shipped(ProfileKind::Egress, list).unwrap();
            let heads = text.matches("\n[[allow]]").count();
            let explained = text.matches(".\n[[allow]]").count();
            assert!(
                heads - explained <= 1,
                "{list}: {heads} rules, {explained} reasons"
            );
        }
    }

    #[test]
    fn every_shipped_profile_resolves_and_reaches_nothing() {
        for name in shipped_names(ProfileKind::Jail) {
            let resolved = resolve(name, "");
            assert!(resolved.egress.rules.is_empty(), "{name}");
            let held: u64 = resolved
                .filesystem
                .tmpfs
                .iter()
                .map(|tmpfs| tmpfs.size.0)
                .sum();
            assert!(
                held <= resolved.limits.memory.0,
                "{name}: tmpfs exceed memory"
            );
        }
        assert!(shipped(ProfileKind::Jail, "none").is_none());
    }
}
