//! What must hold for whatever text comes in: no panic, errors with a place, and a program that does
//! what the model says. Property tests and the fuzz targets (`fuzz/`) run the same functions.
//!
//! Not for: making texts.

use sheriff_seccomp::import::{self, Request, Sets};
use sheriff_seccomp::profile::ProfileError;
use sheriff_seccomp::{
    Arch, Data, Profile, Purpose, compile_for, corpus, simulate, syscalls, verdict_for,
};

/// Argument lists tried per call: a text may be one of thousands.
const LISTS: usize = 16;

/// Reads a profile; one that is sound is compiled and compared with the model.
pub(crate) fn profile(text: &str) -> bool {
    match Profile::parse("given.toml", text) {
        Ok(profile) => {
            agrees(&profile);
            true
        }
        Err(error) => {
            placed(&error, text);
            false
        }
    }
}

/// Reads an OCI policy; what comes out must read as a profile.
pub(crate) fn oci(text: &str) -> bool {
    let policy = |arch| import::oci("given.json", text, &request(arch));
    Arch::ALL.map(|arch| imported(policy(arch).map(|made| made.text))) == [true, true]
}

/// Reads a systemd filter; what comes out must read as a profile.
pub(crate) fn systemd(text: &str) -> bool {
    let made = import::systemd(
        "given.service",
        text,
        &Sets::shipped(),
        &request(Arch::X86_64),
    );
    imported(made.map(|made| made.text))
}

fn request(arch: Arch) -> Request {
    Request::new("imported".parse().expect("a name"), arch)
}

fn imported(made: Result<String, import::ImportError>) -> bool {
    match made {
        Ok(text) => {
            let profile = Profile::parse("made.toml", &text);
            let profile = profile.unwrap_or_else(|error| panic!("{error}\n{text}"));
            agrees(&profile);
            true
        }
        Err(error) => {
            assert!(error.to_string().contains("given."), "{error}");
            false
        }
    }
}

fn placed(error: &ProfileError, text: &str) {
    let lines = text.matches('\n').count() + 1;
    let own = error.file == "given.toml";
    assert!(own || error.file.starts_with("shipped:"), "{error}");
    assert!(error.line >= 1 && (!own || error.line <= lines), "{error}");
    assert!(
        !error.key.is_empty() && error.to_string().len() < 4096,
        "{error}"
    );
}

fn agrees(profile: &Profile) {
    for arch in Arch::ALL {
        for purpose in Purpose::ALL {
            // Too long for the kernel is a sound answer.
            let Ok(program) = compile_for(profile, arch, purpose) else {
                continue;
            };
            for number in 0..syscalls::newest(arch) + 2 {
                let lists = match syscalls::name(arch, number) {
                    Some(name) => corpus::arguments(profile, name),
                    None => vec![[0; 6]],
                };
                for arguments in lists.iter().step_by(lists.len().div_ceil(LISTS)) {
                    let call = Data::new(arch, number, *arguments);
                    let expected = verdict_for(profile, arch, &call, purpose);
                    assert_eq!(simulate(&program, &call), Ok(expected), "{call:x?}");
                }
            }
        }
    }
}
