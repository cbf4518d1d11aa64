//! Cells made ahead, so that a launch does not wait for the kernel to make one.
//!
//! Not for: taking cells back; a cell serves one jail.

use std::collections::VecDeque;

use crate::cell::Cell;
use crate::error::NetworkError;
use crate::hub::Hub;

/// A hub with cells ready for use.
#[derive(Debug)]
pub struct Pool {
    hub: Hub,
    ready: VecDeque<Cell>,
    target: usize,
}

impl Pool {
    /// An empty pool that wants `target` cells ready (each holds about 0.3 MiB of kernel memory and
    /// six descriptors).
    #[must_use]
    pub const fn new(hub: Hub, target: usize) -> Self {
        Self {
            hub,
            ready: VecDeque::new(),
            target,
        }
    }

    /// Gives away the oldest ready cell, or makes one, with further TCP ports `extra` opened. Of
    /// `extra`, ports that every cell has anyway are skipped.
    ///
    /// # Errors
    /// Those of [`Hub::make_cell`] and [`Hub::open_ports`].
    pub fn take(&mut self, extra: &[u16]) -> Result<Cell, NetworkError> {
        let mut cell = match self.ready.pop_front() {
            Some(cell) => cell,
            None => self.hub.make_cell()?,
        };
        self.hub.open_ports(&mut cell, extra)?;
        Ok(cell)
    }

    /// Makes one cell if some are missing, and says whether it did. To be called while idle.
    ///
    /// # Errors
    /// Those of [`Hub::make_cell`].
    pub fn refill_one(&mut self) -> Result<bool, NetworkError> {
        if !self.is_short() {
            return Ok(false);
        }
        let cell = self.hub.make_cell()?;
        self.ready.push_back(cell);
        Ok(true)
    }

    /// Whether fewer cells are ready than wanted.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.ready.len() < self.target
    }

    /// How many cells are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The hub that all cells lead to.
    #[must_use]
    pub const fn hub(&self) -> &Hub {
        &self.hub
    }
}
