//! Words every other crate agrees on: ids, sizes, limits, exit reasons, meters, events.
//!
//! Not for: I/O, clocks, policy, or anything that has one user only.
#![forbid(unsafe_code)]

pub mod calendar;
pub mod denial;
pub mod egress;
pub mod exit;
pub mod ids;
pub mod layers;
pub mod limits;
pub mod llm;
pub mod money;
pub mod recorded;
pub mod secret;
pub mod size;
pub mod span;
mod text;
pub mod usage;

pub use denial::{Denials, DeniedCall};
pub use egress::{EgressEvent, Phase, TlsMode, Verdict, Via};
pub use exit::{ExitReason, ExitRecord};
pub use ids::{EventId, IdError, ProfileName, SessionId};
pub use layers::Layers;
pub use limits::Limits;
pub use llm::{LlmCharge, LlmKind, LlmTotals, LlmUsage};
pub use money::{Money, MoneyError};
pub use recorded::Recorded;
pub use secret::{SecretDefinition, SecretKind, SecretName, SecretPlace};
pub use size::ByteSize;
pub use span::Span;
pub use usage::{HostUsage, KernelUsage, SecretUsage, Usage};
