//! What a recorded command called, in names, and the profile that it ran under.
//!
//! Not for: the audit log (`recorder`), nor for making a profile of it; the client does that.

use std::os::fd::OwnedFd;

use api::recording::{Base, BaseText, RecordedCall, Recording};
use model::Recorded;
use seccomp::{Arch, syscalls};

use crate::Session;

/// The profile can't be passed on.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// It has no JSON form.
    #[error("the profile of a recorded session: {0}")]
    Form(#[from] serde_json::Error),
    /// The memory file could not be made.
    #[error("the profile of a recorded session: {0}")]
    File(#[from] sys::SysError),
}

/// The record with names. What no kernel gives a name counts as odd, so however long the record is
/// that the warden passed on, this has no more entries than there are calls.
pub(crate) fn named(session: &Session, recorded: &Recorded) -> Recording {
    let name = |number| Arch::native().and_then(|arch| syscalls::name(arch, number));
    let mut calls = Vec::new();
    let mut odd = recorded.odd;
    for (number, count) in recorded.calls.iter().copied() {
        match name(number) {
            Some(name) => calls.push(RecordedCall {
                syscall: name.to_owned(),
                number,
                count,
            }),
            None => odd = odd.saturating_add(count),
        }
    }
    Recording {
        profile: session.rules().syscalls.profile.clone(),
        calls,
        odd,
    }
}

/// A memory file with the [`Base`] of a session: its seccomp profile as it was when it started.
///
/// # Errors
/// [`BaseError`].
pub fn base(session: &Session) -> Result<OwnedFd, BaseError> {
    let rules = &session.rules().syscalls;
    let texts = rules.set.seccomp_texts(&rules.profile).into_iter();
    let base = Base {
        texts: texts
            .map(|text| BaseText {
                name: text.name.clone(),
                file: text.source.clone(),
                text: text.text.clone(),
            })
            .collect(),
    };
    let bytes = serde_json::to_vec(&base)?;
    Ok(sys::fds::memory_file(c"sheriff-base", &bytes)?)
}
