//! A key's value, of any type, as RDB carries it: what DUMP reads and RESTORE writes.
//!
//! Both process the value as a whole, so they cost its size in time and memory.

mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;

use crate::{
    error::Result,
    limits::HOT_RECORD_BYTES_MAX,
    rdb::{self, Object},
    store::{Encoding, NewRow, Row, Txn, Type, View},
    types::string::{self, StoredString},
};
use bytes::Bytes;

/// The value under a key.
pub fn read(view: &View<'_>, key: &[u8]) -> Result<Option<Object>> {
    let Some(row) = view.get(key)? else { return Ok(None) };
    // To compress it takes its time; how much a collection holds is not known before it is read.
    if row.has_subkeys() || row.body.len() > HOT_RECORD_BYTES_MAX {
        view.may_take_long()?;
    }
    Ok(Some(match row.kind {
        Type::String => Object::String(StoredString::of_row(view, row)?.value(view)?.to_vec()),
        Type::List => list::read(view, key)?,
        Type::Set => set::read(view, key)?,
        Type::SortedSet => sorted_set::read(view, &row)?,
        Type::Hash => hash::read(view, key)?,
        Type::Stream => stream::read(view, key)?,
    }))
}

/// A consumer group of a stream, and whether all entries are there that are pending in it. `None`: there is no such group.
pub fn read_group(view: &View<'_>, key: &[u8], name: &[u8]) -> Result<Option<(rdb::Group, bool)>> {
    stream::read_one_group(view, key, name)
}

/// Makes a key hold a value, which expires at this time (milliseconds since the epoch; 0 = never), and nothing else.
/// Without fields and members that have expired: if none is left, the key is deleted.
pub fn write(txn: &mut Txn<'_>, key: &[u8], object: Object, expires_at: u64) -> Result<()> {
    match object {
        Object::String(body) => {
            return string::put_owned(txn, key, &Bytes::from(body), Encoding::Natural, expires_at);
        }
        Object::List(elements) => list::write(txn, key, &elements)?,
        Object::Set(members) => set::write(txn, key, &members)?,
        Object::ExpiringSet(members) => set::write_expiring(txn, key, &members)?,
        Object::SortedSet(members) => sorted_set::write(txn, key, &members)?,
        Object::Hash(fields) => hash::write(txn, key, &fields)?,
        Object::Stream(stream) => stream::write(txn, key, &stream)?,
    }
    if expires_at != 0
        && let Some(Row { kind, encoding, body, .. }) = txn.get(key)?
    {
        txn.put(key, NewRow { kind, encoding, expires_at, body: &body })?;
    }
    Ok(())
}
