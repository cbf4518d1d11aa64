//! Against a TLS server of our own on the loopback address.

use std::io::{Read, Write};
use std::net::TcpListener;

use audit::{Filter, Log, Options, Reader, Sync};
use policy::Destination;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// A server that answers one request so, and hands out what it was asked.
struct Server {
    port: u16,
    roots: Arc<RootCertStore>,
    asked: std::thread::JoinHandle<String>,
}

fn serve(answer: &'static str) -> Server {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tasks::thread("server", move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let mut asked = String::new();
        let mut byte = [0];
        // A client that does not trust the server says nothing.
        while !asked.ends_with("a=b") && stream.read_exact(&mut byte).is_ok() {
            asked.push(char::from(byte[0]));
        }
        if !asked.is_empty() {
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    Server {
        port,
        roots: Arc::new(roots),
        asked: asked.unwrap(),
    }
}

fn request(port: u16) -> TokenRequest {
    TokenRequest {
        name: "one".parse().unwrap(),
        endpoint: Destination::from_authority(format!("127.0.0.1:{port}").as_bytes(), None)
            .unwrap(),
        path: "/token?x".to_owned(),
        authorization: Some(Zeroizing::new("Basic c2VjcmV0".to_owned())),
        body: Zeroizing::new("a=b".to_owned()),
    }
}

struct Bench {
    folder: tempfile::TempDir,
    log: Arc<Log>,
    endpoints: Endpoints,
}

fn bench(roots: Arc<RootCertStore>) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::open(folder.path(), &Options::new(Sync::Group)).unwrap());
    let recorder = Recorder::new(Arc::clone(&log), false);
    Bench {
        folder,
        log,
        endpoints: Endpoints::new(recorder, roots).unwrap(),
    }
}

#[tokio::test]
async fn asks_over_tls_with_its_own_credentials_and_has_that_on_record_without_them() {
    let server = serve("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    let bench = bench(Arc::clone(&server.roots));
    let answer = bench.endpoints.fetch(request(server.port)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{}"[..]));
    let asked = server.asked.join().unwrap();
    assert!(asked.starts_with("POST /token?x HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.contains("authorization: Basic c2VjcmV0\r\n"),
        "{asked}"
    );
    bench.log.flush().unwrap();
    let filter = Filter {
        kinds: vec![Kind::SecretTokenRequested],
        ..Filter::default()
    };
    let entries: Vec<_> = Reader::open(bench.folder.path(), filter).unwrap().collect();
    assert_eq!(entries.len(), 1);
    let text = format!("{:?}", entries[0].as_ref().unwrap().data);
    assert!(
        text.contains("127.0.0.1") && !text.contains("c2VjcmV0"),
        "{text}"
    );
}

#[tokio::test]
async fn says_nothing_to_a_server_whose_certificate_it_does_not_trust() {
    let server = serve("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    let bench = bench(Arc::new(RootCertStore::empty()));
    let error = bench
        .endpoints
        .fetch(request(server.port))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(server.asked.join().unwrap(), "");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_a_failure_in_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let bench = bench(Arc::new(RootCertStore::empty()));
    let error = bench.endpoints.fetch(request(port)).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}
