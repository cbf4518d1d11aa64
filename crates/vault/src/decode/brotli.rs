//! Brotli (RFC 7932).
//!
//! Not for: its large windows, which no content coding has.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use crate::decode::{DecodeError, Progress, STEP_MAX};

/// Largest window without the extension (RFC 7932 9.1).
pub(super) const WINDOW_MAX: usize = 16 * 1024 * 1024;

/// One stream. Its window takes at most [`WINDOW_MAX`].
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    room: Vec<u8>,
    is_ended: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: BrotliState::new_strict(alloc(), alloc(), alloc()),
            room: vec![0; STEP_MAX],
            is_ended: false,
        }
    }

    pub(super) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Progress, DecodeError> {
        if self.is_ended && !input.is_empty() {
            return Err(DecodeError::Malformed);
        }
        let (mut left, mut consumed) = (input.len(), 0);
        let (mut free, mut given, mut total) = (self.room.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut consumed,
            input,
            &mut free,
            &mut given,
            &mut self.room,
            &mut total,
            &mut self.state,
        );
        out.extend_from_slice(self.room.get(..given).unwrap_or_default());
        match result {
            BrotliResult::ResultFailure => return Err(DecodeError::Malformed),
            BrotliResult::ResultSuccess => self.is_ended = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(Progress {
            consumed,
            more: matches!(result, BrotliResult::NeedsMoreOutput),
        })
    }

    pub(super) const fn is_ended(&self) -> bool {
        self.is_ended
    }
}
