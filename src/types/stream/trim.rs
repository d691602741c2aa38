//! Trimming: the oldest entries go.
//!
//! With `~` Redis drops only whole nodes of its tree, each of up to a hundred entries. There are no such nodes here, but
//! trimming uses the same steps: the 1st to 100th added entries, the 101st to 200th and so on go together. The result
//! equals Redis's as long as its nodes are filled by number (not by bytes, 4 KiB) and none was thinned by XDEL.

use super::{Stream, StreamId, keys};
use crate::{
    error::Result,
    store::{Direction, SubKeys, Txn, View, Was},
};
use std::ops::ControlFlow;

/// Entries of one step.
pub const NODE_ENTRIES: u64 = 100;

/// The limit of a trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimTo {
    /// So many entries.
    Len(u64),
    /// Entries from this id on.
    Id(StreamId),
}

/// How to trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    pub to: TrimTo,
    /// In whole steps.
    pub is_approximate: bool,
    /// Most entries to remove; `None` = no limit.
    pub limit: Option<u64>,
}

impl Stream {
    /// Trims; returns how many entries went.
    pub fn trim(&mut self, txn: &mut Txn<'_>, trim: Trim) -> Result<u64> {
        let (ids, count) = self.front(&txn.view(), trim)?;
        for (id, len) in ids.iter().take(usize::try_from(count).unwrap_or(usize::MAX)) {
            txn.delete_sub_of(SubKeys::Data, self.collection_id(), &keys::entry(*id), Was::Bytes(*len));
        }
        if count > 0 {
            self.shrink_by(count);
            let first = usize::try_from(count).ok().and_then(|at| ids.get(at));
            self.meta.first_id = first.map_or_else(StreamId::default, |(id, _)| *id);
        }
        Ok(count)
    }

    /// How many entries a trim removes.
    pub(super) fn trimmed(&self, view: &View<'_>, trim: Trim) -> Result<u64> {
        Ok(self.front(view, trim)?.1)
    }

    /// The entries that a trim removes and their lengths, and the one behind them; and how many it removes.
    fn front(&self, view: &View<'_>, trim: Trim) -> Result<(Vec<(StreamId, usize)>, u64)> {
        let limit = trim.limit.unwrap_or(u64::MAX);
        let (at_most, before) = match trim.to {
            TrimTo::Len(len) => (self.len().saturating_sub(len).min(limit), None),
            TrimTo::Id(id) => (self.len().min(limit), Some(id)),
        };
        let at_most = if trim.is_approximate { self.whole_steps(at_most) } else { at_most };
        let goes = |id: StreamId| before.is_none_or(|before| id < before);
        let (mut ids, mut eligible) = (Vec::new(), 0_u64);
        if at_most == 0 || !goes(self.meta.first_id) {
            return Ok((ids, 0));
        }
        self.visit(&view.in_passing(), StreamId::MIN, StreamId::MAX, Direction::Forward, |id, entry| {
            ids.push((id, entry.len()));
            if eligible == at_most || !goes(id) {
                return Ok(ControlFlow::Break(()));
            }
            eligible = eligible.saturating_add(1);
            Ok(ControlFlow::Continue(()))
        })?;
        let count = if trim.is_approximate { self.whole_steps(eligible) } else { eligible };
        Ok((ids, count))
    }

    /// The largest number of whole steps from the front, in entries, up to `eligible`.
    fn whole_steps(&self, eligible: u64) -> u64 {
        if eligible >= self.len() {
            return self.len();
        }
        let gone = self.meta.entries_added.saturating_sub(self.len()) % NODE_ENTRIES;
        let first = NODE_ENTRIES.saturating_sub(gone);
        match eligible.checked_sub(first) {
            None => 0,
            Some(more) => first.saturating_add(more / NODE_ENTRIES * NODE_ENTRIES),
        }
    }
}
