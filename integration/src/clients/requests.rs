//! Python's `requests` through opened TLS: sessions, streams, uploads, and refusals that a program can read.
//!
//! Not for: other libraries.

use testkit::http::Body;
use testkit::{Http, Request, Response};

use super::stand::{Stand, python_with};
use crate::harness::identity;

const VALUE: &str = "sk-R3alValueOfTheApi00000000000000";

fn api() -> Http {
    Http::tls(
        &identity(&["api.example"]),
        |request: &Request| match request.path() {
            "/v1/big" => Response::new(200, Body::Zeros(5_000_000)),
            "/v1/parts" => Response::new(
                200,
                Body::Stream(Box::new(|output| {
                    (0..50).try_for_each(|at| writeln!(output, "part {at}"))
                })),
            ),
            "/v1/length" => Response::ok(request.body_bytes.to_string()),
            _ => {
                let name = request.header("authorization").unwrap_or("nobody");
                Response::ok(format!("{{\"you\": \"{name}\"}}"))
                    .header("Content-Type", "application/json")
            }
        },
    )
}

#[test]
fn requests_works_as_if_nobody_stood_between_and_reads_why_it_may_not() {
    let Some(python) = python_with("requests") else {
        return;
    };
    let site = api();
    let stand = Stand::new(&format!(
        "[[egress.allow]]\nhost = \"api.example\"\nconnect = \"{}\"\nmethods = [\"GET\", \"POST\"]\npaths = [\"/v1/**\"]\nsecret = \"api\"\n",
        site.address()
    ))
    .secret("api", "--host api.example --env API_KEY --prefix sk-", VALUE);
    let script = "
import json, os, requests
api, key = 'https://api.example', os.environ['API_KEY']
with requests.Session() as s:
    s.headers['Authorization'] = f'Bearer {key}'
    print(s.get(f'{api}/v1/me').json()['you'] == f'Bearer {key}')
    print(len(s.get(f'{api}/v1/big').content))
    with s.get(f'{api}/v1/parts', stream=True) as answer:
        print(sum(1 for _ in answer.iter_lines()))
    print(s.post(f'{api}/v1/length', data=(b'x' * 1000 for _ in range(300))).text)
    print(s.post(f'{api}/v1/length', files={'a': b'y' * 100_000}).status_code)
    no = s.delete(f'{api}/v1/me')
    print(no.status_code, no.headers['x-sheriff-reason'], sorted(no.json()))
    print(s.get(f'{api}/v1/me').status_code)
    for other in ('https://other.example/', 'http://api.example/v1/me'):
        try: print(requests.get(other, headers=s.headers).status_code)
        except requests.exceptions.ProxyError as error: print('403' in str(error))
    s.trust_env = False
    s.verify = os.environ['REQUESTS_CA_BUNDLE']
    print('direct', s.get(f'{api}/v1/me').json()['you'] == f'Bearer {key}', s.get(f'{api}/admin').status_code)
";
    let jail = stand.jail().file("a.py", script);
    let outcome = jail.run(&[&python, "/workspace/a.py"]).ok();
    assert_eq!(
        outcome.text(),
        "True\n5000000\n50\n300000\n200\n\
         403 method_not_allowed ['error', 'host', 'id', 'next_steps', 'port', 'reason', 'rule']\n200\n\
         True\n403\ndirect True 403",
        "{outcome}"
    );
    let seen = site.requests();
    assert_eq!(seen.len(), 7);
    let wanted = format!("Bearer {VALUE}");
    assert!(
        seen.iter()
            .all(|request| request.header("authorization") == Some(&wanted))
    );
}
