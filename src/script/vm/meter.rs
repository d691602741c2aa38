//! Counting: instructions, and work that is not done by instructions.
//!
//! What is counted follows from the script and its arguments alone. The clock decides nothing.

use super::{Fail, Vm};
use crate::{resp::ErrorReply, script::Stop};

/// Instructions between two looks at the counters.
pub const PERIOD: u64 = 1024;

/// Looks between two questions whether the run is killed.
const LOOKS: u64 = 8;

impl Vm<'_> {
    /// Counts work of this many instructions.
    pub fn charge(&mut self, steps: usize) -> Result<(), Fail> {
        self.executed = self.executed.saturating_add(steps as u64);
        if self.executed >= self.check_at { self.look() } else { Ok(()) }
    }

    /// Counts bytes that are copied or scanned.
    pub fn charge_bytes(&mut self, bytes: usize) -> Result<(), Fail> {
        self.charge(bytes / super::BYTES_PER_STEP)
    }

    /// Compares the counters with the limits.
    #[cold]
    pub fn look(&mut self) -> Result<(), Fail> {
        self.executed = self.executed.saturating_add(self.heap.strings.take_work());
        if self.executed >= self.limits.instructions {
            let text = "script was ended: it executed more instructions than a script may";
            return Err(Fail::stop(Stop::Limit(ErrorReply::err(text))));
        }
        let held = self.heap.used.saturating_add(self.stack_bytes());
        self.heap.peak = self.heap.peak.max(held);
        if held > self.heap.limit {
            return Err(super::Heap::too_much());
        }
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS) && self.host.is_killed() {
            return Err(Fail::stop(Stop::Killed));
        }
        self.check_at = self.executed.saturating_add(PERIOD).min(self.limits.instructions);
        Ok(())
    }

    /// To be called between instructions, when something was made or may have cost much: collects what nobody refers to, and
    /// compares what is left with the limits.
    #[inline]
    pub fn safe_point(&mut self) -> Result<(), Fail> {
        if self.heap.used > self.heap.threshold {
            self.collect();
            if self.heap.used.saturating_add(self.stack_bytes()) > self.heap.limit {
                return Err(super::Heap::too_much());
            }
        }
        if self.heap.strings.work() > PERIOD { self.look() } else { Ok(()) }
    }
}
