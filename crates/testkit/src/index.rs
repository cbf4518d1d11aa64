//! Package indexes with one package each: a Python simple index, an npm registry, a sparse index of crates.
//!
//! Not for: publishing.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256, Sha512};

use crate::archive::{gzip, tar, zip};
use crate::authority::Identity;
use crate::http::{Body, Http, Request, Response};

/// Name of the Python package; `import` it and call `greet()` for the text `hello from a wheel`.
pub const WHEEL: &str = "tinywheel";
/// Name of the npm package; `require` it and call it for the text `hello from a tarball`.
pub const TARBALL: &str = "tinypackage";

/// Name of the crate; call its `greet()` for the text `hello from a crate`.
pub const CRATE: &str = "tinycrate";

const WHEEL_FILE: &str = "tinywheel-1.0-py3-none-any.whl";
const TARBALL_FILE: &str = "tinypackage-1.0.0.tgz";

/// Serves `/simple/tinywheel/` (PEP 503) and the wheel.
#[must_use]
pub fn python(identity: Option<&Identity>) -> Http {
    let wheel = wheel();
    let digest = hex(&Sha256::digest(&wheel));
    let page =
        format!("<!doctype html><a href=\"/files/{WHEEL_FILE}#sha256={digest}\">{WHEEL_FILE}</a>");
    Http::start(identity, move |request| match request.path() {
        "/simple/tinywheel/" => Response::ok(page.clone()).header("Content-Type", "text/html"),
        path if path == format!("/files/{WHEEL_FILE}") => Response::ok(wheel.clone()),
        _ => Response::not_found(),
    })
}

/// Serves `/tinypackage` and its tarball; links lead to the host that the client asked.
#[must_use]
pub fn npm(identity: Option<&Identity>) -> Http {
    let tarball = tarball();
    let scheme = if identity.is_some() { "https" } else { "http" };
    Http::start(identity, move |request| match request.path() {
        "/tinypackage" => Response::ok(packument(scheme, request, &tarball))
            .header("Content-Type", "application/json"),
        path if path == format!("/tinypackage/-/{TARBALL_FILE}") => Response::ok(tarball.clone()),
        _ => Response::not_found(),
    })
}

/// Serves `/index/`, a sparse index that wants a token for everything, and `/dl/`; `host` is the name by which
/// clients come.
#[must_use]
pub fn cargo(identity: Option<&Identity>, host: &str) -> Http {
    let content = package();
    let checksum = hex(&Sha256::digest(&content));
    let settings = json!({ "dl": format!("https://{host}/dl"), "auth-required": true }).to_string();
    let entry = json!({
        "name": CRATE, "vers": "1.0.0", "deps": [], "cksum": checksum, "features": {}, "yanked": false,
    });
    let entry = entry.to_string() + "\n";
    Http::start(identity, move |request| {
        if request.header("authorization").is_none() {
            return Response::new(401, Body::Bytes(Vec::new())).header(
                "WWW-Authenticate",
                "Cargo login_url=\"https://nowhere.example/\"",
            );
        }
        match request.path() {
            "/index/config.json" => Response::ok(settings.clone()),
            "/index/ti/ny/tinycrate" => Response::ok(entry.clone()),
            "/dl/tinycrate/1.0.0/download" => Response::ok(content.clone()),
            _ => Response::not_found(),
        }
    })
}

fn package() -> Vec<u8> {
    let about = b"[package]\nname = \"tinycrate\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    let source = b"pub fn greet() -> &'static str { \"hello from a crate\" }\n";
    gzip(&tar(&[
        ("tinycrate-1.0.0/Cargo.toml", about),
        ("tinycrate-1.0.0/src/lib.rs", source),
    ]))
}

fn wheel() -> Vec<u8> {
    let module = b"def greet():\n    return 'hello from a wheel'\n";
    let about = b"Metadata-Version: 2.1\nName: tinywheel\nVersion: 1.0\n";
    let kind = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let files: [(&str, &[u8]); 3] = [
        ("tinywheel.py", module),
        ("tinywheel-1.0.dist-info/METADATA", about),
        ("tinywheel-1.0.dist-info/WHEEL", kind),
    ];
    let line = |(name, content): &(&str, &[u8])| {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(content));
        format!("{name},sha256={digest},{}\n", content.len())
    };
    let record_name = "tinywheel-1.0.dist-info/RECORD";
    let record: String = files.iter().map(line).collect::<String>() + record_name + ",,\n";
    let mut members = files.to_vec();
    members.push((record_name, record.as_bytes()));
    zip(&members)
}

fn tarball() -> Vec<u8> {
    let about = br#"{"name":"tinypackage","version":"1.0.0","main":"index.js"}"#;
    let module = b"module.exports = () => 'hello from a tarball';\n";
    gzip(&tar(&[
        ("package/package.json", about),
        ("package/index.js", module),
    ]))
}

fn packument(scheme: &str, request: &Request, tarball: &[u8]) -> Vec<u8> {
    let host = request.header("host").unwrap_or("localhost");
    let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(tarball)));
    let url = format!("{scheme}://{host}/tinypackage/-/{TARBALL_FILE}");
    let version = json!({
        "name": TARBALL, "version": "1.0.0", "main": "index.js",
        "dist": { "tarball": url, "integrity": integrity },
    });
    let document = json!({
        "name": TARBALL,
        "dist-tags": { "latest": "1.0.0" },
        "versions": { "1.0.0": version },
    });
    document.to_string().into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
