//! The tap that counts what answers of language models cost, while they pass by.
//!
//! Not for: reading them (`llm`), nor budgets (`ration`, `spend`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use llm::UsageReader;
use model::{LlmKind, LlmUsage};
use vault::{Coding, Decoder};

use crate::answer::Answer;
use crate::content::{Taken, Tap};
use crate::fields::Fields;
use crate::reason::Cause;

/// One exchange with a language model; clones look at the same one.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kind: LlmKind,
    /// Set while an answer is read.
    reader: Mutex<Option<UsageReader>>,
    /// Bytes of the request's content that were sent.
    asked: AtomicU64,
}

impl Usage {
    pub(crate) fn new(kind: LlmKind) -> Self {
        let shared = Shared {
            kind,
            reader: Mutex::new(None),
            asked: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The tap for what is sent.
    pub(crate) fn question(&self) -> impl Tap + 'static {
        Question(Arc::clone(&self.shared))
    }

    /// The tap for the answer with this head. Failures cost nothing; content in a coding that can't be
    /// undone, which nobody asked for, is not read.
    pub(crate) fn answer(&self, answer: &Answer) -> Option<impl Tap + 'static> {
        if !(200..300).contains(&answer.status) {
            return None;
        }
        let coding = Coding::of(answer.fields.all("content-encoding")).ok()?;
        *self.reader() = Some(UsageReader::new(self.shared.kind));
        Some(Reply {
            usage: self.clone(),
            decoder: Some(Decoder::new(coding)),
        })
    }

    /// What it cost, also when it was broken off. Once.
    pub(crate) fn finish(&self) -> Option<LlmUsage> {
        let reader = self.reader().take()?;
        reader.finish(self.shared.asked.load(Ordering::Relaxed))
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Option<UsageReader>> {
        let reader = &self.shared.reader;
        reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Question(Arc<Shared>);

impl Tap for Question {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<Taken, Cause> {
        self.0.asked.fetch_add(data.len() as u64, Ordering::Relaxed);
        out.extend_from_slice(data);
        Ok(Taken::all(data))
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), Cause> {
        Ok(())
    }

    fn trailers(&mut self, _: &mut Fields) -> Result<(), Cause> {
        Ok(())
    }
}

struct Reply {
    usage: Usage,
    /// `None` once the content turned out to be in no coding at all.
    decoder: Option<Decoder>,
}

impl Reply {
    fn read(&mut self, mut data: &[u8]) {
        let mut content = Vec::new();
        while let Some(decoder) = &mut self.decoder {
            content.clear();
            let Ok(progress) = decoder.push(data, &mut content) else {
                self.decoder = None;
                return;
            };
            if let Some(reader) = self.usage.reader().as_mut() {
                reader.push(&content);
            }
            data = data.get(progress.consumed..).unwrap_or_default();
            if data.is_empty() && !progress.more {
                return;
            }
        }
    }
}

impl Tap for Reply {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<Taken, Cause> {
        self.read(data);
        out.extend_from_slice(data);
        Ok(Taken::all(data))
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), Cause> {
        Ok(())
    }

    fn trailers(&mut self, _: &mut Fields) -> Result<(), Cause> {
        Ok(())
    }
}
