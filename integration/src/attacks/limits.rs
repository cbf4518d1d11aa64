//! Floods from a jail: files, connections, memory of the host's side.
//!
//! Not for: the limits as such (the story `limits` outside of this folder).

use testkit::{Http, Raw, Response, Step};

use super::probe::ask;
use crate::harness::{Daemon, Jail, PATIENCE};

#[test]
fn memory_file_systems_end_at_their_inodes_too() {
    let found = ask(
        &Jail::new().limit("memory=512MiB"),
        "
def fill(folder):
    made = 0
    try:
        while made < 100000:
            os.close(os.open(f'{folder}/{made}', os.O_CREAT | os.O_WRONLY)); made += 1
    except OSError as error: return errno.errorcode[error.errno] + ' ' + str(made < 40000)
    return 'endless'",
        &[("tmp", "fill('/tmp')"), ("shm", "fill('/dev/shm')")],
    );
    assert_eq!(found["tmp"], "ENOSPC True", "{found:?}");
    assert_eq!(found["shm"], "ENOSPC True", "{found:?}");
}

#[test]
fn a_fork_bomb_of_double_forks_ends_with_its_jail() {
    let daemon = Daemon::ephemeral();
    let jail = Jail::on(&daemon).limit("pids=50").timeout("2s");
    let script = "import os\nwhile True:\n  try:\n    if os.fork() == 0: os.setsid()\n  except OSError: pass";
    let outcome = jail
        .run(&["/usr/bin/python3", "-c", script])
        .ended_with(124);
    assert!(outcome.counter("/limits/pids") == 50, "{outcome}");
    crate::harness::Leftovers::await_none_naming(outcome.session());
    Jail::on(&daemon).run(&["/bin/true"]).ok();
}

#[test]
fn fifteen_hundred_tunnels_of_one_jail_are_turned_away_and_leave_another_jail_alone() {
    let site = Raw::start(vec![Step::Drain]);
    let fine = Http::plain(|_| Response::ok("fine"));
    let flood = Jail::new()
        .connect("site.example:9000", site.address())
        .limit("open_files=4096");
    let script = "
def one():
    s = proxy()
    s.sendall(b'CONNECT site.example:9000 HTTP/1.1\\r\\nHost: site.example:9000\\r\\n\\r\\n')
    return s
kept, seen = [], {}
for _ in range(1500):
    try:
        s = one(); s.settimeout(20)
        try: status = head(s).split()[1]
        except (EOFError, ConnectionResetError): status = 'closed'
        kept.append(s)
    except OSError as error: status = str(error.errno)
    seen[status] = seen.get(status, 0) + 1
print('done', json.dumps(seen), '.', flush=True)
sys.stdin.read()
kept.clear()
s = one(); print('after', head(s).split()[1], '.', flush=True)
";
    let mut child = flood.start_python(script);
    let text = child.await_text("} .", PATIENCE);
    let seen = text
        .trim()
        .trim_start_matches("done ")
        .trim_end_matches('.');
    let seen: serde_json::Value = serde_json::from_str(seen).unwrap();
    let allowed = seen["200"].as_u64().unwrap_or_default();
    assert!((900..=1024).contains(&allowed), "{seen}");
    let refused: u64 = ["503", "429", "closed"]
        .iter()
        .filter_map(|one| seen[*one].as_u64())
        .sum();
    assert_eq!(allowed + refused, 1500, "{seen}");
    // Meanwhile another jail of the same daemon is served.
    let other = Jail::new().connect("fine.example:80", fine.address());
    assert_eq!(
        other.shell("curl -sSf http://fine.example/").ok().text(),
        "fine"
    );
    child.close_input();
    let state = child.wait(PATIENCE);
    assert!(
        String::from_utf8_lossy(&state.stdout).contains("after 200"),
        "{state}"
    );
}

#[test]
fn a_slow_head_is_ended_and_costs_nobody_else_anything() {
    let site = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new().connect("site.example:80", site.address());
    let script = "
slow = [proxy() for _ in range(50)]
for s in slow: s.sendall(b'GET http://site.example/ HTTP/1.1\\r\\nHost: site')
t = time.monotonic()
s = proxy(); s.sendall(b'GET http://site.example/ HTTP/1.1\\r\\nHost: site.example\\r\\nConnection: close\\r\\n\\r\\n')
print(everything(s)[9:12].decode(), time.monotonic() - t < 2)
ends = set()
for s in slow:
    s.settimeout(30)
    text = everything(s)
    ends.add(text[9:12].decode())
print(sorted(ends), 10 < time.monotonic() - t < 25)";
    let outcome = jail.python(script).ok();
    assert_eq!(outcome.text(), "200 True\n['400'] True", "{outcome}");
    assert_eq!(site.requests().len(), 1);
}
