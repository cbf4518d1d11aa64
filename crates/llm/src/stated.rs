//! The numbers that an answer states about itself, from wherever they stand in its JSON.
//!
//! Not for: finding JSON (`scan`) or guessing (`reader`).

use model::llm::TOKENS_MAX;

/// Longest model name that is kept; real ones have some tens of characters.
const MODEL_MAX: usize = 128;

/// A key that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Model,
    Type,
    Usage,
    /// What a streamed event wraps an answer in: `message`, `response`.
    Wrapper,
    /// `prompt_tokens_details`, `input_tokens_details`.
    Details,
    Input,
    Output,
    Total,
    Cached,
    CacheRead,
    CacheWritten,
    Other,
}

/// All that was stated so far. Streamed counts are cumulative, so the largest one of a kind stays;
/// an answer that repeats a key can't lower what it stated.
#[derive(Debug, Default)]
pub(crate) struct Stated {
    pub(crate) model: Option<String>,
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) total: u64,
    /// Part of `input` in OpenAI's counting.
    pub(crate) cached: u64,
    /// Beside `input` in Anthropic's counting.
    pub(crate) cache_read: u64,
    pub(crate) cache_written: u64,
    /// An event said that it is the last one.
    pub(crate) is_over: bool,
}

impl Key {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "model" => Self::Model,
            "type" => Self::Type,
            "usage" => Self::Usage,
            "message" | "response" => Self::Wrapper,
            "prompt_tokens_details" | "input_tokens_details" => Self::Details,
            "prompt_tokens" | "input_tokens" => Self::Input,
            "completion_tokens" | "output_tokens" => Self::Output,
            "total_tokens" => Self::Total,
            "cached_tokens" => Self::Cached,
            "cache_read_input_tokens" => Self::CacheRead,
            "cache_creation_input_tokens" => Self::CacheWritten,
            _ => Self::Other,
        }
    }
}

impl Stated {
    /// True when any count was stated.
    pub(crate) const fn has_counts(&self) -> bool {
        self.input.is_some() || self.output.is_some() || self.total > 0
    }

    /// Takes a whole number, as large as it may be.
    pub(crate) fn number(&mut self, path: &[Key], value: u64) {
        let value = value.min(TOKENS_MAX);
        let count = match unwrapped(path) {
            [Key::Usage, Key::Input] => return keep(&mut self.input, value),
            [Key::Usage, Key::Output] => return keep(&mut self.output, value),
            [Key::Usage, Key::Total] => &mut self.total,
            [Key::Usage, Key::Details, Key::Cached] => &mut self.cached,
            [Key::Usage, Key::CacheRead] => &mut self.cache_read,
            [Key::Usage, Key::CacheWritten] => &mut self.cache_written,
            _ => return,
        };
        *count = value.max(*count);
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, path: &[Key], value: &str) {
        match path {
            [Key::Type] => self.is_over |= is_last(value),
            _ if unwrapped(path) == [Key::Model] => self.name(value),
            _ => {}
        }
    }

    fn name(&mut self, model: &str) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/@-".contains(&b);
        if !model.is_empty() && model.len() <= MODEL_MAX && model.bytes().all(plain) {
            self.model.get_or_insert_with(|| model.to_owned());
        }
    }
}

/// The last event of a stream: Anthropic's messages, OpenAI's responses.
fn is_last(kind: &str) -> bool {
    matches!(
        kind,
        "message_stop" | "response.completed" | "response.incomplete" | "response.failed"
    )
}

fn unwrapped(path: &[Key]) -> &[Key] {
    match path {
        [Key::Wrapper, rest @ ..] => rest,
        path => path,
    }
}

fn keep(count: &mut Option<u64>, value: u64) {
    *count = (*count).max(Some(value));
}
