//! Secrets with real jails: an agent uses one and never holds it, wherever it looks.
//!
//! Not for: every place and encoding (`egress`, `vault`).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use testkit::{Http, Request, Response};

use crate::crash::{children, kill};
use crate::harness::{Daemon, Jail, PATIENCE, eventually, identity};

const VALUE: &str = "ghp_R3alValueThatNoJailMayEverSee00";

/// A site that says back what it was told.
fn echo() -> Http {
    Http::tls(&identity(&["api.example"]), |request: &Request| {
        Response::ok(request.header("authorization").unwrap_or("none"))
    })
}

fn set(daemon: &Daemon, name: &str, value: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    fs::write(&file, value).unwrap();
    let file = file.to_str().unwrap();
    let args = [
        "secret",
        "set",
        name,
        "--host",
        "api.example",
        "--env",
        "TOKEN",
        "--prefix",
        "ghp_",
        "--from-file",
        file,
    ];
    daemon.sheriff(&args).ok();
}

fn jail(daemon: &Daemon, site: &Http) -> Jail {
    let jail = Jail::on(daemon).connect("api.example", site.address());
    jail.options(["--secret", "github"])
}

#[test]
fn an_agent_uses_a_secret_and_finds_it_neither_in_its_jail_nor_in_an_echo_of_it() {
    let (daemon, site) = (Daemon::standing(), echo());
    set(&daemon, "github", VALUE);
    // The patterns do not match themselves, wherever they are found.
    let script = "
echo $TOKEN | cut -c 1-4
test ${#TOKEN} -gt 20
curl -sS -H \"Authorization: Bearer $TOKEN\" https://api.example/
echo
everything() { env; cat /proc/*/environ /proc/*/cmdline; grep -ra 'R3[a]lV' /run /tmp /etc /dev/shm; }
everything 2>/dev/null | tr '\\0' '\\n' | grep -ac 'R3[a]lValue' || true
test $(everything 2>/dev/null | tr '\\0' '\\n' | grep -ac 'PO[S]ITIVE') -gt 0 && echo searched";
    let outcome = jail(&daemon, &site)
        .env("CONTROL", "POSITIVE")
        .shell(script)
        .ok();
    let told = site.requests()[0]
        .header("authorization")
        .unwrap()
        .to_owned();
    assert_eq!(told, format!("Bearer {VALUE}"));
    let text = outcome.text();
    assert!(text.starts_with("ghp_\nBearer ghp_"), "{outcome}");
    assert!(text.ends_with("\n0\nsearched"), "{outcome}");
    assert!(!text.contains(VALUE), "{outcome}");
    let log = daemon.log();
    assert!(!log.contains(VALUE), "{log}");
    let uses = daemon.sheriff(&["secret", "uses", "github", "--json"]).ok();
    let uses = uses.json_lines();
    assert!(!uses.is_empty() && uses.iter().all(|event| event["host"] == "api.example"));
    assert!(
        uses.iter()
            .all(|event| event["session"] == outcome.session())
    );
}

#[test]
fn a_secret_outlives_the_daemon_and_the_office_and_is_sealed_for_nobody_else_to_read() {
    let (mut daemon, site) = (Daemon::standing(), echo());
    set(&daemon, "github", VALUE);
    daemon.restart();
    let office = daemon.audit().parent().unwrap().to_owned();
    let mode = |path: &str| {
        fs::metadata(office.join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("vault"), mode("vault.key")), (0o700, 0o600));
    let sealed = fs::read(office.join("vault/github.sealed")).unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("R3al"));
    let script = "
echo ready; read line
curl -sS -H \"Authorization: Bearer $TOKEN\" https://api.example/ >/dev/null
echo done";
    let jail = jail(&daemon, &site);
    let mut child = jail.start(&["sh", "-c", script]);
    child.await_text("ready", PATIENCE);
    let old = children(daemon.process().pid(), "sheriff-office");
    assert!(kill(old[0]));
    eventually("a new office", || {
        let now = children(daemon.process().pid(), "sheriff-office");
        now.first().filter(|pid| **pid != old[0]).map(drop)
    });
    daemon.sheriff(&["secret", "list"]).ok();
    // The client lost its office and says so; the jail goes on.
    child.send("go\n");
    eventually("the request of a session that lives on", || {
        let requests = site.requests();
        requests.first().map(|request| {
            assert_eq!(
                request.header("authorization").unwrap(),
                format!("Bearer {VALUE}")
            );
        })
    });
}

#[test]
fn a_secret_of_the_configuration_comes_from_its_file_and_one_that_is_gone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    fs::write(&file, format!("{VALUE}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let own = |name: &str, path: &str| {
        format!(
            "[[secret]]\nname = \"{name}\"\nhosts = [\"api.example\"]\nenv = \"TOKEN\"\nsource = \"file:{path}\"\n"
        )
    };
    let configuration = own("github", file.to_str().unwrap()) + &own("gone", "/no/such/file");
    let (daemon, site) = (Daemon::standing_with(&configuration), echo());
    let script = "curl -sS -o /dev/null -H \"Authorization: Bearer $TOKEN\" https://api.example/";
    jail(&daemon, &site).shell(script).ok();
    let told = site.requests()[0]
        .header("authorization")
        .unwrap()
        .to_owned();
    assert_eq!(told, format!("Bearer {VALUE}"));
    let refused = Jail::on(&daemon)
        .options(["--secret", "gone"])
        .shell("true");
    let refused = refused.ended_with(125);
    assert!(refused.complaint().contains("/no/such/file"), "{refused}");
    let unknown = Jail::on(&daemon)
        .options(["--secret", "unknown"])
        .shell("true");
    let unknown = unknown.ended_with(125);
    assert!(
        unknown.complaint().contains("sheriff secret set unknown"),
        "{unknown}"
    );
}
