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

/// The text of a shipped profile. No egress lists are shipped: a jail reaches nothing by default.
#[must_use]
pub fn shipped(kind: ProfileKind, name: &str) -> Option<&'static str> {
    match kind {
        ProfileKind::Jail => JAIL
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, text)| *text),
        ProfileKind::Egress => None,
    }
}

/// The names of the shipped profiles, in order.
pub fn shipped_names(kind: ProfileKind) -> impl Iterator<Item = &'static str> {
    let names: &'static [(&str, &str)] = match kind {
        ProfileKind::Jail => &JAIL,
        ProfileKind::Egress => &[],
    };
    names.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::profile::{LookupError, ResolvedProfile, Source};

    #[test]
    fn every_shipped_profile_resolves_and_reaches_nothing() {
        for name in shipped_names(ProfileKind::Jail) {
            let resolved = ResolvedProfile::resolve(&name.parse().unwrap(), &mut |kind, name| {
                let text = shipped(kind, name.as_str()).ok_or(LookupError::NotFound)?;
                Ok(Source {
                    file: format!("{name}.toml"),
                    text: text.to_owned(),
                })
            });
            let resolved = resolved.unwrap_or_else(|error| panic!("{error}"));
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
