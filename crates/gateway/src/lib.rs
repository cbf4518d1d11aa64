//! The office's doors: the agent's API in each jail, the operator's API, and the attach socket.
//!
//! Not for: sessions themselves (`control`), nor for judging traffic (`egress`).
#![forbid(unsafe_code)]

pub mod agent;
pub mod attach;
mod base64;
mod body;
pub mod json;
mod lines;
pub mod metrics;
pub mod operator;
pub mod respond;
mod rules;
pub mod server;

pub use agent::AgentDoor;
pub use metrics::Metrics;
pub use operator::OperatorParts;

#[cfg(test)]
mod tests;
