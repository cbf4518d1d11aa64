//! The seccomp programs of all seccomp profiles, for the daemon's own processor.
//!
//! Not for: reading files, nor for the other kinds of profiles (`profiles`).

use std::collections::BTreeMap;
use std::sync::Arc;

use jail::Filter;
use model::ProfileName;
use seccomp::profile::FloorError;
use seccomp::{Arch, Data, Profile, Purpose, syscalls};
use warrant::notice::ProfileText;

use crate::profiles::{ProfilesError, Texts};

/// The kind of these profiles among all others, and their folder's name.
pub(crate) const KIND: &str = "seccomp";

/// The call that a recorded process installs its program with.
const INSTALL: &str = "seccomp";

/// A profile under which nothing can be recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    #[error(
        "seccomp profile {profile} refuses {INSTALL}, which recording needs: record under its parent"
    )]
    Forbidden { profile: String },
    #[error(transparent)]
    Floor(#[from] FloorError),
    #[error(transparent)]
    Compile(#[from] seccomp::CompileError),
    #[error("no seccomp program can be made for this processor")]
    Architecture,
}

/// A profile and its programs.
#[derive(Debug)]
pub(crate) struct Compiled {
    profile: Profile,
    filter: Arc<Filter>,
}

impl Compiled {
    /// The programs, if PID 1 of a jail can work under them. A call of PID 1 that its own program
    /// refuses would wait for PID 1 to answer it.
    pub(crate) fn for_jails(&self) -> Result<Arc<Filter>, FloorError> {
        self.profile.check_floor()?;
        Ok(Arc::clone(&self.filter))
    }
}

impl Compiled {
    /// The programs that record what the profile permits. Made when asked for: few jails record.
    ///
    /// # Errors
    /// Those of [`Self::for_jails`]; when the profile forbids the command's process to install the
    /// program that counts.
    pub(crate) fn for_recording(&self) -> Result<Arc<Filter>, RecordingError> {
        let arch = Arch::native().ok_or(RecordingError::Architecture)?;
        self.profile.check_floor()?;
        let mode_filter = [1, 0, 0, 0, 0, 0];
        let number = syscalls::number(arch, INSTALL).unwrap_or(u32::MAX);
        let install = Data::new(arch, number, mode_filter);
        if !seccomp::verdict(&self.profile, arch, &install).permits() {
            let profile = self.profile.name().to_string();
            return Err(RecordingError::Forbidden { profile });
        }
        let program = |purpose| seccomp::compile_for(&self.profile, arch, purpose);
        let (enforce, record) = (program(Purpose::Enforce)?, program(Purpose::Record)?);
        Ok(Arc::new(Filter::recording(enforce, record)))
    }
}

/// The shipped profiles' texts.
pub(crate) fn shipped() -> impl Iterator<Item = ProfileText> {
    seccomp::embedded::names().filter_map(|name| {
        Some(ProfileText {
            kind: KIND.to_owned(),
            name: name.parse().ok()?,
            source: format!("shipped:{KIND}/{name}.toml"),
            text: seccomp::shipped(name)?.to_owned(),
        })
    })
}

/// Reads and compiles all seccomp profiles among these texts. Each may extend any other.
pub(crate) fn compile_all(texts: &Texts) -> Result<BTreeMap<ProfileName, Compiled>, ProfilesError> {
    let arch = Arch::native().ok_or(ProfilesError::Architecture)?;
    let own = texts.values().filter(|text| text.kind == KIND);
    own.map(|text| Ok((text.name.clone(), compile(text, texts, arch)?)))
        .collect()
}

fn compile(text: &ProfileText, texts: &Texts, arch: Arch) -> Result<Compiled, ProfilesError> {
    let find = |name: &ProfileName| {
        let found = texts.get(&(KIND.to_owned(), name.clone()))?;
        Some((found.source.clone(), found.text.clone()))
    };
    let profile = Profile::parse_with(&text.source, &text.text, &find)?;
    if *profile.name() != text.name {
        return Err(ProfilesError::Name {
            file: text.source.clone(),
            given: profile.name().clone(),
        });
    }
    let program = |purpose| {
        seccomp::compile_for(&profile, arch, purpose).map_err(|source| ProfilesError::Compile {
            name: text.source.clone(),
            source,
        })
    };
    let (enforce, report) = (program(Purpose::Enforce)?, program(Purpose::Report)?);
    Ok(Compiled {
        filter: Arc::new(Filter::new(enforce, Some(report))),
        profile,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_add_a_program_to_itself_can_not_be_recorded_and_its_parent_can() {
        let text = "extends = \"agent\"\ndrop = [\"seccomp\"]";
        let compiled = compile_all(&texts(&[("fixed", text)])).unwrap();
        let of = |name: &str| compiled[&name.parse::<ProfileName>().unwrap()].for_recording();
        let error = of("fixed").unwrap_err().to_string();
        assert!(
            error.contains("fixed") && error.contains("parent"),
            "{error}"
        );
        for name in ["agent", "strict", "compute", "build"] {
            assert!(of(name).unwrap().records(), "{name}");
        }
    }

    fn texts(more: &[(&str, &str)]) -> Texts {
        let more = more.iter().map(|(name, text)| ProfileText {
            kind: KIND.to_owned(),
            name: name.parse().unwrap(),
            source: format!("{name}.toml"),
            text: format!("version = 1\nname = \"{name}\"\ndescription = \"d\"\n{text}"),
        });
        let all = shipped().chain(more);
        all.map(|text| ((text.kind.clone(), text.name.clone()), text))
            .collect()
    }

    #[test]
    fn a_profile_may_extend_another_of_the_host_and_keeps_its_refusals() {
        let first = "extends = \"agent\"\ndrop = [\"mq_open\"]";
        let second = "extends = \"first\"\ndrop = [\"mq_unlink\"]";
        let compiled = compile_all(&texts(&[("first", first), ("second", second)])).unwrap();
        let filter = |name: &str| {
            let name: ProfileName = name.parse().unwrap();
            compiled[&name].for_jails().unwrap()
        };
        assert_ne!(filter("first"), filter("second"));
        assert_ne!(filter("first"), filter("agent"));
        let unknown = compile_all(&texts(&[("third", "extends = \"none\"")]));
        assert!(matches!(unknown, Err(ProfilesError::Seccomp(_))));
    }

    #[test]
    fn a_profile_under_another_files_name_is_refused() {
        let mut texts = texts(&[("own", "extends = \"agent\"")]);
        compile_all(&texts).unwrap();
        let own = texts
            .get_mut(&(KIND.to_owned(), "own".parse().unwrap()))
            .unwrap();
        own.text = own.text.replace("name = \"own\"", "name = \"other\"");
        let error = compile_all(&texts).unwrap_err().to_string();
        assert_eq!(
            error,
            "own.toml: `name` is other; it must be the file's name without .toml"
        );
    }

    #[test]
    fn a_profile_that_init_can_not_work_under_compiles_and_is_for_no_jail() {
        let text = "extends = \"agent\"\ndrop = [\"sendmsg\"]";
        let compiled = compile_all(&texts(&[("mute", text)])).unwrap();
        let of = |name: &str| &compiled[&name.parse::<ProfileName>().unwrap()];
        assert!(
            of("mute")
                .for_jails()
                .unwrap_err()
                .missing
                .contains("sendmsg")
        );
        assert!(of("mute").for_recording().is_err());
        assert!(of("office").for_jails().is_err());
        assert!(of("agent").for_jails().is_ok() && of("strict").for_jails().is_ok());
    }
}
