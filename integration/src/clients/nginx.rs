//! nginx as the server: HTTP/1.1 and 2, slow, huge, compressed, and with certificates that prove nothing.
//!
//! Not for: servers that break the protocol on purpose, except for one that stops half way.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use testkit::http::Body;
use testkit::{Authority, Http, Identity, Response};

use super::stand::{ASK, Stand, installed};
use crate::harness::{Child, PATIENCE, eventually, identity};

/// A running server whose folder has `hello`, `text` of 200 KB, and `huge` of 1 GiB without a block on disk.
#[derive(Debug)]
struct Nginx {
    address: SocketAddr,
    folder: TempDir,
    process: Child,
}

impl Nginx {
    fn start(identity: &Identity, options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let content = folder.path().join("content");
        fs::create_dir(&content).unwrap();
        fs::write(content.join("hello"), "hello\n").unwrap();
        fs::write(content.join("text"), "a line of some text\n".repeat(10_000)).unwrap();
        fs::File::create(content.join("huge"))
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
        fs::write(
            folder.path().join("certificate.pem"),
            &identity.certificate_pem,
        )
        .unwrap();
        fs::write(folder.path().join("key.pem"), &identity.key_pem).unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let text = configuration(&folder, address, options);
        fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let mut command = Command::new("nginx");
        let path = folder.path().join("nginx.conf");
        command.args([
            "-p",
            folder.path().to_str().unwrap(),
            "-c",
            path.to_str().unwrap(),
        ]);
        let process = Child::start(command.args(["-e", "stderr"]).stdin(Stdio::null()));
        eventually("nginx listens", || TcpStream::connect(address).ok());
        Self {
            address,
            folder,
            process,
        }
    }

    /// What it was asked, as `METHOD PATH STATUS PROTOCOL`.
    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It ends its workers; killed, it would leave them.
        self.process.signal(rustix::process::Signal::TERM);
        self.process.wait(PATIENCE);
    }
}

fn configuration(folder: &TempDir, address: SocketAddr, options: &str) -> String {
    let base = folder.path().display();
    format!(
        "daemon off; user nobody nogroup; worker_processes 1; pid {base}/pid; error_log stderr;
events {{ worker_connections 256; }}
http {{
  log_format short '$request_method $uri $status $server_protocol';
  access_log {base}/access.log short;
  client_body_temp_path {base}/body; proxy_temp_path {base}/proxy; fastcgi_temp_path {base}/fastcgi;
  uwsgi_temp_path {base}/uwsgi; scgi_temp_path {base}/scgi;
  gzip on; gzip_types *; gzip_http_version 1.0; gzip_proxied any;
  server {{
    listen {address} ssl {options};
    server_name _; absolute_redirect off; root {base}/content; default_type text/plain;
    ssl_certificate {base}/certificate.pem; ssl_certificate_key {base}/key.pem;
    location = /slow {{ alias {base}/content/text; gzip off; limit_rate 100k; }}
    location = /jump {{ return 302 /hello; }}
  }}
}}
"
    )
}

fn rules(address: SocketAddr, more: &str) -> String {
    format!(
        "[[egress.allow]]\nhost = \"files.example\"\nconnect = \"{address}\"\nmethods = [\"GET\"]\n{more}"
    )
}

const NAMES: [&str; 1] = ["files.example"];

fn fetches(options: &str) -> Nginx {
    let server = Nginx::start(&identity(&NAMES), options);
    let stand = Stand::new(&rules(server.address, ""));
    let script = format!(
        "{ASK}
url=https://files.example
for how in --http1.1 '--http2 --noproxy *'; do set -f
ask $how $url/hello; cat /tmp/out
ask $how -L $url/jump
ask $how $url/text; md5sum </tmp/out
ask $how --compressed $url/text; md5sum </tmp/out
ask $how -r 20-39 $url/text; cat /tmp/out
ask $how -d x $url/hello
ask $how -w '%{{http_code}} %{{time_starttransfer}} %{{time_total}}\\n' $url/slow | awk '{{ print ($2 < 1.5 && $3 > 0.8 ? \"streamed\" : $0) }}'
md5sum </tmp/out; done"
    );
    let outcome = stand.jail().shell(&script).ok();
    let text = outcome.text();
    let sums: Vec<&str> = text.lines().filter(|line| line.ends_with(" -")).collect();
    assert_eq!(sums.len(), 6, "{outcome}");
    assert!(sums.iter().all(|line| *line == sums[0]), "{outcome}");
    let rest: Vec<&str> = text.lines().filter(|line| !line.ends_with(" -")).collect();
    let once = [
        "200",
        "hello",
        "200",
        "200",
        "200",
        "206",
        "a line of some text",
        "403 method_not_allowed",
        "streamed",
    ];
    assert_eq!(rest, [once, once].concat(), "{outcome}");
    server
}

#[test]
fn files_of_every_kind_come_from_nginx_over_http_1() {
    if installed("nginx") {
        let server = fetches("");
        assert!(
            server
                .log()
                .iter()
                .all(|line| line.starts_with("GET ") && line.ends_with("HTTP/1.1")),
            "{server:?}"
        );
    }
}

#[test]
fn files_of_every_kind_come_from_nginx_over_http_2_where_it_speaks_that() {
    if installed("nginx") {
        let server = fetches("http2");
        assert!(
            server.log().iter().all(|line| line.starts_with("GET ")),
            "{:?}",
            server.log()
        );
    }
}

#[test]
fn a_server_that_can_t_prove_who_it_is_gets_no_request() {
    if !installed("nginx") {
        return;
    }
    let good = identity(&NAMES);
    let cases = [
        ("200", good),
        (
            "502 tls_failed",
            crate::harness::authority().expired(&NAMES),
        ),
        (
            "502 tls_failed",
            identity(&["other.example", "*.files.example", "localhost"]),
        ),
        ("502 tls_failed", Identity::self_signed(&NAMES)),
        ("502 tls_failed", Authority::new().identity(&NAMES)),
    ];
    for (wanted, identity) in cases {
        let server = Nginx::start(&identity, "");
        let stand = Stand::new(&rules(server.address, ""));
        // Not even those who ask for less care get it.
        let script = format!(
            "{ASK}\nask https://files.example/hello; ask -k https://files.example/hello; ask -k --noproxy '*' https://files.example/hello"
        );
        let outcome = stand.jail().shell(&script).ok();
        assert_eq!(outcome.text(), [wanted; 3].join("\n"), "{outcome}");
        let asked = if wanted == "200" { 3 } else { 0 };
        assert_eq!(server.log().len(), asked, "{outcome}");
    }
}

#[test]
fn a_huge_file_ends_at_the_budget_and_a_broken_one_where_it_broke() {
    if !installed("nginx") {
        return;
    }
    let server = Nginx::start(&identity(&NAMES), "");
    let stand = Stand::new(&rules(
        server.address,
        "[budget]\negress_down = \"24MiB\"\non_exceeded = \"stop\"\n",
    ));
    let outcome = stand
        .jail()
        .shell("curl -sS -o /dev/null -w '%{size_download}\\n' https://files.example/huge");
    assert_ne!(outcome.code, 0, "{outcome}");
    let down = outcome.egress("bytes_down");
    assert!(
        (24 << 20) - (1 << 20) < down && down <= 24 << 20,
        "{outcome}"
    );
    let cut = Http::tls(&identity(&NAMES), |_| {
        Response::new(200, Body::Cut(1000, b"only this".to_vec()))
    });
    let stand = Stand::new(&rules(cut.address(), ""));
    let script = "for how in --http1.1 --http2; do curl -sS $how https://files.example/x 2>/dev/null || echo \" $?\"; done";
    let outcome = stand.jail().shell(script).ok();
    for line in outcome.text().lines() {
        // 18: less than was promised; 56 and 92: the connection or stream broke.
        assert!(
            ["only this 18", "only this 56", "only this 92"].contains(&line),
            "{outcome}"
        );
    }
    assert_eq!(outcome.text().lines().count(), 2, "{outcome}");
}
