//! `sheriff seccomp record`: runs a command in a jail that counts its system calls, and proposes the
//! smallest profile for it.
//!
//! The profile that it is proposed against comes from the daemon with the record, in the words that
//! the jail ran under: the files here may say something else by now.
//!
//! Not for: refused calls, which a recording never sees (`logs`).

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use api::recording::{BASE_BYTES_MAX, Base, Recording};
use model::ProfileName;
use seccomp::coverage::{Observed, Usage};
use seccomp::proposal::{Proposal, propose};
use seccomp::{Arch, Profile};

use super::SeccompError;
use crate::attach::Ending;
use crate::commands::jailed::{Jailed, Watched};
use crate::deposit;
use crate::failure::Failure;
use crate::render;
use crate::shelf::FilterError;
use crate::sockets::Sockets;

/// Names for the proposal when the one that was asked for is taken by a parent.
const OTHER_NAMES: [&str; 2] = ["recorded", "recorded-again"];

/// Options of `seccomp record`: the jail, whose seccomp profile the proposal extends, and where that
/// goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    jailed: Jailed,
    /// Name of the proposed profile
    #[arg(long, value_name = "NEW", default_value = "recorded")]
    name: ProfileName,
    /// Write the proposal to this file instead of standard output
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs and records the command; its exit code is ours.
pub(crate) fn run(args: Args, sockets: &Sockets) -> Result<u8, Failure> {
    let ready = args.jailed.prepare()?;
    args.output.as_deref().map(deposit::check).transpose()?;
    let ending = ready.follow(sockets, Watched::SystemCalls)?;
    let code = ending.record.code;
    match write(ending, args.name, args.output.as_deref()) {
        Err(failure) if code != 0 => {
            render::failure(&failure);
            Ok(code)
        }
        other => other.map(|()| code),
    }
}

/// Makes the proposal and puts it where it should be.
fn write(ending: Ending, name: ProfileName, output: Option<&Path>) -> Result<(), Failure> {
    let code = ending.record.code;
    let recorded = ending.report.and_then(|report| report.recorded);
    let Some(recorded) = recorded else {
        return without_record(code);
    };
    let base = read_base(ending.base.ok_or(SeccompError::NoBase)?)?;
    let base = profile(base)?;
    let arch = Arch::native().ok_or(SeccompError::NoArch)?;
    let name = free_name(name, &base);
    let made = propose(&base, &name, arch, &observed(&recorded));
    deposit::text(output, &made.text)?;
    remark(&made, &recorded, (&name, code));
    Ok(())
}

/// A command that never ran, or was killed right away, has its own exit code to say so.
fn without_record(code: u8) -> Result<(), Failure> {
    if code == 0 {
        return Err(SeccompError::NoRecord.into());
    }
    render::note("nothing was recorded: the command did not run, or not for a second");
    Ok(())
}

fn read_base(file: OwnedFd) -> Result<Base, SeccompError> {
    let error = |source| SeccompError::Base { source };
    let small = sys::fds::require_small_memory_file(file.as_fd(), BASE_BYTES_MAX);
    small.map_err(|source| error(source.errno.into()))?;
    let mut text = Vec::new();
    File::from(file).read_to_end(&mut text).map_err(error)?;
    serde_json::from_slice(&text).map_err(|source| error(source.into()))
}

fn profile(base: Base) -> Result<Profile, SeccompError> {
    let mut texts = base.texts.into_iter();
    let own = texts.next().ok_or(SeccompError::NoBase)?;
    let parents: Vec<_> = texts.collect();
    let find = |name: &ProfileName| {
        let found = parents.iter().find(|parent| parent.name == *name)?;
        Some((found.file.clone(), found.text.clone()))
    };
    let profile = Profile::parse_with(&own.file, &own.text, &find);
    Ok(profile.map_err(FilterError::from)?)
}

/// A profile can't extend one of its own name.
fn free_name(wanted: ProfileName, base: &Profile) -> ProfileName {
    let taken = |name: &ProfileName| base.lineage().iter().any(|origin| origin.name == *name);
    let others = OTHER_NAMES.iter().filter_map(|name| name.parse().ok());
    let free = std::iter::once(wanted.clone())
        .chain(others)
        .find(|name| !taken(name));
    free.unwrap_or(wanted)
}

/// Arguments are not recorded: where they matter, the proposal keeps the parent's own conditions.
fn observed(recorded: &Recording) -> Observed {
    let usage = |count| Usage {
        count,
        samples: [([None; 6], count)].into(),
        ..Usage::default()
    };
    let calls = recorded.calls.iter();
    Observed {
        calls: calls
            .map(|call| (call.syscall.clone(), usage(call.count)))
            .collect(),
        ..Observed::default()
    }
}

/// What a reader of the proposal should know.
fn remark(made: &Proposal, recorded: &Recording, (name, code): (&ProfileName, u8)) {
    render::note(&format!(
        "{} different calls were seen; {name} keeps {} of {}",
        recorded.calls.len(),
        made.kept,
        recorded.profile
    ));
    if recorded.odd > 0 {
        let odd = recorded.odd;
        render::note(&format!("{odd} calls have no name here, and are not in it"));
    }
    if code != 0 {
        render::note(&format!(
            "the command ended with {code}: it may have ended before it called all that it needs"
        ));
    }
    render::note(
        "refused calls are not seen while recording: run the command once without, and look at \
         `sheriff logs` for denials",
    );
}

#[cfg(test)]
mod tests {
    use api::recording::{BaseText, RecordedCall};

    use super::*;

    fn text(name: &str, text: &str) -> BaseText {
        BaseText {
            name: name.parse().unwrap(),
            file: format!("{name}.toml"),
            text: format!("version = 1\nname = \"{name}\"\ndescription = \"d\"\n{text}"),
        }
    }

    fn base() -> Profile {
        let agent = BaseText {
            name: "agent".parse().unwrap(),
            file: "elsewhere".to_owned(),
            text: seccomp::shipped("agent").unwrap().to_owned(),
        };
        let own = text("own", "extends = \"agent\"\ndrop = [\"mq_open\"]");
        profile(Base {
            texts: vec![own, agent],
        })
        .unwrap()
    }

    #[test]
    fn the_proposal_extends_the_profile_that_came_and_keeps_what_was_called() {
        let call = RecordedCall {
            syscall: "getppid".to_owned(),
            number: 110,
            count: 3,
        };
        let recorded = Recording {
            profile: "own".parse().unwrap(),
            calls: vec![call],
            odd: 0,
        };
        let name = "new".parse().unwrap();
        let made = propose(&base(), &name, Arch::X86_64, &observed(&recorded));
        assert!(made.text.contains("extends = \"own\""), "{}", made.text);
        assert!(made.text.contains("\"getppid\",") && made.text.contains("3 times"));
        assert!(!made.text.contains("\"getuid\","));
    }

    #[test]
    fn a_name_that_a_parent_has_gives_way_to_another() {
        let free = |name: &str| free_name(name.parse().unwrap(), &base()).to_string();
        assert_eq!(free("new"), "new");
        assert_eq!(
            (free("own"), free("agent")),
            ("recorded".into(), "recorded".into())
        );
    }

    #[test]
    fn a_file_that_is_no_small_memory_file_or_no_base_is_refused() {
        let file = |bytes: &[u8]| sys::fds::memory_file(c"base", bytes).unwrap();
        assert!(read_base(file(b"{\"texts\":[]}")).is_ok());
        assert!(read_base(file(b"{}")).is_err());
        assert!(read_base(File::open("/dev/null").unwrap().into()).is_err());
        assert!(profile(Base { texts: Vec::new() }).is_err());
    }
}
