//! Sockets: families, options, the host's local sockets, and the wire itself.
//!
//! Not for: what the proxy lets through (`destinations`).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::probe::{Probe, ask, compare};
use crate::harness::{Jail, PATIENCE};

#[test]
fn denies_families_and_types_that_the_wire_does_not_carry() {
    const PROBES: [Probe; 17] = [
        (
            "alg",
            "syscall(41, 38, 5, 0)",
            "EAFNOSUPPORT",
            "ok|EAFNOSUPPORT",
        ),
        ("packet", "syscall(41, 17, 3, 0)", "EAFNOSUPPORT", "ok"),
        (
            "vsock",
            "syscall(41, 40, 1, 0)",
            "EAFNOSUPPORT",
            "ok|EAFNOSUPPORT",
        ),
        (
            "rxrpc",
            "syscall(41, 33, 2, 2)",
            "EAFNOSUPPORT",
            "ok|EAFNOSUPPORT",
        ),
        (
            "tipc",
            "syscall(41, 30, 1, 0)",
            "EAFNOSUPPORT",
            "ok|EAFNOSUPPORT",
        ),
        (
            "xdp",
            "syscall(41, 44, 3, 0)",
            "EAFNOSUPPORT",
            "ok|EAFNOSUPPORT",
        ),
        (
            "key",
            "syscall(41, 15, 3, 2)",
            "EAFNOSUPPORT",
            "ok|EAFNOSUPPORT",
        ),
        ("raw", "syscall(41, 2, 3, 255)", "EPERM", "ok"),
        ("raw_icmp", "syscall(41, 2, 3, 1)", "EPERM", "ok"),
        ("raw6", "syscall(41, 10, 3, 58)", "EPERM", "ok|EAFNOSUPPORT"),
        ("old_packet", "syscall(41, 2, 10, 0)", "EPERM", "ok|EINVAL"),
        (
            "sctp",
            "syscall(41, 2, 1, 132)",
            "EPROTONOSUPPORT",
            "ok|EPROTONOSUPPORT",
        ),
        (
            "mptcp",
            "syscall(41, 2, 1, 262)",
            "EPROTONOSUPPORT",
            "ok|EPROTONOSUPPORT",
        ),
        (
            "audit",
            "syscall(41, 16, 3, 9)",
            "EPROTONOSUPPORT",
            "ok|EPROTONOSUPPORT",
        ),
        (
            "netfilter",
            "syscall(41, 16, 3, 12)",
            "EPROTONOSUPPORT",
            "ok|EPROTONOSUPPORT",
        ),
        (
            "pair",
            "syscall(53, 2, 1, 0, 0)",
            "EAFNOSUPPORT",
            "EOPNOTSUPP|EFAULT",
        ),
        ("tcp", "syscall(41, 2, 1, 0)", "ok", "ok"),
    ];
    compare(&Jail::new(), "", &PROBES);
}

#[test]
fn denies_options_that_choose_another_way_out_or_load_protocols() {
    const PROBES: [Probe; 11] = [
        ("dontroute", "option(1, 5)", "EPERM", "ok"),
        (
            "dontroute_high_bits",
            "option(1 | 1 << 40, 5)",
            "EPERM",
            "ok",
        ),
        (
            "bind_device",
            "attempt(s.setsockopt, 1, 25, b'lo')",
            "EPERM",
            "ok",
        ),
        ("bind_index", "option(1, 62)", "EPERM", "ok"),
        (
            "multicast_if",
            "attempt(s.setsockopt, 0, 32, bytes(12))",
            "EPERM",
            "ok",
        ),
        (
            "ulp",
            "attempt(t.setsockopt, 6, 31, b'tls')",
            "EPERM",
            "ENOTCONN|ENOENT|ok",
        ),
        ("encap", "option(17, 100)", "EPERM", "ok|ENOPROTOOPT|EINVAL"),
        (
            "send_flag",
            "attempt(s.sendto, b'x', 4, ('127.0.0.1', 9))",
            "EPERM",
            "ok|ENETUNREACH|EINVAL",
        ),
        (
            "sendmsg_flag",
            "attempt(s.sendmsg, [b'x'], [], 4, ('127.0.0.1', 9))",
            "EPERM",
            "ok|ENETUNREACH|EINVAL",
        ),
        ("reuse", "option(1, 2)", "ok", "ok"),
        ("nodelay", "attempt(t.setsockopt, 6, 1, 1)", "ok", "ok"),
    ];
    let setup = "
os.system('ip link set lo up 2>/dev/null')
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
t = socket.socket()
one = ctypes.create_string_buffer(struct.pack('i', 1))
def option(level, name): return syscall(54, s.fileno(), level, name, one, 4)";
    compare(&Jail::new(), setup, &PROBES);
}

#[test]
fn the_wire_can_not_be_rearranged() {
    const PROBES: [Probe; 6] = [
        (
            "route",
            "tool('ip route add 203.0.113.0/24 dev DEV')",
            "refused",
            "ok",
        ),
        (
            "address",
            "tool('ip addr add 10.99.0.1/24 dev DEV')",
            "refused",
            "ok",
        ),
        (
            "mac",
            "tool('ip link set DEV address 02:00:00:00:00:99')",
            "refused",
            "ok",
        ),
        (
            "neighbour",
            "tool('ip neigh add 10.99.0.7 lladdr 02:00:00:00:00:99 dev DEV')",
            "refused",
            "ok",
        ),
        ("down", "tool('ip link set DEV down')", "refused", "ok"),
        ("show", "tool('ip -o link show')", "ok", "ok"),
    ];
    let setup = "
import subprocess
subprocess.run('ip link add eth0 type veth peer name peer0 && ip link set eth0 up && ip link set peer0 up', shell=True, capture_output=True)
def tool(line):
    done = subprocess.run(line.replace('DEV', 'eth0').split(), capture_output=True)
    return 'ok' if done.returncode == 0 else 'refused'";
    // The order matters in the control: the last one takes the link down.
    compare(&Jail::new(), setup, &PROBES);
}

#[test]
fn local_sockets_of_the_host_are_out_of_reach_even_when_their_names_are_known() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("service.sock");
    let by_path = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let name = format!("sheriff-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let abstract_one = UnixListener::bind_addr(&address).unwrap();
    // Both are good: the host itself gets through.
    drop(std::os::unix::net::UnixStream::connect(&path).unwrap());
    drop(std::os::unix::net::UnixStream::connect_addr(&address).unwrap());
    let connect = |to: &str| format!("attempt(socket.socket(socket.AF_UNIX).connect, '{to}')");
    let calls = [
        ("abstract", connect(&format!("\\0{name}"))),
        ("path", connect(path.to_str().unwrap())),
        ("docker", connect("/var/run/docker.sock")),
        ("bus", connect("/run/dbus/system_bus_socket")),
        ("systemd", connect("/run/systemd/private")),
        ("journal", connect("/run/systemd/journal/stdout")),
        ("gateway", connect("/run/sheriff/gateway.sock")),
    ];
    let calls: Vec<_> = calls
        .iter()
        .map(|(name, call)| (*name, call.as_str()))
        .collect();
    let found = ask(&Jail::new(), "", &calls);
    for (name, answer) in &found {
        assert_eq!(answer == "ok", name == "gateway", "{name}: {found:?}");
    }
    assert_eq!(found.len(), 7);
    drop((by_path, abstract_one));
}

#[test]
fn a_socket_in_the_workspace_carries_no_connection_and_no_descriptor_into_the_jail() {
    let jail = Jail::new().scratch();
    let path = jail.path("outer.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let script = "
inner = socket.socket(socket.AF_UNIX)
inner.bind('/workspace/inner.sock'); inner.listen()";
    let found = ask(
        &jail,
        script,
        &[
            (
                "outer",
                "attempt(socket.socket(socket.AF_UNIX).connect, '/workspace/outer.sock')",
            ),
            (
                "inner",
                "attempt(socket.socket(socket.AF_UNIX).connect, '/workspace/inner.sock')",
            ),
        ],
    );
    assert_eq!(found["inner"], "ok", "{found:?}");
    assert_ne!(
        found["outer"], "ok",
        "a listener of the host answered: descriptors could come in"
    );
    drop(std::os::unix::net::UnixStream::connect(&path).unwrap());
    drop(listener);
}

#[test]
fn a_jail_reaches_no_other_jail() {
    let server = "
import socket, subprocess
s = socket.socket(); s.bind(('0.0.0.0', 8099)); s.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 8099))
address = subprocess.run(['hostname', '-I'], capture_output=True, text=True).stdout
import fcntl, struct
address = socket.inet_ntoa(fcntl.ioctl(u, 0x8915, struct.pack('256s', b'eth0'))[20:24])
c = socket.create_connection((address, 8099)); c.close()
print('address', address, '.', flush=True)
s.accept()
s.settimeout(20); u.settimeout(20)
import select, sys
ready = select.select([s, u, sys.stdin], [], [])[0]
print('reached' if s in ready or u in ready else 'untouched', flush=True)";
    let other = Jail::new();
    let mut victim = other.start_python(server);
    let text = victim.await_text(" .", PATIENCE);
    let address = text.split_whitespace().nth(1).unwrap().to_owned();
    let setup = format!(
        "
def call(port, source=None):
    s = socket.socket(); s.settimeout(3)
    try:
        if source: s.bind((source, 0))
        s.connect(('{address}', port))
        return 'ok'
    except TimeoutError: return 'TIMEOUT'
    except OSError as e: return errno.errorcode[e.errno]
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempt(u.sendto, b'x', ('{address}', 8099))"
    );
    let found = ask(
        &Jail::new(),
        &setup,
        &[
            ("tcp", "call(8099)"),
            ("spoof", &format!("call(8099, '{address}')")),
        ],
    );
    assert_eq!(found["tcp"], "ECONNREFUSED", "{found:?}");
    assert_eq!(found["spoof"], "EADDRNOTAVAIL", "{found:?}");
    victim.close_input();
    victim.await_text("untouched", PATIENCE);
}
