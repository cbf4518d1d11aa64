//! `sheriff profile check`: whether profiles can be used, before the daemon is told to use them.
//!
//! Not for: ceilings of the daemon's configuration (`sheriffd --check`).

use std::path::Path;

use model::ProfileName;
use policy::{ProfileError, ProfileKind, ResolvedProfile, Source};
use seccomp::lint::{Severity, lint};
use seccomp::profile::FloorError;
use seccomp::{Arch, Profile, Purpose, compile_for};
use serde::Serialize;

use crate::commands::folder::Folder;
use crate::failure::Failure;
use crate::render::{Output, profile};
use crate::shelf::{self, FilterError, Kind, Shelf};

/// The profile of the daemon's own unprivileged process, which is PID 1 of no jail.
const OFFICE: &str = "office";

/// Options of `profile check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    folder: Folder,
    /// What the profiles are about; by default the name of a file's folder says it, else jails
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Files, or names of profiles in their folders
    #[arg(required = true, value_name = "FILE|NAME")]
    profiles: Vec<String>,
}

/// What was found about one profile.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// The file, or `shipped:KIND/NAME`.
    pub(crate) file: String,
    /// Whether it can be used.
    pub(crate) ok: bool,
    /// Line of the first fault.
    pub(crate) line: Option<usize>,
    /// Its key.
    pub(crate) key: Option<String>,
    /// The fault with its place, in words.
    pub(crate) error: Option<String>,
}

/// Checks the profiles; 1 when any can't be used.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let shelf = args.folder.shelf();
    let check = |given: &String| check_one(given, args.kind, &shelf);
    let findings = args
        .profiles
        .iter()
        .map(check)
        .collect::<Result<Vec<_>, _>>()?;
    let mut output = Output::new();
    if args.json {
        output.json(&findings)?;
    } else {
        findings
            .iter()
            .try_for_each(|finding| profile::finding(finding, &mut output))?;
    }
    output.finish()?;
    Ok(u8::from(findings.iter().any(|finding| !finding.ok)))
}

fn check_one(given: &str, kind: Option<Kind>, shelf: &Shelf) -> Result<Finding, Failure> {
    // A profile's name has neither, so nothing can be both.
    let (kind, name, source) = if given.contains(['/', '.']) {
        let path = Path::new(given);
        let kind = kind.unwrap_or_else(|| Kind::of_file(path));
        (kind, shelf::name_of(path)?, shelf::read(path)?)
    } else {
        let name = given.parse().map_err(|source| shelf::ShelfError::Name {
            path: given.into(),
            source,
        })?;
        let kind = kind.unwrap_or(Kind::Jail);
        let source = shelf.find(kind, &name)?;
        (kind, name, source)
    };
    Ok(match kind {
        Kind::Jail => Finding::of(&source, check_jail(&name, &source, shelf)),
        Kind::Egress => Finding::of(&source, check_egress(&name, &source, shelf)),
        Kind::Seccomp => Finding::of(&source, check_filter(&name, &source, shelf)),
    })
}

/// Resolves the profile, its file standing for its name, and reads the filter that it names.
fn check_jail(name: &ProfileName, source: &Source, shelf: &Shelf) -> Result<(), Fault> {
    let resolved = resolve(name, ProfileKind::Jail, name, source, shelf)?;
    filter_for_jails(&resolved.seccomp, shelf).map_err(|fault| Fault {
        line: None,
        key: Some("seccomp.profile".to_owned()),
        words: format!("{}: `seccomp.profile`: {}", source.file, fault.words),
    })
}

fn filter_for_jails(name: &ProfileName, shelf: &Shelf) -> Result<(), Fault> {
    let profile = shelf.filter(name.as_str())?;
    compile(&profile)?;
    Ok(profile.check_floor()?)
}

/// Reads a seccomp profile and its parents, compiles it, and takes the errors of `seccomp lint`.
fn check_filter(name: &ProfileName, source: &Source, shelf: &Shelf) -> Result<(), Fault> {
    let profile = shelf.read_filter(source)?;
    compile(&profile)?;
    let findings = lint(&profile).map_err(|error| Fault::bare(error.to_string()))?;
    let mut findings = findings.into_iter();
    if let Some(found) = findings.find(|found| found.severity == Severity::Error) {
        return Err(Fault {
            line: Some(found.line),
            key: None,
            words: found.to_string(),
        });
    }
    match name.as_str() {
        OFFICE => Ok(()),
        _ => Ok(profile.check_floor()?),
    }
}

fn compile(profile: &Profile) -> Result<(), Fault> {
    for arch in Arch::ALL {
        for purpose in Purpose::ALL {
            let made = compile_for(profile, arch, purpose);
            made.map_err(|error| Fault::bare(error.to_string()))?;
        }
    }
    Ok(())
}

/// Resolves a jail that has this list and nothing else.
fn check_egress(name: &ProfileName, source: &Source, shelf: &Shelf) -> Result<(), Fault> {
    const JAIL: &str = "check";
    let jail = JAIL
        .parse()
        .map_err(|error: model::IdError| Fault::bare(error.to_string()))?;
    let text = format!(
        "version = 1\nname = \"{JAIL}\"\nextends = \"base\"\n[egress]\nextends = [\"{name}\"]\n"
    );
    let jail_source = Source {
        file: source.file.clone(),
        text,
    };
    let mut look_up = |kind, asked: &ProfileName| match kind {
        ProfileKind::Jail if *asked == jail => Ok(jail_source.clone()),
        ProfileKind::Egress if asked == name => Ok(source.clone()),
        _ => shelf.look_up(kind, asked),
    };
    ResolvedProfile::resolve(&jail, &mut look_up)?.policy(0)?;
    Ok(())
}

fn resolve(
    asked: &ProfileName,
    kind: ProfileKind,
    name: &ProfileName,
    source: &Source,
    shelf: &Shelf,
) -> Result<ResolvedProfile, Fault> {
    let mut look_up = |wanted_kind, wanted: &ProfileName| {
        if wanted_kind == kind && wanted == name {
            return Ok(source.clone());
        }
        shelf.look_up(wanted_kind, wanted)
    };
    let resolved = ResolvedProfile::resolve(asked, &mut look_up)?;
    resolved.policy(0)?;
    Ok(resolved)
}

/// Why a profile can't be used.
struct Fault {
    line: Option<usize>,
    key: Option<String>,
    words: String,
}

impl Fault {
    const fn bare(words: String) -> Self {
        Self {
            line: None,
            key: None,
            words,
        }
    }
}

impl From<ProfileError> for Fault {
    fn from(error: ProfileError) -> Self {
        let words = error.to_string();
        Self {
            line: error.line,
            key: Some(error.key).filter(|key| !key.is_empty()),
            words,
        }
    }
}

impl From<FilterError> for Fault {
    fn from(error: FilterError) -> Self {
        let words = error.to_string();
        match error {
            FilterError::Shelf(_) | FilterError::Name { .. } => Self::bare(words),
            FilterError::Profile(fault) => Self {
                line: Some(fault.line),
                key: Some(fault.key).filter(|key| !key.is_empty()),
                words,
            },
        }
    }
}

impl From<FloorError> for Fault {
    fn from(error: FloorError) -> Self {
        Self::bare(error.to_string())
    }
}

impl From<policy::PolicyError> for Fault {
    fn from(error: policy::PolicyError) -> Self {
        Self::bare(error.to_string())
    }
}

impl Finding {
    fn of(source: &Source, checked: Result<(), Fault>) -> Self {
        let file = source.file.clone();
        match checked {
            Ok(()) => Self {
                file,
                ok: true,
                line: None,
                key: None,
                error: None,
            },
            Err(Fault { line, key, words }) => Self {
                file,
                ok: false,
                line,
                key,
                error: Some(words),
            },
        }
    }
}
