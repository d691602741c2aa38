//! Members that follow one another go at once: the counts of their stretches change once, not once for each.

use super::{
    set::{SCORE_BYTES, Scored, SortedSet},
    span::{sub_key, sub_value},
};
use crate::{
    error::Result,
    store::{SubKeys, Txn, Was},
    types::collection::hashed,
};

impl SortedSet {
    /// Removes existing members, which follow one another in the set's order.
    pub fn take_run(&mut self, txn: &mut Txn<'_>, members: &[Scored]) -> Result<()> {
        let sub = |scored: &Scored| sub_key(scored.score, &scored.member);
        let run: Vec<(Vec<u8>, &[u8])> =
            members.iter().map(|scored| (sub(scored), &scored.member[..])).collect();
        self.ranks().removed_run(txn, &run)?;
        let collection = self.collection.id;
        for ((sub, member), scored) in run.iter().zip(members) {
            txn.delete_sub_of(SubKeys::Data, &collection, &hashed(member), SCORE_BYTES);
            txn.delete_sub_of(SubKeys::Score, &collection, sub, Was::Bytes(sub_value(scored.score).len()));
        }
        let gone = u64::try_from(run.len()).unwrap_or(u64::MAX);
        self.collection.len = self.collection.len.saturating_sub(gone);
        Ok(())
    }
}
