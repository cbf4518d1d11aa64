//! Who may depend on whom: the map of `crates/README.md`, kept true by cargo's own account.
//!
//! Not for: what is inside a crate (`tidy`).

use std::collections::BTreeSet;
use std::process::Command;

use crate::sources::root;

/// Most crates that the root process may be made of, itself included.
const WARDEN_CRATES_MAX: usize = 60;

/// Names of all crates that are linked into a package on this platform; macros run at build time
/// alone and do not count.
fn crates_of(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_unset| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--offline",
            "--package",
            package,
            "--edges",
            "normal,no-proc-macro",
        ])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(name)
        .collect()
}

fn assert_without(package: &str, forbidden: &[&str]) {
    let crates = crates_of(package);
    assert!(
        crates.len() > 3,
        "cargo tree listed next to nothing for {package}"
    );
    let found: Vec<_> = forbidden
        .iter()
        .filter(|name| crates.contains(**name))
        .collect();
    assert!(found.is_empty(), "{package} must not link {found:?}");
}

#[test]
fn the_warden_links_no_runtime_no_tls_no_http_no_sql_and_at_most_60_crates() {
    assert_without(
        "sheriffd",
        &[
            "tokio", "mio", "hyper", "axum", "h2", "httparse", "rustls", "ring", "openssl", "sqlx",
            "rusqlite",
        ],
    );
    let crates = crates_of("sheriffd");
    assert!(
        crates.len() <= WARDEN_CRATES_MAX,
        "{} crates: {crates:?}",
        crates.len()
    );
}

#[test]
fn pure_crates_stay_pure() {
    for package in [
        "sheriff-policy",
        "sheriff-seccomp",
        "sheriff-model",
        "sheriff-llm",
    ] {
        assert_without(package, &["tokio", "nix", "libc", "sheriff-sys", "mio"]);
    }
}

#[test]
fn the_authority_knows_no_runtime_and_never_meets_the_warden() {
    assert_without("sheriff-authority", &["tokio", "nix", "sheriff-sys", "mio"]);
    assert_without("sheriffd", &["sheriff-authority", "rcgen", "x509-parser"]);
}

#[test]
fn the_proxy_names_neither_jail_nor_gateway() {
    assert_without(
        "sheriff-egress",
        &[
            "sheriff-jail",
            "sheriff-gateway",
            "sheriff-control",
            "sheriff-network",
            "sheriff-warrant",
        ],
    );
}

#[test]
fn secrets_are_the_offices_and_their_crate_dials_nobody() {
    for package in ["sheriffd", "sheriff"] {
        assert_without(package, &["sheriff-vault", "chacha20poly1305"]);
    }
    assert_without("sheriff-vault", &["hyper", "rustls", "sheriff-egress"]);
    assert!(crates_of("sheriff-office").contains("sheriff-vault"));
}

#[test]
fn only_network_speaks_netlink() {
    for package in [
        "sheriff-jail",
        "sheriff-egress",
        "sheriff-gateway",
        "sheriff-office",
        "sheriff",
    ] {
        assert_without(
            package,
            &["netlink-packet-route", "netlink-packet-core", "netlink-sys"],
        );
    }
    assert!(crates_of("sheriff-network").contains("netlink-packet-route"));
}

#[test]
fn the_jail_knows_nothing_of_addresses_or_policies() {
    assert_without(
        "sheriff-jail",
        &[
            "sheriff-network",
            "sheriff-policy",
            "sheriff-egress",
            "tokio",
        ],
    );
}

#[test]
fn nothing_with_a_viral_licence_is_linked() {
    for package in ["sheriffd", "sheriff-office", "sheriff"] {
        assert_without(package, &["rustables", "nftnl", "mnl", "libseccomp"]);
    }
}
