//! GEOADD.

use super::point;
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn},
    types::sorted_set::{Scored, SortedSet},
};

pub(super) const GEOADD: Command = Command {
    name: "GEOADD",
    passed_on: PassedOn::AsCalled,
    access: &[Access::Update],
    arity: -5,
    keys: KeyRange::ONE,
    run: Run::Write(geoadd),
    cost: Cost::Words,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::Geo,
    since: "3.2.0",
    complexity: "O(log(N)) for each position, where N is the number of members.",
    summary: "Adds positions to a sorted set, with geohashes as scores.",
    syntax: "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
    ..Command::BASE
};

fn geoadd(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let (mut only_new, mut only_old, mut count_changes) = (false, false, false);
    loop {
        if args.take("NX") {
            only_new = true;
        } else if args.take("XX") {
            only_old = true;
        } else if args.take("CH") {
            count_changes = true;
        } else {
            break;
        }
    }
    if args.is_empty() || !args.remaining().is_multiple_of(3) || (only_new && only_old) {
        return Err(ErrorReply::syntax().into());
    }
    let mut places = Vec::with_capacity(args.remaining() / 3);
    while !args.is_empty() {
        let score = point(args)?.score();
        places.push(Scored { member: args.next_word()?.to_vec(), score });
    }
    let mut set = SortedSet::open_or_create(txn, key)?;
    let (mut added, mut moved) = (0_u64, 0_u64);
    for Scored { member, score } in &places {
        let before = set.score_of(&txn.view(), member)?;
        match before {
            Some(_) if only_new => continue,
            None if only_old => continue,
            Some(before) if before == *score => continue,
            Some(_) => moved = moved.saturating_add(1),
            None => added = added.saturating_add(1),
        }
        set.put(txn, member, before, *score)?;
    }
    let changed = added.saturating_add(moved);
    if changed > 0 {
        set.save(txn, key)?;
        txn.event(EventClass::SortedSet, "zadd", key);
    }
    Ok(Reply::count(if count_changes { changed } else { added }))
}
