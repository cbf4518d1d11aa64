//! Pipes for tunnels, lent while bytes are under way and kept for the next transfer.
//!
//! Not for: moving bytes (`relay`).

use std::sync::{Mutex, MutexGuard, PoisonError};

use sys::SysError;
use sys::splice::Pipe;

use crate::limits::{PIPE_BYTES, PIPES_KEPT, PIPES_LARGE};

/// What the kernel gives without being asked (pipe(7)).
const DEFAULT_BYTES: usize = 64 * 1024;

/// The stock of one process.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    stock: Mutex<Stock>,
}

#[derive(Debug, Default)]
struct Stock {
    kept: Vec<Pipe>,
    /// Large pipes that exist, lent ones included.
    large: usize,
}

impl Pipes {
    /// An empty pipe: a kept one, or a new one.
    pub(crate) fn lend(&self) -> Result<Pipe, SysError> {
        let wanted = {
            let mut stock = self.lock();
            if let Some(pipe) = stock.kept.pop() {
                return Ok(pipe);
            }
            if stock.large < PIPES_LARGE {
                PIPE_BYTES
            } else {
                DEFAULT_BYTES
            }
        };
        let pipe = Pipe::new(wanted)?;
        if is_large(&pipe) {
            self.lock().large += 1;
        }
        Ok(pipe)
    }

    /// Takes a lent pipe back. One with bytes in it is closed: they must not meet another stream.
    pub(crate) fn give_back(&self, pipe: Pipe) {
        let mut stock = self.lock();
        if pipe.held() == 0 && is_large(&pipe) && stock.kept.len() < PIPES_KEPT {
            stock.kept.push(pipe);
        } else if is_large(&pipe) {
            stock.large = stock.large.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_large(pipe: &Pipe) -> bool {
    pipe.capacity() > DEFAULT_BYTES
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn keeps_empty_pipes_and_never_one_with_bytes_in_it() {
        let pipes = Pipes::default();
        let clean = pipes.lend().unwrap();
        let mut dirty = pipes.lend().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(b"secret").unwrap();
        dirty.fill(far.as_fd(), 6).unwrap();
        let kept = usize::from(is_large(&clean));
        pipes.give_back(dirty);
        assert_eq!(pipes.lock().kept.len(), 0);
        pipes.give_back(clean);
        assert_eq!(pipes.lock().kept.len(), kept);
        assert_eq!(pipes.lock().large, kept);
    }
}
