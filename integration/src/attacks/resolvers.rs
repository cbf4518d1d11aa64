//! Questions to name servers, ours and others: all are answered by policy, and none says more than rules do.
//!
//! Not for: what programs make of the answers (`names`), nor what the host's resolver is asked (`rebinding`).

use super::probe::ask;
use crate::harness::Jail;

#[test]
fn no_resolver_says_more_of_a_name_than_rules_do_whatever_is_asked() {
    let setup = "
def question(name, kind):
    return struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b''.join(bytes([len(l)]) + l.encode() for l in name.split('.')) + b'\\0' + struct.pack('>HH', kind, 1)
def udp(server, name, kind):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
    s.sendto(question(name, kind), (server, 53))
    try: answer, sender = s.recvfrom(4096)
    except TimeoutError: return 'silence'
    return f'{answer[3] & 15}/{struct.unpack(\">H\", answer[6:8])[0]}/{sender[0] == server}'
def tcp(server, name, kind):
    s = socket.create_connection((server, 53), timeout=5)
    q = question(name, kind); s.sendall(struct.pack('>H', len(q)) + q)
    answer = s.recv(4096)[2:]
    return f'{answer[3] & 15}/{struct.unpack(\">H\", answer[6:8])[0]}/True'
denied = 'c2VjcmV0IGRhdGE.' * 3 + 'site.example.org'
allowed = 'site.example.com'
opaque = 'mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydc.example.com'";
    let kinds = [
        ("a", 1),
        ("aaaa", 28),
        ("txt", 16),
        ("mx", 15),
        ("srv", 33),
        ("null", 10),
        ("any", 255),
        ("ptr", 12),
    ];
    let mut calls: Vec<(String, String)> = Vec::new();
    for (name, kind) in kinds {
        for which in ["denied", "opaque", "allowed"] {
            for (way, call) in [
                ("own", "udp('10.77.0.1'"),
                ("public", "udp('8.8.8.8'"),
                ("tcp", "tcp('1.1.1.1'"),
            ] {
                let call = format!("{call}, {which}, {kind})");
                calls.push((format!("{name}_{way}_{which}"), call));
            }
        }
    }
    let calls: Vec<_> = calls
        .iter()
        .map(|(name, call)| (name.as_str(), call.as_str()))
        .collect();
    let found = ask(&Jail::new().allow("**.example.com"), setup, &calls);
    assert_eq!(found.len(), 72, "{found:?}");
    for (name, answer) in &found {
        let expected = match (name.ends_with("_allowed"), name.starts_with("a_")) {
            (false, _) => "3/0/True",
            (true, true) => "0/1/True",
            (true, false) => "0/0/True",
        };
        assert_eq!(answer, expected, "{name}: {found:?}");
    }
}
