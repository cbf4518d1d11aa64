//! Two-way sockets with Python's `websockets`, which knows no proxy: through opened TLS, with a secret in the
//! handshake or in the messages, and where a rule forbids them.
//!
//! Not for: the wire format of frames (`crate::websocket`).

use testkit::{Http, websocket};

use super::stand::{Stand, python_with};
use crate::harness::identity;

const VALUE: &str = "wss_R3alValueOfTheChat00000000000";

fn rules(site: &Http, more: &str) -> String {
    format!(
        "[[egress.allow]]\nhost = \"chat.example\"\nconnect = \"{}\"\nmethods = [\"GET\"]\n{more}\n",
        site.address()
    )
}

const TALK: &str = "
import asyncio, os, sys, websockets
url, token = 'wss://chat.example/room', os.environ.get('CHAT', 'nothing')
async def talk(message, **options):
    async with websockets.connect(url, max_size=2**24, **options) as socket:
        await socket.send(message)
        answer = await socket.recv()
        await asyncio.wait_for(await socket.ping(), 20)
        return answer == message if isinstance(message, (str, bytes)) else answer == ''.join(message)
";

#[test]
fn messages_of_all_kinds_pass_and_a_rule_can_forbid_them() {
    let Some(python) = python_with("websockets") else {
        return;
    };
    let site = websocket::echo(Some(&identity(&["chat.example"])));
    let script = format!(
        "{TALK}
for message in ('', 'hello', b'\\0\\1', b'x' * 3_000_000, 'ü' * 70000): print(asyncio.run(talk(message)), end=' ')
print(asyncio.run(talk('deflated ' * 9999, compression='deflate')))"
    );
    let run = |stand: &Stand| {
        let jail = stand.jail().file("a.py", &script);
        jail.run(&[&python, "/workspace/a.py"])
    };
    let outcome = run(&Stand::new(&rules(&site, ""))).ok();
    assert_eq!(outcome.text(), "True True True True True True", "{outcome}");
    let connections = site.requests().len();
    assert_eq!(connections, 6);
    let outcome = run(&Stand::new(&rules(&site, "websocket = false")));
    assert!(outcome.complaint().contains("HTTP 403"), "{outcome}");
    assert_eq!(site.requests().len(), connections);
}

#[test]
fn a_secret_goes_into_the_handshake_or_the_messages_and_comes_back_as_its_placeholder() {
    let Some(python) = python_with("websockets") else {
        return;
    };
    let site = websocket::echo(Some(&identity(&["chat.example"])));
    let rules = rules(&site, "secret = \"chat\"");
    let handshake = format!(
        "{TALK}
field = {{'extra_headers' if int(websockets.__version__.split('.')[0]) < 14 else 'additional_headers': {{'Authorization': f'Bearer {{token}}'}}}}
print(asyncio.run(talk('hello', **field)))
try: print(asyncio.run(talk(f'my token is {{token}}', **field)))
except websockets.ConnectionClosed: print('closed')"
    );
    let stand = Stand::new(&rules).secret(
        "chat",
        "--host chat.example --env CHAT --prefix wss_",
        VALUE,
    );
    let outcome = stand
        .jail()
        .file("a.py", &handshake)
        .run(&[&python, "/workspace/a.py"])
        .ok();
    assert_eq!(outcome.text(), "True\nclosed", "{outcome}");
    let wanted = format!("Bearer {VALUE}");
    assert!(
        site.requests()
            .iter()
            .all(|request| request.header("authorization") == Some(&wanted))
    );
    // In messages: whole, in two frames, and in both directions.
    let messages = format!(
        "{TALK}
print(asyncio.run(talk(f'{{{{\"token\": \"{{token}}\"}}}}')))
print(asyncio.run(talk(['a ', token[:9], token[9:], ' z'])))"
    );
    let stand = Stand::new(&rules).secret(
        "chat",
        "--host chat.example --body --env CHAT --prefix wss_",
        VALUE,
    );
    let before = site.traffic().received();
    let outcome = stand
        .jail()
        .file("a.py", &messages)
        .run(&[&python, "/workspace/a.py"])
        .ok();
    assert_eq!(outcome.text(), "True\nTrue", "{outcome}");
    assert!(site.traffic().received() > before);
}
