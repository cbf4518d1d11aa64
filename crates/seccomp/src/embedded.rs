//! The shipped profiles, compiled in, so that the binaries work without installed files.
//!
//! Not for: profiles of the host's owner, which are files.

const SHIPPED: [(&str, &str); 5] = [
    (
        "agent",
        include_str!("../../../profiles/seccomp/agent.toml"),
    ),
    (
        "build",
        include_str!("../../../profiles/seccomp/build.toml"),
    ),
    (
        "compute",
        include_str!("../../../profiles/seccomp/compute.toml"),
    ),
    (
        "office",
        include_str!("../../../profiles/seccomp/office.toml"),
    ),
    (
        "strict",
        include_str!("../../../profiles/seccomp/strict.toml"),
    ),
];

/// The TOML text of a shipped profile.
#[must_use]
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED
        .into_iter()
        .find(|(shipped, _)| *shipped == name)
        .map(|(_, text)| text)
}

/// The names of the shipped profiles, ascending.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.into_iter().map(|(name, _)| name)
}

#[cfg(test)]
mod tests;
