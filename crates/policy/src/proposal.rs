//! The smallest egress list for what was recorded: each request that was let through is allowed by it, and
//! no rule of it can be left out.
//!
//! Hosts are exact. Methods are those that were seen with a path. Paths are as they were, but for parts
//! that are known to change (ids, digests, versions become `*`) and for folders of which so much was asked
//! that a list would say less than a pattern. Each such step is in a comment, to be judged by a person.
//!
//! Not for: reading records (callers do), nor for what a command would have asked for otherwise.

mod check;
mod draft;
mod observed;
mod pattern;
mod segment;
mod text;

use std::net::SocketAddr;

use model::ProfileName;
use serde::Serialize;

pub use check::ProposalError;
pub use observed::{Observed, PLACES_MAX, REQUESTS_MAX, Refused, Skipped, Traffic};

/// A proposed egress list, and what it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The list as a file of `profiles/egress`.
    pub text: String,
    /// Its rules in the order of the file.
    pub rules: Vec<ProposedRule>,
    /// What was refused meanwhile, which no rule allows.
    pub refused: Vec<Refused>,
    /// What was let through and no rule can say, as it was seen.
    pub unsaid: Vec<String>,
    /// Requests and tunnels that were let through.
    pub requests: u64,
    /// Those of them that were too many to be looked at; the list may deny them.
    pub beyond: u64,
}

/// One rule of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProposedRule {
    /// The host.
    pub host: String,
    /// Its ports.
    pub ports: Vec<u16>,
    /// The address to dial in place of what the host resolves to, as while it was recorded.
    pub connect: Option<SocketAddr>,
    /// Methods; none for a tunnel, which is not looked into.
    pub methods: Vec<String>,
    /// Patterns of paths; none for a tunnel.
    pub paths: Vec<ProposedPath>,
    /// Why nothing is known of what is inside.
    pub tunnel: Option<Closed>,
    /// What it stands for.
    pub traffic: Traffic,
}

/// One pattern of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProposedPath {
    /// The pattern.
    pub glob: String,
    /// How many different paths it was made of.
    pub paths: usize,
    /// The first of them.
    pub samples: Vec<String>,
}

/// Why a tunnel stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// Nobody looked into it, or it was no HTTP.
    Unread,
    /// Its client takes no certificate but the server's own.
    Pinned,
}

/// Proposes an egress list.
///
/// # Errors
/// [`ProposalError`] if the list does not hold what is promised above: a defect, which is found here and
/// not by whoever uses the list.
pub fn propose(name: &ProfileName, observed: &Observed) -> Result<Proposal, ProposalError> {
    let (rules, unsaid) = draft::rules(observed);
    let proposal = Proposal {
        text: text::write(name, &rules, observed, &unsaid),
        rules,
        refused: observed.refused(),
        unsaid,
        requests: observed.requests(),
        beyond: observed.beyond(),
    };
    check::hold(name, &proposal.text, observed)?;
    Ok(proposal)
}

impl ProposedRule {
    /// Whether nothing but reading is allowed by it.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        let reads = |method: &String| ["GET", "HEAD", "OPTIONS"].contains(&method.as_str());
        self.tunnel.is_none() && self.methods.iter().all(reads)
    }
}

#[cfg(test)]
mod tests;
