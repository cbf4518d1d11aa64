//! The workspace's Rust sources, read and split into production and test lines.
//!
//! Not for: rules about them (`tidy`).

use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file.
pub(crate) struct Source {
    /// Path below the workspace's root.
    pub(crate) path: String,
    /// Lines before the first test module.
    pub(crate) production: Vec<String>,
    /// Lines of in-file test modules.
    pub(crate) tests: Vec<String>,
}

impl Source {
    /// True for files that hold tests and nothing else.
    pub(crate) fn is_test_file(&self) -> bool {
        [
            "tests.rs",
            "/tests/",
            "integration/",
            "benches/",
            "testkit/",
            "fuzz/",
        ]
        .iter()
        .any(|part| self.path.contains(part))
            || self.path.starts_with("tests/")
    }
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("tests/ is inside the workspace")
        .to_owned()
}

/// Every Rust file of ours.
pub(crate) fn all() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["crates", "tests", "integration"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(
        found.len() > 50,
        "the walk over the sources found next to nothing"
    );
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(read(&path));
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // Tests come last in a file, so the first in-file test module splits it.
    let split = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]"
            && pair[1].trim_start().starts_with("mod ")
            && pair[1].ends_with('{')
    });
    let split = split.unwrap_or(lines.len());
    let path = path.strip_prefix(root()).unwrap().display().to_string();
    Source {
        path,
        production: lines[..split].to_vec(),
        tests: lines[split..].to_vec(),
    }
}
