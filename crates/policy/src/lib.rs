//! Decides, purely, whether a request may leave a jail, and reads the profiles that say so.
//!
//! One parser of destinations, one canonical path, one judge. Everything here is a function of its
//! arguments, so that a verdict can be repeated, tested and explained.
//!
//! Not for: I/O, async, name resolution or dialling; callers bring the text and carry the verdict out.
#![forbid(unsafe_code)]

pub mod address;
pub mod budget;
pub mod ceiling;
pub mod decision;
pub mod destination;
pub mod effective;
pub mod egress;
pub mod embedded;
pub mod excerpt;
pub mod glob;
pub mod host;
mod index;
pub mod label;
pub mod limits;
pub mod listed;
pub mod origin;
pub mod path;
pub mod profile;
pub mod proposal;
pub mod rate;
pub mod rule;
pub mod target;
pub mod terms;

pub use address::{AddressClass, forbidden, is_metadata_name};
pub use budget::{Budget, OnExceeded};
pub use ceiling::EgressCeiling;
pub use decision::{Decision, Handling, Reason};
pub use destination::{Destination, DestinationError, DomainName, Host};
pub use effective::EffectivePolicy;
pub use egress::{EgressPolicy, EgressRules, PolicyError, Request, RequestKind};
pub use embedded::shipped;
pub use glob::PathGlob;
pub use host::HostPattern;
pub use label::{LabelError, check_open};
pub use limits::{Ceiling, LimitSettings};
pub use origin::Origin;
pub use path::{CanonicalPath, PathError};
pub use profile::{LookupError, ProfileError, ProfileKind, ResolvedProfile, Source};
pub use rate::Rate;
pub use rule::{Effect, Rule, RuleError};
pub use target::{Scheme, Target};
pub use terms::Terms;
