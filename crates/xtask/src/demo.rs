//! `cargo xtask demo`: a program at work in a jail, its attempts to get out, and the report.
//!
//! Not for: tests; though a demo whose escapes succeed fails.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
use crate::step::Step;
use crate::test::is_root;
use crate::tree;

const GREETING: &str = "Hello from the demo's own server.\n";

/// Builds what is needed, then runs the demo, by sudo unless we are root already.
pub(crate) fn run() -> Result<(), Error> {
    Step::cargo(&[
        "build",
        "-p",
        "sheriffd",
        "-p",
        "sheriff-office",
        "-p",
        "sheriff",
    ])
    .run()?;
    if is_root() {
        return run_as_root();
    }
    let own = std::env::current_exe().map_err(|source| Error::Io {
        what: "own path",
        source,
    })?;
    Step::program(
        "sudo".as_ref(),
        &["--", &own.to_string_lossy(), "demo-as-root"],
    )
    .run()
}

/// Starts a local server, runs the probe in a jail against it, and prints the report.
pub(crate) fn run_as_root() -> Result<(), Error> {
    let server = TcpListener::bind("127.0.0.1:0").map_err(io("demo server"))?;
    let port = server.local_addr().map_err(io("demo server"))?.port();
    serve(server);
    let folder = tempfile::tempdir().map_err(io("workspace"))?;
    let own = std::env::current_exe().map_err(io("own path"))?;
    let copy = |source| Error::File {
        what: "copy",
        path: own.clone(),
        source,
    };
    fs::copy(&own, folder.path().join("probe")).map_err(copy)?;
    // Not in the workspace: the jail could write there.
    let account = tempfile::NamedTempFile::new().map_err(io("report"))?;
    line("A program in a jail (profile `shell`, one host allowed):");
    let status = Command::new(tree::target().join("debug/sheriff"))
        .args(["run", "--profile", "shell"])
        .arg("--workspace")
        .arg(folder.path())
        .arg("--connect")
        .arg(format!("demo.example.com:80=127.0.0.1:{port}"))
        .arg("--report")
        .arg(account.path())
        .args(["--", "/workspace/probe", "probe"])
        .status()
        .map_err(|source| Error::Start {
            program: "sheriff".to_owned(),
            source,
        })?;
    if !status.success() {
        return Err(Error::Failed {
            command: "sheriff run".to_owned(),
            status,
        });
    }
    print_report(&read_report(account.path())?)
}

/// Answers each connection with a greeting; ends with the process.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread ends with the demo's process"
)]
fn serve(server: TcpListener) {
    thread::spawn(move || {
        for stream in server.incoming().map_while(Result::ok) {
            // A client that hangs up early is none of the demo's business.
            drop(greet(stream));
        }
    });
}

fn greet(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head = [0u8; 4096];
    let _length = stream.read(&mut head)?;
    let length = GREETING.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{GREETING}"
    )
}

fn read_report(path: &Path) -> Result<Value, Error> {
    let file = |source| Error::File {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let text = fs::read_to_string(path).map_err(file)?;
    serde_json::from_str(&text).map_err(|source| Error::Report {
        path: path.to_owned(),
        source,
    })
}

/// Prints the report in four parts, then judges it.
fn print_report(report: &Value) -> Result<(), Error> {
    print_outcome(report);
    print_hosts(report);
    print_denials(report);
    print_layers(report);
    judge(report)
}

fn print_outcome(report: &Value) {
    let text = |pointer: &str| field(report, pointer);
    line("\nWhat Sheriff recorded:");
    line(&format!(
        "  session  {} ended: {} ({})",
        text("/session"),
        text("/exit/reason"),
        text("/exit/code")
    ));
    line(&format!(
        "  requests {} allowed, {} denied",
        text("/egress/allowed"),
        text("/egress/denied")
    ));
}

fn print_hosts(report: &Value) {
    line("\nBytes by host (up / down):");
    let hosts = report.pointer("/egress/by_host").and_then(Value::as_object);
    for (host, usage) in hosts.into_iter().flatten() {
        let of = |pointer: &str| field(usage, pointer);
        let (up, down) = (of("/bytes_up"), of("/bytes_down"));
        line(&format!(
            "  {host:<24} {up:>8} / {down:<8} allowed {}, denied {}",
            of("/allowed"),
            of("/denied")
        ));
    }
    let text = |pointer: &str| field(report, pointer);
    let (up, down) = (text("/kernel/bytes_up"), text("/kernel/bytes_down"));
    let unexplained = text("/kernel/unexplained_bytes");
    line(&format!(
        "  kernel counted {up} / {down} bytes of frames; unexplained: {unexplained}"
    ));
}

fn print_denials(report: &Value) {
    line("\nDenied, and why:");
    for denial in report
        .get("denials")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let of = |pointer: &str| field(denial, pointer);
        let target = format!("{} {}:{}", of("/method"), of("/host"), of("/port"));
        line(&format!("  {target} {} (id {})", of("/reason"), of("/id")));
    }
}

fn print_layers(report: &Value) {
    let text = |pointer: &str| field(report, pointer);
    line("\nLayers, as the kernel confirmed them:");
    line(&format!(
        "  seccomp    mode {}, program {}",
        text("/layers/seccomp_mode"),
        text("/layers/seccomp_hash")
    ));
    line(&format!(
        "  landlock   ABI {}, {}",
        text("/layers/landlock_abi"),
        text("/layers/landlock_status")
    ));
    line(&format!(
        "  privileges no_new_privs {}, effective capabilities {}",
        text("/layers/no_new_privs"),
        text("/layers/cap_effective")
    ));
    line(&format!("  namespaces {}", text("/layers/namespaces")));
    line(&format!("  cgroup     {}", text("/layers/cgroup")));
}

/// A demo in which something got out, or nothing got through, has failed.
fn judge(report: &Value) -> Result<(), Error> {
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64);
    if number("/egress/allowed") != Some(1)
        || number("/egress/denied").is_none_or(|denied| denied < 2)
    {
        return Err(Error::Unmet(
            "the report does not show one allowed and the denied requests".to_owned(),
        ));
    }
    if number("/layers/seccomp_mode") != Some(2) || number("/kernel/unexplained_bytes") != Some(0) {
        return Err(Error::Unmet(
            "the report does not show every layer in force".to_owned(),
        ));
    }
    Ok(())
}

/// A value of the report as plain text; empty where there is none.
fn field(value: &Value, pointer: &str) -> String {
    let plain = |found: &Value| {
        found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned)
    };
    value.pointer(pointer).map(plain).unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "the report is the demo's output")]
fn line(text: &str) {
    println!("{text}");
}

fn io(what: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io { what, source }
}
