//! A flood from one jail: another jail's requests take no more than twice as long at their slowest.
//!
//! Not for: the flood's own fate (`crate::attacks::limits`). Needs a quiet machine and an optimised build, so it
//! runs only when asked for: `cargo test -p sheriff-integration flood -- --ignored --nocapture`.

use testkit::{Http, Request, Response};

use super::stand::Stand;
use crate::harness::{Child, PATIENCE, eventually, identity};

/// Asks 300 times, each time over a connection of its own, on each line of its input.
const VICTIM: &str = "
import http.client
context = ssl.create_default_context()
def ask():
    c = http.client.HTTPSConnection(PROXY.hostname, PROXY.port, context=context, timeout=30)
    c.set_tunnel('api.example'); c.request('GET', '/v1/x'); answer = c.getresponse()
    assert answer.status == 200 and answer.read() == b'hello'
    c.close()
for line in sys.stdin:
    times = []
    for _ in range(300):
        start = time.monotonic(); ask(); times.append(time.monotonic() - start)
    times.sort()
    print('round', int(times[150] * 1e6), int(times[297] * 1e6), 'end', flush=True)
";

const FLOODS: [(&str, &str); 4] = [
    ("connections", "
kept = []
while True:
    try:
        s = proxy(); s.setblocking(False); kept.append(s)
    except OSError: time.sleep(0.001)
    if len(kept) > 3000: kept.pop(0).close()
"),
    ("names", "
n = 0
def question(n):
    label = f'n{n}x{os.getpid()}'.encode()
    return struct.pack('>HHHHHH', n & 65535, 256, 1, 0, 0, 0) + bytes([len(label)]) + label + b'\\x03cdn\\x07example\\0' + struct.pack('>HH', 1, 1)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.setblocking(False)
while True:
    n += 1
    try: u.sendto(question(n), ('10.77.0.1', 53))
    except OSError: pass
    if n % 20 == 0:
        try: connect(f'm{n}.cdn.example')[0].close()
        except (OSError, EOFError, IndexError): pass
"),
    ("slow", "
kept = []
while True:
    if len(kept) < 500:
        try: s = proxy(); s.setblocking(False); kept.append(s)
        except OSError: pass
    for s in list(kept):
        try: s.send(b'G')
        except BlockingIOError: pass
        except OSError: kept.remove(s)
    time.sleep(0.02)
"),
    ("deaf", "
kept = []
context = ssl.create_default_context()
while True:
    try:
        s, status = connect('api.example')
        if status == 200:
            t = context.wrap_socket(s, server_hostname='api.example')
            t.sendall(b'GET /v1/huge HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'); kept.append(t)
        else: s.close(); time.sleep(0.01)
    except (OSError, EOFError, IndexError): time.sleep(0.01)
    if len(kept) >= 200: print('deaf', flush=True); time.sleep(1000)
"),
];

/// The median and the 99th percentile of one more round, in microseconds; `number` were before it.
fn round(victim: &mut Child, number: usize) -> (u64, u64) {
    victim.send("go\n");
    let line = eventually("a round", || {
        let state = victim.state();
        let text = String::from_utf8_lossy(&state.stdout).into_owned();
        assert!(
            state.status.is_none(),
            "{}",
            String::from_utf8_lossy(&state.stderr)
        );
        text.lines()
            .filter(|line| line.ends_with("end"))
            .nth(number)
            .map(str::to_owned)
    });
    let mut numbers = line
        .split(' ')
        .skip(1)
        .map(|word| word.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
#[ignore = "a measurement: needs a quiet machine"]
fn a_flood_of_one_jail_does_not_slow_another_down() {
    let site = Http::tls(
        &identity(&["api.example"]),
        |request: &Request| match request.path() {
            "/v1/huge" => Response::new(200, testkit::http::Body::Zeros(1 << 30)),
            _ => Response::ok("hello"),
        },
    );
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"api.example\"\nconnect = \"{}\"\nmethods = [\"GET\"]\n[[egress.allow]]\nhost = \"*.cdn.example\"\n",
        site.address()
    ));
    let jail = stand.jail();
    let mut victim = jail.start_python(VICTIM);
    round(&mut victim, 0);
    for (at, (name, flood)) in FLOODS.into_iter().enumerate() {
        let quiet = round(&mut victim, 2 * at + 1);
        // Half a core: what is measured is the proxy, not who gets the processor.
        let jail = stand.jail().limit("cpu=0.5");
        let attacker = jail.start_python(&format!("print('begun', flush=True)\n{flood}"));
        let ready = if name == "deaf" { "deaf" } else { "begun" };
        attacker.await_text(ready, PATIENCE);
        let loud = round(&mut victim, 2 * at + 2);
        attacker.signal(rustix::process::Signal::TERM);
        attacker.wait(PATIENCE);
        eprintln!(
            "{name}: p50 {} -> {} us, p99 {} -> {} us",
            quiet.0, loud.0, quiet.1, loud.1
        );
        assert!(
            loud.1 <= 2 * quiet.1 + 5_000,
            "{name}: p99 from {} to {} us",
            quiet.1,
            loud.1
        );
    }
    victim.close_input();
    victim.wait(PATIENCE);
}
