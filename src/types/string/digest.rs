//! The digest of a string: XXH3, 64 bits, without a seed. Clients compute it themselves, so it may never change.

use super::{
    pieces::{PIECE_BYTES, Part},
    stored::StoredString,
};
use crate::{error::Result, store::View};
use std::ops::ControlFlow;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A string of so many bytes is not digested on a thread that serves connections.
const LONG_BYTES: usize = 1024 * 1024;

static ZEROS: [u8; PIECE_BYTES] = [0; PIECE_BYTES];
static ONES: [u8; PIECE_BYTES] = [0xff; PIECE_BYTES];

impl StoredString {
    /// See the module. The cost is that of all its bytes, holes included: nothing else keeps a call of thirty bytes from
    /// hashing half a gigabyte as often as it likes.
    pub fn digest(&self, view: &View<'_>) -> Result<u64> {
        if let Some(bytes) = self.short() {
            return Ok(xxh3_64(bytes));
        }
        if self.len() >= LONG_BYTES {
            view.may_take_long()?;
        }
        let mut hasher = Xxh3::new();
        self.parts(view, 0..self.len(), |part| {
            match part {
                Part::Bytes(bytes) => hasher.update(bytes),
                Part::Zeros(len) => repeat(view, &mut hasher, &ZEROS, len)?,
                Part::Ones(len) => repeat(view, &mut hasher, &ONES, len)?,
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(hasher.digest())
    }
}

fn repeat(view: &View<'_>, hasher: &mut Xxh3, piece: &[u8], len: usize) -> Result<()> {
    view.count_bytes(len)?;
    let mut left = len;
    while left > 0 {
        let part = piece.get(..left.min(piece.len())).unwrap_or_default();
        hasher.update(part);
        left = left.saturating_sub(part.len().max(1));
    }
    Ok(())
}
