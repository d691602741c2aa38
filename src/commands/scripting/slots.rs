//! In cluster mode a script keeps to one slot, unless it has no flags at all, or says `allow-cross-slot-keys`. One core has all slots,
//! so nothing depends on it; it tells the author of a script, where Redis would, that it cannot run on several shards.

use crate::{command::Resolved, commands::cluster::slot_of, resp::ErrorReply};

/// The slot of a run.
pub(super) struct Slots {
    is_bound: bool,
    slot: Option<u16>,
}

impl Slots {
    /// `keys`: those that the call names, which are of one slot.
    pub(super) fn new(is_bound: bool, keys: &[&[u8]]) -> Self {
        Slots { is_bound, slot: keys.first().filter(|_| is_bound).map(|key| slot_of(key)) }
    }

    /// Whether the script may make this call.
    pub(super) fn admit(&mut self, call: Resolved, argv: &[&[u8]]) -> Result<(), ErrorReply> {
        if !self.is_bound {
            return Ok(());
        }
        for key in call.command.keys_of(argv).into_iter().filter_map(|named| argv.get(named.at)) {
            let slot = slot_of(key);
            if *self.slot.get_or_insert(slot) != slot {
                let text = "Script attempted to access keys that do not hash to the same slot";
                return Err(ErrorReply::err(text));
            }
        }
        Ok(())
    }
}
