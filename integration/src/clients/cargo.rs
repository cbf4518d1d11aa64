//! cargo from a sparse index behind opened TLS that wants a token.
//!
//! Not for: builds without dependencies (`crate::rust`).

use std::time::Duration;

use testkit::index;

use super::stand::Stand;
use crate::harness::{identity, sysroot};

const TOKEN: &str = "cio_R3alTokenOfTheRegistry0000000";

#[test]
fn cargo_fetches_and_builds_a_crate_with_a_token_that_it_does_not_have() {
    let registry = index::cargo(Some(&identity(&["crates.example"])), "crates.example");
    let sysroot = sysroot();
    let rules = format!(
        "[[egress.allow]]\nhost = \"crates.example\"\nconnect = \"{}\"\nmethods = [\"GET\"]\n\
         paths = [\"/index/**\", \"/dl/**\"]\nsecret = \"crates\"\n",
        registry.address()
    );
    let options =
        "--host crates.example --format {} --env CARGO_REGISTRIES_OURS_TOKEN --prefix cio_";
    let stand = Stand::seeing(&sysroot, &rules).secret("crates", options, TOKEN);
    let jail = stand
        .jail()
        .patience(Duration::from_secs(180))
        .env("PATH", &format!("{sysroot}/bin:/usr/bin:/bin"))
        .env("CARGO_HOME", "/tmp/cargo")
        .file(
            "Cargo.toml",
            "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n\
             [dependencies]\ntinycrate = { version = \"1\", registry = \"ours\" }\n",
        )
        .file(
            ".cargo/config.toml",
            "[registries.ours]\nindex = \"sparse+https://crates.example/index/\"\n\
             [registry]\nglobal-credential-providers = [\"cargo:token\"]\n",
        )
        .file(
            "src/main.rs",
            "fn main() { println!(\"{}\", tinycrate::greet()); }\n",
        );
    let script = "cd /workspace; cargo build -q; ./target/debug/x; \
        cargo publish -q --allow-dirty --registry ours >/tmp/out 2>&1 || echo unpublished; \
        curl -sS -o /dev/null -w '%{http_code}\\n' -X PUT https://crates.example/api/v1/crates/new";
    let outcome = jail.shell(script).ok();
    assert_eq!(
        outcome.text(),
        "hello from a crate\nunpublished\n403",
        "{outcome}"
    );
    let seen = registry.requests();
    let sent = |path: &str| {
        seen.iter()
            .any(|it| it.path() == path && it.header("authorization") == Some(TOKEN))
    };
    assert!(
        sent("/index/ti/ny/tinycrate") && sent("/dl/tinycrate/1.0.0/download"),
        "{seen:?}"
    );
    assert!(
        seen.iter().all(|request| request.method == "GET"),
        "{seen:?}"
    );
}
