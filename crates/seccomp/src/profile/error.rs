//! What can be wrong with a profile's text.
//!
//! Not for: profiles that are sound but too long to compile.

use model::{IdError, ProfileName};

use crate::arch::{Arch, ArchError};
use crate::errno::ErrnoError;

/// A defect with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {key}: {problem}")]
pub struct ProfileError {
    /// The file as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Key, with dots, such as `allow.when.mask`.
    pub key: String,
    /// The defect.
    #[source]
    pub problem: Problem,
}

/// A defect of a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not TOML, an unknown or missing key, or a value of the wrong type.
    #[error("{message}")]
    Format {
        /// The TOML reader's words.
        message: String,
    },
    /// Made for another reader.
    #[error("version {given} is not supported: write version = 1")]
    Version {
        /// The version found.
        given: i64,
    },
    /// Not a profile name.
    #[error(transparent)]
    Name(#[from] IdError),
    /// Not an error number that a profile may use.
    #[error(transparent)]
    Errno(#[from] ErrnoError),
    /// Not an architecture that filters are made for.
    #[error(transparent)]
    Arch(#[from] ArchError),
    /// Longer than any reviewer would read.
    #[error("is longer than {} bytes", super::TEXT_BYTES_MAX)]
    TooLong,
    /// A text that must say something is blank.
    #[error("is blank: say why, or what for")]
    Blank,
    /// A list that must not be empty is.
    #[error("is empty: name at least one, or leave the whole rule out")]
    Empty,
    /// No architecture has the call.
    #[error("system call {call:?} exists on no supported architecture")]
    UnknownCall {
        /// The name, cut to 64 characters.
        call: String,
    },
    /// A call or rule comes twice.
    #[error("{call} is named with the same effect on line {first} already")]
    Duplicate {
        /// Name of the call.
        call: &'static str,
        /// Line of the first mention.
        first: usize,
    },
    /// Denied outright and allowed.
    #[error("{call} is denied here and allowed on line {allowed} for the same arguments")]
    Contradiction {
        /// Name of the call.
        call: &'static str,
        /// Line of the allowance.
        allowed: usize,
    },
    /// Denied for some arguments, although nothing allows it for others.
    #[error("{call} is denied for some arguments but allowed for none: drop `when` or allow it")]
    NeverAllowed {
        /// Name of the call.
        call: &'static str,
    },
    /// None of the actions, or several.
    #[error("a denial needs exactly one of `errno = \"...\"`, `kill = true` and `trap = true`")]
    Action,
    /// `when` without `otherwise`, or the other way round.
    #[error("`when` and `otherwise` belong together in an allow rule")]
    Otherwise,
    /// No such argument.
    #[error("argument {given} does not exist: arguments are 0 to 5")]
    Argument {
        /// The index found.
        given: i64,
    },
    /// No such width.
    #[error("width {given} is not 32 or 64")]
    Width {
        /// The width found.
        given: i64,
    },
    /// Not exactly one comparison.
    #[error("a condition needs exactly one of in, not_in, between, outside, clear and any_of")]
    Comparison,
    /// Mask and comparison don't go together.
    #[error("mask goes with in and not_in only")]
    Mask,
    /// A number that the argument can't have.
    #[error("{given:#x} has bits outside of the width or mask {bounds:#x}, so it never matches")]
    OutOfBounds {
        /// The number found, as it lies in a register.
        given: i64,
        /// The bits that are looked at.
        bounds: u64,
    },
    /// A value comes twice in a set.
    #[error("{given:#x} comes twice")]
    Repeated {
        /// The value.
        given: u64,
    },
    /// A mask without bits, or a range that is backward or holds every value.
    #[error("decides nothing: the mask is 0, or the range is backward or holds every value")]
    Vacuous,
    /// Not a CVE number.
    #[error("{given:?} is not a CVE number such as CVE-2026-12345")]
    Cve {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// Not a date.
    #[error("{given:?} is not a date such as 2026-04 or 2026-04-29")]
    Date {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// Not a name of an optional group.
    #[error("{given:?} is not a group name: lower-case letters, digits and -, at most 32")]
    GroupName {
        /// The text, cut to 64 characters.
        given: String,
    },
    /// An architecture comes twice.
    #[error("{arch} comes twice")]
    RepeatedArch {
        /// The architecture.
        arch: Arch,
    },
    /// The rule is for other architectures than the call.
    #[error("{call} exists on no architecture that this rule is for")]
    OtherArch {
        /// Name of the call.
        call: &'static str,
    },
    /// Neither rules nor a parent that has some.
    #[error("a profile needs [[allow]] rules, or `extends`")]
    NoRules,
    /// A change to a parent that isn't there.
    #[error("changes a parent's rules: it needs `extends`")]
    NoParent,
    /// A child that allows something.
    #[error(
        "a profile that extends another may only take away: use keep, drop or [[deny]], or `enable` for what the parent marks optional"
    )]
    Widens,
    /// Nobody knows the parent.
    #[error("there is no seccomp profile {name}")]
    UnknownParent {
        /// The parent.
        name: ProfileName,
    },
    /// The file of the parent holds another profile.
    #[error("the file of that name holds the profile {found}")]
    ParentName {
        /// The profile in the file.
        found: ProfileName,
    },
    /// A profile extends itself, perhaps through others.
    #[error("{name} extends itself")]
    Cycle {
        /// The profile.
        name: ProfileName,
    },
    /// Too many parents.
    #[error("more than {} profiles extend each other", super::CHAIN_MAX)]
    TooDeep,
    /// No such optional group.
    #[error("the parent has no optional group {group:?} that is off; it has: {known}")]
    UnknownGroup {
        /// The text, cut to 64 characters.
        group: Box<str>,
        /// The groups there are, with commas.
        known: Box<str>,
    },
    /// `keep`, `drop` or a partial denial of a call that is refused anyway.
    #[error("{call} is not allowed by the parent, so this changes nothing")]
    NotAllowed {
        /// Name of the call.
        call: &'static str,
    },
    /// The parent refuses it for the same arguments.
    #[error("{call} is refused for the same arguments in {file}:{line} already")]
    Inherited {
        /// Name of the call.
        call: &'static str,
        /// The file of that rule.
        file: Box<str>,
        /// Its line there.
        line: usize,
    },
}
