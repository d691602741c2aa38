//! What entries will look up, read ahead of them (`store/txn/prefetched.rs`). It decides how long apply waits for the disk, never what
//! it does.

use super::{
    Replica,
    entry::{Batch, Calls, EntryError, Proposal},
    site::SiteEntry,
    source::FromSource,
};
use crate::{command::Table, error::StoreError};

/// Keys of entries, with their databases.
type Named<'p> = Vec<(u32, &'p [u8])>;

impl Replica {
    /// Reads the records of the keys that these entries name, if the last batch met some that are not in memory.
    pub fn prefetch<'p>(&self, payloads: impl IntoIterator<Item = &'p [u8]>) -> Result<(), StoreError> {
        if !self.store().is_cold() {
            return Ok(());
        }
        let mut named = Vec::new();
        for payload in payloads {
            // What is wrong with an entry, apply says.
            let _ = match self.is_edge {
                false => keys_of_batch(self.table(), payload, &mut named),
                true => keys_of_site(self.table(), payload, &mut named),
            };
        }
        self.store().prefetch(named)
    }
}

fn keys_of_site<'p>(table: &Table, payload: &'p [u8], named: &mut Named<'p>) -> Result<(), EntryError> {
    let SiteEntry::Entries { mut records, .. } = SiteEntry::decode(payload)? else { return Ok(()) };
    while let Some(record) = records.next_record()? {
        if let Some(batch) = record.batch {
            keys_of_batch(table, batch, named)?;
        }
    }
    Ok(())
}

fn keys_of_batch<'p>(table: &Table, payload: &'p [u8], named: &mut Named<'p>) -> Result<(), EntryError> {
    let mut batch = Batch::decode(payload)?;
    while let Some(proposal) = batch.next_proposal()? {
        match proposal {
            Proposal::Commands(calls) | Proposal::Transaction { calls, .. } => {
                keys_of_calls(table, calls, named)?;
            }
            Proposal::Source(FromSource::Step(mut step)) => {
                while let Some(unit) = step.next_unit()? {
                    keys_of_calls(table, unit.calls, named)?;
                }
            }
            // Its keys are read in any case, one by one.
            Proposal::Sweep { .. }
            | Proposal::Mark
            | Proposal::MarkSums
            | Proposal::Count(_)
            | Proposal::Evict(_)
            | Proposal::Source(FromSource::Change(_)) => {}
        }
    }
    Ok(())
}

fn keys_of_calls<'p>(table: &Table, mut calls: Calls<'p>, named: &mut Named<'p>) -> Result<(), EntryError> {
    while let Some(call) = calls.next_call()? {
        let Ok(resolved) = table.resolve(&call.argv) else { continue };
        let keys = resolved.command.keys_of(&call.argv);
        named.extend(keys.iter().filter_map(|key| Some((call.db, *call.argv.get(key.at)?))));
    }
    Ok(())
}
