//! What must hold for whatever a model's server answers. The test and the fuzz target (`fuzz/`) run the same
//! function.
//!
//! Not for: making inputs.

use model::llm::TOKENS_MAX;
use model::{LlmKind, LlmUsage};
use sheriff_llm::UsageReader;

/// The first byte says whose format it is and how it is divided, the rest is the answer. True when it says what
/// it cost.
pub(crate) fn usage(input: &[u8]) -> bool {
    let Some((&how, answer)) = input.split_first() else {
        return false;
    };
    let kind = if how & 1 == 0 {
        LlmKind::Openai
    } else {
        LlmKind::Anthropic
    };
    let whole = read(kind, answer, answer.len().max(1));
    for size in [1, 3, usize::from(how >> 1) + 4] {
        assert_eq!(read(kind, answer, size), whole, "in pieces of {size}");
    }
    let Some(usage) = whole else {
        return false;
    };
    for count in [usage.input, usage.cached, usage.cache_written, usage.output] {
        assert!(count <= TOKENS_MAX, "{count} can't be recorded");
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte);
    let model = usage.model.as_deref().unwrap_or_default();
    assert!(
        model.len() <= 128 && model.bytes().all(is_plain),
        "{model:?}"
    );
    !usage.estimated
}

fn read(kind: LlmKind, answer: &[u8], size: usize) -> Option<LlmUsage> {
    let mut reader = UsageReader::new(kind);
    for piece in answer.chunks(size) {
        reader.push(piece);
    }
    reader.finish(100)
}
