//! Language-model services: whose wire format a host speaks, and what its answers cost.
//!
//! Not for: reading answers, nor for prices (`llm`).

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// Largest count of tokens of one kind in one answer, 2^53 - 1: records keep whole numbers up to it
/// (RFC 8785). A server that states more is taken to have stated this.
pub const TOKENS_MAX: u64 = (1 << 53) - 1;

/// The wire format of a service, which says where its answers carry their `usage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LlmKind {
    /// Chat completions, responses and embeddings, as `OpenAI` and many others serve them.
    Openai,
    /// Messages, as Anthropic serves them.
    Anthropic,
}

impl LlmKind {
    /// The word in policy files, logs and metrics labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// Tokens of one answer. The four counts do not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmUsage {
    /// The model that the server says answered: at most 128 letters, digits and `._:/@-`.
    pub model: Option<String>,
    /// Tokens read that were in no cache.
    pub input: u64,
    /// Tokens read from the provider's cache.
    pub cached: u64,
    /// Tokens read and written to the provider's cache.
    pub cache_written: u64,
    /// Tokens made, hidden reasoning included.
    pub output: u64,
    /// True when the server did not state all of it, or the answer broke off before it could: the
    /// counts are then guessed from sizes, and at least what was stated.
    pub estimated: bool,
}

/// One answer as it stands on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmCharge {
    /// Its tokens.
    #[serde(flatten)]
    pub usage: LlmUsage,
    /// What they cost; `None` when the model has no price.
    pub cost: Option<Money>,
}

/// All answers of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmTotals {
    /// Answers that cost something.
    pub answers: u64,
    /// Of them those whose tokens were guessed, in part at least.
    pub estimated: u64,
    /// Of them those whose model has no price; their cost is not in `cost`.
    pub unpriced: u64,
    /// See [`LlmUsage::input`].
    pub input: u64,
    /// See [`LlmUsage::cached`].
    pub cached: u64,
    /// See [`LlmUsage::cache_written`].
    pub cache_written: u64,
    /// See [`LlmUsage::output`].
    pub output: u64,
    /// What they cost together.
    pub cost: Money,
}

impl LlmTotals {
    /// True while nothing has been counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl LlmUsage {
    /// All tokens together, as budgets count them.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.input
            .saturating_add(self.cached)
            .saturating_add(self.cache_written)
            .saturating_add(self.output)
    }
}

impl LlmTotals {
    /// All tokens together.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.input
            .saturating_add(self.cached)
            .saturating_add(self.cache_written)
            .saturating_add(self.output)
    }

    /// Counts one more answer.
    pub fn add(&mut self, charge: &LlmCharge) {
        let usage = &charge.usage;
        *self = self.and(&Self {
            answers: 1,
            estimated: usage.estimated.into(),
            unpriced: charge.cost.is_none().into(),
            input: usage.input,
            cached: usage.cached,
            cache_written: usage.cache_written,
            output: usage.output,
            cost: charge.cost.unwrap_or_default(),
        });
    }

    /// The sum of both.
    #[must_use]
    pub const fn and(&self, other: &Self) -> Self {
        Self {
            answers: self.answers.saturating_add(other.answers),
            estimated: self.estimated.saturating_add(other.estimated),
            unpriced: self.unpriced.saturating_add(other.unpriced),
            input: self.input.saturating_add(other.input),
            cached: self.cached.saturating_add(other.cached),
            cache_written: self.cache_written.saturating_add(other.cache_written),
            output: self.output.saturating_add(other.output),
            cost: self.cost.saturating_add(other.cost),
        }
    }
}
