//! Sorted sets.

use crate::{
    error::Result,
    rdb::Object,
    store::{Direction, Row, Txn, View},
    types::sorted_set::{Scored, SortedSet, Span},
};
use std::ops::ControlFlow;

pub(super) fn read(view: &View<'_>, row: &Row) -> Result<Object> {
    let mut members = Vec::new();
    SortedSet::of_row(view, row)?.scan_span(view, &Span::ALL, Direction::Forward, |member, score| {
        members.push((member.to_vec(), score));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Object::SortedSet(members))
}

pub(super) fn write(txn: &mut Txn<'_>, key: &[u8], members: &[(Vec<u8>, f64)]) -> Result<()> {
    let scored = |(member, score): &(Vec<u8>, f64)| Scored { member: member.clone(), score: *score };
    let members: Vec<Scored> = members.iter().map(scored).collect();
    SortedSet::replace(txn, key, &members)?;
    Ok(())
}
