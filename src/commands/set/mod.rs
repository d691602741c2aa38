//! Commands on sets.

mod change;
mod combine;
mod expire;
mod members;
#[cfg(feature = "next-level")]
mod next_level;
mod random;
mod read;
mod scan;
mod ttl;

use crate::{
    command::Command,
    error::Result,
    resp::Reply,
    store::{EventClass, Txn},
    types::{collection::element_of, set::Set},
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    change::SADD,
    members::SADDEX,
    change::SMOVE,
    change::SREM,
    combine::SDIFF,
    combine::SDIFFCARD,
    combine::SDIFFSTORE,
    combine::SINTER,
    combine::SINTERCARD,
    combine::SINTERSTORE,
    combine::SUNION,
    combine::SUNIONCARD,
    combine::SUNIONSTORE,
    expire::SEXPIRE,
    expire::SEXPIREAT,
    expire::SPERSIST,
    expire::SPEXPIRE,
    expire::SPEXPIREAT,
    #[cfg(feature = "next-level")]
    next_level::NEXTLEVEL,
    random::SPOP,
    random::SRANDMEMBER,
    read::SCARD,
    read::SISMEMBER,
    read::SMEMBERS,
    read::SMISMEMBER,
    scan::SSCAN,
    ttl::SEXPIRETIME,
    ttl::SPEXPIRETIME,
    ttl::SPTTL,
    ttl::STTL,
];

/// Saves a changed set and emits these events, and the key's deletion if it became empty.
fn save(txn: &mut Txn<'_>, key: &[u8], set: Set, events: &[&'static str]) -> Result<()> {
    let is_gone = set.save(txn, key)?;
    events.iter().for_each(|name| txn.event(EventClass::Set, name, key));
    if is_gone {
        txn.event(EventClass::Generic, "del", key);
    }
    Ok(())
}

/// The members of these sub-keys.
fn members_reply(subs: &[Vec<u8>]) -> Reply {
    Reply::Set(subs.iter().map(|sub| Reply::bulk(element_of(sub))).collect())
}
