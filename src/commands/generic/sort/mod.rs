//! SORT and SORT_RO: sorts a list, set or sorted set, and joins values of other keys.
//!
//! `options` reads the call, `source` the elements, `pattern` the other keys, `order` sorts.

mod options;
mod order;
mod pattern;
mod source;

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, KeyWord, Run},
    error::Result,
    resp::Reply,
    store::{EventClass, Txn, View},
    types::list::{End, List},
    value::Value,
};
use options::Options;
use pattern::Pattern;

pub(super) const SORT: Command = Command {
    name: "SORT",
    access: &[Access::Read],
    key_words: &[KeyWord::UNTOLD, KeyWord::target("STORE", 2, true, &[("BY", 1), ("GET", 1), ("LIMIT", 2)])],
    needs_all_keys: Some(options::untold_keys),
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(sort),
    flags: Flags::WRITE
        .with(Flags::DENYOOM)
        .with(Flags::MOVABLEKEYS)
        .with(Flags::COLLECTIONS)
        .with(Flags::DANGEROUS),
    group: Group::Generic,
    complexity: "O(N+M*log(M)) where N is the number of elements and M of those returned.",
    summary: "Sorts the elements of a list, a set or a sorted set, and may store the result as a list.",
    syntax: "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]",
    ..Command::BASE
};

pub(super) const SORT_RO: Command = Command {
    name: "SORT_RO",
    key_words: &[KeyWord::UNTOLD],
    run: Run::Read(sort_ro),
    flags: Flags::READONLY.with(Flags::MOVABLEKEYS).with(Flags::COLLECTIONS).with(Flags::DANGEROUS),
    since: "7.0.0",
    summary: "Sorts the elements of a list, a set or a sorted set.",
    syntax: "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
    ..SORT
};

fn sort(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let options = options::read(args, true)?;
    let Some(target) = options.store else { return answer(&txn.view(), key, &options) };
    let rows = rows(&txn.view(), key, &options)?;
    if rows.is_empty() {
        if txn.delete(target)? {
            txn.event(EventClass::Generic, "del", target);
        }
        return Ok(Reply::Int(0));
    }
    let elements: Vec<&[u8]> = rows.iter().map(|value| value.as_deref().unwrap_or_default()).collect();
    let mut list = List::create(txn);
    list.push(txn, End::Right, &elements)?;
    list.save(txn, target)?;
    txn.event(EventClass::List, "sortstore", target);
    Ok(Reply::count(elements.len()))
}

fn sort_ro(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let options = options::read(args, false)?;
    answer(view, key, &options)
}

fn answer(view: &View<'_>, key: &[u8], options: &Options<'_>) -> Result<Reply> {
    let rows = rows(view, key, options)?;
    Ok(Reply::Array(rows.into_iter().map(|value| value.map_or(Reply::Nil, Reply::Bulk)).collect()))
}

/// All values of the result: each element, or the values of its GETs.
fn rows(view: &View<'_>, key: &[u8], options: &Options<'_>) -> Result<Vec<Option<Value>>> {
    let elements = order::sorted(view, key, options)?;
    if options.gets.is_empty() {
        return Ok(elements.into_iter().map(Some).collect());
    }
    let mut out = Vec::new();
    for element in &elements {
        view.keep(options.gets.len(), 0)?;
        for pattern in &options.gets {
            out.push(match pattern {
                Pattern::Element => Some(element.clone()),
                pattern => pattern.look_up(view, element)?,
            });
        }
    }
    Ok(out)
}
