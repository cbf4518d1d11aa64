//! The peers of our proxy, each with a configuration made for the measurement.
//!
//! Not for: our own, which only a jail reaches.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::Absence;
use super::kept::Kept;
use super::peers::Peer;
use super::trust::Trust;
use crate::error::Error;

/// Longest a proxy may live: beyond the whole of any chapter.
const LIFE: Duration = Duration::from_secs(240);
/// Longest it may take to listen.
const START: Duration = Duration::from_secs(15);
/// Connections that a proxy must be able to hold.
const CONNECTIONS: usize = 2500;

/// A running peer. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    /// What it leads to without being asked, or with CONNECT.
    is_plain: bool,
    /// Whom its clients must trust.
    ca: Option<PathBuf>,
    child: Kept,
}

/// What a peer is to be a proxy for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    /// A folder for its files, which every user may pass through.
    pub(crate) folder: &'a Path,
    /// Where it is to listen.
    pub(crate) listen: Ipv4Addr,
    /// The server.
    pub(crate) target: SocketAddr,
    /// Who vouches for the server, if that speaks TLS.
    pub(crate) trust: Option<&'a Trust>,
}

impl Proxy {
    /// squid without cache, logs or headers of its own.
    pub(crate) fn squid(site: Site<'_>) -> Result<Self, Absence> {
        let peer = Peer::find("squid")?;
        let address = site.free()?;
        let text = format!("http_port {address}\n{}", squid_settings(&peer, site));
        let config = site.write("squid.conf", &text)?;
        let mut command = peer.command();
        command.arg("-N").arg("-f").arg(config);
        Self::start(&mut command, address)
    }

    /// squid that opens TLS.
    pub(crate) fn squid_with_tls(site: Site<'_>) -> Result<Self, Absence> {
        let peer = Peer::squid_with_tls()?;
        let trust = site.trust.ok_or(Absence::NotBuilt)?;
        let (address, own) = (site.free()?, trust.proxy());
        let helper = peer.file("usr/lib/squid/security_file_certgen");
        let store = site.folder.join("squid-certificates");
        drop(fs::remove_dir_all(&store));
        let mut make = Command::new(&helper);
        make.arg("-c").arg("-s").arg(&store).args(["-M", "4MB"]);
        Kept::spawn(make.stdout(std::process::Stdio::null()), LIFE)?.succeed()?;
        give_to_squid(&store)?;
        let text = format!(
            "http_port {address} ssl-bump generate-host-certificates=on \
             dynamic_cert_mem_cache_size=4MB tls-cert={} tls-key={}\n\
             sslcrtd_program {} -s {} -M 4MB\nsslcrtd_children 2\n\
             tls_outgoing_options cafile={}\n\
             acl hello at_step SslBump1\nssl_bump peek hello\nssl_bump bump all\n{}",
            own.certificate.display(),
            own.key.display(),
            helper.display(),
            store.display(),
            trust.servers().display(),
            squid_settings(&peer, site)
        );
        let config = site.write("squid-tls.conf", &text)?;
        let mut command = peer.command();
        command.arg("-N").arg("-f").arg(config);
        Ok(Self {
            ca: Some(own.certificate.clone()),
            ..Self::start(&mut command, address)?
        })
    }

    /// tinyproxy without logs or headers of its own.
    pub(crate) fn tinyproxy(site: Site<'_>) -> Result<Self, Absence> {
        let peer = Peer::find("tinyproxy")?;
        let (address, own) = (site.free()?, site.target.port());
        let text = format!(
            "Listen {}\nPort {}\nTimeout 60\nAllow 0.0.0.0/0\nConnectPort {own}\n\
             MaxClients {CONNECTIONS}\nLogLevel Critical\nLogFile \"/dev/null\"\n\
             DisableViaHeader Yes\n",
            address.ip(),
            address.port()
        );
        let config = site.write("tinyproxy.conf", &text)?;
        let mut command = peer.command();
        command.arg("-d").arg("-c").arg(config);
        Self::start(&mut command, address)
    }

    /// `HAProxy`, which leads bytes to the one server that it is told of.
    pub(crate) fn haproxy(site: Site<'_>) -> Result<Self, Absence> {
        let peer = Peer::find("haproxy")?;
        let address = site.free()?;
        let most = CONNECTIONS * 2;
        let text = format!(
            "global\n  maxconn {most}\ndefaults\n  mode tcp\n  option splice-auto\n\
             \x20 timeout connect 10s\n  timeout client 120s\n  timeout server 120s\n\
             listen bench\n  bind {address}\n  server one {}\n",
            site.target
        );
        let config = site.write("haproxy.cfg", &text)?;
        let mut command = peer.command();
        command.arg("-db").arg("-f").arg(config);
        Ok(Self {
            is_plain: true,
            ..Self::start(&mut command, address)?
        })
    }

    /// mitmproxy without a user interface.
    pub(crate) fn mitmproxy(site: Site<'_>) -> Result<Self, Absence> {
        let peer = Peer::find("mitmdump")?;
        let trust = site.trust.ok_or(Absence::NotBuilt)?;
        let (address, own) = (site.free()?, site.folder.join("mitmproxy"));
        let servers = trust.servers();
        let mut command = peer.command();
        command.args(["-q", "--listen-host", &address.ip().to_string()]);
        command.args(["--listen-port", &address.port().to_string()]);
        command
            .arg("--set")
            .arg(format!("confdir={}", own.display()));
        let trusted = format!("ssl_verify_upstream_trusted_ca={}", servers.display());
        command.arg("--set").arg(trusted);
        Ok(Self {
            ca: Some(own.join("mitmproxy-ca-cert.pem")),
            ..Self::start(&mut command, address)?
        })
    }

    /// What the client's command line says of it.
    pub(crate) fn way(&self, target: &str) -> Vec<String> {
        let own = self.address.to_string();
        let (proxy, target) = match self.is_plain {
            true => ("direct".to_owned(), own),
            false => (own, target.to_owned()),
        };
        let mut words = vec!["--proxy".into(), proxy, "--target".into(), target];
        if let Some(ca) = &self.ca {
            words.extend(["--ca".to_owned(), ca.display().to_string()]);
        }
        words
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn start(command: &mut Command, address: SocketAddr) -> Result<Self, Absence> {
        let child = Kept::spawn(command, LIFE)?;
        let until = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                let name = command.get_program().to_string_lossy();
                return Err(Error::Unmet(format!("{name} does not listen")).into());
            }
            // None of them announces that it listens.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            address,
            is_plain: false,
            ca: None,
            child,
        })
    }
}

impl Site<'_> {
    /// An address that nobody uses now. Were it taken in between, the peer would not listen and say so.
    fn free(&self) -> Result<SocketAddr, Error> {
        let bound = TcpListener::bind((self.listen, 0)).and_then(|it| it.local_addr());
        bound.map_err(|source| Error::Io {
            what: "a free port",
            source,
        })
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        match fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(source) => Err(Error::File {
                what: "write",
                path,
                source,
            }),
        }
    }
}

fn squid_settings(peer: &Peer, site: Site<'_>) -> String {
    let shared = |path: &str| peer.file(&format!("usr/share/squid/{path}"));
    let descriptors = CONNECTIONS * 2;
    format!(
        "acl ours port {}\nhttp_access allow ours\nhttp_access deny all\n\
         cache deny all\ncache_mem 0 MB\naccess_log none\ncache_store_log none\n\
         cache_log /dev/null\nlogfile_rotate 0\nnetdb_filename none\npid_filename none\n\
         pinger_enable off\nvia off\nforwarded_for delete\nshutdown_lifetime 0 seconds\n\
         max_filedescriptors {descriptors}\nvisible_hostname bench\ncoredump_dir none\n\
         mime_table {}\nicon_directory {}\nerror_directory {}\n",
        site.target.port(),
        shared("mime.conf").display(),
        shared("icons").display(),
        shared("errors/templates").display(),
    )
}

/// squid lays down root's rights for those of this user.
fn give_to_squid(path: &Path) -> Result<(), Error> {
    let user = nix::unistd::User::from_name("proxy").ok().flatten();
    let Some(user) = user else { return Ok(()) };
    let all = [
        path.to_owned(),
        path.join("certs"),
        path.join("index.txt"),
        path.join("size"),
    ];
    for path in all.iter().filter(|path| path.exists()) {
        nix::unistd::chown(path, Some(user.uid), Some(user.gid)).map_err(|errno| Error::File {
            what: "chown",
            path: path.clone(),
            source: errno.into(),
        })?;
    }
    Ok(())
}
