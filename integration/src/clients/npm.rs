//! npm from a registry behind opened TLS that wants a token.
//!
//! Not for: a registry in a tunnel (`crate::node`).

use testkit::index;

use super::stand::Stand;
use crate::harness::identity;

const TOKEN: &str = "npm_R3alTokenOfTheRegistry0000000";

#[test]
fn npm_installs_with_a_token_that_it_does_not_have_and_publishes_nothing() {
    let registry = index::npm(Some(&identity(&["npm.example"])));
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"npm.example\"\nconnect = \"{}\"\nmethods = [\"GET\"]\nsecret = \"npm\"\n",
        registry.address()
    ));
    let stand = stand.secret(
        "npm",
        "--host npm.example --env NPM_TOKEN --prefix npm_",
        TOKEN,
    );
    let jail = stand
        .jail()
        .file("package.json", "{\"name\":\"x\",\"version\":\"1.0.0\"}")
        .file(
            ".npmrc",
            "registry=https://npm.example/\n//npm.example/:_authToken=${NPM_TOKEN}\n",
        );
    let script = "cd /workspace; flags='--no-audit --no-fund --no-update-notifier --fetch-retries=0'; \
        npm install $flags tinypackage >/dev/null; node -e 'console.log(require(\"tinypackage\")())'; \
        npm publish $flags >/tmp/out 2>&1 || grep -o E403 /tmp/out | head -n 1";
    let outcome = jail.shell(script).ok();
    assert_eq!(outcome.text(), "hello from a tarball\nE403", "{outcome}");
    let wanted = format!("Bearer {TOKEN}");
    let seen = registry.requests();
    assert!(seen.len() >= 2, "{seen:?}");
    assert!(
        seen.iter()
            .all(|request| request.header("authorization") == Some(&wanted)),
        "{seen:?}"
    );
}
