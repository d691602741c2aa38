//! Views for scripts, and what those that only read may run.

use super::{Replies, View};
use crate::limits::SCRIPT_INSTRUCTIONS_MAX;
use std::cell::Cell;

impl<'a> View<'a> {
    /// As this, for a script: what it reads follows from the state and from these dice alone, never from what this node
    /// remembers of earlier calls or draws by itself.
    pub fn for_script(mut self, dice: &'a Cell<u64>) -> Self {
        self.script_dice = Some(dice);
        self
    }

    /// The client is of a cluster, where a script keeps to one slot.
    pub fn in_one_slot(mut self) -> Self {
        self.is_in_one_slot = true;
        self
    }

    pub fn is_in_one_slot(&self) -> bool {
        self.is_in_one_slot
    }

    /// Whether a script reads.
    pub fn is_for_script(&self) -> bool {
        self.script_dice.is_some()
    }

    /// A script reads this key.
    pub fn script_reads(&self, key: &[u8]) {
        if let Some(watch) = self.watch {
            watch.script_reads(key);
        }
    }

    /// The next random number of the script that reads; `None`: none does.
    pub fn script_random(&self) -> Option<u64> {
        self.script_dice.map(|dice| {
            let (state, number) = split_mix(dice.get());
            dice.set(state);
            number
        })
    }

    /// What a script that only reads may still run here.
    pub fn instructions_left(&self) -> u64 {
        self.replies.map_or(SCRIPT_INSTRUCTIONS_MAX, Replies::instructions_left)
    }

    /// It has run so many.
    pub fn spend_instructions(&self, count: u64) {
        if let Some(replies) = self.replies {
            replies.take_instructions(count);
        }
    }
}

/// Splitmix64: the next state, and its number.
pub(super) fn split_mix(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state, z ^ (z >> 31))
}
