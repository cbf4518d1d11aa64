//! Two-way sockets (RFC 6455) with a client of a few lines: through a tunnel, and in clear through the proxy.
//!
//! Not for: protocol violations.

use testkit::{Http, websocket};

use crate::harness::{Jail, Outcome, identity};

/// Sends messages of each length class, a ping, and a close; checks that each comes back.
const TALK: &str = "
def exactly(s, n):
    text = b''
    while len(text) < n:
        part = s.recv(n - len(text))
        if not part:
            raise EOFError(len(text))
        text += part
    return text

def send(s, opcode, payload):
    n, mask = len(payload), os.urandom(4)
    size = bytes([128 | n]) if n < 126 else bytes([254]) + struct.pack('>H', n) if n < 65536 else bytes([255]) + struct.pack('>Q', n)
    body = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    s.sendall(bytes([128 | opcode]) + size + mask + body)

def receive(s):
    first, n = exactly(s, 2)
    if n == 126: n, = struct.unpack('>H', exactly(s, 2))
    elif n == 127: n, = struct.unpack('>Q', exactly(s, 8))
    return first & 15, exactly(s, n)

def talk(s, target):
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall(f'GET {target} HTTP/1.1\\r\\nHost: chat.example\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: {key}\\r\\n\\r\\n'.encode())
    answer = head(s)
    assert ' 101 ' in answer.splitlines()[0], answer
    for n in [0, 1, 125, 126, 65535, 65536, 300000]:
        send(s, 2, os.urandom(0) + b'm' * n)
        assert receive(s) == (2, b'm' * n), n
    send(s, 9, b'are you there')
    assert receive(s) == (10, b'are you there')
    send(s, 8, b'')
    assert receive(s) == (8, b'')
    print('talked', everything(s) == b'')
";

fn run(site: &Http, entry: &str, call: &str) -> Outcome {
    let jail = Jail::new().trusting_us().connect(entry, site.address());
    let outcome = jail.python(&format!("{TALK}\n{call}")).ok();
    assert_eq!(outcome.text(), "talked True");
    assert_eq!(
        outcome.host("chat.example", "bytes_up"),
        site.traffic().received()
    );
    assert_eq!(
        outcome.host("chat.example", "bytes_down"),
        site.traffic().sent()
    );
    outcome
}

#[test]
fn a_websocket_works_through_a_tunnel() {
    let site = websocket::echo(Some(&identity(&["chat.example"])));
    let call = "s, status = connect('chat.example')\ntalk(tls(s, 'chat.example'), '/')";
    run(&site, "chat.example", call);
}

#[test]
fn a_websocket_in_clear_works_through_the_proxy() {
    let site = websocket::echo(None);
    let call = "talk(proxy(), 'http://chat.example/')";
    run(&site, "chat.example:80", call);
}

#[test]
fn a_websocket_to_a_host_that_is_not_allowed_is_denied() {
    let site = websocket::echo(Some(&identity(&["chat.example"])));
    let jail = Jail::new()
        .trusting_us()
        .connect("chat.example", site.address());
    let script = "print(connect('chat.example')[1], connect('other.example')[1])";
    assert_eq!(jail.python(script).ok().text(), "200 403");
}
