//! The authority as its clients see it: rustls and webpki, and the strict readers that Debian has.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use policy::HostPattern;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};
use tempfile::TempDir;

use super::*;
use crate::bundle::{Bundle, Roots};
use crate::leaves::{KEPT_MAX, MINTED_MAX, MINTING_SPAN};

fn authority(patterns: &[&str]) -> Authority {
    Authority::new("0123abcd", &scope(patterns)).unwrap()
}

fn scope(patterns: &[&str]) -> Scope {
    let patterns: Vec<_> = patterns
        .iter()
        .map(|text| HostPattern::parse(text).unwrap())
        .collect();
    Scope::new(&patterns).unwrap()
}

fn host(text: &str) -> Host {
    text.parse().unwrap()
}

/// The authority alone, as a list of roots.
fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    roots
}

/// A whole handshake in memory, by a client that trusts `trusted` alone.
fn handshake(
    trusted: &Authority,
    server: &Arc<ServerConfig>,
    name: &str,
) -> Result<ClientConnection, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(trusted))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(client)
}

#[test]
fn a_client_that_trusts_the_jails_authority_alone_accepts_its_leaf() {
    let authority = authority(&[
        "api.example.com",
        "*.example.org",
        "192.0.2.7",
        "2001:db8::7",
    ]);
    let names = [
        "api.example.com",
        "a.b.example.org",
        "192.0.2.7",
        "2001:db8::7",
    ];
    for name in names {
        let host = Host::parse(name).unwrap_or_else(|_v6| host(&format!("[{name}]")));
        for (alpn, spoken) in [(Alpn::Http1, "http/1.1"), (Alpn::Http2, "h2")] {
            let config = authority.server_config(&host, alpn).unwrap();
            let client = handshake(&authority, &config, name).unwrap();
            assert_eq!(client.alpn_protocol(), Some(spoken.as_bytes()), "{name}");
            let chain = client.peer_certificates().unwrap();
            assert_eq!(chain.len(), 2);
            assert_eq!(chain[1], *authority.certificate());
        }
    }
}

#[test]
fn a_leaf_is_for_its_host_alone() {
    let authority = authority(&["**.example.org"]);
    let config = authority
        .server_config(&host("a.example.org"), Alpn::Http1)
        .unwrap();
    assert!(handshake(&authority, &config, "a.example.org").is_ok());
    for other in ["b.example.org", "example.org", "x.a.example.org"] {
        assert!(handshake(&authority, &config, other).is_err(), "{other}");
    }
}

#[test]
fn hosts_outside_of_the_policy_get_no_leaf_and_a_forged_one_is_refused() {
    for patterns in [
        &["api.example.com"][..],
        &["192.0.2.7"],
        &["2001:db8::7", "x.example.com"],
    ] {
        let authority = authority(patterns);
        for outside in ["example.com", "evil.example", "192.0.2.8", "2001:db8::8"] {
            let host = Host::parse(outside).unwrap_or_else(|_v6| host(&format!("[{outside}]")));
            let refused = authority.server_config(&host, Alpn::Http1);
            assert!(
                matches!(refused, Err(MintError::OutsideScope { .. })),
                "{outside}"
            );
            // As if the key had been stolen.
            let [forged, _] = authority.mint(&host, Moment::now()).unwrap();
            let error = handshake(&authority, &forged, outside).unwrap_err();
            assert!(
                error.to_string().contains("NameConstraint"),
                "{patterns:?} {outside}: {error}"
            );
        }
    }
}

#[test]
fn one_jails_authority_means_nothing_to_another() {
    let (a, b) = (
        authority(&["api.example.com"]),
        authority(&["api.example.com"]),
    );
    let config = a
        .server_config(&host("api.example.com"), Alpn::Http1)
        .unwrap();
    assert!(handshake(&a, &config, "api.example.com").is_ok());
    assert!(handshake(&b, &config, "api.example.com").is_err());
}

#[test]
fn leaves_are_kept_for_some_hosts_and_made_for_so_many_a_minute() {
    let authority = authority(&["*.example.org"]);
    let mut now = Moment::now();
    let config = |index: usize, now| {
        let host = host(&format!("h{index}.example.org"));
        authority.server_config_at(&host, Alpn::Http1, now)
    };
    let first = config(0, now).unwrap();
    for index in 1..MINTED_MAX {
        config(index, now).unwrap();
    }
    let Err(MintError::TooMany { retry_after }) = config(MINTED_MAX, now) else {
        panic!("no limit");
    };
    assert!(retry_after <= MINTING_SPAN && !retry_after.is_zero());
    assert!(
        Arc::ptr_eq(&first, &config(0, now).unwrap()),
        "known hosts go on"
    );
    now = now.later(retry_after);
    for index in MINTED_MAX..KEPT_MAX + 10 {
        if index % MINTED_MAX == 0 {
            now = now.later(MINTING_SPAN);
        }
        config(index, now).unwrap();
        config(0, now).unwrap();
    }
    assert_eq!(authority.leaves.lock().unwrap().len(), KEPT_MAX);
    assert!(
        Arc::ptr_eq(&first, &config(0, now).unwrap()),
        "in use all the time"
    );
}

#[test]
fn a_leaf_is_replaced_long_before_its_end_and_nothing_outlives_the_authority() {
    let authority = authority(&["a.example.org"]);
    let (host, now) = (host("a.example.org"), Moment::now());
    let at = |hours: u64| {
        let then = now.later(Duration::from_secs(hours * 3600));
        authority.server_config_at(&host, Alpn::Http1, then)
    };
    let first = at(0).unwrap();
    assert!(Arc::ptr_eq(&first, &at(11).unwrap()));
    assert!(!Arc::ptr_eq(&first, &at(12).unwrap()));
    assert!(at(90 * 24 - 1).is_ok());
    assert!(matches!(at(90 * 24), Err(MintError::Expired)));
}

#[test]
fn made_again_from_its_text_it_is_the_same_authority() {
    let first = authority(&["api.example.com", "192.0.2.7"]);
    let again = Authority::from_pem(&first.to_pem()).unwrap();
    assert_eq!(again.certificate_pem(), first.certificate_pem());
    assert_eq!(again.scope(), first.scope());
    assert_eq!(
        (again.end, again.certificate()),
        (first.end, first.certificate())
    );
    let config = again
        .server_config(&host("api.example.com"), Alpn::Http1)
        .unwrap();
    assert!(handshake(&first, &config, "api.example.com").is_ok());
    let other = authority(&["api.example.com"]).to_pem();
    let (_, key) = other.split_once("-----BEGIN PRIVATE").unwrap();
    let mixed = format!("{}-----BEGIN PRIVATE{key}", first.certificate_pem());
    assert!(matches!(
        Authority::from_pem(&mixed),
        Err(AuthorityError::Mismatch)
    ));
    for bad in [
        "",
        first.certificate_pem(),
        other.split_at(other.len() / 2).0,
    ] {
        assert!(matches!(
            Authority::from_pem(bad),
            Err(AuthorityError::Text)
        ));
    }
}

#[test]
fn the_key_shows_in_its_text_and_nowhere_else() {
    let authority = authority(&["api.example.com"]);
    assert!(authority.to_pem().contains("PRIVATE KEY"));
    let shown = format!("{authority:?}{}", authority.certificate_pem());
    assert!(
        !shown.contains("PRIVATE") && shown.contains("api.example.com"),
        "{shown}"
    );
}

fn chain_files(authority: &Authority, name: &str) -> (TempDir, Vec<String>) {
    let host = Host::parse(name).unwrap();
    let config = authority.server_config(&host, Alpn::Http1).unwrap();
    let client = handshake(authority, &config, name).unwrap();
    let mut leaf = String::new();
    crate::bundle::put_pem(&mut leaf, &client.peer_certificates().unwrap()[0]);
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let paths = vec![
        write("ca.pem", authority.certificate_pem()),
        write("leaf.pem", &leaf),
    ];
    (folder, paths)
}

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().unwrap()
}

#[test]
fn openssl_at_its_strictest_accepts_leaf_and_authority() {
    let authority = authority(&["api.example.com", "192.0.2.7"]);
    for (name, option) in [
        ("api.example.com", "-verify_hostname"),
        ("192.0.2.7", "-verify_ip"),
    ] {
        let (_folder, paths) = chain_files(&authority, name);
        let verify = |name: &str| {
            let strict = [
                "verify",
                "-x509_strict",
                "-purpose",
                "sslserver",
                "-CAfile",
                &paths[0],
            ];
            openssl(&[&strict[..], &[option, name, &paths[1]]].concat())
        };
        let accepted = verify(name);
        assert!(accepted.status.success(), "{accepted:?}");
        let other = if name.ends_with('7') {
            "192.0.2.8"
        } else {
            "x.example.com"
        };
        assert!(!verify(other).status.success());
        let shown = openssl(&["x509", "-in", &paths[1], "-noout", "-text"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        for part in [
            "Authority Key Identifier",
            "Subject Key Identifier",
            "Server Authentication",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
        let shown = openssl(&["x509", "-in", &paths[0], "-noout", "-text"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        for part in [
            "Name Constraints: critical",
            "CA:TRUE, pathlen:0",
            "CN = Sheriff jail 0123abcd",
            "Certificate Sign",
        ] {
            let loose = |text: &str| text.replace(" = ", "=");
            assert!(loose(&shown).contains(&loose(part)), "{shown}");
        }
    }
}

const PYTHON: &str = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection(('127.0.0.1', int(sys.argv[2]))) as raw:
    with context.wrap_socket(raw, server_hostname=sys.argv[3]) as tls:
        print(tls.version())
";

/// Serves one handshake to a client process.
fn serve_once(config: &Arc<ServerConfig>, client: impl FnOnce(u16) -> Output + Send) -> Output {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::scope(|scope| {
        let client = scope.spawn(move || client(port));
        let (mut socket, _) = listener.accept().unwrap();
        let mut server = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut stream = rustls::Stream::new(&mut server, &mut socket);
        // A client that refuses closes; its own word counts.
        drop(stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
        drop(stream.flush());
        server.send_close_notify();
        drop(server.write_tls(&mut socket));
        client.join().unwrap()
    })
}

#[test]
fn python_and_curl_accept_the_leaf_with_the_merged_bundle_and_refuse_it_without() {
    let (jail, other) = (
        authority(&["api.example.com"]),
        authority(&["api.example.com"]),
    );
    let config = jail
        .server_config(&host("api.example.com"), Alpn::Http1)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = |name: &str, own: &Authority| {
        let path = folder.path().join(name);
        let roots = Roots::new(&[authority(&["elsewhere.example"]).certificate().clone()]);
        std::fs::write(&path, Bundle::new(&roots, own).unwrap().merged).unwrap();
        path
    };
    for (path, trusted) in [
        (bundle("own", &jail), true),
        (bundle("other", &other), false),
    ] {
        let python = serve_once(&config, |port| python(&path, port));
        assert_eq!(python.status.success(), trusted, "{python:?}");
        let curl = serve_once(&config, |port| curl(&path, port));
        assert_eq!(curl.status.success(), trusted, "{curl:?}");
    }
}

fn python(trusted: &Path, port: u16) -> Output {
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON]).arg(trusted);
    command
        .args([&port.to_string(), "api.example.com"])
        .output()
        .unwrap()
}

fn curl(trusted: &Path, port: u16) -> Output {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--http1.1",
        "--noproxy",
        "*",
        "--cacert",
    ]);
    let resolve = format!("api.example.com:{port}:127.0.0.1");
    let url = format!("https://api.example.com:{port}/");
    command
        .arg(trusted)
        .args(["--resolve", &resolve, &url])
        .output()
        .unwrap()
}

#[test]
fn a_java_key_store_has_its_documented_form_and_keytool_reads_it() {
    let (host, own) = (authority(&["a.example"]), authority(&["b.example"]));
    let roots = Roots::new(&[host.certificate().clone()]);
    let store = Bundle::new(&roots, &own).unwrap().java;
    assert_eq!(
        store[..12],
        [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 2]
    );
    let end = store.len() - 20;
    assert!(store[..end].ends_with(own.certificate()));
    let folder = tempfile::tempdir().unwrap();
    let list = |store: &[u8]| {
        let path = folder.path().join("ca.jks");
        std::fs::write(&path, store).unwrap();
        let mut keytool = Command::new("keytool");
        keytool
            .args(["-list", "-storepass", "changeit", "-keystore"])
            .arg(path);
        keytool.env("LC_ALL", "C").output().ok()
    };
    let Some(shown) = list(&store) else {
        return; // No Java here; the form was checked above.
    };
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.status.success() && text.contains("contains 2 entries"),
        "{shown:?}"
    );
    assert_eq!(text.matches("trustedCertEntry").count(), 2, "{text}");
    let mut damaged = store;
    damaged[end] ^= 1;
    assert!(!list(&damaged).unwrap().status.success());
}

#[test]
fn a_leaf_is_valid_for_a_day_and_for_clocks_an_hour_behind() {
    let verifier = |authority: &Authority| {
        WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots(authority)),
            Arc::clone(&PROVIDER),
        )
        .build()
        .unwrap()
    };
    let authority = authority(&["api.example.com"]);
    let [config, _] = authority
        .mint(&host("api.example.com"), Moment::now())
        .unwrap();
    let client = handshake(&authority, &config, "api.example.com").unwrap();
    let chain = client.peer_certificates().unwrap();
    let verify = |seconds: u64| {
        use rustls::client::danger::ServerCertVerifier;
        let name = ServerName::try_from("api.example.com").unwrap();
        let then = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        verifier(&authority).verify_server_cert(&chain[0], &chain[1..], &name, &[], then)
    };
    let now = Moment::now().unix;
    assert!(verify(now).is_ok());
    assert!(verify(now - 3500).is_ok(), "a clock that is behind");
    assert!(verify(now + 22 * 3600).is_ok());
    for invalid in [now - 3700, now + 24 * 3600] {
        assert!(verify(invalid).is_err());
    }
}
