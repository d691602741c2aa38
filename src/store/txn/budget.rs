//! What a call may cost while it is applied: the memory that it takes until its batch is stored, and what it reads. An EXEC
//! has one budget for all its calls, and what the calls of an entry write together is bounded, too: it is stored at once.
//!
//! **Invariants.** Costs follow from the state and the words of the call, not from what this node has in memory or in this
//! batch; so every replica refuses the same calls. A call over its budget writes nothing more and reads nothing more
//! (each read is the error), and `invoke` takes back what it wrote. Memory counts until the call is over; what was read
//! counts through an EXEC, so that failing calls cannot keep a node busy.

use super::Txn;
use crate::{
    feature_level,
    limits::{
        CALL_BYTES_MAX, CALL_BYTES_READ_MAX, CALL_ROWS_READ_MAX, ENTRY_INSTRUCTIONS_MAX,
        ENTRY_WRITTEN_BYTES_MAX, SCRIPT_INSTRUCTIONS_MAX,
    },
    resp::ErrorReply,
};
use std::cell::Cell;

/// What a row takes beside its bytes: its place in the batch, and, if it may have to be taken back, in what is kept for that.
const ROW_BYTES: u64 = 128;
const ROW_UNDO_BYTES: u64 = 128;
/// What an element takes in memory beside its bytes while a handler keeps it.
const KEPT_BYTES: u64 = 64;

/// What becomes of what a handler reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Reads {
    /// It keeps it.
    Kept,
    /// It looks at it and goes on.
    InPassing,
    /// It costs nothing here.
    Uncounted,
}

/// Costs so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    bytes: u64,
    /// Of these, what was written: it stays until the entry is stored.
    written: u64,
    rows_read: u64,
    bytes_read: u64,
    /// Of scripts.
    instructions: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::store) struct Budget {
    spent: Cell<Spent>,
    is_limited: bool,
    is_exceeded: Cell<bool>,
    /// An EXEC runs.
    is_shared: bool,
    /// What earlier commands of the entry have written, and what it may write in all.
    entry_written: u64,
    /// And what its scripts have run.
    entry_instructions: u64,
    entry_written_max: Option<u64>,
}

fn sum(a: usize, b: usize) -> u64 {
    u64::try_from(a.saturating_add(b)).unwrap_or(u64::MAX)
}

impl Spent {
    fn is_too_much(self) -> bool {
        self.bytes > CALL_BYTES_MAX
            || self.rows_read > CALL_ROWS_READ_MAX
            || self.bytes_read > CALL_BYTES_READ_MAX
    }

    fn error(self) -> ErrorReply {
        if !self.is_too_much() {
            return ErrorReply::try_again(
                "the writes that share a log entry with it take too much memory; nothing was changed",
            );
        }
        let what = if self.bytes > CALL_BYTES_MAX {
            format!("take more than {} MiB of memory", CALL_BYTES_MAX >> 20)
        } else if self.rows_read > CALL_ROWS_READ_MAX {
            format!("read more than {CALL_ROWS_READ_MAX} elements")
        } else {
            format!("read more than {} MiB", CALL_BYTES_READ_MAX >> 20)
        };
        ErrorReply::err(format!(
            "the command would {what} on every node; nothing was changed; do it in parts"
        ))
    }
}

impl Budget {
    /// False: that is more than there is, now or before.
    #[inline]
    fn spend(&self, kept: u64, written: u64, rows_read: u64, bytes_read: u64) -> bool {
        let mut spent = self.spent.get();
        spent.bytes = spent.bytes.saturating_add(kept).saturating_add(written);
        spent.written = spent.written.saturating_add(written);
        spent.rows_read = spent.rows_read.saturating_add(rows_read);
        spent.bytes_read = spent.bytes_read.saturating_add(bytes_read);
        let is_too_much = spent.is_too_much() || self.is_too_much_for_entry(spent);
        if self.is_limited && (self.is_exceeded.get() || is_too_much) {
            // What is refused is not spent: the reason stays the first one.
            if !self.is_exceeded.replace(true) {
                self.spent.set(spent);
            }
            return false;
        }
        self.spent.set(spent);
        true
    }

    fn is_too_much_for_entry(&self, spent: Spent) -> bool {
        let max = self.entry_written_max.unwrap_or(ENTRY_WRITTEN_BYTES_MAX);
        self.entry_written.saturating_add(spent.written) > max
    }

    /// What the last command, or EXEC, has written stays.
    fn carry_over(&mut self) {
        let spent = self.spent.take();
        self.entry_instructions = self.entry_instructions.saturating_add(spent.instructions);
        if self.is_limited {
            self.entry_written = self.entry_written.saturating_add(spent.written);
        }
    }

    /// An entry begins.
    pub(super) fn begin_entry(&mut self) {
        (self.entry_written, self.entry_instructions, self.is_shared) = (0, 0, false);
        self.spent.take();
    }

    fn error(&self) -> ErrorReply {
        self.spent.get().error()
    }

    /// A row is about to be written. False: it must not.
    #[inline]
    pub(super) fn may_write(&self, key: usize, value: usize, is_undone: bool) -> bool {
        let undo = if is_undone { ROW_UNDO_BYTES } else { 0 };
        self.spend(0, sum(key, value).saturating_add(ROW_BYTES).saturating_add(undo), 0, 0)
    }

    /// As `may_write`, for what can be undone and can fail.
    #[inline]
    pub(super) fn write(&self, key: usize, value: usize) -> Result<(), ErrorReply> {
        if self.may_write(key, value, true) { Ok(()) } else { Err(self.error()) }
    }

    /// A row was read, or is about to be.
    #[inline]
    pub(in crate::store) fn read(&self, reads: Reads, key: usize, value: usize) -> Result<(), ErrorReply> {
        let bytes = sum(key, value);
        let is_left = match reads {
            Reads::Kept => self.spend(bytes.saturating_add(KEPT_BYTES), 0, 1, bytes),
            Reads::InPassing => self.spend(0, 0, 1, bytes),
            Reads::Uncounted => true,
        };
        if is_left { Ok(()) } else { Err(self.error()) }
    }

    /// So many elements of so many bytes in all are kept.
    pub(in crate::store) fn keep(&self, elements: u64, bytes: u64) -> Result<(), ErrorReply> {
        let bytes = elements.saturating_mul(KEPT_BYTES).saturating_add(bytes);
        if self.spend(bytes, 0, 0, 0) { Ok(()) } else { Err(self.error()) }
    }
}

impl Txn<'_> {
    /// A command begins, with a budget of its own unless it is part of an EXEC.
    pub(super) fn begin_budget(&mut self) {
        if !self.budget.is_shared {
            self.budget.carry_over();
        }
        self.budget.is_limited = self.state.feature_level >= feature_level::BUDGETS;
        self.budget.is_exceeded.set(false);
    }

    /// The commands up to `end_transaction` are an EXEC.
    pub fn begin_transaction(&mut self) {
        self.budget.carry_over();
        self.budget.is_shared = true;
    }

    /// See `begin_transaction`.
    pub fn end_transaction(&mut self) {
        self.budget.is_shared = false;
    }

    /// For a command of the node's own, which is bounded.
    pub fn without_budget(&mut self) {
        self.budget.is_limited = false;
    }

    /// Costs so far.
    pub fn spent(&self) -> Spent {
        self.budget.spent.get()
    }

    /// What a script may still run, for its own call or EXEC.
    pub fn instructions_left(&self) -> Result<u64, ErrorReply> {
        let spent = self.budget.spent.get().instructions;
        if self.budget.entry_instructions.saturating_add(spent) >= ENTRY_INSTRUCTIONS_MAX {
            let text = "the scripts that share a log entry with it ran for too long; nothing was changed";
            return Err(ErrorReply::try_again(text));
        }
        Ok(SCRIPT_INSTRUCTIONS_MAX.saturating_sub(spent))
    }

    /// A script has run so many.
    pub fn spend_instructions(&mut self, instructions: u64) {
        let mut spent = self.budget.spent.get();
        spent.instructions = spent.instructions.saturating_add(instructions);
        self.budget.spent.set(spent);
    }

    /// The call failed that began when so much was spent; its memory is free again.
    pub fn refund(&mut self, began: Spent) {
        let Spent { bytes, written, .. } = began;
        self.budget.spent.set(Spent { bytes, written, ..self.budget.spent.get() });
        self.budget.is_exceeded.set(false);
    }

    /// A bound for what entries write that a test can come to.
    #[cfg(test)]
    pub(crate) fn limit_entries(&mut self, bytes: u64) {
        self.budget.entry_written_max = Some(bytes);
    }

    /// The error of a call that is over its budget.
    pub fn over_budget(&self) -> Option<ErrorReply> {
        self.budget.is_exceeded.get().then(|| self.budget.error())
    }
}
