//! The mount plan: every tree of a jail's file view, made detached on the host before the jail
//! exists. Landlock's rules come from this same plan, so that the two fences can't disagree.
//!
//! Not for: attaching (`interior`), nor the workspace (`workspace`). After `clone3` no host path is resolved any more.

pub mod outline;

use std::ffi::CStr;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use sys::SysError;
use sys::mount::{Attributes, Depth, Tree};

use crate::error::{InStep, LaunchError};
use crate::etc::{self, c_path};
use crate::ids::{Ids, io_failure};
use crate::landlock::Shape;
use crate::mounting::{Access, HARMLESS, Link, Mount, Place, SmallFile, Target, bind, scratch};
use crate::spec::{Root, Site};
use crate::step::Step;

/// Size of a writable folder that the profile does not size.
const TMPFS_BYTES_DEFAULT: u64 = 64 << 20;
/// The root's own tmpfs holds folders, links and small files of `/etc`, and is read-only later.
const ROOT_BYTES: &CStr = c"1m";
/// Entries of the root's own tmpfs: about 60 are used.
const ROOT_INODES: &CStr = c"512";
/// Entries of `/dev`.
const DEV_INODES: &CStr = c"64";
/// Terminals of one jail: its processes' and those of programs that make some.
const TERMINALS_MAX: &CStr = c"64";

/// Folders of the host that make up the programs' view, where they exist.
const HOST_FOLDERS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Folders of a root of its own that are not taken from it: each jail has fresh ones.
const FRESH_FOLDERS: [&str; 9] = [
    "proc",
    "sys",
    "dev",
    "tmp",
    "run",
    "etc",
    "home",
    "root",
    "workspace",
];
/// Writable folders that every jail has.
const WRITABLE: [&str; 4] = ["tmp", "run", "dev/shm", "home/agent"];
/// Where the gateway's folder is.
const GATEWAY: &str = "run/sheriff";

/// Everything of the file view.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Who is who.
    pub(crate) ids: Ids,
    /// The root's own tmpfs.
    pub(crate) root: Tree,
    /// Mounts, outer ones first.
    pub(crate) mounts: Vec<Mount>,
    /// Generated files.
    pub(crate) files: Vec<SmallFile>,
    /// Symbolic links.
    pub(crate) links: Vec<Link>,
    /// Where the workspace will hang, relative to the jail's root; its tree comes with the launch.
    pub(crate) workspace: PathBuf,
    /// Files with the list of certificate authorities, relative to the jail's root.
    pub(crate) authority_lists: Vec<PathBuf>,
}

impl Plan {
    /// Makes all trees.
    ///
    /// # Errors
    /// A path that is malformed, missing, or where the agent could replace it.
    pub(crate) fn new(site: &Site) -> Result<Self, LaunchError> {
        let options = [
            (c"mode", c"0755"),
            (c"size", ROOT_BYTES),
            (c"nr_inodes", ROOT_INODES),
        ];
        let root = Tree::new(c"tmpfs", &options, HARMLESS).step(Step::Plan)?;
        let mut plan = Self {
            ids: Ids::new(site.root_uid),
            workspace: relative(&site.workspace_at)?,
            authority_lists: etc::authority_lists(base_of(&site.view.root)),
            root,
            mounts: Vec::with_capacity(24),
            files: Vec::with_capacity(12),
            links: Vec::with_capacity(12),
        };
        plan.add_programs(&site.view.root)?;
        plan.add_etc(&site.view.root, &site.hostname)?;
        plan.add_devices().step(Step::Plan)?;
        plan.add_view(site)?;
        let gateway = bind(&site.gateway_dir, Depth::One)?;
        plan.add(GATEWAY.into(), gateway, Some(Access::Sockets));
        plan.mounts
            .sort_by_key(|mount| mount.at.components().count());
        plan.check_places()?;
        Ok(plan)
    }

    /// What must later be found of the mounts.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.mounts.iter().map(Mount::place).collect()
    }

    /// What Landlock's rules are made of.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = Shape<'_>> {
        self.mounts.iter().map(|mount| Shape {
            at: &mount.at,
            target: mount.target,
            access: mount.access,
        })
    }

    fn add(&mut self, at: PathBuf, tree: Tree, access: Option<Access>) {
        let writable = matches!(access, Some(Access::Writable));
        self.mounts.push(Mount {
            at,
            target: Target::Folder,
            tree,
            access,
            read_only: !writable,
            nested: matches!(access, Some(Access::Programs)),
        });
    }

    fn add_programs(&mut self, root: &Root) -> Result<(), LaunchError> {
        let (base, names) = match root {
            Root::Host => (Path::new("/"), HOST_FOLDERS.map(PathBuf::from).to_vec()),
            Root::Folder(folder) => (folder.as_path(), own_folders(folder)?),
        };
        for name in names {
            let source = base.join(&name);
            let Ok(found) = source.symlink_metadata() else {
                continue;
            };
            if found.is_symlink() {
                let target = fs::read_link(&source).map_err(|error| unreadable(&source, &error))?;
                self.add_link(name, &target)?;
            } else if found.is_dir() {
                let tree = bind(&source, Depth::Recursive)?;
                self.add(name, tree, Some(Access::Programs));
            }
        }
        if !base.join("var").is_dir() || *root == Root::Host {
            self.add_link("var/tmp".into(), Path::new("/tmp"))?;
        }
        Ok(())
    }

    fn add_link(&mut self, at: PathBuf, target: &Path) -> Result<(), LaunchError> {
        let target = c_path(target).step(Step::Plan)?;
        self.links.push(Link { at, target });
        Ok(())
    }

    fn add_etc(&mut self, root: &Root, hostname: &str) -> Result<(), LaunchError> {
        let base = base_of(root);
        for (name, entry) in etc::entries(base, hostname).step(Step::Plan)? {
            let at = Path::new("etc").join(name);
            match entry {
                etc::Entry::File(bytes) => self.files.push(SmallFile { at, bytes }),
                etc::Entry::Link(target) => self.links.push(Link { at, target }),
                etc::Entry::Bound { source, folder } => {
                    let tree = bind(&source, Depth::One)?;
                    self.add(at, tree, None);
                    self.set_target(folder);
                }
            }
        }
        Ok(())
    }

    /// What the last added mount hangs on.
    fn set_target(&mut self, folder: bool) {
        if let Some(mount) = self.mounts.last_mut() {
            mount.target = if folder { Target::Folder } else { Target::File };
        }
    }

    fn add_devices(&mut self) -> Result<(), SysError> {
        let options = [
            (c"mode", c"0755"),
            (c"size", c"64k"),
            (c"nr_inodes", DEV_INODES),
        ];
        let attributes = Attributes::NO_SUID.and(Attributes::NO_EXEC);
        let dev = Tree::new(c"tmpfs", &options, attributes)?;
        self.add("dev".into(), dev, Some(Access::Devices));
        let options = [
            (c"newinstance", c""),
            (c"ptmxmode", c"0666"),
            (c"mode", c"0620"),
            (c"max", TERMINALS_MAX),
        ];
        let pts = Tree::new(c"devpts", &options, attributes)?;
        self.add("dev/pts".into(), pts, None);
        if let Some(mount) = self.mounts.last_mut() {
            mount.read_only = false;
        }
        Ok(())
    }

    fn add_view(&mut self, site: &Site) -> Result<(), LaunchError> {
        for path in &site.view.read_only {
            let at = relative(path)?;
            let folder = path.is_dir();
            let tree = bind(path, Depth::Recursive)?;
            self.add(at, tree, Some(Access::Programs));
            self.set_target(folder);
        }
        let mut writable = Vec::with_capacity(8);
        for tmpfs in &site.view.tmpfs {
            writable.push((relative(&tmpfs.at)?, tmpfs.size.0));
        }
        for name in WRITABLE {
            if !writable.iter().any(|(at, _)| at == Path::new(name)) {
                writable.push((name.into(), TMPFS_BYTES_DEFAULT));
            }
        }
        for (at, size) in writable {
            let tree = scratch(self.ids, &at, size).step(Step::Plan)?;
            self.add(at, tree, Some(Access::Writable));
        }
        Ok(())
    }

    /// No mount may hang where the agent can put something else, nor replace what Sheriff makes.
    fn check_places(&self) -> Result<(), LaunchError> {
        for (index, mount) in self.mounts.iter().enumerate() {
            let at = &mount.at;
            let inside_workspace = at.starts_with(&self.workspace);
            let reserved = ["proc", "sys"]
                .iter()
                .any(|name| at.starts_with(name) || self.workspace.starts_with(name));
            let twice = self
                .mounts
                .iter()
                .skip(index + 1)
                .any(|other| other.at == *at);
            if inside_workspace || reserved || twice {
                return Err(LaunchError::judged(
                    Step::Plan,
                    format!("/{}", at.display()),
                    "the path is Sheriff's own, listed twice, or inside the workspace",
                ));
            }
        }
        Ok(())
    }
}

/// Where the view's root is on the host.
fn base_of(root: &Root) -> &Path {
    match root {
        Root::Host => Path::new("/"),
        Root::Folder(folder) => folder,
    }
}

/// A path of the specification relative to the jail's root.
fn relative(path: &Path) -> Result<PathBuf, LaunchError> {
    let inner = path.strip_prefix("/").ok();
    let plain = |inner: &&Path| {
        let normal = inner
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        normal && inner.components().count() > 0
    };
    let bad = || {
        let object = path.display().to_string();
        LaunchError::judged(
            Step::Plan,
            object,
            "write an absolute path without `.` and `..`",
        )
    };
    inner.filter(plain).map(Path::to_path_buf).ok_or_else(bad)
}

fn own_folders(folder: &Path) -> Result<Vec<PathBuf>, LaunchError> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry
            .map_err(|error| unreadable(folder, &error))?
            .file_name();
        if !FRESH_FOLDERS.iter().any(|fresh| name == *fresh) {
            names.push(PathBuf::from(std::ffi::OsString::from_vec(name.into_vec())));
        }
    }
    names.sort();
    Ok(names)
}

fn unreadable(path: &Path, error: &std::io::Error) -> LaunchError {
    let error = io_failure("read", &path.display().to_string(), error);
    LaunchError::failed(Step::Bind, &error)
}
