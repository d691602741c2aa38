//! Commands on sets.

mod change;
mod combine;
#[cfg(feature = "next-level")]
mod next_level;
mod random;
mod read;
mod scan;

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
    #[cfg(feature = "next-level")]
    next_level::NEXTLEVEL,
    random::SPOP,
    random::SRANDMEMBER,
    read::SCARD,
    read::SISMEMBER,
    read::SMEMBERS,
    read::SMISMEMBER,
    scan::SSCAN,
];

/// Saves a set after a removal and emits the event.
fn save_less(txn: &mut Txn<'_>, key: &[u8], set: Set, event: &'static str) -> Result<()> {
    let is_gone = set.save(txn, key)?;
    txn.event(EventClass::Set, event, key);
    if is_gone {
        txn.event(EventClass::Generic, "del", key);
    }
    Ok(())
}

/// The members of these sub-keys.
fn members_reply(subs: &[Vec<u8>]) -> Reply {
    Reply::Set(subs.iter().map(|sub| Reply::bulk(element_of(sub))).collect())
}
