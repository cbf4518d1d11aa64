//! Reading a message piece by piece; every piece is bounded.
//!
//! Not for: what the pieces mean (`wire`).

use std::ffi::CString;

use model::{Denials, DeniedCall};
use sys::Errno;

use super::{Malformed, TEXT_MAX};

/// Most arguments, and most environment entries: bounds what PID 1 allocates.
const STRINGS_MAX: usize = 16_384;

/// Highest error number that the kernel passes on (`MAX_ERRNO` of `linux/err.h`).
const ERRNO_MAX: u16 = 4095;

/// What is left to read of a message.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_length| Malformed)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn short(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn number(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn long(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A count, and a call if anything follows.
    pub(super) fn denials(&mut self) -> Result<Denials, Malformed> {
        let untold = self.long()?;
        let call = if self.0.is_empty() {
            None
        } else {
            Some(self.denied_call()?)
        };
        Ok(Denials { call, untold })
    }

    fn denied_call(&mut self) -> Result<DeniedCall, Malformed> {
        let [thread, number, arch] = [self.number()?, self.number()?, self.number()?];
        let mut arguments = [0; 6];
        for argument in &mut arguments {
            *argument = self.long()?;
        }
        let errno = self.short()?;
        if errno > ERRNO_MAX {
            return Err(Malformed);
        }
        Ok(DeniedCall {
            thread,
            number,
            arch,
            arguments,
            errno: (errno != 0).then_some(errno),
        })
    }

    pub(super) fn errno(&mut self) -> Result<Errno, Malformed> {
        Ok(Errno::from_raw(i32::from_le_bytes(self.array()?)))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_range| Malformed)?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let bytes = self.bytes()?;
        if bytes.len() > TEXT_MAX {
            return Err(Malformed);
        }
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    pub(super) fn string(&mut self) -> Result<CString, Malformed> {
        CString::new(self.bytes()?).map_err(|_nul| Malformed)
    }

    pub(super) fn strings(&mut self) -> Result<Vec<CString>, Malformed> {
        let count = usize::try_from(self.number()?).map_err(|_range| Malformed)?;
        if count > STRINGS_MAX {
            return Err(Malformed);
        }
        (0..count).map(|_| self.string()).collect()
    }

    pub(super) fn end<T>(self, message: T) -> Result<T, Malformed> {
        if self.0.is_empty() {
            return Ok(message);
        }
        Err(Malformed)
    }
}
