//! Names whose answers change or mislead: the address that was checked is the one that is dialled.
//!
//! A daemon of its own runs in namespaces where our name server is the host's resolver and the far end
//! of a wire has public addresses, so that a name can lead outwards first and inwards afterwards.
//!
//! Not for: spellings of destinations (`destinations`).

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use testkit::{Resolver, Server, inside};

use super::probe::on_host;
use crate::harness::{Child, PATIENCE, binary, require_root};

/// Public addresses of the far end, and an inner one that it has as well.
const PUBLIC: [u8; 4] = [93, 184, 216, 34];
const LATER: [u8; 4] = [93, 184, 216, 99];
const INNER: [u8; 4] = [10, 9, 9, 9];
/// Routed to the near end itself, without being an address of any interface.
const ROUTED: [u8; 4] = [93, 184, 217, 5];
const NEAR: [u8; 4] = [172, 31, 255, 1];

/// Two namespaces with a wire between them.
struct World {
    near: Child,
    far: Child,
}

impl World {
    fn new() -> Self {
        require_root();
        let prepared = "ip link set lo up && echo ready && exec sleep 600";
        let near = format!(
            "printf 'nameserver 127.0.0.1\\noptions timeout:1\\n' > /tmp/resolv.conf.$$ && \
             mount --bind /tmp/resolv.conf.$$ /etc/resolv.conf && rm /tmp/resolv.conf.$$ && {prepared}"
        );
        let world = Self {
            near: start(&["--net", "--mount"], &near),
            far: start(&["--net"], prepared),
        };
        let far = world.far.pid();
        world.run(&format!(
            "ip link add up0 type veth peer name up0 netns {far}"
        ));
        world.run("ip addr add 172.31.255.1/30 dev up0");
        world.run("ip link set up0 up");
        for line in [
            "ip addr add 172.31.255.2/30 dev up0",
            "ip link set up0 up",
            "ip addr add 93.184.216.34/32 dev lo",
            "ip addr add 93.184.216.99/32 dev lo",
            "ip addr add 10.9.9.9/32 dev lo",
        ] {
            enter(far, line);
        }
        world.run("ip route add default via 172.31.255.2");
        world
    }

    /// Runs a command on the near end, where the daemon is.
    fn run(&self, line: &str) {
        enter(self.near.pid(), line);
    }

    /// A server on an address of the far or the near end, on port 80.
    fn serve(&self, end: &Child, ip: [u8; 4]) -> Server {
        let listener = inside(end.pid(), || {
            TcpListener::bind((IpAddr::from(ip), 80)).unwrap()
        });
        Server::on(listener, None, |mut channel| {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                channel.read_exact(&mut byte)?;
                head.push(byte[0]);
            }
            channel
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        })
    }

    /// `sheriff run` with a daemon of its own on the near end.
    fn jail(&self, names: &[&str], script: &str) -> Child {
        let pid = self.near.pid().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--net", "--mount", "--target", &pid]);
        command.arg(binary("sheriff")).args(["run", "--ephemeral"]);
        for name in names {
            command.args(["--allow", &format!("{name}:80")]);
        }
        command.args(["--", "/usr/bin/python3", "-uc"]);
        command.arg(format!("{ASK}\n{script}"));
        Child::start(command.stdin(Stdio::piped()))
    }
}

/// What a jailed script asks with: the status and the reason of an answer.
const ASK: &str = r#"
import os, socket, sys
from urllib.parse import urlsplit
PROXY = urlsplit(os.environ["HTTP_PROXY"])
def ask(label, host, tunnel=False):
    s = socket.create_connection((PROXY.hostname, PROXY.port), timeout=40)
    line = f"CONNECT {host}:80" if tunnel else f"GET http://{host}/"
    s.sendall(f"{line} HTTP/1.1\r\nHost: {host}:80\r\nConnection: close\r\n\r\n".encode())
    text = b""
    while b"\r\n\r\n" not in text and (part := s.recv(4096)): text += part
    head = text.split(b"\r\n\r\n")[0].decode()
    reason = [l.split(": ")[1] for l in head.split("\r\n") if l.startswith("x-sheriff-reason")]
    print(label, head.split()[1], *reason)
"#;

fn start(spaces: &[&str], script: &str) -> Child {
    let mut command = Command::new("unshare");
    command.args(spaces).args(["sh", "-c", script]);
    let child = Child::start(command.stdin(Stdio::null()));
    child.await_text("ready", PATIENCE);
    child
}

#[track_caller]
fn enter(pid: u32, line: &str) {
    let pid = pid.to_string();
    let words: Vec<&str> = line.split(' ').collect();
    let said = on_host(&[&["nsenter", "--net", "--target", &pid], &words[..]].concat());
    assert_eq!(said, "", "{line}");
}

/// The answers that our names have, by how often they were asked for before.
fn answers(name: &str, before: u64) -> Vec<IpAddr> {
    let v4 = |list: &[[u8; 4]]| list.iter().copied().map(IpAddr::from).collect();
    match name {
        "steady.example" => v4(&[PUBLIC]),
        "rebind.example" if before == 0 => v4(&[PUBLIC]),
        "rebind.example" | "inner.example" => v4(&[INNER]),
        "mixed.example" => v4(&[INNER, [127, 0, 0, 1], PUBLIC, [169, 254, 169, 254]]),
        "metadata.example" => v4(&[[169, 254, 169, 254]]),
        "zero.example" => v4(&[[0, 0, 0, 0]]),
        "near.example" => v4(&[NEAR]),
        "later.example" => v4(&[LATER]),
        "routed.example" => v4(&[ROUTED]),
        "mapped.example" => vec!["::ffff:10.9.9.9".parse().unwrap()],
        "nat64.example" => vec!["64:ff9b::10.9.9.9".parse().unwrap()],
        "six.example" => vec!["fd00::1".parse().unwrap()],
        "both.example" => vec!["::1".parse().unwrap(), IpAddr::from(PUBLIC)],
        _ => Vec::new(),
    }
}

const NAMES: [&str; 13] = [
    "steady.example",
    "rebind.example",
    "inner.example",
    "mixed.example",
    "metadata.example",
    "zero.example",
    "near.example",
    "later.example",
    "routed.example",
    "mapped.example",
    "nat64.example",
    "six.example",
    "both.example",
];

#[test]
fn the_address_that_was_checked_is_the_one_that_is_dialled_and_inner_ones_never() {
    let world = World::new();
    let socket = inside(world.near.pid(), || {
        UdpSocket::bind("127.0.0.1:53").unwrap()
    });
    let resolver = Resolver::on(socket, answers);
    let public = world.serve(&world.far, PUBLIC);
    let inner = world.serve(&world.far, INNER);
    let later = world.serve(&world.far, LATER);
    let host = world.serve(&world.near, [0, 0, 0, 0]);
    let jail = world.jail(
        &NAMES,
        "
for name in ('steady', 'rebind', 'inner', 'mixed', 'metadata', 'zero', 'near', 'later', 'mapped', 'nat64', 'six', 'both'):
    ask(name, name + '.example')
ask('rebind_again', 'rebind.example')
ask('rebind_tunnel', 'rebind.example', tunnel=True)
ask('steady_tunnel', 'steady.example', tunnel=True)
print('asked', flush=True)
sys.stdin.readline()
ask('later_ours', 'later.example')
ask('later_ours_tunnel', 'later.example', tunnel=True)
ask('routed', 'routed.example')
ask('steady_again', 'steady.example')",
    );
    let mut jail = jail;
    jail.await_text("asked", PATIENCE);
    // The host gets an address, and a route, while the jail runs.
    world.run("ip addr add 93.184.216.99/32 dev lo");
    world.run("ip route add local 93.184.217.0/24 dev lo");
    jail.send("on\n");
    let state = jail.wait(PATIENCE);
    let text = String::from_utf8_lossy(&state.stdout).into_owned();
    let expected = "steady 200\nrebind 200\ninner 403 forbidden_address\nmixed 200\n\
        metadata 403 metadata_service\nzero 403 forbidden_address\nnear 403 forbidden_address\n\
        later 200\nmapped 403 forbidden_address\nnat64 403 forbidden_address\n\
        six 403 forbidden_address\nboth 200\nrebind_again 403 forbidden_address\n\
        rebind_tunnel 403 forbidden_address\nsteady_tunnel 200\nasked\n\
        later_ours 403 own_address\nlater_ours_tunnel 403 own_address\nrouted 403 own_address\n\
        steady_again 200\n";
    assert_eq!(text, expected, "{state}");
    assert_eq!(inner.traffic().connections(), 0);
    assert_eq!(host.traffic().connections(), 0);
    assert_eq!(later.traffic().connections(), 1);
    // steady twice and its tunnel, rebind once, mixed, both.
    assert_eq!(public.traffic().connections(), 6);
    // Nothing is resolved again between the check and the dial.
    assert_eq!(resolver.asked("rebind.example"), 3);
    assert_eq!(resolver.asked("mixed.example"), 1);
}

#[test]
fn what_a_jail_asks_of_names_reaches_no_resolver_before_a_connection_is_judged() {
    let world = World::new();
    let socket = inside(world.near.pid(), || {
        UdpSocket::bind("127.0.0.1:53").unwrap()
    });
    let resolver = Resolver::on(socket, answers);
    let public = world.serve(&world.far, PUBLIC);
    let mut jail = world.jail(
        &["steady.example"],
        "
import subprocess
def known(*words): return subprocess.run(['getent', *words], stdout=subprocess.DEVNULL).returncode == 0
print(known('ahosts', 'steady.example'), known('ahosts', 'both.example'), known('hosts', '93.184.216.34'))
for name in ('steady.example', 'both.example'):
    try: socket.create_connection((name, 81), timeout=30)
    except OSError as error: print(type(error).__name__)
ask('denied', 'both.example')
print('asked', flush=True)
sys.stdin.readline()
ask('allowed', 'steady.example')
s = socket.create_connection(('steady.example', 80), timeout=30)
s.sendall(b'GET / HTTP/1.1\\r\\nHost: steady.example\\r\\n\\r\\n')
print('direct', s.recv(12).decode())
s = socket.create_connection(('93.184.216.34', 80), timeout=30)
s.sendall(b'GET / HTTP/1.1\\r\\nHost: both.example\\r\\n\\r\\n')
print('literal', s.recv(12).decode())",
    );
    jail.await_text("asked", PATIENCE);
    for name in NAMES {
        assert_eq!(resolver.asked(name), 0, "{name}");
    }
    jail.send("on\n");
    let state = jail.wait(PATIENCE);
    let text = String::from_utf8_lossy(&state.stdout).into_owned();
    let expected = "True False False\nConnectionRefusedError\ngaierror\n\
        denied 403 not_in_allowlist\nasked\nallowed 200\ndirect HTTP/1.1 200\nliteral HTTP/1.1 403\n";
    assert_eq!(text, expected, "{state}");
    assert_eq!(resolver.asked("steady.example"), 2);
    assert_eq!(resolver.asked("both.example"), 0);
    assert_eq!(public.traffic().connections(), 2);
}
