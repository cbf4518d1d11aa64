//! The programs of all profiles at hand, to recognise an installed one by.
//!
//! Not for: reading installed ones.

use seccomp::{Arch, CompileError, Profile, Program, Purpose, compile_for};
use serde::Serialize;

use crate::commands::SeccompError;
use crate::failure::Failure;
use crate::shelf::Shelf;

/// A program of a profile.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Twin {
    /// Name of the profile.
    pub(crate) profile: String,
    /// Its file.
    pub(crate) source: String,
    /// The architecture that the program is for.
    pub(crate) arch: String,
    /// What the program is for.
    pub(crate) purpose: String,
}

/// All programs that are known.
#[derive(Debug)]
pub(super) struct Known {
    programs: Vec<(Program, Twin)>,
    expected: Vec<Program>,
}

impl Known {
    /// The programs of the profiles on the shelf, and of the one that is expected. Profiles of the
    /// host that can't be read have none: `seccomp list` says why.
    pub(super) fn of(shelf: &Shelf, expected: Option<&Profile>) -> Result<Self, Failure> {
        let mut programs = Vec::new();
        for name in shelf.filter_names()? {
            let Ok(profile) = shelf.filter(name.as_str()) else {
                continue;
            };
            programs.extend(all(&profile).map_err(SeccompError::from)?);
        }
        let mut own = Vec::new();
        if let Some(profile) = expected {
            own = all(profile).map_err(SeccompError::from)?;
            programs.extend(
                own.iter()
                    .filter(|(program, _)| !knows(&programs, program))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
        }
        let enforces = |(program, twin): (Program, Twin)| {
            // A program for recording lets pass what the profile refuses.
            (twin.purpose != Purpose::Record.to_string()).then_some(program)
        };
        Ok(Self {
            programs,
            expected: own.into_iter().filter_map(enforces).collect(),
        })
    }

    /// The profiles that have this very program.
    pub(super) fn twins(&self, program: &Program) -> Vec<Twin> {
        let same = self.programs.iter().filter(|(known, _)| known == program);
        same.map(|(_, twin)| twin.clone()).collect()
    }

    /// Whether the program enforces the expected profile.
    pub(super) fn is_expected(&self, program: &Program) -> bool {
        self.expected.contains(program)
    }
}

fn knows(programs: &[(Program, Twin)], program: &Program) -> bool {
    programs.iter().any(|(known, _)| known == program)
}

/// A profile's programs for all architectures and purposes.
fn all(profile: &Profile) -> Result<Vec<(Program, Twin)>, CompileError> {
    let source = profile.lineage().first();
    let source = source.map(|origin| origin.file.clone()).unwrap_or_default();
    let pairs = Arch::ALL
        .into_iter()
        .flat_map(|arch| Purpose::ALL.map(|purpose| (arch, purpose)));
    let made = pairs.map(|(arch, purpose)| {
        let twin = Twin {
            profile: profile.name().to_string(),
            source: source.clone(),
            arch: arch.to_string(),
            purpose: purpose.to_string(),
        };
        Ok((compile_for(profile, arch, purpose)?, twin))
    });
    made.collect()
}
