//! Through which proxy to which server, in clear or inside TLS.
//!
//! Not for: what is said there (`line`).

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::line::Head;
use crate::error::Error;

/// No single answer may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where to, as the command line has it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct To {
    /// Without it the client goes by `HTTP_PROXY`; `direct` means none
    #[arg(long)]
    proxy: Option<String>,
    #[arg(long)]
    target: String,
    /// Speak TLS with the target, which one of the authorities in this file must vouch for
    #[arg(long)]
    ca: Option<PathBuf>,
}

/// Through which proxy to which target.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) proxy: Option<String>,
    pub(super) target: String,
    tls: Option<Arc<ClientConfig>>,
}

/// A connection to the target.
pub(super) trait Stream: Read + Write + Send {
    /// To wait for what comes.
    fn socket(&self) -> BorrowedFd<'_>;
}

impl Stream for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.sock.as_fd()
    }
}

impl Way {
    pub(super) fn new(to: To) -> Result<Self, Error> {
        let environment = || {
            let url = std::env::var("HTTP_PROXY").ok()?;
            let name = url.trim_start_matches("http://").trim_end_matches('/');
            Some(name.to_owned())
        };
        let proxy = to.proxy.or_else(environment);
        Ok(Self {
            proxy: proxy.filter(|name| name != "direct"),
            target: to.target,
            tls: to.ca.as_deref().map(settings).transpose()?,
        })
    }

    /// True when the target is asked inside TLS.
    pub(super) const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// A connection to the proxy, or to the target if there is none.
    pub(super) fn dial(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.proxy.as_ref().unwrap_or(&self.target))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A connection to the target, through a tunnel if there is a proxy.
    pub(super) fn tunnel(&self) -> io::Result<TcpStream> {
        let mut stream = self.dial()?;
        if self.proxy.is_some() {
            let target = &self.target;
            let ask = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
            stream.write_all(ask.as_bytes())?;
            // The target is silent until it is spoken to, so nothing but the head can come.
            let head = Head::read(&mut BufReader::with_capacity(1024, &stream))?;
            head.expect_success()?;
        }
        Ok(stream)
    }

    /// A connection for requests: to the proxy in clear, or to the target inside TLS.
    pub(super) fn requests(&self) -> io::Result<Box<dyn Stream>> {
        let Some(config) = &self.tls else {
            return Ok(Box::new(self.dial()?));
        };
        let host = self.target.rsplit_once(':').map_or("", |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(tls, self.tunnel()?)))
    }
}

/// HTTP/1.1 with whoever these authorities vouch for.
fn settings(path: &Path) -> Result<Arc<ClientConfig>, Error> {
    let unmet = |what: &dyn std::fmt::Display| Error::Unmet(format!("{}: {what}", path.display()));
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unmet(&error))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| unmet(&error))?;
        roots.add(certificate).map_err(|error| unmet(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions();
    let config = config.map_err(|error| unmet(&error))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
