//! Safe wrappers over the system calls that Sheriff needs; the only crate with unsafe code.
//!
//! Not for: decisions. A wrapper says what the kernel answered, its caller says what that means.

pub mod child;
pub mod clone;
pub mod command;
pub mod directory;
pub mod environment;
pub mod epoll;
pub mod error;
pub mod exec;
pub mod fds;
pub mod filter;
pub mod first_page;
pub mod installed;
pub mod interfaces;
pub mod landlock;
pub mod listener;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod netns;
pub mod peer_socket;
mod pidfd;
pub mod privileges;
pub mod pty;
pub mod readiness;
pub mod rlimit;
pub mod seqpacket;
pub mod signal_queue;
pub mod signals;
pub mod socket;
pub mod splice;
pub mod tcpinfo;
pub mod terminal;
pub mod users;
pub mod wait;

pub use error::{Context, SysError};
pub use nix::errno::Errno;
