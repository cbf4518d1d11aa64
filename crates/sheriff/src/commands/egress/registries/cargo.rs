//! cargo's registries and replaced sources, from its files and variables.
//!
//! Not for: tokens, or the registry that cargo has built in.

use std::path::PathBuf;

use toml::{Table, Value};

use super::found::Found;
use super::repository::Reach;
use super::surroundings::Surroundings;

/// Where the home folder's settings are, unless `CARGO_HOME` says otherwise.
const HOME: &str = ".cargo";

pub(super) fn gather(around: &Surroundings, found: &mut Found) {
    let before = found.count();
    let own = around.variable("CARGO_HOME").map(PathBuf::from);
    let folders = own.or_else(|| around.in_home(HOME));
    // cargo looks in each folder above the one it works in; below the root all of them end here.
    for folder in folders.into_iter().chain([PathBuf::from("/.cargo")]) {
        for name in ["config.toml", "config"] {
            let file = folder.join(name);
            if let Some(text) = around.read(&file) {
                settings(&text, &format!("cargo: {}", file.display()), found);
                break;
            }
        }
    }
    for (name, url) in around.variables("CARGO_REGISTRIES_", "_INDEX") {
        found.add(&url, Reach::Index, &format!("cargo: variable {name}"));
    }
    if found.count() > before {
        found.note(
            "cargo: an index may name another host for downloads (`dl` in its config.json); add it with --add URL"
                .to_owned(),
        );
    }
}

fn settings(text: &str, source: &str, found: &mut Found) {
    let Ok(table) = text.parse::<Table>() else {
        // The parser's words may repeat a line with a token.
        return found.note(format!("{source}: left out: it can't be read"));
    };
    for (list, key) in [("registries", "index"), ("source", "registry")] {
        let entries = table.get(list).and_then(Value::as_table);
        for (name, entry) in entries.into_iter().flatten() {
            if let Some(url) = entry.get(key).and_then(Value::as_str) {
                let source = format!("{source}, {list}.{name}");
                found.add(url, Reach::Index, &source);
            }
        }
    }
}
