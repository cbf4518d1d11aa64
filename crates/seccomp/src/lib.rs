//! Seccomp profiles: their TOML format, what they decide, and the BPF programs made from them.
//!
//! Not for: loading a program into the kernel (`sys`), nor for reading files.
#![forbid(unsafe_code)]

pub mod action;
pub mod arch;
pub mod classes;
pub mod compile;
pub mod condition;
pub mod corpus;
pub mod coverage;
pub mod data;
pub mod decision;
pub mod descriptor;
pub mod diff;
pub mod disassembly;
pub mod embedded;
pub mod errno;
pub mod explain;
pub mod export;
pub mod import;
pub mod ioctl;
pub mod lint;
pub mod matrix;
pub mod profile;
pub mod program;
pub mod proposal;
pub mod prose;
pub mod purpose;
mod regions;
pub mod signature;
pub mod simulate;
pub mod syscalls;
pub mod verdict;

pub use action::Action;
pub use arch::Arch;
pub use compile::{CompileError, compile, compile_for};
pub use data::Data;
pub use descriptor::{EXEC_DESCRIPTOR, EXEC_PATH, RECORD_DESCRIPTOR};
pub use embedded::shipped;
pub use errno::Errno;
pub use profile::{Profile, ProfileError};
pub use program::{Instruction, Program};
pub use purpose::Purpose;
pub use simulate::{Fault, simulate};
pub use verdict::{verdict, verdict_for};
