//! The generated `/etc` of a jail: what it says itself, and what it keeps of the host's.
//!
//! Not for: mounting (`plan`, `interior`). Nothing here names a user or a network of the host.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use sys::SysError;

use crate::spec::AGENT_ID;

/// Resolver that the jail is told of. Every address leads to the policy DNS of the hub; this one is
/// the cell's gateway.
const NAMESERVER: &str = "10.77.0.1";

/// Files up to this size are copied: a copy in the root's own tmpfs costs less than a mount.
const COPIED_BYTES_MAX: u64 = 4096;

/// What a jail keeps of the host's `/etc`, where it exists: the dynamic linker's view of the
/// libraries, certificate authorities, the settings without which Debian's Java does not start, and
/// tables that hold nothing local.
const KEPT: [&str; 18] = [
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "ssl/certs",
    "ssl/cert.pem",
    "ssl/openssl.cnf",
    "ca-certificates",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
    "localtime",
    "mime.types",
    "services",
    "protocols",
];

/// Where programs look for the list of certificate authorities unless a variable tells them: those of
/// Debian, Alpine and Arch; Fedora; OpenSSL as its makers build it.
const AUTHORITY_LISTS: [&str; 3] = [
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/cert.pem",
];

/// One entry of `/etc`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file with this content.
    File(Vec<u8>),
    /// A symbolic link to this.
    Link(CString),
    /// The host's own file or folder, to be bound read-only.
    Bound {
        /// Where on the host.
        source: PathBuf,
        /// Whether it is a folder.
        folder: bool,
    },
}

/// The whole `/etc` by relative path: generated entries, and those kept from beneath `root`.
///
/// # Errors
/// Those of reading what exists; what does not exist is left out.
pub(crate) fn entries(root: &Path, hostname: &str) -> Result<Vec<(PathBuf, Entry)>, SysError> {
    let mut entries: Vec<_> = generated(hostname)
        .into_iter()
        .map(|(name, text)| (PathBuf::from(name), Entry::File(text.into_bytes())))
        .collect();
    for name in KEPT {
        if let Some(entry) = kept(&root.join("etc").join(name))? {
            entries.push((name.into(), entry));
        }
    }
    Ok(entries)
}

/// The files beneath `root` that hold the list of certificate authorities, relative to it and without
/// links. Each lies in something that the jail keeps. What does not exist is left out, and what a link
/// leads elsewhere: the jail does not see it either.
pub(crate) fn authority_lists(root: &Path) -> Vec<PathBuf> {
    let Ok(base) = root.canonicalize() else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = AUTHORITY_LISTS
        .iter()
        .filter_map(|name| root.join(name).canonicalize().ok())
        .filter(|path| path.is_file())
        .filter_map(|path| path.strip_prefix(&base).map(Path::to_path_buf).ok())
        .filter(|path| {
            let kept = |name: &str| path.starts_with(Path::new("etc").join(name));
            KEPT.iter().any(|name| kept(name))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn generated(hostname: &str) -> [(&'static str, String); 6] {
    [
        (
            "passwd",
            format!(
                "root:x:0:0:root:/:/usr/sbin/nologin\n\
                 agent:x:{AGENT_ID}:{AGENT_ID}:agent:/home/agent:/bin/sh\n\
                 nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
            ),
        ),
        (
            "group",
            format!("root:x:0:\nagent:x:{AGENT_ID}:\nnogroup:x:65534:\n"),
        ),
        (
            "hosts",
            format!("127.0.0.1 localhost\n127.0.1.1 {hostname}\n"),
        ),
        ("hostname", format!("{hostname}\n")),
        ("resolv.conf", format!("nameserver {NAMESERVER}\n")),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n\
             networks: files\nprotocols: files\nservices: files\n"
                .into(),
        ),
    ]
}

fn kept(path: &Path) -> Result<Option<Entry>, SysError> {
    let fail = |error: &io::Error| {
        let errno = error
            .raw_os_error()
            .map_or(sys::Errno::EIO, sys::Errno::from_raw);
        SysError::new("read", path.display().to_string(), errno)
    };
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(fail(&error)),
    };
    if found.is_symlink() {
        let target = fs::read_link(path).map_err(|error| fail(&error))?;
        let target = CString::new(target.into_os_string().into_vec());
        let target = target.map_err(|_nul| fail(&io::ErrorKind::InvalidInput.into()))?;
        return Ok(Some(Entry::Link(target)));
    }
    if found.is_file() && found.len() <= COPIED_BYTES_MAX {
        let bytes = fs::read(path).map_err(|error| fail(&error))?;
        return Ok(Some(Entry::File(bytes)));
    }
    Ok(Some(Entry::Bound {
        source: path.into(),
        folder: found.is_dir(),
    }))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// A path as the kernel takes it.
///
/// # Errors
/// `EINVAL` for a path with a NUL byte.
pub(crate) fn c_path(path: &Path) -> Result<CString, SysError> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_nul| SysError::new("path", path.display().to_string(), sys::Errno::EINVAL))
}
