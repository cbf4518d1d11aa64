//! The machine's disk: a minimal Debian, our programs, and the script that runs them.
//!
//! Not for: booting it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Release;
use crate::error::Error;
use crate::step::Step;
use crate::tree;

/// What the stories use, beside the kernel.
const PACKAGES: &str = "linux-image-amd64,python3,iproute2,procps,util-linux,curl,kmod,bash,gcc,libc6-dev,make,git,strace,openssl,ca-certificates";
/// Where the packages come from.
const MIRROR: &str = "http://deb.debian.org/debian";
/// Size of the disk, sparse.
const DISK: &str = "4G";
/// Where our files are in the machine.
const HOME: &str = "opt/sheriff";
/// The machine's first process.
const INIT: &str = include_str!("init.sh");
/// The suite asks for the toolchain's folder, which need not hold one.
const RUSTC: &str = "#!/bin/sh\nmkdir -p /usr/lib/rust-none\necho /usr/lib/rust-none\n";

/// An image of one release.
#[derive(Debug)]
pub(super) struct Image {
    folder: PathBuf,
}

impl Image {
    /// The image's tree, made by mmdebstrap unless it is there.
    pub(super) fn prepare(release: Release, fresh: bool) -> Result<Self, Error> {
        let folder = tree::target().join("vm").join(release.name());
        let image = Self { folder };
        if fresh && image.root().exists() {
            remove(&image.root())?;
        }
        if !image.root().exists() {
            image.bootstrap(release)?;
        }
        Ok(image)
    }

    fn bootstrap(&self, release: Release) -> Result<(), Error> {
        make(&self.folder)?;
        // Under another name until it is whole: an interrupted one must not be taken for finished.
        let draft = self.folder.join("draft");
        if draft.exists() {
            remove(&draft)?;
        }
        let (include, target) = (format!("--include={PACKAGES}"), draft.to_string_lossy());
        let source = format!("deb {MIRROR} {} main", release.name());
        let arguments = [
            "--variant=minbase",
            &include,
            release.name(),
            &target,
            &source,
        ];
        Step::program("mmdebstrap".as_ref(), &arguments).run()?;
        fs::rename(&draft, self.root()).map_err(failed("rename", &draft))
    }

    /// Puts our files in, and makes the disk.
    pub(super) fn install(&self, suite: &Path, job: &str) -> Result<(), Error> {
        let root = self.root();
        let home = root.join(HOME);
        make(&home)?;
        copy(suite, &home.join("privileged"))?;
        for program in ["sheriff", "sheriffd", "sheriff-office"] {
            copy(
                &tree::target().join("debug").join(program),
                &home.join(program),
            )?;
        }
        // The suite reads these by the path that it was built under.
        for folder in ["integration/profiles", "profiles"] {
            let from = tree::root().join(folder);
            let to = from.strip_prefix("/").unwrap_or(&from);
            let to = root.join(to);
            make(&to)?;
            let (from, to) = (format!("{}/.", from.display()), to.display().to_string());
            Step::program("cp".as_ref(), &["-rT", &from, &to]).run()?;
        }
        write(&home.join("job.sh"), job)?;
        write(&root.join("sbin/sheriff-vm-init"), INIT)?;
        write(&root.join("usr/local/bin/rustc"), RUSTC)?;
        write(
            &root.join("etc/hosts"),
            "127.0.0.1 localhost\n127.0.1.1 sheriff-vm\n::1 localhost\n",
        )?;
        self.make_disk()
    }

    fn make_disk(&self) -> Result<(), Error> {
        let (disk, root) = (self.disk(), self.root());
        if disk.exists() {
            fs::remove_file(&disk).map_err(failed("unlink", &disk))?;
        }
        let (root, disk) = (root.to_string_lossy(), disk.to_string_lossy());
        Step::program(
            "mke2fs".as_ref(),
            &["-q", "-t", "ext4", "-d", &root, &disk, DISK],
        )
        .run()
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// The disk's file.
    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    /// The newest file of `/boot` whose name starts so.
    pub(super) fn boot_file(&self, start: &str) -> Result<PathBuf, Error> {
        let boot = self.root().join("boot");
        let entries = fs::read_dir(&boot).map_err(failed("readdir", &boot))?;
        let named = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with(start)
        };
        let found = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(named)
            .max();
        found.ok_or_else(|| Error::Unmet(format!("no {start} in {}", boot.display())))
    }
}

fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(failed("mkdir", folder))
}

fn remove(folder: &Path) -> Result<(), Error> {
    fs::remove_dir_all(folder).map_err(failed("remove", folder))
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map(drop).map_err(failed("copy", from))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(failed("write", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(failed("chmod", path))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}
