//! `sheriff seccomp export`: a profile in the form of another program.
//!
//! Not for: making the form (crate `seccomp`).

use std::path::PathBuf;

use seccomp::export::{self, Exported};
use seccomp::{Arch, Profile, Program, compile_for};

use super::purpose::PurposeWord;
use super::{Named, SeccompError};
use crate::failure::Failure;
use crate::{deposit, render};

/// Options of `seccomp export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    profile: Named,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// `x86_64` or `aarch64`, for JSON both if given twice; by default that of this host
    #[arg(long, value_name = "ARCH")]
    arch: Vec<Arch>,
    /// Which of the profile's programs to write, for bpf and c
    #[arg(long, value_name = "PURPOSE", default_value = "enforce")]
    purpose: PurposeWord,
    /// Write to this file instead of standard output
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The `linux.seccomp` object of the OCI runtime specification: runc, crun, podman
    Oci,
    /// A profile for `docker run --security-opt seccomp=FILE`
    Docker,
    /// The program as the kernel takes it: an array of struct `sock_filter`, little endian
    Bpf,
    /// The program as C source
    C,
}

/// Writes the profile; what it says differently there goes to standard error.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let profile = args.profile.profile()?;
    let arches = arches(args)?;
    let to = args.output.as_deref();
    match args.format {
        Format::Oci => {
            let made = export::oci(&profile, &arches).map_err(SeccompError::from)?;
            document(args, &made)?;
        }
        Format::Docker => {
            let made = export::docker(&profile, &arches).map_err(SeccompError::from)?;
            document(args, &made)?;
        }
        Format::Bpf => deposit::binary(to, &export::bpf(&program(args, &profile, &arches)?))?,
        Format::C => {
            let program = program(args, &profile, &arches)?;
            let name = format!("{}_filter", profile.name()).replace('-', "_");
            deposit::text(to, &export::c_array(&program, &name))?;
        }
    }
    Ok(0)
}

fn arches(args: &Args) -> Result<Vec<Arch>, SeccompError> {
    if args.arch.is_empty() {
        return Ok(vec![Arch::native().ok_or(SeccompError::NoArch)?]);
    }
    Ok(args.arch.clone())
}

fn document(args: &Args, made: &Exported) -> Result<(), Failure> {
    deposit::text(args.output.as_deref(), &made.text)?;
    for divergence in &made.divergences {
        render::note(&format!("differs: {divergence}"));
    }
    Ok(())
}

fn program(args: &Args, profile: &Profile, arches: &[Arch]) -> Result<Program, SeccompError> {
    let [arch] = arches else {
        return Err(SeccompError::OneArch);
    };
    Ok(compile_for(profile, *arch, args.purpose.into())?)
}
