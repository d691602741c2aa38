//! Commands on sorted sets.

mod add;
mod block;
mod combine;
mod pop;
mod random;
mod range;
mod read;
mod remove;
mod scan;
mod sources;
mod store;

use crate::{
    command::{Command, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn},
    types::sorted_set::Scored,
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    add::ZADD,
    add::ZINCRBY,
    block::BZMPOP,
    block::BZPOPMAX,
    block::BZPOPMIN,
    combine::ZDIFF,
    combine::ZINTER,
    combine::ZINTERCARD,
    combine::ZUNION,
    pop::ZMPOP,
    pop::ZPOPMAX,
    pop::ZPOPMIN,
    random::ZRANDMEMBER,
    range::ZRANGE,
    range::ZRANGEBYLEX,
    range::ZRANGEBYSCORE,
    range::ZREVRANGE,
    range::ZREVRANGEBYLEX,
    range::ZREVRANGEBYSCORE,
    read::ZCARD,
    read::ZCOUNT,
    read::ZLEXCOUNT,
    read::ZMSCORE,
    read::ZRANK,
    read::ZREVRANK,
    read::ZSCORE,
    remove::ZREM,
    remove::ZREMRANGEBYLEX,
    remove::ZREMRANGEBYRANK,
    remove::ZREMRANGEBYSCORE,
    scan::ZSCAN,
    store::ZDIFFSTORE,
    store::ZINTERSTORE,
    store::ZRANGESTORE,
    store::ZUNIONSTORE,
];

/// Members in their order, each with its score if that was asked for.
fn members_reply(members: Vec<Scored>, with_scores: bool) -> Reply {
    let word = |member: Vec<u8>| Reply::Bulk(member.into());
    if with_scores {
        let pair = |scored: Scored| (word(scored.member), Reply::Double(scored.score));
        return Reply::Pairs(members.into_iter().map(pair).collect());
    }
    Reply::Array(members.into_iter().map(|scored| word(scored.member)).collect())
}

/// A number of at least `min`; every error has the same text.
fn number_from(word: &[u8], min: i64, otherwise: &'static str) -> Result<i64> {
    let number = parse_i64(word).filter(|number| *number >= min);
    Ok(number.ok_or_else(|| ErrorReply::err(otherwise))?)
}

/// Emits the event of a change, and of the key's deletion if it became empty.
fn tell(txn: &mut Txn<'_>, name: &'static str, key: &[u8], gone: bool) {
    txn.event(EventClass::SortedSet, name, key);
    if gone {
        txn.event(EventClass::Generic, "del", key);
    }
}
