//! Each server against a real client, without any jail: what fails here is no fault of Sheriff's.
//!
//! Not for: Sheriff.
#![expect(clippy::unwrap_used, reason = "a test program")]

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use sheriff_testkit::{
    Authority, Body, Http, Raw, Response, Step, events, git::Git, index, websocket,
};

/// Runs a script without proxies, with `$CA` naming the authority's certificate.
fn shell(authority: &Authority, script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]);
    command.current_dir(folder.path()).env("CA", &ca);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {complaint}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn curl(address: SocketAddr) -> String {
    let port = address.port();
    format!("curl -sS --cacert $CA --connect-to ::127.0.0.1:{port}")
}

#[test]
fn https_is_trusted_with_the_authority_and_counts_every_byte() {
    let authority = Authority::new();
    let site = Http::tls(&authority.identity(&["a.example"]), |request| {
        Response::ok(request.path().to_owned())
    });
    let curl = curl(site.address());
    let script = format!("{curl} https://a.example/x https://a.example/y?q");
    assert_eq!(shell(&authority, &script), "/x/y");
    assert_eq!(site.requests()[1].query(), "q");
    assert_eq!(site.traffic().connections(), 1);
    assert!(site.traffic().received() > 300 && site.traffic().sent() > 500);
    let script = format!("{curl} https://b.example/ || echo $?");
    assert_eq!(shell(&authority, &script), "60");
}

#[test]
fn bodies_of_every_kind_arrive() {
    let authority = Authority::new();
    let site = Http::plain(|request| match request.path() {
        "/zeros" => Response::new(200, Body::Zeros(3 << 20)),
        "/cut" => Response::new(200, Body::Cut(10, b"four".to_vec())),
        "/echo" => Response::ok(request.body.clone()),
        _ => Response::new(
            200,
            Body::Stream(Box::new(|out| {
                out.write_all(b"one,")?;
                out.write_all(b"two")
            })),
        ),
    });
    let url = format!("http://{}", site.address());
    let script = format!(
        "curl -sS {url}/zeros | wc -c; curl -sS {url}/stream; curl -sS {url}/cut || echo ' cut'; \
         printf 12345 | curl -sS -T - {url}/echo"
    );
    let text = shell(&authority, &script);
    assert_eq!(text, format!("{}\none,twofour cut\n12345", 3 << 20));
}

#[test]
fn git_clones_and_pushes() {
    let authority = Authority::new();
    let server = Git::start(Some(&authority.identity(&["127.0.0.1"])));
    let url = format!("https://{}/project.git", server.address());
    let script = format!(
        "export GIT_SSL_CAINFO=$CA; unset GIT_SSL_NO_VERIFY; git clone -q {url}; cd project; \
         head -c 2000000 /dev/urandom > big; git add big; \
         git -c user.name=T -c user.email=t@example.com commit -q -m second; git push -q; cat README"
    );
    assert_eq!(shell(&authority, &script), "seed");
    assert_eq!(server.log(), ["second", "first"]);
}

#[test]
fn pip_and_npm_install() {
    let authority = Authority::new();
    let packages = index::python(None);
    let registry = index::npm(None);
    let (python, npm) = (packages.address(), registry.address());
    let script = format!(
        "/usr/bin/python3 -m pip install -q --disable-pip-version-check --break-system-packages \
           --target there --index-url http://{python}/simple tinywheel; \
         PYTHONPATH=there /usr/bin/python3 -c 'import tinywheel; print(tinywheel.greet())'; \
         npm install --no-audit --no-fund --registry http://{npm}/ tinypackage >/dev/null; \
         node -e 'console.log(require(\"tinypackage\")())'"
    );
    let text = shell(&authority, &script);
    assert_eq!(text, "hello from a wheel\nhello from a tarball");
}

#[test]
fn events_and_scripts_keep_their_shape() {
    let authority = Authority::new();
    let stream = events::serve(None, 3, Duration::from_millis(10));
    let script = format!("curl -sSN http://{}/ | grep -c data:", stream.address());
    assert_eq!(shell(&authority, &script), "3");
    let reset = Raw::start(vec![Step::Await(b"\r\n\r\n".to_vec()), Step::Reset]);
    // 56: the connection was reset, where an orderly end would be 52.
    let script = format!("curl -s http://{}/ || echo $?", reset.address());
    assert_eq!(shell(&authority, &script), "56");
    assert!(reset.received().starts_with(b"GET / HTTP/1.1\r\n"));
}

#[test]
fn a_websocket_says_everything_back() {
    let site = websocket::echo(None);
    let port = site.address().port();
    // The key and its answer are those of RFC 6455 section 1.3; the frame is masked with 1, 2, 3, 4.
    let client = format!(
        r#"
import socket
s = socket.create_connection(("127.0.0.1", {port})); f = s.makefile("rb")
s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
head = [line.strip() for line in iter(f.readline, b"\r\n")]
assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
s.sendall(bytes([0x82, 0x84, 1, 2, 3, 4, 1 ^ 9, 2 ^ 9, 3 ^ 9, 4 ^ 9]))
print(list(f.read(6)))
"#
    );
    let script = format!("/usr/bin/python3 -c '{client}'");
    let text = shell(&Authority::new(), &script);
    assert_eq!(text, "[130, 4, 9, 9, 9, 9]");
}

#[test]
fn a_dropped_server_answers_no_more() {
    let authority = Authority::new();
    let site = Http::plain(|_| Response::ok("here"));
    let script = format!("curl -s http://{}/ || echo $?", site.address());
    assert_eq!(shell(&authority, &script), "here");
    drop(site);
    assert_eq!(shell(&authority, &script), "7");
}
