//! Real clients in jails against real servers: what a rule about methods, paths and secrets lets through
//! works as if nobody stood between, and what it refuses reaches nobody.
//!
//! Each story has a daemon with a profile of its own ([`stand::Stand`]). Not for: the proxy's bytes
//! (`crates/egress/tests/wire`), nor clients in tunnels, which the modules beside this one have.

mod aiohttp;
mod answers;
mod anthropic;
mod cargo;
mod curl;
mod echoes;
mod flood;
mod git;
mod go;
mod grpc;
mod java;
mod nginx;
mod npm;
mod openai;
mod pip;
mod placeholders;
mod requests;
mod stand;
mod websockets;
