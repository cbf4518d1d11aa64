//! `sheriff egress learn`: a command that may reach any host, the list that is proposed for it, and the same
//! command under that list, where it works and a request for anything else is denied.
//!
//! Not for: how paths become patterns (`policy::proposal`), nor `egress replay`'s own tests (`sheriff`).

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use serde_json::Value;
use testkit::git::Git;
use testkit::{Http, Request, Response, Server};

use crate::harness::{Daemon, Jail, Outcome, identity};

const NAME: &str = "learned";
const SHEBANG: [&str; 4] = ["/bin/bash", "-euo", "pipefail", "-c"];

/// A daemon whose jail profile `learned` has the proposal, once there is one.
struct Stage {
    daemon: Daemon,
}

impl Stage {
    fn new() -> Self {
        Self {
            daemon: Daemon::standing(),
        }
    }

    fn jail(&self) -> Jail {
        Jail::on(&self.daemon).scratch()
    }

    /// Learns from a script, and puts the proposal in force.
    fn learn(&mut self, jail: &Jail, script: &str) -> (Outcome, String) {
        let file = jail.path("../proposal.toml");
        let to = file.display().to_string();
        let argv: Vec<&str> = SHEBANG.into_iter().chain([script]).collect();
        let outcome = jail.learn(&["--name", NAME, "-o", &to], &argv).ok();
        let proposal = fs::read_to_string(&file).unwrap();
        let own = format!(
            "version = 1\nname = \"{NAME}\"\nextends = \"base\"\n[egress]\nextends = [\"{NAME}\"]\n"
        );
        for (kind, text) in [("egress", proposal.as_str()), ("jail", &own)] {
            let folder = self.daemon.profiles().join(kind);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{NAME}.toml")), text).unwrap();
        }
        // The log stays, for what looks at it later.
        self.daemon.restart();
        (outcome, proposal)
    }

    /// A jail under the proposal.
    fn bound(&self) -> Jail {
        self.jail().profile(NAME)
    }
}

fn site(name: &str) -> Http {
    Http::tls(&identity(&[name]), |request: &Request| {
        Response::ok(request.path().to_owned())
    })
}

/// Two hosts, by curl and by Python; `api.example` is written to.
const WORK: &str = "
curl -sS https://files.example/packages/tool-1.2.3.tgz; echo
curl -sS https://api.example/v1/items -d x; echo
python3 -c 'import urllib.request as r; print(r.urlopen(\"https://files.example/simple/tool/\").read().decode())'
";

#[test]
fn a_command_runs_again_under_what_was_learnt_from_it_and_nothing_else_does() {
    let (files, api) = (site("files.example"), site("api.example"));
    let connected = |jail: Jail| {
        jail.connect("files.example", files.address())
            .connect("api.example", api.address())
    };
    let mut stage = Stage::new();
    let printed = "/packages/tool-1.2.3.tgz\n/v1/items\n/simple/tool/";
    let (outcome, proposal) = stage.learn(&connected(stage.jail()), WORK);
    assert_eq!(outcome.text(), printed, "{outcome}");
    let complaint = outcome.complaint();
    assert!(
        complaint.contains("3 requests were let through; 2 rules"),
        "{complaint}"
    );
    for line in [
        "host = \"files.example\"\nconnect = ",
        "methods = [\"GET\"]",
        "\"/packages/tool-*.tgz\", # was /packages/tool-1.2.3.tgz",
        "host = \"api.example\"",
        "methods = [\"POST\"]",
    ] {
        assert!(proposal.contains(line), "{line}: {proposal}");
    }
    let again = stage.bound().shell(WORK).ok();
    assert_eq!(again.text(), printed, "{again}");
    let ask = "
for url in files.example/packages/tool-9.9.tgz files.example/other api.example/v1/items third.example/; do
    curl -sS -o /dev/null -w '%{http_code} %header{x-sheriff-reason}\n' https://$url || true; done";
    let probed = stage.bound().shell(ask);
    assert_eq!(
        probed.text(),
        "200 \n403 path_not_allowed\n403 method_not_allowed\n000",
        "{probed}"
    );
    let replayed = stage.daemon.sheriff(&[
        "egress",
        "replay",
        "--profile",
        NAME,
        "--profiles",
        &stage.daemon.profiles().display().to_string(),
        "--json",
        &stage.daemon.audit().display().to_string(),
    ]);
    let told = replayed.ok().json();
    assert_eq!(
        (&told["changed"], &told["newly_denied"]),
        (&Value::from(0), &Value::from(0))
    );
    assert!(told["judged"].as_u64().unwrap() >= 8, "{told}");
}

#[test]
fn git_clones_again_under_what_was_learnt_from_it_and_can_not_push() {
    let server = Git::start(Some(&identity(&["git.example"])));
    let mut stage = Stage::new();
    let script =
        "cd /workspace && git clone -q https://git.example/project.git && cat project/README";
    let jail = stage.jail().connect("git.example", server.address());
    let (outcome, proposal) = stage.learn(&jail, script);
    assert_eq!(outcome.text(), "seed", "{outcome}");
    assert!(
        proposal.contains("\"/project.git/git-upload-pack\""),
        "{proposal}"
    );
    let push = format!(
        "{script}
export GIT_CONFIG_GLOBAL=/tmp/config; git config --global user.name A; git config --global user.email a@a
cd project; echo x > x; git add x; git commit -q -m second; git push -q 2>&1 | grep -o '403' || true"
    );
    let again = stage.bound().shell(&push).ok();
    assert!(
        again.text().starts_with("seed") && again.text().ends_with("403"),
        "{again}"
    );
    assert_eq!(server.log(), ["first"]);
}

#[test]
fn a_client_that_insists_on_the_servers_own_certificate_gets_a_tunnel_from_its_second_try_on() {
    let site = site("pinned.example");
    let mut stage = Stage::new();
    let jail = stage
        .jail()
        .trusting_us()
        .connect("pinned.example", site.address());
    let script = "
for round in 1 2; do
    curl -sS --cacert /workspace/test-ca.pem https://pinned.example/x 2>/dev/null && echo || echo refused; done";
    let (outcome, proposal) = stage.learn(&jail, script);
    assert_eq!(outcome.text(), "refused\n/x", "{outcome}");
    assert!(proposal.contains("# The client takes no certificate but the server's own"));
    assert!(!proposal.contains("methods"), "{proposal}");
    let bound = stage.bound().trusting_us();
    let again = bound.shell(script).ok();
    assert_eq!(again.text(), "/x\n/x", "{again}");
}

#[test]
fn http_is_read_on_any_port_and_what_is_no_http_passes_as_a_tunnel() {
    let plain = Http::plain(|request: &Request| Response::ok(request.path().to_owned()));
    let ssh = Server::start(None, |mut client| {
        // Speaks first, as the servers of SSH and mail do.
        client.write_all(b"SSH-2.0-test\r\n")?;
        let mut word = [0; 4];
        client.read_exact(&mut word)?;
        client.write_all(&word)
    });
    let mut stage = Stage::new();
    let script = "
curl -sS --noproxy '*' http://plain.example:8080/x; echo
python3 - <<'END'
import socket
s = socket.create_connection(('ssh.example', 22), timeout=20)
print(s.recv(100).decode().strip()); s.sendall(b'ping'); print(s.recv(4).decode())
END";
    let jail = stage.jail();
    let jail = jail.connect("plain.example:8080", plain.address());
    let jail = jail.connect("ssh.example:22", ssh.address());
    let (outcome, proposal) = stage.learn(&jail, script);
    let printed = "/x\nSSH-2.0-test\nping";
    assert_eq!(outcome.text(), printed, "{outcome}");
    for lines in [
        "ports = [8080]",
        "\"/x\",",
        "# No HTTP that could be read was seen in it.\n[[allow]]\nhost = \"ssh.example\"\nports = [22]",
    ] {
        assert!(proposal.contains(lines), "{lines}: {proposal}");
    }
    let again = stage.bound().shell(script).ok();
    assert_eq!(again.text(), printed, "{again}");
}

#[test]
fn what_is_forbidden_stays_so_while_learning_and_is_listed() {
    let daemon = Daemon::ephemeral_with("[[ceilings.egress.deny]]\nhost = \"evil.example\"\n");
    let site = site("evil.example");
    let jail = Jail::on(&daemon).connect("evil.example", site.address());
    let script = "
for url in https://evil.example/ http://169.254.169.254/latest http://127.0.0.2/ http://192.168.77.77/; do
    curl -sS -x http://10.77.0.1:3128 -o /dev/null -w '%{http_code}%{http_connect} ' $url || true; done";
    let argv: Vec<&str> = SHEBANG.into_iter().chain([script]).collect();
    let outcome = jail.learn(&["--json", "--name", NAME], &argv).ok();
    let text = outcome.text();
    let (codes, json) = text.split_once('{').unwrap();
    assert_eq!(codes.split_whitespace().count(), 4, "{text}");
    assert!(!codes.contains("200"), "{text}");
    let proposal: Value = serde_json::from_str(&format!("{{{json}")).unwrap();
    let refused = proposal["refused"].as_array().unwrap();
    let reasons: Vec<&str> = refused
        .iter()
        .map(|it| it["reason"].as_str().unwrap())
        .collect();
    for reason in ["above_ceiling", "metadata_service", "forbidden_address"] {
        assert!(reasons.contains(&reason), "{proposal}");
    }
    assert_eq!(proposal["rules"], Value::from(Vec::<Value>::new()));
    assert_eq!(site.requests().len(), 0);
}

#[test]
fn learning_is_on_record_has_no_secrets_and_leaves_an_ephemeral_daemon_its_list() {
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon);
    jail.learn(&[], &["/bin/true"]).ok();
    let refused = jail
        .learn(&["--secret", "some"], &["/bin/true"])
        .ended_with(125);
    assert!(refused.complaint().contains("gets no secrets"), "{refused}");
    let entries = daemon
        .sheriff(&[
            "audit",
            "tail",
            "--json",
            "--dir",
            &daemon.audit().display().to_string(),
        ])
        .ok()
        .json_lines();
    let started = entries
        .iter()
        .filter(|entry| entry["kind"] == "session.started");
    let learning: Vec<&Value> = started.map(|entry| &entry["data"]["learning"]).collect();
    assert_eq!(learning, [&Value::from(true)]);
    let alone = Jail::alone()
        .patience(Duration::from_secs(60))
        .learn(&[], &["/bin/true"]);
    assert!(alone.ok().text().contains("name = \"learned\""));
}
