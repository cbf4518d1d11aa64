//! The demo's jailed program: uses what is allowed, then tries to get out in five ways.
//!
//! Not for: judging; it reports what it saw, the demo judges by Sheriff's own report.

use std::fmt::Display;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::Error;

/// No single attempt may take longer; a refusal comes at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs all attempts and prints a line for each.
pub(crate) fn run() -> Result<(), Error> {
    let proxy = std::env::var("HTTP_PROXY").unwrap_or_default();
    let proxy = proxy.trim_start_matches("http://").to_owned();
    say(
        "allowed ",
        "GET http://demo.example.com/",
        ask(&proxy, "http://demo.example.com/hello"),
    );
    say(
        "escape 1",
        "GET http://evil.example.net/ through the proxy",
        ask(&proxy, "http://evil.example.net/"),
    );
    say(
        "escape 2",
        "metadata service through the proxy",
        ask(&proxy, "http://169.254.169.254/latest/"),
    );
    say(
        "escape 3",
        "direct connection to 192.0.2.1:8080",
        dial("192.0.2.1:8080"),
    );
    say(
        "escape 4",
        "read the host's /etc/shadow",
        std::fs::read("/etc/shadow").map(|_| "READ IT"),
    );
    say(
        "escape 5",
        "become root of a new user namespace",
        command("unshare", &["--user", "--map-root-user", "true"]),
    );
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "the probe's lines are the demo's output"
)]
fn say<T: Display, E: Display>(label: &str, what: &str, outcome: Result<T, E>) {
    match outcome {
        Ok(seen) => println!("  {label}  {what}: {seen}"),
        Err(error) => println!("  {label}  {what}: {error}"),
    }
}

/// Asks the proxy for a URL and returns the status line, with the reason of a denial.
fn ask(proxy: &str, url: &str) -> Result<String, String> {
    let fail = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(proxy).map_err(fail)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
    let host = url
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap_or_default();
    let request = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(fail)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(fail)?;
    let status = answer.lines().next().unwrap_or("no answer").to_owned();
    let reason = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-sheriff-reason: "));
    Ok(reason.map_or_else(|| status.clone(), |reason| format!("{status} ({reason})")))
}

fn dial(address: &str) -> Result<&'static str, String> {
    let address: SocketAddr = address.parse().map_err(|error| format!("{error}"))?;
    TcpStream::connect_timeout(&address, PATIENCE)
        .map(|_stream| "CONNECTED")
        .map_err(|error| error.to_string())
}

fn command(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok("DONE".to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
