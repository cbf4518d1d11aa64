//! Reads how many tokens a language model's answer cost, while the answer passes by.
//!
//! Not for: I/O, verdicts or budgets (`egress`); nothing here holds an answer back or changes it.
#![forbid(unsafe_code)]

pub mod price;
pub mod reader;
mod scan;
mod stated;
mod stream;

pub use price::{Price, PriceTable, PriceTableError};
pub use reader::UsageReader;
