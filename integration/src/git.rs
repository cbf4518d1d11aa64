//! git over HTTP and HTTPS: clone, push, and a host that is not allowed.
//!
//! Not for: git over ssh, which has no way out.

use testkit::git::Git;

use crate::harness::{Jail, identity};

fn work(url: &str) -> String {
    format!(
        "export GIT_CONFIG_GLOBAL=/tmp/gitconfig GIT_TERMINAL_PROMPT=0; \
         git config --global user.name Agent; git config --global user.email agent@example.com; \
         cd /workspace; git clone -q {url}/project.git; cd project; cat README; \
         head -c 3000000 /dev/urandom > big; git add big; git commit -q -m second; git push -q; \
         git clone -q https://evil.example/project.git 2>&1 | grep -o 403 || true"
    )
}

#[test]
fn clone_and_push_work_by_https() {
    let server = Git::start(Some(&identity(&["git.example"])));
    let jail = Jail::new()
        .trusting_us()
        .connect("git.example", server.address());
    let outcome = jail.shell(&work("https://git.example")).ok();
    assert_eq!(outcome.text(), "seed\n403", "{outcome}");
    assert_eq!(server.log(), ["second", "first"]);
    assert!(
        outcome.host("git.example", "bytes_up") > 3_000_000,
        "{outcome}"
    );
}

#[test]
fn clone_and_push_work_by_plain_http() {
    let server = Git::start(None);
    let jail = Jail::new()
        .scratch()
        .connect("git.example:80", server.address());
    let outcome = jail.shell(&work("http://git.example")).ok();
    assert_eq!(outcome.text(), "seed\n403", "{outcome}");
    assert_eq!(server.log(), ["second", "first"]);
}
