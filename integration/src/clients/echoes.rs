//! Servers that say back what they were told: whatever the encoding, real clients get the placeholder, never
//! the value.
//!
//! Not for: where a placeholder may go (`placeholders`).

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use testkit::http::Body;
use testkit::{Http, Request, Response};

use super::stand::{ASK, Stand, python_with};
use crate::harness::identity;

const VALUE: &str = "ghp_R3alValueThatNoJailMayEverSee00";
/// What no part of the placeholder is.
const BARE: &str = "R3alValueThatNoJailMayEverSee00";

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What a program of the host makes of this input.
pub(super) fn through(program: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program[0]);
    let mut child = command
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input).unwrap();
    drop(pipe);
    child.wait_with_output().unwrap().stdout
}

fn brotli(input: &[u8]) -> Vec<u8> {
    let script =
        "import brotli, sys; sys.stdout.buffer.write(brotli.compress(sys.stdin.buffer.read()))";
    through(&["/usr/bin/python3", "-c", script], input)
}

fn coded(name: &str, bytes: Vec<u8>) -> Response {
    Response::ok(bytes).header("Content-Encoding", name)
}

fn echo() -> Http {
    Http::tls(&identity(&["api.example"]), |request: &Request| {
        let told = request.header("authorization").unwrap_or("none").to_owned();
        let value = told.strip_prefix("Bearer ").unwrap_or(&told).to_owned();
        let long = format!("{} {value} {}", "a".repeat(100_000), "b".repeat(100_000));
        match request.path() {
            "/base64" => Response::ok(STANDARD.encode(&told)),
            "/base64url" => Response::ok(URL_SAFE_NO_PAD.encode(format!("ab{value}yz"))),
            "/basic" => Response::ok(STANDARD.encode(format!("user:{value}"))),
            "/hex" => Response::ok(hex(&value)),
            "/HEX" => Response::ok(hex(&value).to_uppercase()),
            "/url" => Response::ok(
                value
                    .bytes()
                    .map(|byte| format!("%{byte:02X}"))
                    .collect::<String>(),
            ),
            "/json" => Response::ok(value.replace('_', "\\u005f").replace('R', "\\u0052")),
            "/gzip" => coded("gzip", through(&["gzip", "-c"], long.as_bytes())),
            "/br" => coded("br", brotli(long.as_bytes())),
            "/zstd" => coded("zstd", through(&["zstd", "-qc"], long.as_bytes())),
            "/cookie" => {
                Response::ok("x").header("Set-Cookie", &format!("session={value}; Path=/"))
            }
            "/location" => Response::new(302, Body::Bytes(Vec::new()))
                .header("Location", &format!("https://api.example/?t={value}")),
            "/error" => Response::new(500, Body::Bytes(told.into_bytes())),
            "/name" => Response::ok("x").header(&format!("X-{value}"), "y"),
            "/pieces" => Response::new(
                200,
                Body::Stream(Box::new(move |output| {
                    told.as_bytes().iter().try_for_each(|byte| {
                        output.write_all(&[*byte]).and_then(|()| output.flush())
                    })
                })),
            ),
            _ => Response::ok(told),
        }
    })
}

/// Fails if the value is in the text in any form.
fn assert_clean(path: &str, text: &str) {
    for form in [
        BARE.to_owned(),
        STANDARD.encode(BARE),
        hex(BARE),
        hex(BARE).to_uppercase(),
        "%52%33%61%6C".to_owned(),
        "\\u00523al".to_owned(),
    ] {
        assert!(!text.contains(&form), "{path}: {text:.2000}");
    }
    for skipped in 0..3 {
        let shifted: Vec<u8> = VALUE.bytes().skip(skipped).collect();
        let mut form = STANDARD.encode(shifted);
        // The last signs depend on what follows.
        form.truncate(form.len() - 8);
        assert!(!text.contains(&form), "{path} from {skipped}: {text:.2000}");
    }
}

const PATHS: [&str; 16] = [
    "plain",
    "base64",
    "base64url",
    "basic",
    "hex",
    "HEX",
    "url",
    "json",
    "gzip",
    "br",
    "zstd",
    "cookie",
    "location",
    "error",
    "name",
    "pieces",
];

#[test]
fn no_encoding_of_an_echo_brings_the_value_into_the_jail() {
    if python_with("brotli").is_none() {
        return;
    }
    let site = echo();
    let rules = format!(
        "[[egress.allow]]\nhost = \"api.example\"\nconnect = \"{}\"\nmethods = [\"GET\"]\nsecret = \"github\"\n",
        site.address()
    );
    let stand = Stand::new(&rules).secret(
        "github",
        "--host api.example --env TOKEN --prefix ghp_",
        VALUE,
    );
    let script = format!(
        "{ASK}
for path in {}; do
for how in -sS --compressed '--noproxy *' '-H Accept-Encoding:br' '-H Accept-Encoding:identity'; do set -f
ask $how -D /tmp/head -H \"Authorization: Bearer $TOKEN\" https://api.example/$path >/tmp/status
cat /tmp/head /tmp/out >> /workspace/$path; done
echo $path $(cat /tmp/status)
done; echo $TOKEN > /workspace/token",
        PATHS.join(" ")
    );
    let jail = stand.jail().scratch();
    let outcome = jail.shell(&script).ok();
    let token = std::fs::read_to_string(jail.path("token")).unwrap();
    let token = token.trim();
    for path in PATHS {
        let got = std::fs::read(jail.path(path)).unwrap();
        assert_clean(path, &String::from_utf8_lossy(&got));
    }
    // The control: the server was told the value each time, and the jail heard its placeholder where it can.
    let wanted = format!("Bearer {VALUE}");
    let seen = site.requests();
    assert!(
        seen.len() >= PATHS.len() * 5 - 2,
        "{} {outcome}",
        seen.len()
    );
    assert!(
        seen.iter()
            .all(|request| request.header("authorization") == Some(&wanted))
    );
    for path in ["plain", "error", "cookie", "location", "pieces"] {
        let got = std::fs::read_to_string(jail.path(path)).unwrap();
        assert!(got.contains(token), "{path}: {got}\n{outcome}");
    }
    for path in ["gzip", "br", "zstd"] {
        let got = String::from_utf8_lossy(&std::fs::read(jail.path(path)).unwrap()).into_owned();
        assert!(
            got.contains(token) || outcome.text().contains(&format!("{path} 502")),
            "{path} {outcome}"
        );
    }
}
