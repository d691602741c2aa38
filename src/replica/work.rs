//! How much work entries are, before they are applied.

use super::{
    Replica,
    entry::{Batch, EntryError, Proposal},
    site::SiteEntry,
};
use crate::state::Work;

/// Calls, and keys of a sweep, that are few.
const FEW_CALLS: usize = 256;

impl Replica {
    /// Whether entries are little work whatever the data are: few calls, each bounded by its own words. `known`: what others
    /// of the same chunk amount to. What cannot be read is not; `apply` says what is wrong with it.
    pub fn is_little_work<'p>(&self, known: Work, payloads: impl IntoIterator<Item = &'p [u8]>) -> bool {
        let mut calls = known.calls as usize;
        if !known.is_bounded || calls > FEW_CALLS {
            return false;
        }
        payloads.into_iter().all(|payload| match self.is_edge {
            false => self.has_few_bounded_calls(payload, &mut calls).unwrap_or(false),
            true => self.follows_few_bounded_calls(payload, &mut calls).unwrap_or(false),
        })
    }

    fn follows_few_bounded_calls(&self, payload: &[u8], calls: &mut usize) -> Result<bool, EntryError> {
        let SiteEntry::Entries { mut records, .. } = SiteEntry::decode(payload)? else { return Ok(false) };
        while let Some(record) = records.next_record()? {
            if let Some(batch) = record.batch
                && !self.has_few_bounded_calls(batch, calls)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_few_bounded_calls(&self, payload: &[u8], calls: &mut usize) -> Result<bool, EntryError> {
        let mut batch = Batch::decode(payload)?;
        while let Some(proposal) = batch.next_proposal()? {
            let (conditions, mut of_proposal) = match proposal {
                Proposal::Commands(calls) => (0, calls),
                Proposal::Transaction { conditions, calls } => (conditions.len(), calls),
                Proposal::Sweep { .. }
                | Proposal::Mark
                | Proposal::Count(_)
                | Proposal::Evict(_)
                | Proposal::Source(_) => return Ok(false),
                Proposal::MarkSums => continue,
            };
            *calls = calls.saturating_add(conditions).saturating_add(of_proposal.len());
            if *calls > FEW_CALLS {
                return Ok(false);
            }
            while let Some(call) = of_proposal.next_call()? {
                // One that is not known, or has too few words, is an error and no work.
                let is_bounded =
                    self.table().resolve(&call.argv).map_or(true, |found| found.work(&call.argv).is_bounded);
                if !is_bounded {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
