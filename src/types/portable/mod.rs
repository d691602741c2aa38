//! A key's value, of any type, as RDB carries it: what DUMP reads and RESTORE writes.
//!
//! Both handle the value as a whole, so they cost its size in time and memory.

mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;

use crate::{
    error::Result,
    rdb::Object,
    store::{Encoding, NewRow, Row, Txn, Type, View},
};

/// The value under a key.
pub fn read(view: &View<'_>, key: &[u8]) -> Result<Option<Object>> {
    let Some(row) = view.get(key)? else { return Ok(None) };
    Ok(Some(match row.kind {
        Type::String => Object::String(row.body.to_vec()),
        Type::List => list::read(view, key)?,
        Type::Set => set::read(view, key)?,
        Type::SortedSet => sorted_set::read(view, &row)?,
        Type::Hash => hash::read(view, key)?,
        Type::Stream => stream::read(view, key)?,
    }))
}

/// Makes a key hold a value, which expires at this time (milliseconds since the epoch; 0 = never), and nothing else.
/// Without fields that have expired: if none is left, the key is deleted.
pub fn write(txn: &mut Txn<'_>, key: &[u8], object: &Object, expires_at: u64) -> Result<()> {
    match object {
        Object::String(body) => {
            let (kind, encoding) = (Type::String, Encoding::Natural);
            return txn.put(key, NewRow { kind, encoding, expires_at, body });
        }
        Object::List(elements) => list::write(txn, key, elements)?,
        Object::Set(members) => set::write(txn, key, members)?,
        Object::SortedSet(members) => sorted_set::write(txn, key, members)?,
        Object::Hash(fields) => hash::write(txn, key, fields)?,
        Object::Stream(stream) => stream::write(txn, key, stream)?,
    }
    if expires_at != 0
        && let Some(Row { kind, encoding, body, .. }) = txn.get(key)?
    {
        txn.put(key, NewRow { kind, encoding, expires_at, body: &body })?;
    }
    Ok(())
}
