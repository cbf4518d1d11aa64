//! The settings of this host, read with limits.
//!
//! Not for: what they mean.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file of settings that is read; real ones have a few KiB.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Most files of one folder.
const FILES_MAX: usize = 256;
/// Longest variable that is read.
const VARIABLE_BYTES_MAX: usize = 64 * 1024;

/// Where settings are.
#[derive(Debug)]
pub(super) struct Surroundings {
    root: PathBuf,
    home: Option<PathBuf>,
}

impl Surroundings {
    pub(super) const fn new(root: PathBuf, home: Option<PathBuf>) -> Self {
        Self { root, home }
    }

    /// A path below the root as the path that a program there would name.
    fn below(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The content of a file; none if there is none, or it can't be used.
    pub(super) fn read(&self, path: &Path) -> Option<String> {
        let path = self.below(path);
        // Opening a pipe waits for its writer.
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut text = String::new();
        let file = File::open(&path).ok()?;
        let read = file
            .take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .ok()?;
        let whole = u64::try_from(read).is_ok_and(|read| read <= FILE_BYTES_MAX);
        whole.then_some(text)
    }

    /// The files of a folder, in order, as paths below the root.
    pub(super) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.below(Path::new(folder)));
        let names = entries.into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = names
            .take(FILES_MAX)
            .map(|entry| Path::new(folder).join(entry.file_name()))
            .collect();
        files.sort();
        files
    }

    /// A file of the home folder.
    pub(super) fn in_home(&self, rest: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(rest))
    }

    /// A variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = env::var(name).ok()?;
        let usable = !value.is_empty() && value.len() <= VARIABLE_BYTES_MAX;
        usable.then_some(value)
    }

    /// Every variable whose name begins and ends so, in order.
    pub(super) fn variables(&self, head: &str, tail: &str) -> Vec<(String, String)> {
        let all = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let mut named: Vec<(String, String)> = all
            .filter(|(name, _)| name.starts_with(head) && name.ends_with(tail))
            .filter(|(_, value)| value.len() <= VARIABLE_BYTES_MAX)
            .collect();
        named.sort();
        named
    }
}
