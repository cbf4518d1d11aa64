//! The error body of every API, after RFC 9457.
//!
//! Not for: mapping errors to it; each server does that in one place.

use serde::{Deserialize, Serialize};

/// Media type of a problem body (RFC 9457 section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal or failure in words and in a stable code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable machine code in `snake_case`; clients branch on this.
    pub code: String,
    /// HTTP status (also used as a class on `attach.sock`).
    pub status: u16,
    /// One sentence that names the thing.
    pub title: String,
    /// More words: the step and the cause.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the reader can do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}
