//! Where the peers' programs are: installed, or unpacked below `target/peers` and never installed.
//!
//! Not for: running them (`proxy`).
//!
//! Debian's packages start services when they are installed, and its squid with TLS replaces the one
//! without; unpacked beside each other they do neither.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Absence;
use super::sandbox::installed;
use crate::error::Error;
use crate::step::Step;
use crate::tree;

/// What is fetched, each with what it needs and the host lacks.
const PACKAGES: [&str; 5] = [
    "haproxy",
    "mitmproxy",
    "squid",
    "squid-openssl",
    "tinyproxy",
];

/// A program, and where its package's files are.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    program: PathBuf,
    /// The folder that stands for `/`.
    root: PathBuf,
}

/// Downloads the packages and unpacks them.
pub(super) fn fetch() -> Result<(), Error> {
    let archives = folder().join("archives");
    make(&archives.join("partial"))?;
    for package in PACKAGES {
        // One after the other: some of them exclude each other.
        let at = format!("Dir::Cache::archives={}", archives.display());
        let mut args = vec!["-q", "-y", "--no-install-recommends", "--reinstall"];
        args.extend(["--download-only", "-o", &at]);
        args.extend(["-o", "APT::Sandbox::User=root", "install", package]);
        Step::program("apt-get".as_ref(), &args).run()?;
    }
    let (common, tls) = (folder().join("root"), folder().join("squid-openssl"));
    for archive in list(&archives)? {
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(".deb") {
            continue;
        }
        // Both have the same paths.
        let to = if name.starts_with("squid-openssl_") {
            &tls
        } else {
            &common
        };
        make(to)?;
        let (archive, to) = (archive.to_string_lossy(), to.to_string_lossy());
        Step::program("dpkg".as_ref(), &["-x", &archive, &to]).run()?;
    }
    Ok(())
}

/// Whether all of them can be run.
pub(super) fn are_there() -> bool {
    let usual = ["haproxy", "mitmdump", "squid", "tinyproxy"];
    Peer::squid_with_tls().is_ok() && usual.iter().all(|name| Peer::find(name).is_ok())
}

impl Peer {
    /// An unpacked program, or the host's.
    pub(super) fn find(program: &str) -> Result<Self, Absence> {
        Self::unpacked("root", program).or_else(|_absent| {
            Ok(Self {
                program: installed(program)?,
                root: "/".into(),
            })
        })
    }

    /// squid with TLS. The host's own is most likely the one without.
    pub(super) fn squid_with_tls() -> Result<Self, Absence> {
        Self::unpacked("squid-openssl", "squid")
    }

    fn unpacked(root: &str, program: &str) -> Result<Self, Absence> {
        let root = folder().join(root);
        let places = ["usr/sbin", "usr/bin"].map(|place| root.join(place).join(program));
        let program = places.into_iter().find(|path| path.is_file());
        let program = program.ok_or(Absence::NotFetched)?;
        Ok(Self { program, root })
    }

    /// Starts nothing yet. Libraries and Python modules come from the unpacked packages first.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let common = folder().join("root/usr/lib");
        command
            .env("LD_LIBRARY_PATH", common.join("x86_64-linux-gnu"))
            .env("PYTHONPATH", common.join("python3/dist-packages"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// A file of its package, or of the one that it shares them with.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        let places = [self.root.clone(), folder().join("root"), "/".into()];
        let found = places.iter().map(|place| place.join(path));
        let found = found.into_iter().find(|path| path.exists());
        found.unwrap_or_else(|| Path::new("/").join(path))
    }
}

fn folder() -> PathBuf {
    tree::target().join("peers")
}

fn make(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::File {
        what: "folder",
        path: path.to_owned(),
        source,
    })
}

fn list(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(path).and_then(|entries| {
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect::<std::io::Result<_>>()
    });
    entries.map_err(|source| Error::File {
        what: "folder",
        path: path.to_owned(),
        source,
    })
}
