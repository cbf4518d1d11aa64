//! `sheriff secret list`: all secrets, without their values.
//!
//! Not for: where one was used (`uses`).

use api::control::SecretList;

use crate::control::Control;
use crate::failure::Failure;
use crate::render::{Output, secret};
use crate::sockets::Sockets;

/// Options of `secret list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let list: SecretList = Control::new(sockets).get("/v1/secrets")?;
    let mut output = Output::new();
    match args.json {
        true => output.json(&list)?,
        false => secret::list(&list.secrets, &mut output)?,
    }
    output.finish().map(|()| 0)
}
