//! npm's registries, for all packages or for a scope, from its files and variables.
//!
//! Not for: tokens, or the registry that npm has built in.

use configparser::ini::Ini;

use super::found::Found;
use super::repository::Reach;
use super::surroundings::Surroundings;

/// Files for the whole host.
const FILES: [&str; 3] = ["/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"];

pub(super) fn gather(around: &Surroundings, found: &mut Found) {
    let named = ["NPM_CONFIG_USERCONFIG", "npm_config_userconfig"];
    let named = named.into_iter().find_map(|name| around.variable(name));
    let own = named.map(Into::into).or_else(|| around.in_home(".npmrc"));
    for file in FILES.into_iter().map(Into::into).chain(own) {
        if let Some(text) = around.read(&file) {
            settings(&text, &format!("npm: {}", file.display()), around, found);
        }
    }
    for variable in ["NPM_CONFIG_REGISTRY", "npm_config_registry"] {
        if let Some(url) = around.variable(variable) {
            found.add(&url, Reach::Below, &format!("npm: variable {variable}"));
        }
    }
}

fn settings(text: &str, source: &str, around: &Surroundings, found: &mut Found) {
    let mut ini = Ini::new_cs();
    let mut manner = ini.defaults();
    // A key may begin with `//host/:`, so a colon separates nothing.
    manner.delimiters = vec!['='];
    manner.enable_inline_comments = false;
    ini.load_defaults(manner);
    let sections = match ini.read(text.to_owned()) {
        Ok(sections) => sections,
        // The parser's words may repeat a line with a token.
        Err(_words) => return found.note(format!("{source}: left out: it can't be read")),
    };
    for (key, value) in sections.into_values().flatten() {
        let scoped = key.starts_with('@') && key.ends_with(":registry");
        let Some(value) = value.filter(|_| scoped || key == "registry") else {
            continue;
        };
        let value = value.trim_matches(['"', '\'']);
        match expanded(value, around) {
            Some(url) => found.add(&url, Reach::Below, source),
            None => found.note(format!(
                "{source}: left out: {key} takes its value from a variable that is not set"
            )),
        }
    }
}

/// The value with each `${VARIABLE}` put in; none if one is not set.
fn expanded(value: &str, around: &Surroundings) -> Option<String> {
    let mut whole = String::new();
    let mut rest = value;
    while let Some((head, tail)) = rest.split_once("${") {
        let (name, after) = tail.split_once('}')?;
        whole += head;
        whole += &around.variable(name)?;
        rest = after;
    }
    Some(whole + rest)
}
