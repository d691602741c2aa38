//! Sets.

use crate::{
    error::Result,
    rdb::Object,
    store::{Txn, View},
    types::{
        collection::{element_of, hashed},
        set::Set,
    },
};
use std::ops::ControlFlow;

pub(super) fn read(view: &View<'_>, key: &[u8]) -> Result<Object> {
    let mut members = Vec::new();
    if let Some(set) = Set::open(view, key)? {
        set.visit(view, |sub| {
            members.push(element_of(sub).to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(Object::Set(members))
}

pub(super) fn write(txn: &mut Txn<'_>, key: &[u8], members: &[Vec<u8>]) -> Result<()> {
    let subs: Vec<Vec<u8>> = members.iter().map(|member| hashed(member)).collect();
    Set::store(txn, key, &subs)?;
    Ok(())
}
