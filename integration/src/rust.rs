//! A Rust project without dependencies: built and tested offline with the toolchain from a profile.
//!
//! Not for: fetching crates.

use std::time::Duration;

use crate::harness::Jail;

const MANIFEST: &str =
    "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
const SOURCE: &str = "pub fn double(n: u32) -> u32 { n * 2 }\n\
    #[cfg(test)] mod tests { #[test] fn doubles() { assert_eq!(super::double(21), 42); } }\n";
const MAIN: &str = "fn main() { println!(\"{}\", tiny::double(21)); }\n";

#[test]
fn cargo_builds_runs_and_tests_a_crate() {
    let sysroot = crate::harness::sysroot();
    let jail = Jail::new()
        .profile("rust")
        .patience(Duration::from_secs(180))
        .env("PATH", &format!("{sysroot}/bin:/usr/bin:/bin"))
        .file("Cargo.toml", MANIFEST)
        .file("src/lib.rs", SOURCE)
        .file("src/main.rs", MAIN);
    let script = "cd /workspace; export CARGO_HOME=/tmp/cargo; \
                  cargo build -q --offline; ./target/debug/tiny; cargo test -q --offline";
    let outcome = jail.shell(script).ok();
    assert!(outcome.text().starts_with("42\n"), "{outcome}");
    assert!(outcome.text().contains("1 passed"), "{outcome}");
}

#[test]
fn the_toolchain_is_there_to_read_only_and_only_with_its_profile() {
    let sysroot = crate::harness::sysroot();
    let script =
        format!("test -x {sysroot}/bin/rustc && echo there; touch {sysroot}/x || echo closed");
    let run = |jail: Jail| jail.run(&["/bin/sh", "-c", &script]).ok().text();
    assert_eq!(run(Jail::new().profile("rust")), "there\nclosed");
    assert_eq!(run(Jail::new()), "closed");
}
