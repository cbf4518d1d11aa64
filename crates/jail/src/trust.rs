//! The certificate authorities of a jail that has one of its own: three files beside the gateway's
//! socket, one of which also covers the lists that programs read that heed no variable.
//!
//! Not for: what is in the files; nobody with privileges reads them. The authority's key is not among
//! them and never comes here.

use std::ffi::CStr;
use std::fs::{File, Permissions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sys::SysError;
use sys::directory::{Directory, copy_unseen};
use sys::mount::{Attributes, Depth, Tree};

use crate::error::{InStep, LaunchError};
use crate::ids::io_failure;
use crate::mounting::{HARMLESS, Place};
use crate::spec::{TRUST_BYTES_MAX, Trust};
use crate::step::Step;

/// The jail's own authority alone.
const OWN: &CStr = c"ca.pem";
/// The host's authorities and the jail's own.
const MERGED: &CStr = c"ca-bundle.pem";
/// The same for Java.
const JAVA: &CStr = c"ca.jks";

/// Readable for everybody who can see it, which is one jail; writable for nobody.
const MODE: u32 = 0o444;

/// Where the files of one jail go, and which lists they cover.
#[derive(Debug)]
pub(crate) struct Lists {
    /// The gateway's folder on the host, where the jail can't write.
    gateway: Directory,
    /// Files of the jail's view, relative to its root.
    places: Vec<PathBuf>,
}

/// The merged list, ready to be attached once in each place.
#[derive(Debug)]
pub(crate) struct Covers<'a> {
    /// One per place of the plan, in its order.
    pub(crate) trees: Vec<Tree>,
    /// What must later be found of them.
    pub(crate) mounts: Vec<Place>,
    files: Vec<Empty<'a>>,
}

/// A file and what is to be in it.
#[derive(Debug)]
struct Empty<'a> {
    file: File,
    from: &'a OwnedFd,
}

impl Covers<'_> {
    /// Fills the files, from file to file inside the kernel. PID 1 need not wait for it.
    ///
    /// # Errors
    /// Those of copying; `EFBIG` for more than [`TRUST_BYTES_MAX`].
    pub(crate) fn fill(&self) -> Result<(), LaunchError> {
        let copy =
            |one: &Empty<'_>| copy_unseen(one.from.as_fd(), one.file.as_fd(), TRUST_BYTES_MAX);
        self.files.iter().try_for_each(copy).step(Step::Trust)
    }
}

impl Lists {
    pub(crate) const fn new(gateway: Directory, places: Vec<PathBuf>) -> Self {
        Self { gateway, places }
    }

    /// Makes the three files, still empty, and the trees that cover the jail's usual lists. A jail
    /// without an authority of its own keeps the host's lists.
    ///
    /// # Errors
    /// Those of making files, of copying a mount.
    pub(crate) fn prepare<'a>(&self, trust: Option<&'a Trust>) -> Result<Covers<'a>, LaunchError> {
        let Some(trust) = trust else {
            return Ok(Covers {
                trees: Vec::new(),
                mounts: Vec::new(),
                files: Vec::new(),
            });
        };
        let files = self.make(trust).step(Step::Trust)?;
        let trees = self.places.iter().map(|_place| self.cover());
        Ok(Covers {
            trees: trees.collect::<Result<_, _>>().step(Step::Trust)?,
            mounts: self.places.iter().map(|at| covered(at)).collect(),
            files,
        })
    }

    fn make<'a>(&self, trust: &'a Trust) -> Result<Vec<Empty<'a>>, SysError> {
        let files = [
            (OWN, &trust.own),
            (MERGED, &trust.merged),
            (JAVA, &trust.java),
        ];
        let make = |(name, from): (&CStr, &'a OwnedFd)| {
            let file = self.gateway.make_file(name, MODE, b"")?;
            // Whatever the daemon's creation mask is.
            file.set_permissions(Permissions::from_mode(MODE))
                .map_err(|error| io_failure("fchmod", &name.to_string_lossy(), &error))?;
            Ok(Empty { file, from })
        };
        files.into_iter().map(make).collect()
    }

    /// A detached tree can be attached once, so each place has one of its own.
    fn cover(&self) -> Result<Tree, SysError> {
        let tree = Tree::copy(self.gateway.find(MERGED)?.as_fd(), Depth::One)?;
        let attributes = HARMLESS.and(Attributes::READ_ONLY).and(Attributes::NO_EXEC);
        tree.restrict(attributes, Depth::One)?;
        Ok(tree)
    }
}

fn covered(at: &Path) -> Place {
    Place {
        point: format!("/{}", at.display()),
        read_only: true,
        nested: false,
    }
}
