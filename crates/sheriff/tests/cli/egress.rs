//! `sheriff egress check`, `registries` and `replay`, which ask no daemon, and `learn`, which does.

mod check;
mod learn;
mod registries;
mod replay;
