//! `sheriff-office`: proxy, gateway and audit log, without any privilege. The warden starts it with
//! the warrant channel as descriptor 3, as its own user.
//!
//! Not for: anything that needs root; the warden is asked for that.
#![forbid(unsafe_code)]

mod assemble;
mod certificates;
mod confine;
mod endpoint;
mod log;
mod secrets;
mod welcome;

use std::os::fd::IntoRawFd;
use std::process::ExitCode;

use sys::SysError;
use sys::seqpacket::Seqpacket;
use warrant::Channel;

use crate::welcome::Welcomed;

/// The number under which the warden leaves the warrant channel.
const CHANNEL_FD: i32 = 3;
/// Threads of the runtime. Tunnels are carried by the kernel; a thousand of them keep two busy.
const WORKERS: usize = 2;

/// Why the office can't do its work.
#[derive(Debug, thiserror::Error)]
enum OfficeError {
    #[error("no warrant channel at descriptor {CHANNEL_FD}: sheriffd starts this program ({0})")]
    Channel(#[source] SysError),
    #[error("warrant channel: {0}")]
    Duplicate(#[source] std::io::Error),
    #[error(transparent)]
    Welcome(#[from] welcome::WelcomeError),
    #[error("secrets: {0}")]
    Secrets(#[from] secrets::HandedError),
    #[error("memory: {0}")]
    Memory(#[from] SysError),
    #[error("certificates: {0}")]
    Certificates(#[from] certificates::CertificateError),
    #[error("confinement: {0}")]
    Confine(#[from] confine::ConfineError),
    #[error("runtime: {0}")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Assemble(#[from] assemble::AssembleError),
}

fn main() -> ExitCode {
    log::init(std::env::args_os());
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// From the inherited channel to the last flush. Until it is confined the process has one thread.
fn work() -> Result<(), OfficeError> {
    let socket = sys::fds::inherited(CHANNEL_FD).map_err(OfficeError::Channel)?;
    // Never closed, so that the channel ends with the process: the warden kills an office that closes
    // it, and one that fails would not come to say why.
    let again = socket.try_clone().map_err(OfficeError::Duplicate)?;
    let _stays_open = again.into_raw_fd();
    let socket = Seqpacket::from_fd(socket).map_err(OfficeError::Channel)?;
    let channel = Channel::new(socket);
    let welcomed = Welcomed::receive(&channel)?;
    let trusted = certificates::load(welcomed.word.config.extra_ca.as_deref())?;
    let folders = confine::Folders::of(&welcomed.word)?;
    let handed = secrets::Handed::receive(&channel, &folders)?;
    secrets::lock_memory()?;
    confine::confine(&folders)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("office")
        .enable_all()
        .build()
        .map_err(OfficeError::Runtime)?;
    Ok(runtime.block_on(assemble::serve(
        channel,
        welcomed,
        (trusted, folders, handed),
    ))?)
}
