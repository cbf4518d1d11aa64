//! What goes through a tunnel, how it is counted, and how it ends when the jail misbehaves.
//!
//! Not for: where a tunnel may lead (`destinations`).

use testkit::{Http, Raw, Response, Step};

use crate::harness::{Jail, identity};

/// Opens a tunnel on a TLS port, says something, and tells what came back.
const SAY: &str = "
def said(data, host='site.example'):
    s, status = connect(host)
    if status != 200: return str(status)
    s.settimeout(15)
    try:
        s.sendall(data)
        answer = everything(s)
        return 'alert' if answer[:1] == b'\\x15' else 'answer' if answer else 'closed'
    except (ConnectionResetError, BrokenPipeError): return 'closed'
def hello(name):
    context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try: context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError: pass
    return outgoing.read()
";

#[test]
fn what_is_no_handshake_for_the_same_host_ends_before_a_byte_reaches_the_upstream() {
    let site = Http::tls(&identity(&["site.example", "evil.example"]), |_| {
        Response::ok("ok")
    });
    let jail = Jail::new()
        .trusting_us()
        .connect("site.example", site.address());
    let script = "
cases = {
    'canary': b'canary line\\r\\n',
    'http': b'GET / HTTP/1.1\\r\\nHost: site.example\\r\\n\\r\\n',
    'http2': b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n',
    'ssh': b'SSH-2.0-probe\\r\\n',
    'zeros': bytes(100),
    'sslv2': b'\\x80\\x2e\\x01\\x00\\x02' + bytes(41),
    'alert_first': b'\\x15\\x03\\x01\\x00\\x02\\x02\\x28',
    'data_first': b'\\x17\\x03\\x03\\x00\\x05hello',
    'empty_records': b'\\x16\\x03\\x01\\x00\\x00' * 50,
    'huge_hello': b'\\x16\\x03\\x01\\x40\\x00\\x01\\xff\\xff\\xff' + bytes(16380),
    'other_name': hello('evil.example'),
    'no_name': hello(None),
    'address_name': hello('127.0.0.1'),
    'below': hello('a.site.example'),
    'trick': hello('site.example.evil.example'),
}
for name, data in cases.items(): print(name, said(data))
";
    let outcome = jail.python(&format!("{SAY}{script}")).ok();
    for line in outcome.text().lines() {
        let answer = line.split(' ').nth(1).unwrap();
        assert!(["closed", "alert"].contains(&answer), "{line}: {outcome}");
    }
    assert_eq!(outcome.text().lines().count(), 15, "{outcome}");
    assert_eq!(
        site.traffic().connections(),
        0,
        "nobody was dialled: {outcome}"
    );
    assert_eq!(outcome.egress("bytes_up"), 0, "{outcome}");
    let control = "
whole = hello('site.example'); s, status = connect('site.example')
for byte in whole: s.sendall(bytes([byte]))
print(status, s.recv(1)[0], said(hello('SITE.example')[:3]) if False else '')";
    let outcome = jail.python(&format!("{SAY}{control}")).ok();
    // 22: the server's own handshake record.
    assert_eq!(outcome.text(), "200 22");
}

#[test]
fn a_transparent_connection_reaches_the_host_it_names_and_never_the_address_it_dialled() {
    let site = Http::tls(&identity(&["site.example"]), |_| Response::ok("ok"));
    let plain = Http::plain(|_| Response::ok("ok"));
    let jail = Jail::new()
        .trusting_us()
        .connect("site.example", site.address())
        .connect("site.example:80", plain.address());
    let script = "
s = socket.create_connection(('203.0.113.9', 443), timeout=10)
s.sendall(hello('site.example')); print(s.recv(1)[0])
s = socket.create_connection(('203.0.113.9', 80), timeout=10)
s.sendall(b'GET / HTTP/1.1\\r\\nHost: site.example\\r\\nConnection: close\\r\\n\\r\\n'); print(everything(s).split()[1].decode())
s = socket.create_connection(('203.0.113.9', 443), timeout=10)
s.sendall(hello('evil.example')); print(s.recv(1)[0])
s = socket.create_connection(('203.0.113.9', 80), timeout=10)
s.sendall(b'GET / HTTP/1.1\\r\\nHost: evil.example\\r\\nConnection: close\\r\\n\\r\\n'); print(everything(s).split()[1].decode())
t, status = connect('site.example'); t = tls(t, 'site.example')
t.sendall(b'GET / HTTP/1.1\\r\\nHost: site.example\\r\\nConnection: close\\r\\n\\r\\n'); print(everything(t).split()[1].decode())
";
    let outcome = jail.python(&format!("{SAY}{script}")).ok();
    // 22: the server's handshake; 21: an alert.
    assert_eq!(outcome.text(), "22\n200\n21\n403\n200", "{outcome}");
    assert_eq!((site.requests().len(), plain.requests().len()), (1, 1));
}

#[test]
fn broken_off_exchanges_are_counted_to_the_byte() {
    let site = Http::plain(|request| Response::ok(request.body.clone()));
    let sink = Raw::start(vec![Step::Drain]);
    let never = Raw::start(vec![Step::Reset]);
    let cut = Raw::start(vec![
        Step::Await(b"\r\n\r\n".to_vec()),
        Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nshort".to_vec()),
    ]);
    let jail = Jail::new()
        .connect("site.example:80", site.address())
        .connect("sink.example:9000", sink.address())
        .connect("never.example:9000", never.address())
        .connect("cut.example:80", cut.address());
    let script = "
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()
post = b'POST http://site.example/ HTTP/1.1\\r\\nHost: site.example\\r\\nContent-Length: %d\\r\\n\\r\\n'
s = proxy(); s.sendall(post % 100000 + bytes(50000)); time.sleep(0.2); reset(s)
s = proxy(); s.sendall(post % 100000 + bytes(1000)); s.shutdown(1); s.close()
s = proxy(); s.sendall(b'GET http://cut.example/ HTTP/1.1\\r\\nHost: cut.example\\r\\n\\r\\n')
try: print(len(everything(s)) < 100000)
except ConnectionResetError: print(True)
s, status = connect('sink.example', 9000); s.sendall(bytes(300000)); time.sleep(0.2); reset(s)
s, status = connect('never.example', 9000)
try: s.sendall(bytes(1000)); time.sleep(0.1); s.sendall(bytes(1000)); s.recv(1)
except OSError: pass
s, status = connect('evil.example', 443); s.close()
s = proxy(); s.sendall(b'nonsense'); reset(s)
s = proxy(); s.sendall(b'GET http://site.example/ HTTP/1.1\\r\\nHost: site.example\\r\\nConnection: close\\r\\n\\r\\n'); print(everything(s).split()[1].decode())
time.sleep(0.3)
";
    let outcome = jail.python(script).ok();
    assert_eq!(outcome.text(), "True\n200", "{outcome}");
    for (name, received) in [
        ("site.example", site.traffic().received()),
        ("sink.example", sink.traffic().received()),
        ("cut.example", cut.traffic().received()),
    ] {
        assert_eq!(
            outcome.host(name, "bytes_up"),
            received,
            "{name}: {outcome}"
        );
    }
    assert_eq!(outcome.counter("/kernel/unexplained_bytes"), 0, "{outcome}");
    assert_eq!(
        outcome.counter("/kernel/socket_up"),
        outcome.counter("/kernel/client_up"),
        "{outcome}"
    );
}

#[test]
fn a_budget_cuts_uploads_of_every_shape_at_its_byte() {
    const BUDGET: u64 = 100 * 1024;
    let sink = Raw::start(vec![Step::Drain]);
    let site = Http::plain(|_| Response::ok("ok"));
    let shapes = [
        (
            "tunnel",
            "s, status = connect('sink.example', 9000)\nfor _ in range(64): s.sendall(bytes(65536))",
        ),
        (
            "length",
            "s = proxy(); s.sendall(b'POST http://site.example/ HTTP/1.1\\r\\nHost: site.example\\r\\nContent-Length: 4194304\\r\\n\\r\\n')\nfor _ in range(64): s.sendall(bytes(65536))",
        ),
        (
            "chunked",
            "s = proxy(); s.sendall(b'POST http://site.example/ HTTP/1.1\\r\\nHost: site.example\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n')\nfor _ in range(64): s.sendall(b'10000\\r\\n' + bytes(65536) + b'\\r\\n')",
        ),
        (
            "queries",
            "for n in range(64):\n  s = proxy(); s.sendall(b'GET http://site.example/?' + b'x' * 7000 + b' HTTP/1.1\\r\\nHost: site.example\\r\\nConnection: close\\r\\n\\r\\n'); everything(s)",
        ),
    ];
    for (name, send) in shapes {
        let before = sink.traffic().received() + site.traffic().received();
        let jail = Jail::new()
            .profile("small-budget")
            .connect("sink.example:9000", sink.address())
            .connect("site.example:80", site.address());
        let body: String = send.lines().map(|line| format!("    {line}\n")).collect();
        let script = format!("try:\n{body}except OSError: pass\ntime.sleep(30)");
        let outcome = jail.python(&script).ended_with(137);
        assert_eq!(
            outcome.report["exit"]["reason"], "budget",
            "{name}: {outcome}"
        );
        let sent = sink.traffic().received() + site.traffic().received() - before;
        assert!(sent <= BUDGET, "{name}: {sent} bytes left: {outcome}");
        assert!(sent > BUDGET / 2, "{name}: cut early, at {sent}: {outcome}");
        assert_eq!(outcome.egress("bytes_up"), sent, "{name}: {outcome}");
    }
}
