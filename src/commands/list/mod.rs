//! Commands on lists.

mod blocking;
mod change;
mod moves;
mod pop;
mod push;
mod read;
mod search;

use crate::{
    command::{Args, Command},
    error::Result,
    resp::ErrorReply,
    store::{EventClass, Txn},
    types::list::{End, List},
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    blocking::BLMOVE,
    blocking::BLMOVEM,
    blocking::BLMPOP,
    blocking::BLPOP,
    blocking::BRPOP,
    blocking::BRPOPLPUSH,
    change::LINSERT,
    change::LREM,
    change::LSET,
    change::LTRIM,
    moves::LMOVE,
    moves::LMOVEM,
    moves::RPOPLPUSH,
    pop::LMPOP,
    pop::LPOP,
    pop::RPOP,
    push::LPUSH,
    push::LPUSHX,
    push::RPUSH,
    push::RPUSHX,
    read::LINDEX,
    read::LLEN,
    read::LRANGE,
    search::LPOS,
];

/// The next word as LEFT or RIGHT.
fn next_end(args: &mut Args<'_>) -> Result<End> {
    if args.take("LEFT") {
        return Ok(End::Left);
    }
    if args.take("RIGHT") {
        return Ok(End::Right);
    }
    Err(ErrorReply::syntax().into())
}

fn push_event(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

fn pop_event(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

/// Saves a list after a removal and emits the event.
fn save_less(txn: &mut Txn<'_>, key: &[u8], list: &mut List, event: &'static str) -> Result<()> {
    let is_gone = list.save(txn, key)?;
    txn.event(EventClass::List, event, key);
    if is_gone {
        txn.event(EventClass::Generic, "del", key);
    }
    Ok(())
}

/// Saves a list after an insertion and emits the event.
fn save_more(txn: &mut Txn<'_>, key: &[u8], list: &mut List, event: &'static str) -> Result<()> {
    list.save(txn, key)?;
    txn.event(EventClass::List, event, key);
    Ok(())
}
