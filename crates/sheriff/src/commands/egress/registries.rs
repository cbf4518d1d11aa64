//! `sheriff egress registries`: writes the egress list of the package registries that this host uses.
//!
//! Only what apt, pip, cargo and npm are told on this host goes into it: no host's name is built in.
//! Where one of them has no setting of its own, a note says so and nothing is written for it; `--add`
//! takes what the note asks for.
//!
//! Not for: asking registries anything. What only an answer of theirs says (other hosts that files come
//! from) is in a note, too.

mod apt;
mod cargo;
mod found;
mod list;
mod npm;
mod pip;
mod repository;
mod surroundings;

use std::path::PathBuf;

use model::ProfileName;

use self::found::Found;
use self::repository::Reach;
use self::surroundings::Surroundings;
use crate::deposit;
use crate::failure::Failure;
use crate::render;

/// Options of `egress registries`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the list there, in place of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name of the list; also its file's name without .toml
    #[arg(long, value_name = "NAME", default_value = "package-registries")]
    name: ProfileName,
    /// A further registry or host of its files
    #[arg(long, value_name = "URL")]
    add: Vec<String>,
    /// Read the settings below this folder
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Home folder whose settings count, as seen below the root
    #[arg(long, value_name = "DIR", env = "HOME")]
    home: Option<PathBuf>,
}

/// Writes the list.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let around = Surroundings::new(args.root.clone(), args.home.clone());
    let found = gather(&around, &args.add);
    found.notes().for_each(render::note);
    deposit::text(args.output.as_deref(), &list::text(&args.name, &found))?;
    Ok(0)
}

fn gather(around: &Surroundings, further: &[String]) -> Found {
    let mut found = Found::default();
    for (tool, gather) in [
        ("apt", apt::gather as fn(&Surroundings, &mut Found)),
        ("pip", pip::gather),
        ("cargo", cargo::gather),
        ("npm", npm::gather),
    ] {
        let before = found.count();
        gather(around, &mut found);
        if found.count() == before {
            found.note(format!(
                "{tool}: no registry is set on this host; give the one it has built in with --add URL, if jails are to use it"
            ));
        }
    }
    for url in further {
        found.add(url, Reach::Below, "option --add");
    }
    found
}
