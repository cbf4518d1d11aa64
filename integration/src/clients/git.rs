//! git over opened HTTPS with basic authentication: the jail holds a placeholder, the server gets the password,
//! and the rules name one repository.
//!
//! Not for: git without credentials (`crate::git`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testkit::git::Git;

use super::stand::Stand;
use crate::harness::identity;

const PASSWORD: &str = "glpat-R3alPasswordOfNobodyInside";
/// What no part of the placeholder is.
const BARE: &str = "R3alPasswordOfNobodyInside";

fn guarded() -> Git {
    let credentials = format!("Basic {}", STANDARD.encode(format!("agent:{PASSWORD}")));
    Git::guarded(Some(&identity(&["git.example"])), Some(&credentials))
}

/// What the shipped list `github-write` has, for one repository of this server.
fn stand(server: &Git, pushing: bool) -> Stand {
    let rule = |method: &str, path: &str, more: &str| {
        format!(
            "[[egress.allow]]\nhost = \"git.example\"\nconnect = \"{}\"\nmethods = [\"{method}\"]\npaths = [\"{path}\"]\n\
             secret = \"git\"\nwebsocket = false\n{more}",
            server.address()
        )
    };
    let mut rules = rule("GET", "/project.git/info/refs", "");
    rules += &rule(
        "POST",
        "/project.git/git-upload-pack",
        "max_body = \"1MiB\"\n",
    );
    if pushing {
        rules += &rule(
            "POST",
            "/project.git/git-receive-pack",
            "max_body = \"16MiB\"\n",
        );
    }
    let options = "--host git.example --basic agent --env GIT_TOKEN --prefix glpat-";
    Stand::new(&rules).secret("git", options, PASSWORD)
}

const SETTINGS: &str = "
export GIT_CONFIG_GLOBAL=/tmp/gitconfig GIT_TERMINAL_PROMPT=0
git config --global user.name Agent; git config --global user.email agent@example.com
git config --global credential.helper '!f() { echo username=agent; echo password=$GIT_TOKEN; }; f'
cd /workspace
";

#[test]
fn clone_and_push_work_with_a_password_that_the_jail_does_not_have() {
    let server = guarded();
    let stand = stand(&server, true);
    let script = format!(
        "{SETTINGS}
git clone -q https://git.example/project.git; cat project/README; cd project
head -c 3000000 /dev/urandom > big; git add big; git commit -q -m second; git push -q
cd ..; git clone -q --depth 1 https://agent:$GIT_TOKEN@git.example/project.git again; ls -l again/big | awk '{{ print $5 }}'
git clone -q https://git.example/other.git 2>&1 | grep -o 'error: 403' || true
{{ grep -rl {BARE} /workspace /tmp || true; }} 2>/dev/null | wc -l; echo ${{GIT_TOKEN%%-*}}"
    );
    let outcome = stand.jail().scratch().shell(&script).ok();
    assert_eq!(
        outcome.text(),
        "seed\n3000000\nerror: 403\n0\nglpat",
        "{outcome}"
    );
    assert_eq!(server.log(), ["second", "first"]);
    let seen = server.requests();
    assert!(
        seen.iter()
            .all(|request| request.path().starts_with("/project.git/"))
    );
    let uses = stand
        .daemon()
        .sheriff(&["secret", "uses", "git", "--json"])
        .ok()
        .json_lines();
    assert!(
        uses.iter()
            .any(|event| event["path"] == "/project.git/git-receive-pack"),
        "{uses:?}"
    );
}

#[test]
fn who_may_only_read_can_clone_but_not_push() {
    let server = guarded();
    let stand = stand(&server, false);
    let script = format!(
        "{SETTINGS}
git clone -q https://git.example/project.git; cd project
echo more > more; git add more; git commit -q -m second
git push -q 2>&1 | grep -o 'HTTP 403\\|error: 403' || true; git fetch -q && echo fetched"
    );
    let outcome = stand.jail().scratch().shell(&script).ok();
    assert!(outcome.text().contains("403"), "{outcome}");
    assert!(outcome.text().ends_with("fetched"), "{outcome}");
    assert_eq!(server.log(), ["first"]);
}

#[test]
fn a_placeholder_in_another_place_never_reaches_the_server() {
    let server = guarded();
    let stand = stand(&server, true);
    let script = format!(
        "{}
refs='https://git.example/project.git/info/refs?service=git-upload-pack'
ask -u agent:$GIT_TOKEN $refs
ask -u mallory:$GIT_TOKEN $refs
ask -H \"Authorization: Bearer $GIT_TOKEN\" $refs
ask -H \"X-Note: $GIT_TOKEN\" $refs
ask \"$refs&token=$GIT_TOKEN\"
ask -u agent:$GIT_TOKEN -d $GIT_TOKEN https://git.example/project.git/git-upload-pack",
        super::stand::ASK
    );
    let outcome = stand.jail().shell(&script).ok();
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    // The user is the secret's, whatever name a jail gives.
    assert_eq!(lines[..2], ["200", "200"], "{outcome}");
    assert!(
        lines[2..]
            .iter()
            .all(|line| *line == "403 secret_misdirected"),
        "{outcome}"
    );
    assert_eq!(lines.len(), 6);
    let whole = server.requests();
    assert_eq!(whole.len(), 2, "{whole:?}");
}
