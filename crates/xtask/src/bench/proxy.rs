//! The peers of our proxy, run on loopback with a configuration made for the measurement.
//!
//! Not for: our own, which only a jail reaches.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Absence;
use super::kept::Kept;
use super::sandbox::installed;
use crate::error::Error;

/// Longest a proxy may live: beyond the whole of any chapter.
const LIFE: Duration = Duration::from_secs(240);
/// Longest it may take to listen.
const START: Duration = Duration::from_secs(15);

/// A running peer. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    _child: Kept,
}

impl Proxy {
    /// squid without cache, logs or headers of its own.
    pub(crate) fn squid(folder: &Path, target: SocketAddr) -> Result<Self, Absence> {
        let program = installed("squid")?;
        let address = free()?;
        let own = target.port();
        let text = format!(
            "http_port {address}\n\
             acl local src 127.0.0.1\nacl ours port {own}\n\
             http_access allow local ours\nhttp_access deny all\n\
             cache deny all\ncache_mem 0 MB\naccess_log none\ncache_store_log none\n\
             cache_log /dev/null\nlogfile_rotate 0\nnetdb_filename none\npid_filename none\n\
             pinger_enable off\nvia off\nforwarded_for delete\nshutdown_lifetime 0 seconds\n\
             max_filedescriptors 4096\nvisible_hostname bench\ncoredump_dir none\n"
        );
        let config = write(folder, "squid.conf", &text)?;
        let mut command = Command::new(program);
        command.arg("-N").arg("-f").arg(config);
        Self::start(&mut command, address)
    }

    /// tinyproxy without logs or headers of its own.
    pub(crate) fn tinyproxy(folder: &Path, target: SocketAddr) -> Result<Self, Absence> {
        let program = installed("tinyproxy")?;
        let address = free()?;
        let (port, own) = (address.port(), target.port());
        let text = format!(
            "Listen 127.0.0.1\nPort {port}\nTimeout 60\nAllow 127.0.0.1\nConnectPort {own}\n\
             MaxClients 200\nLogLevel Critical\nLogFile \"/dev/null\"\nDisableViaHeader Yes\n"
        );
        let config = write(folder, "tinyproxy.conf", &text)?;
        let mut command = Command::new(program);
        command.arg("-d").arg("-c").arg(config);
        Self::start(&mut command, address)
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    fn start(command: &mut Command, address: SocketAddr) -> Result<Self, Absence> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = Kept::spawn(command, LIFE)?;
        let until = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                let name = command.get_program().to_string_lossy();
                return Err(Error::Unmet(format!("{name} does not listen")).into());
            }
            // Neither of them announces that it listens.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            address,
            _child: child,
        })
    }
}

/// An address that nobody uses now. Were it taken in between, the peer would not listen and say so.
fn free() -> Result<SocketAddr, Error> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    bound.map_err(|source| Error::Io {
        what: "a free port",
        source,
    })
}

fn write(folder: &Path, name: &str, text: &str) -> Result<std::path::PathBuf, Error> {
    let path = folder.join(name);
    match fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::File {
            what: "write",
            path,
            source,
        }),
    }
}
