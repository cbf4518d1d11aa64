//! apt's sources: one-line files and deb822 files (sources.list(5)).
//!
//! Not for: apt's proxies, mirrors' lists, or credentials (`auth.conf`).

use std::path::Path;

use super::found::Found;
use super::repository::Reach;
use super::surroundings::Surroundings;

const MAIN: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";

pub(super) fn gather(around: &Surroundings, found: &mut Found) {
    let mut files = vec![Path::new(MAIN).to_owned()];
    files.extend(around.files(PARTS));
    for file in files {
        let Some(text) = around.read(&file) else {
            continue;
        };
        let uris = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => one_line(&text),
            Some("sources") => deb822(&text),
            _ => continue,
        };
        let source = format!("apt: {}", file.display());
        for uri in uris {
            if !is_local(uri) {
                found.add(uri, Reach::Below, &source);
            }
        }
    }
}

/// `deb [option=value ...] URI SUITE [COMPONENT...]`.
fn one_line(text: &str) -> Vec<&str> {
    text.lines().filter_map(uri_of_line).collect()
}

fn uri_of_line(line: &str) -> Option<&str> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = ["deb-src", "deb"]
        .into_iter()
        .find_map(|kind| line.strip_prefix(kind))?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    rest.split_whitespace().next()
}

/// Stanzas of `Key: value`, separated by blank lines; a value goes on in lines that begin with a blank.
fn deb822(text: &str) -> Vec<&str> {
    let mut uris = Vec::new();
    let (mut own, mut enabled, mut in_uris) = (Vec::new(), true, false);
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            if enabled {
                uris.append(&mut own);
            }
            (own, enabled, in_uris) = (Vec::new(), true, false);
        } else if line.starts_with('#') {
            // A comment, even between the lines of a value.
        } else if line.starts_with([' ', '\t']) {
            if in_uris {
                own.extend(line.split_whitespace());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            let key = key.trim();
            in_uris = key.eq_ignore_ascii_case("uris");
            if in_uris {
                own.extend(value.split_whitespace());
            }
            let is_no = matches!(
                value.trim().to_ascii_lowercase().as_str(),
                "no" | "false" | "0"
            );
            enabled &= !(key.eq_ignore_ascii_case("enabled") && is_no);
        }
    }
    uris
}

/// Media and folders, for which nothing leaves.
fn is_local(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default();
    ["cdrom", "file", "copy"]
        .iter()
        .any(|local| scheme.eq_ignore_ascii_case(local))
}
