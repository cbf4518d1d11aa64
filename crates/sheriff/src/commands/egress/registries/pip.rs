//! pip's indexes, from its files and variables (and those of uv, which has the same ones).
//!
//! Not for: trusted hosts, certificates or credentials.

use configparser::ini::Ini;

use super::found::Found;
use super::repository::Reach;
use super::surroundings::Surroundings;

/// Files for the whole host.
const FILES: [&str; 2] = ["/etc/pip.conf", "/etc/xdg/pip/pip.conf"];
/// Files below the home folder.
const IN_HOME: [&str; 2] = [".pip/pip.conf", ".config/pip/pip.conf"];
/// Variables with one URL or some, separated by blanks.
const VARIABLES: [&str; 8] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
];
/// Keys of the files, as pip normalises them.
const KEYS: [&str; 3] = ["index-url", "extra-index-url", "find-links"];

pub(super) fn gather(around: &Surroundings, found: &mut Found) {
    let before = found.count();
    let own = IN_HOME.into_iter().filter_map(|rest| around.in_home(rest));
    let named = around.variable("PIP_CONFIG_FILE").map(Into::into);
    let files = FILES.into_iter().map(Into::into).chain(own).chain(named);
    for file in files {
        if let Some(text) = around.read(&file) {
            settings(&text, &format!("pip: {}", file.display()), found);
        }
    }
    for variable in VARIABLES {
        if let Some(urls) = around.variable(variable) {
            add_all(&urls, &format!("pip: variable {variable}"), found);
        }
    }
    if found.count() > before {
        found.note(
            "pip: an index may link to files on other hosts; if downloads are denied, add those with --add URL"
                .to_owned(),
        );
    }
}

fn settings(text: &str, source: &str, found: &mut Found) {
    let mut ini = Ini::new();
    // As Python's parser reads it: a comment is a line of its own, and a value goes on indented.
    let mut manner = ini.defaults();
    manner.multiline = true;
    manner.enable_inline_comments = false;
    ini.load_defaults(manner);
    let sections = match ini.read(text.to_owned()) {
        Ok(sections) => sections,
        // The parser's words may repeat a line with a password.
        Err(_words) => return found.note(format!("{source}: left out: it can't be read")),
    };
    let pairs = sections.into_values().flatten();
    for (key, value) in pairs {
        if KEYS.contains(&key.replace('_', "-").as_str()) {
            add_all(&value.unwrap_or_default(), source, found);
        }
    }
}

fn add_all(urls: &str, source: &str, found: &mut Found) {
    for url in urls.split_whitespace() {
        // uv writes NAME=URL; a folder of wheels is no place of the network.
        let url = url.split_once("=http").map_or(url, |(name, _)| {
            url.get(name.len() + 1..).unwrap_or_default()
        });
        if url.contains("://") && !url.starts_with("file:") {
            found.add(url, Reach::Index, source);
        }
    }
}
