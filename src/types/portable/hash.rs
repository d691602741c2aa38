//! Hashes.

use crate::{
    error::Result,
    rdb::{Field, Object},
    store::{Txn, View},
    types::hash::Hash,
};
use std::ops::ControlFlow;

pub(super) fn read(view: &View<'_>, key: &[u8]) -> Result<Object> {
    let mut fields = Vec::new();
    if let Some(hash) = Hash::open(view, key)? {
        hash.visit(view, |seen| {
            fields.push(Field {
                name: seen.field.to_vec(),
                value: seen.value.to_vec(),
                expires_at_ms: (seen.expires_at != 0).then_some(seen.expires_at),
            });
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(Object::Hash(fields))
}

pub(super) fn write(txn: &mut Txn<'_>, key: &[u8], fields: &[Field]) -> Result<()> {
    let mut hash = Hash::create(txn);
    let now = txn.expiry_clock();
    for field in fields.iter().filter(|field| field.expires_at_ms.is_none_or(|at| at > now)) {
        hash.set(txn, &field.name, &field.value, field.expires_at_ms.unwrap_or(0))?;
    }
    hash.save(txn, key)?;
    Ok(())
}
