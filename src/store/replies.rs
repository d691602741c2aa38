//! What the reply of a read may hold, and what scripts may run for it. It changes nothing that replicas must agree on, so it counts only where somebody waits.

use crate::{limits::SCRIPT_INSTRUCTIONS_MAX, resp::ErrorReply};
use std::cell::Cell;

/// What an element of a reply takes in memory beside its bytes.
const ELEMENT_BYTES: u64 = 64;

/// Bytes of replies, up to a bound.
#[derive(Debug)]
pub struct Replies {
    taken: Cell<u64>,
    /// Of scripts that only read.
    instructions: Cell<u64>,
    bytes_max: u64,
    is_over: Cell<bool>,
    /// It is the reply of one read, which nothing else waits for.
    is_alone: bool,
}

impl Replies {
    /// For replies of so many bytes in all.
    pub fn of(bytes: u64) -> Self {
        Replies {
            taken: Cell::new(0),
            instructions: Cell::new(0),
            bytes_max: bytes,
            is_over: Cell::new(false),
            is_alone: false,
        }
    }

    /// For the reply of a read that stands alone.
    pub fn of_one(bytes: u64) -> Self {
        Replies { is_alone: true, ..Self::of(bytes) }
    }

    /// Whether a reply was refused.
    pub fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// What a script may still run: all of an EXEC, or of a proposal, together as much as one alone.
    pub(super) fn instructions_left(&self) -> u64 {
        SCRIPT_INSTRUCTIONS_MAX.saturating_sub(self.instructions.get())
    }

    pub(super) fn take_instructions(&self, count: u64) {
        self.instructions.set(self.instructions.get().saturating_add(count));
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// So many elements of so many bytes in all are part of a reply.
    pub(super) fn take(&self, elements: u64, bytes: u64) -> Result<(), ErrorReply> {
        let bytes = elements.saturating_mul(ELEMENT_BYTES).saturating_add(bytes);
        let taken = self.taken.get().saturating_add(bytes);
        match taken <= self.bytes_max {
            true => {
                self.taken.set(taken);
                Ok(())
            }
            false => {
                self.is_over.set(true);
                if self.is_alone {
                    let mib = self.bytes_max >> 20;
                    let text = format!("the reply would take more than {mib} MiB of memory; read in parts");
                    return Err(ErrorReply::err(text));
                }
                Err(ErrorReply::try_again(
                    "the replies of reads that are applied with writes are too long; this one was not read",
                ))
            }
        }
    }
}
