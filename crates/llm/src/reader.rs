//! Follows one answer and says at its end what it cost.
//!
//! Answers of any length are read in constant memory (`scan`), so there is no size beyond which an
//! answer is not metered. A program in a jail could avoid metering by never asking for the numbers
//! (OpenAI's streams carry them only with `stream_options.include_usage`) or by breaking off before
//! they come; what was not stated is then guessed from sizes and marked as such.
//!
//! Not for: compressed answers; decode them first.

use model::llm::TOKENS_MAX;
use model::{LlmKind, LlmUsage};

use crate::scan::Scanner;
use crate::stated::Stated;
use crate::stream::Stream;

/// Bytes of plain text to a token, by rule of thumb of the providers for English text.
const BYTES_PER_TOKEN: u64 = 4;
/// Bytes of a streamed event's JSON to a token: most of it is frame.
const STREAM_BYTES_PER_TOKEN: u64 = 64;

/// Reads one answer's body as it passes.
#[derive(Debug)]
pub struct UsageReader {
    kind: LlmKind,
    stated: Stated,
    body: Body,
    bytes: u64,
}

#[derive(Debug)]
enum Body {
    /// Nothing but white space yet.
    Unknown,
    Document(Box<Scanner>),
    Stream(Box<Stream>),
}

impl UsageReader {
    /// A reader for the body of a 2xx answer. Whether the body is one document or a stream of
    /// events shows in its first byte, whatever its `Content-Type` says.
    #[must_use]
    pub const fn new(kind: LlmKind) -> Self {
        Self {
            kind,
            stated: Stated {
                model: None,
                input: None,
                output: None,
                total: 0,
                cached: 0,
                cache_read: 0,
                cache_written: 0,
                is_over: false,
            },
            body: Body::Unknown,
            bytes: 0,
        }
    }

    /// Takes the next bytes of the body, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        for byte in bytes {
            match &mut self.body {
                Body::Document(scanner) => scanner.push(*byte, &mut self.stated),
                Body::Stream(stream) => stream.push(*byte, &mut self.stated),
                Body::Unknown => self.first(*byte),
            }
        }
    }

    /// What the answer cost, also one that broke off: call it whenever the exchange ends, once.
    /// `request_bytes` is the size of the request's body, for guesses. `None` for an answer that
    /// cost nothing: a whole document without usage, such as a list of models, or no document.
    #[must_use]
    pub fn finish(self, request_bytes: u64) -> Option<LlmUsage> {
        match &self.body {
            Body::Document(scanner) if scanner.is_done() => {
                self.stated.has_counts().then(|| self.usage())
            }
            Body::Document(_) => {
                let output = self.bytes / BYTES_PER_TOKEN;
                Some(self.guess(request_bytes, output))
            }
            Body::Stream(stream) if stream.events == 0 && stream.bytes == 0 => None,
            Body::Stream(_) if self.stated.is_over && self.stated.has_counts() => {
                Some(self.usage())
            }
            Body::Stream(stream) => {
                let output = stream.events.max(stream.bytes / STREAM_BYTES_PER_TOKEN);
                Some(self.guess(request_bytes, output))
            }
            Body::Unknown => None,
        }
    }

    fn first(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return,
            b'{' | b'[' => self.body = Body::Document(Box::new(Scanner::new())),
            _ => self.body = Body::Stream(Box::new(Stream::new())),
        }
        match &mut self.body {
            Body::Document(scanner) => scanner.push(byte, &mut self.stated),
            Body::Stream(stream) => stream.push(byte, &mut self.stated),
            Body::Unknown => {}
        }
    }

    /// What was stated, its counts taken apart.
    fn usage(&self) -> LlmUsage {
        let stated = &self.stated;
        let input = stated.input.unwrap_or_default();
        let output = stated.output.unwrap_or_default();
        let (input, cached, cache_written) = match self.kind {
            LlmKind::Openai => {
                let cached = stated.cached.min(input);
                (input - cached, cached, 0)
            }
            LlmKind::Anthropic => (input, stated.cache_read, stated.cache_written),
        };
        // Some servers count hidden reasoning in the total alone.
        let rest = stated
            .total
            .saturating_sub(stated.input.unwrap_or_default());
        LlmUsage {
            model: stated.model.clone(),
            input,
            cached,
            cache_written,
            output: output.max(rest),
            estimated: false,
        }
    }

    /// At least what was stated.
    fn guess(&self, request_bytes: u64, output: u64) -> LlmUsage {
        let stated = self.usage();
        let input = match self.stated.input {
            Some(_) => stated.input,
            None => request_bytes.div_ceil(BYTES_PER_TOKEN).min(TOKENS_MAX),
        };
        LlmUsage {
            input,
            output: stated.output.max(output.min(TOKENS_MAX)),
            estimated: true,
            ..stated
        }
    }
}

#[cfg(test)]
mod tests;
