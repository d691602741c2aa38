//! Commands on hashes.

mod counter;
mod delete;
mod expire;
mod expiring;
mod get;
mod options;
mod random;
mod scan;
mod set;
mod ttl;

use crate::{
    command::Command,
    error::Result,
    store::{EventClass, Txn},
    types::hash::Hash,
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    counter::HINCRBY,
    counter::HINCRBYFLOAT,
    delete::HDEL,
    delete::HGETDEL,
    expire::HEXPIRE,
    expire::HEXPIREAT,
    expire::HPERSIST,
    expire::HPEXPIRE,
    expire::HPEXPIREAT,
    expiring::HGETEX,
    expiring::HSETEX,
    get::HEXISTS,
    get::HGET,
    get::HGETALL,
    get::HKEYS,
    get::HLEN,
    get::HMGET,
    get::HSTRLEN,
    get::HVALS,
    random::HRANDFIELD,
    scan::HSCAN,
    set::HMSET,
    set::HSET,
    set::HSETNX,
    ttl::HEXPIRETIME,
    ttl::HPEXPIRETIME,
    ttl::HPTTL,
    ttl::HTTL,
];

/// Saves a changed hash and emits these events, and the key's deletion if it became empty.
fn save(txn: &mut Txn<'_>, key: &[u8], hash: Hash, events: &[&'static str]) -> Result<()> {
    let is_gone = hash.save(txn, key)?;
    events.iter().for_each(|name| txn.event(EventClass::Hash, name, key));
    if is_gone {
        txn.event(EventClass::Generic, "del", key);
    }
    Ok(())
}
