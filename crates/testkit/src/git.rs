//! Git repositories over smart HTTP: `git http-backend` as a CGI program behind our server.
//!
//! Not for: rights of users; whoever is let in may clone and push.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::authority::Identity;
use crate::http::{Body, Http, Request, Response};
use crate::server::Traffic;

/// A server with one repository, `/project.git`, whose branch `main` holds `README`.
#[derive(Debug)]
pub struct Git {
    http: Http,
    folder: TempDir,
}

impl Git {
    /// Makes the repository and serves it, under TLS when there is an identity.
    #[must_use]
    pub fn start(identity: Option<&Identity>) -> Self {
        Self::guarded(identity, None)
    }

    /// The same, but only for requests with this `Authorization`; others get a 401 that asks for a password.
    #[must_use]
    pub fn guarded(identity: Option<&Identity>, authorization: Option<&str>) -> Self {
        let wanted = authorization.map(str::to_owned);
        let folder = tempfile::tempdir().unwrap();
        make_repository(folder.path());
        let root = folder.path().to_owned();
        let http = Http::start(identity, move |request| {
            if wanted.is_some() && wanted.as_deref() != request.header("authorization") {
                return Response::new(401, Body::Bytes(Vec::new()))
                    .header("WWW-Authenticate", "Basic realm=\"git\"");
            }
            cgi(&root, request).unwrap_or_else(|error| {
                Response::new(500, Body::Bytes(error.to_string().into_bytes()))
            })
        });
        Self { http, folder }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.http.address()
    }

    /// Bytes on its sockets.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        self.http.traffic()
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.http.requests()
    }

    /// The repository on disk.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("project.git")
    }

    /// Subjects of the commits on `main`, newest first.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        let output = git(&self.repository(), &["log", "--format=%s", "main"]);
        output.lines().map(str::to_owned).collect()
    }
}

fn make_repository(root: &Path) {
    let bare = root.join("project.git");
    let seed = root.join("seed");
    git(
        root,
        &["init", "--quiet", "--bare", "-b", "main", "project.git"],
    );
    git(&bare, &["config", "http.receivepack", "true"]);
    git(root, &["init", "--quiet", "-b", "main", "seed"]);
    std::fs::write(seed.join("README"), "seed\n").unwrap();
    git(&seed, &["add", "README"]);
    git(&seed, &["commit", "--quiet", "-m", "first"]);
    git(&seed, &["push", "--quiet", "../project.git", "main"]);
}

/// Runs git without any configuration of the user's or the host's.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let identity = ["user.name=Test", "user.email=test@example.com"];
    let output = Command::new("git")
        .args(identity.iter().flat_map(|setting| ["-c", setting]))
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn cgi(root: &Path, request: &Request) -> io::Result<Response> {
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", request.path())
        .env("QUERY_STRING", request.query())
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or(""))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env(
            "HTTP_CONTENT_ENCODING",
            request.header("content-encoding").unwrap_or(""),
        )
        .env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let input = backend.stdin.take();
    // The backend reads its whole input before it answers at length, so one after the other works.
    if let Some(mut input) = input {
        drop(input.write_all(&request.body));
    }
    let output = backend.wait_with_output()?;
    answer(&output.stdout)
}

/// A CGI answer: header fields, an empty line, the body (RFC 3875 section 6).
fn answer(output: &[u8]) -> io::Result<Response> {
    let end = output.windows(4).position(|part| part == b"\r\n\r\n");
    let end = end.ok_or(io::ErrorKind::InvalidData)?;
    let (head, body) = output.split_at(end);
    let head = String::from_utf8_lossy(head);
    let fields: Vec<_> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let status = fields.iter().find(|(name, _)| *name == "Status");
    let status = status.and_then(|(_, value)| value.get(..3)?.parse().ok());
    let body = Body::Bytes(body.get(4..).unwrap_or_default().to_vec());
    let plain = fields.iter().filter(|(name, _)| *name != "Status");
    Ok(plain.fold(
        Response::new(status.unwrap_or(200), body),
        |response, (name, value)| response.header(name, value),
    ))
}
