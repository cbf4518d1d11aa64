//! `sheriff secret rm`: a secret is gone at once, also for living sessions.
//!
//! Not for: what was sent already.

use model::SecretName;
use serde_json::json;

use crate::control::Control;
use crate::failure::Failure;
use crate::render::Output;
use crate::sockets::Sockets;

/// Options of `secret rm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Its name
    #[arg(value_name = "NAME")]
    name: SecretName,
}

/// Removes it.
pub(crate) fn run(args: &Args, sockets: &Sockets) -> Result<u8, Failure> {
    let name = &args.name;
    Control::new(sockets).delete(&format!("/v1/secrets/{name}"))?;
    let mut output = Output::new();
    match args.json {
        true => output.json(&json!({ "name": name, "done": "removed" }))?,
        false => output.line(&format!("{name}: removed"))?,
    }
    output.finish().map(|()| 0)
}
