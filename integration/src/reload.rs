//! Other profiles and another configuration under jails that run: what is open is judged anew at once,
//! what was used stays used, and a slip of the pen changes nothing.
//!
//! Not for: the routes' details, which have tests of their own.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use testkit::{Hop, Http, Response, Server};

use crate::crash::{children, kill};
use crate::harness::{Child, Daemon, Jail, OWN_PROFILE, PATIENCE, eventually, identity};

/// How soon an open tunnel is cut after the reload was asked for.
const SOON: Duration = Duration::from_secs(1);

/// Two tunnels; lines on standard input say what to do with which.
const TUNNELS: &str = "
import select
open_ones = {}
for line in sys.stdin:
    verb, name = line.split()
    host, port = name.split(':')
    if verb == 'open':
        open_ones[name], status = connect(host, int(port))
        print(name, 'status', status)
    elif verb == 'echo':
        s = open_ones[name]
        try:
            s.sendall(b'x' * 1024)
            got = b''
            while len(got) < 1024 and (part := s.recv(4096)): got += part
        except OSError: got = b''
        print(name, 'echoed', len(got))
    elif verb == 'await':
        try: rest = open_ones[name].recv(1)
        except OSError: rest = b''
        print(name, 'cut' if not rest else 'data')
    elif verb == 'get':
        try: print(name, 'said', everything(socket.create_connection((host, int(port)), timeout=30)).decode())
        except OSError as error: print(name, 'failed', type(error).__name__)
";

fn echo() -> Server {
    Server::start(None, |mut channel| {
        let mut back = channel.socket().try_clone()?;
        std::io::copy(&mut channel, &mut back).map(drop)
    })
}

fn rule(host: &str, port: u16, to: SocketAddr) -> String {
    format!("[[egress.allow]]\nhost = \"{host}\"\nports = [{port}]\nconnect = \"{to}\"\n")
}

fn profile(rules: &str) -> String {
    format!("version = 1\nname = \"{OWN_PROFILE}\"\nextends = \"base\"\n{rules}")
}

fn rewrite(daemon: &Daemon, rules: &str) {
    let file = daemon.profiles().join(format!("jail/{OWN_PROFILE}.toml"));
    fs::write(file, profile(rules)).unwrap();
}

fn reload(daemon: &Daemon) -> Value {
    daemon.json(&["reload", "--json"])
}

/// Tells the script of [`TUNNELS`] what to do, and waits until it says so.
fn tell(child: &mut Child, line: &str, answer: &str) {
    child.send(format!("{line}\n"));
    child.await_text(answer, PATIENCE);
}

/// The audit log, a line an entry.
fn log(daemon: &Daemon) -> String {
    let folder = daemon.audit().display().to_string();
    let tail = ["audit", "tail", "--dir", &folder, "-n", "1000", "--json"];
    daemon.sheriff(&tail).ok().text()
}

/// Egress events of all sessions.
fn events(daemon: &Daemon) -> Vec<Value> {
    let tail = ["egress", "tail", "--json", "--since", "1h"];
    daemon.sheriff(&tail).ok().json_lines()
}

#[test]
fn a_narrowed_policy_cuts_an_open_tunnel_within_a_second_and_no_other() {
    let (bad, good) = (echo(), echo());
    let both =
        rule("bad.example", 9000, bad.address()) + &rule("good.example", 9000, good.address());
    let daemon = Daemon::ephemeral_for(&profile(&both), "");
    let jail = Jail::on(&daemon).profile(OWN_PROFILE);
    let mut child = jail.start_python(TUNNELS);
    for name in ["bad.example:9000", "good.example:9000"] {
        tell(
            &mut child,
            &format!("open {name}"),
            &format!("{name} status 200"),
        );
        tell(
            &mut child,
            &format!("echo {name}"),
            &format!("{name} echoed 1024"),
        );
    }
    rewrite(&daemon, &rule("good.example", 9000, good.address()));
    child.send("await bad.example:9000\n");
    let begun = Instant::now();
    let done = reload(&daemon);
    child.await_text("bad.example:9000 cut", PATIENCE);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(
        (&done["generation"], &done["sessions"]),
        (&2.into(), &1.into())
    );
    // The controls: the other tunnel goes on, and the cut one is not to be had again.
    child.send("echo good.example:9000\nopen bad.example:9000\n");
    let said = child.await_text("bad.example:9000 status 403", PATIENCE);
    assert_eq!(
        said.matches("good.example:9000 echoed 1024").count(),
        2,
        "{said}"
    );
    let cut = eventually("the record of the cut", || {
        let events = events(&daemon);
        let mut cut = events.into_iter();
        cut.find(|event| event["reason"] == "policy_changed")
    });
    assert_eq!(
        (&cut["host"], &cut["policy_generation"]),
        (&"bad.example".into(), &2.into())
    );
    assert_eq!(
        (&cut["bytes_up"], &cut["bytes_down"]),
        (&1024.into(), &1024.into())
    );
}

#[test]
fn a_slip_of_the_pen_changes_nothing_and_is_told_with_its_place() {
    let server = echo();
    let good = rule("a.example", 9000, server.address());
    let daemon = Daemon::ephemeral_for(&profile(&good), "");
    let jail = Jail::on(&daemon).profile(OWN_PROFILE);
    let mut child = jail.start_python(TUNNELS);
    tell(
        &mut child,
        "open a.example:9000",
        "a.example:9000 status 200",
    );
    rewrite(&daemon, &good.replace("ports", "prots"));
    let refused = daemon.sheriff(&["reload"]).ended_with(1);
    let complaint = refused.complaint();
    assert!(
        complaint.contains("own.toml") && complaint.contains("prots"),
        "{complaint}"
    );
    daemon.process().signal(Signal::HUP);
    eventually("the refusal of the signal", || {
        daemon.log().contains("reload refused").then_some(())
    });
    rewrite(&daemon, &good);
    daemon.configure("[ceilings]\nmemroy = \"1GiB\"");
    let refused = daemon.sheriff(&["reload"]).ended_with(1);
    assert!(
        refused.complaint().contains("sheriffd.toml, line"),
        "{refused}"
    );
    tell(
        &mut child,
        "echo a.example:9000",
        "a.example:9000 echoed 1024",
    );
    daemon.configure("[jails]\nmost = 7");
    let done = reload(&daemon);
    assert_eq!(done["generation"], 2, "nothing before this counted");
    assert_eq!(done["restart_needed"], serde_json::json!(["jails"]));
    tell(
        &mut child,
        "open a.example:9000",
        "a.example:9000 status 200",
    );
    assert_eq!(log(&daemon).matches("policy.reload_refused").count(), 2);
}

#[test]
fn a_ceiling_that_comes_with_a_reload_cuts_what_it_forbids() {
    let (one, two) = (echo(), echo());
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon)
        .connect("one.example:9000", one.address())
        .connect("two.example:9000", two.address());
    let mut child = jail.start_python(TUNNELS);
    tell(
        &mut child,
        "open one.example:9000",
        "one.example:9000 status 200",
    );
    tell(
        &mut child,
        "open two.example:9000",
        "two.example:9000 status 200",
    );
    daemon.configure("[[ceilings.egress.deny]]\nhost = \"one.example\"\n");
    reload(&daemon);
    tell(&mut child, "await one.example:9000", "one.example:9000 cut");
    tell(
        &mut child,
        "echo two.example:9000",
        "two.example:9000 echoed 1024",
    );
}

#[test]
fn budgets_count_on_over_reloads_new_connections_and_a_new_office() {
    let server = echo();
    let rules = rule("a.example", 9000, server.address());
    let budget = |up: &str| format!("{rules}[budget]\negress_up = \"{up}\"\n");
    let daemon = Daemon::standing();
    rewrite(&daemon, &budget("6KiB"));
    reload(&daemon);
    let jail = Jail::on(&daemon).profile(OWN_PROFILE);
    let mut child = jail.start_python(TUNNELS);
    let mut echoes = 0;
    let mut echo_anew = |child: &mut Child| {
        child.send("open a.example:9000\necho a.example:9000\n");
        echoes += 1;
        eventually("an echo", || {
            let said = String::from_utf8_lossy(&child.state().stdout).into_owned();
            (said.matches("echoed 1024").count() == echoes).then_some(())
        });
    };
    echo_anew(&mut child);
    rewrite(&daemon, &budget("3KiB"));
    reload(&daemon);
    echo_anew(&mut child);
    let office = children(daemon.process().pid(), "sheriff-office")[0];
    // Meters are written down every second; an office that is killed before that forgets.
    let saved = daemon.audit().with_file_name("sessions");
    eventually("the meter on disk", || {
        let mut files = fs::read_dir(&saved).unwrap().flatten();
        let text = fs::read(files.next()?.path()).ok()?;
        let state: Value = serde_json::from_slice(&text).ok()?;
        (state["carried"]["usage"]["bytes_up"] == 2048).then_some(())
    });
    assert!(kill(office));
    eventually("the next office", || {
        let health = daemon.sheriff(&["ps", "--json"]);
        (health.code == 0 && health.text().contains(OWN_PROFILE)).then_some(())
    });
    let live = || daemon.json(&["egress", "top", "--json"]);
    assert_eq!(
        live()["sessions"][0]["egress"]["bytes_up"],
        2048,
        "{}",
        live()
    );
    // Raised by a reload: one more fits, and half of another.
    rewrite(&daemon, &budget("3584B"));
    reload(&daemon);
    echo_anew(&mut child);
    child.send("open a.example:9000\necho a.example:9000\n");
    eventually("the end for want of budget", || {
        let sessions = daemon.json(&["ps", "--json"]);
        sessions["sessions"]
            .as_array()
            .unwrap()
            .is_empty()
            .then_some(())
    });
    assert_eq!(server.traffic().received(), 3584);
    // The control: a new session has a budget of its own.
    let mut other = jail.start_python(TUNNELS);
    tell(&mut other, "open a.example:9000", "status 200");
    tell(&mut other, "echo a.example:9000", "echoed 1024");
}

#[test]
fn ports_that_new_rules_name_are_open_in_living_jails_also_after_an_office_died() {
    let ready = Server::start(None, |mut channel| {
        std::io::Write::write_all(&mut channel, b"ready")
    });
    let daemon = Daemon::standing();
    rewrite(&daemon, "");
    reload(&daemon);
    let jail = Jail::on(&daemon).profile(OWN_PROFILE);
    let mut child = jail.start_python(TUNNELS);
    tell(&mut child, "get db.example:5432", "db.example:5432 failed");
    rewrite(&daemon, &rule("db.example", 5432, ready.address()));
    let done = reload(&daemon);
    assert_eq!(done["troubles"], serde_json::json!([]));
    // The warden opens it right after the reload was answered.
    eventually("the port", || {
        child.send("get db.example:5432\n");
        let said = String::from_utf8_lossy(&child.state().stdout).into_owned();
        said.contains("said ready").then_some(())
    });
    let office = children(daemon.process().pid(), "sheriff-office")[0];
    assert!(kill(office));
    eventually("the next office", || {
        let sessions = daemon.sheriff(&["ps", "--json"]);
        (sessions.code == 0 && sessions.text().contains(OWN_PROFILE)).then_some(())
    });
    let before = ready.traffic().connections();
    child.send("get db.example:5432\n");
    eventually("an answer through the new office", || {
        (ready.traffic().connections() > before).then_some(())
    });
}

#[test]
fn a_tunnel_that_has_to_be_opened_from_now_on_is_cut_and_refused_with_the_reason() {
    let server = Http::tls(&identity(&["api.example"]), |_| Response::ok("hi"));
    let rules = rule("api.example", 443, server.address());
    let daemon = Daemon::ephemeral_for(&profile(&rules), "");
    let jail = Jail::on(&daemon).profile(OWN_PROFILE).trusting_us();
    let script = "
s, status = connect('api.example')
t = tls(s, 'api.example')
print('open', status)
sys.stdin.readline()
try: print('cut' if not t.recv(1) else 'data')
except OSError: print('cut')
s, status = connect('api.example')
print('again', status)
";
    let mut child = jail.start_python(script);
    child.await_text("open 200", PATIENCE);
    rewrite(&daemon, &(rules + "methods = [\"GET\"]\n"));
    let done = reload(&daemon);
    let problem = done["troubles"][0]["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("certificate authority"), "{problem}");
    child.send("go\n");
    let said = child.await_text("again", PATIENCE);
    assert!(said.contains("cut"), "{said}");
    child.wait(PATIENCE);
    let said = child.await_text("again 403", PATIENCE);
    let denied = events(&daemon);
    let denied = denied
        .iter()
        .any(|event| event["reason"] == "needs_interception");
    assert!(denied, "{said}");
}

#[test]
fn a_session_whose_profile_is_gone_may_send_nothing_and_lives_again_when_it_is_back() {
    let server = echo();
    let rules = rule("a.example", 9000, server.address());
    let daemon = Daemon::ephemeral_for(&profile(&rules), "");
    let jail = Jail::on(&daemon).profile(OWN_PROFILE);
    let mut child = jail.start_python(TUNNELS);
    tell(
        &mut child,
        "open a.example:9000",
        "a.example:9000 status 200",
    );
    fs::remove_file(daemon.profiles().join(format!("jail/{OWN_PROFILE}.toml"))).unwrap();
    let done = reload(&daemon);
    let problem = done["troubles"][0]["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("may send nothing"), "{problem}");
    tell(&mut child, "await a.example:9000", "a.example:9000 cut");
    tell(
        &mut child,
        "open a.example:9000",
        "a.example:9000 status 403",
    );
    rewrite(&daemon, &rules);
    assert_eq!(reload(&daemon)["troubles"], serde_json::json!([]));
    child.send("open a.example:9000\necho a.example:9000\n");
    child.await_text("a.example:9000 echoed 1024", PATIENCE);
}

#[test]
fn egress_takes_the_hop_that_is_configured_and_another_one_after_a_reload() {
    let server = Http::plain(|_| Response::ok("hi"));
    let first = Hop::start(server.address(), Some("jailer:hunter22"));
    let second = Hop::start(server.address(), None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    fs::write(&file, "jailer:hunter22\n").unwrap();
    let configured = |hop: &Hop, more: &str| {
        let address = hop.address();
        format!("[egress.upstream_proxy]\nurl = \"http://{address}\"\nresolve = \"proxy\"\n{more}")
    };
    let credentials = format!("credentials = \"file:{}\"\n", file.display());
    let daemon = Daemon::ephemeral_with(&configured(&first, &credentials));
    let jail = Jail::on(&daemon).allow("site.example:80");
    let get = "curl -sS -w ' %{http_code}' http://site.example/";
    assert_eq!(jail.shell(get).ok().text(), "hi 200");
    assert_eq!(first.asked().len(), 1);
    // A file that was replaced is read at the reload, and wrong credentials are a 502 with a reason.
    fs::write(&file, "jailer:forgotten\n").unwrap();
    reload(&daemon);
    let refused = jail.shell(get).ok();
    assert!(refused.text().ends_with(" 502"), "{refused}");
    assert!(refused.text().contains("upstream_proxy"), "{refused}");
    daemon.configure(&configured(&second, ""));
    reload(&daemon);
    assert_eq!(jail.shell(get).ok().text(), "hi 200");
    assert_eq!((first.asked().len(), second.asked().len()), (2, 1));
    let log = daemon.log() + &log(&daemon);
    assert!(log.contains("hop_status_407"), "{log}");
    assert!(!log.contains("hunter22") && !log.contains("forgotten"));
}
