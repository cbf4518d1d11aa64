//! Registries as an egress list.
//!
//! Not for: finding them.

use std::net::SocketAddr;

use model::ProfileName;

use super::found::{Found, Paths};
use crate::render::toml::{comment, quoted};

/// The list's text.
pub(super) fn text(name: &ProfileName, found: &Found) -> String {
    let mut text = format!(
        "# {name}: the package registries that this host's settings name; they may be read from, not written to.\n\
         # Made by `sheriff egress registries`; make it anew when the settings change.\n\
         #\n\
         # A name that leads to an address within a network of your own is not dialled by itself: give its rule\n\
         # `connect = \"ADDR:PORT\"`.\n\n\
         version = 1\n\
         name = {}\n",
        quoted(name.as_str())
    );
    for ((host, port), paths) in found.hosts() {
        text += &rule(host, *port, paths);
    }
    text
}

fn rule(host: &str, port: u16, paths: &Paths) -> String {
    let sources = paths
        .sources
        .iter()
        .map(|source| format!("# {}\n", comment(source)));
    let patterns: Vec<String> = paths.patterns.iter().map(|path| quoted(path)).collect();
    let connect = paths.address.map_or_else(String::new, |ip| {
        let address = SocketAddr::new(ip, port).to_string();
        format!("connect = {}\n", quoted(&address))
    });
    format!(
        "\n{}[[allow]]\nhost = {}\nports = [{port}]\nmethods = [\"GET\", \"HEAD\"]\npaths = [{}]\n{connect}websocket = false\n",
        sources.collect::<String>(),
        quoted(host),
        patterns.join(", "),
    )
}
