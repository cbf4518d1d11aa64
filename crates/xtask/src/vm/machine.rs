//! Boots the disk in an emulated machine and follows its serial line to the job's end.
//!
//! Not for: what is on the disk.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::image::Image;
use crate::bench::kept::{Kept, end_all_within};
use crate::error::Error;

/// Longest that the machine may run: an emulated processor takes about fifteen minutes.
const LIFE: Duration = Duration::from_secs(40 * 60);
/// What the machine says last, with the job's exit code behind it.
const ENDED: &str = "sheriff-vm: the job ended with ";

/// Runs the machine to its end.
pub(super) fn run(image: &Image) -> Result<(), Error> {
    end_all_within(LIFE);
    let mut command = command(image)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut machine = Kept::spawn(&mut command, LIFE)?;
    let output = machine
        .stdout()
        .ok_or_else(|| Error::Unmet("no pipe".to_owned()))?;
    let mut code = None;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|source| Error::Io {
            what: "serial line",
            source,
        })?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        code = line
            .split_once(ENDED)
            .map(|(_, code)| code.to_owned())
            .or(code);
        say(line);
    }
    machine.succeed()?;
    match code.as_deref() {
        Some("0") => Ok(()),
        Some(code) => Err(Error::Unmet(format!("the suite ended with {code}"))),
        None => Err(Error::Unmet(
            "the machine ended before the suite".to_owned(),
        )),
    }
}

/// One emulated processor: with more threads, or as another model, the guest's kernel crashes.
fn command(image: &Image) -> Result<Command, Error> {
    let mut command = Command::new("qemu-system-x86_64");
    command.args([
        "-accel",
        "tcg,thread=single",
        "-cpu",
        "Nehalem",
        "-smp",
        "1",
    ]);
    command.args(["-m", "4096", "-nographic", "-no-reboot", "-nic", "none"]);
    command.arg("-kernel").arg(image.boot_file("vmlinuz-")?);
    command.arg("-initrd").arg(image.boot_file("initrd.img-")?);
    command.args([
        "-append",
        "console=ttyS0 root=/dev/vda rw init=/sbin/sheriff-vm-init quiet loglevel=3 panic=-1",
    ]);
    let disk = image.disk();
    let drive = format!("file={},if=virtio,format=raw,cache=unsafe", disk.display());
    command.arg("-drive").arg(drive);
    Ok(command)
}

#[expect(
    clippy::print_stdout,
    reason = "the machine's words are the chore's result"
)]
fn say(line: &str) {
    let plain: String = line.chars().filter(|it| !it.is_control()).collect();
    println!("{plain}");
}
