//! Python's `aiohttp` through opened TLS, with the proxy's settings and without: many at once, streams,
//! two-way sockets.
//!
//! Not for: other libraries.

use testkit::{Http, Request, Response, websocket};

use super::stand::{Stand, python_with};
use crate::harness::identity;

fn api() -> Http {
    Http::tls(
        &identity(&["api.example"]),
        |request: &Request| match request.path() {
            "/v1/socket" => websocket::upgrade(request),
            path => Response::ok(format!("{path} {}", request.body_bytes)),
        },
    )
}

#[test]
fn aiohttp_works_with_the_proxys_settings_and_without() {
    let Some(python) = python_with("aiohttp") else {
        return;
    };
    let site = api();
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"api.example\"\nconnect = \"{0}\"\nmethods = [\"GET\", \"POST\"]\npaths = [\"/v1/**\"]\n\
         [[egress.deny]]\nhost = \"api.example\"\npaths = [\"/v1/secret/**\"]\n",
        site.address()
    ));
    let script = "
import aiohttp, asyncio
api = 'https://api.example'
async def chunks():
    for _ in range(200): yield b'z' * 777
async def one(s, at):
    async with s.get(f'{api}/v1/n/{at}') as answer:
        return await answer.text() == f'/v1/n/{at} 0'
async def work(trust_env):
    async with aiohttp.ClientSession(trust_env=trust_env) as s:
        print(all(await asyncio.gather(*(one(s, at) for at in range(60)))))
        async with s.post(f'{api}/v1/up', data=chunks()) as answer: print(await answer.text())
        async with s.get(f'{api}/v1/secret/x') as answer: print(answer.status, answer.headers['x-sheriff-reason'])
        async with s.ws_connect(f'{api}/v1/socket') as socket:
            for size in (0, 1, 125, 126, 65535, 65536, 300000):
                await socket.send_str('m' * size)
                assert (await socket.receive()).data == 'm' * size, size
            print('talked')
        try:
            async with s.ws_connect(f'{api}/v1/secret/socket'): print('open')
        except aiohttp.WSServerHandshakeError as error: print(error.status)
        try:
            async with s.get('https://other.example/') as answer: print(answer.status)
        except aiohttp.ClientError as error: print('none')
asyncio.run(work(True))
asyncio.run(work(False))
";
    let jail = stand.jail().file("a.py", script);
    let outcome = jail.run(&[&python, "/workspace/a.py"]).ok();
    let once = "True\n/v1/up 155400\n403 denied_by_rule\ntalked\n403\nnone";
    assert_eq!(outcome.text(), format!("{once}\n{once}"), "{outcome}");
    assert!(
        site.requests()
            .iter()
            .all(|request| !request.path().contains("secret"))
    );
}
