//! GEORADIUS and GEORADIUSBYMEMBER, which GEOSEARCH has replaced, and their read-only forms.

use super::{
    find::{answer, answer_or_store},
    query::{Form, Query},
};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, KeyWord, Run},
    error::Result,
    resp::Reply,
    store::{Txn, View},
    types::sorted_set::SortedSet,
};

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of members in the cells around the circle, and M of those within it.";

pub(super) const GEORADIUS: Command = Command {
    name: "GEORADIUS",
    access: &[Access::Read],
    key_words: &stores(6),
    arity: -6,
    keys: KeyRange::ONE,
    run: Run::Write(georadius),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLEKEYS),
    group: Group::Geo,
    since: "3.2.0",
    complexity: COMPLEXITY,
    summary: "Finds members around a position, and may store them as a sorted set.",
    syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE storekey] [STOREDIST storedistkey]",
    ..Command::BASE
};

pub(super) const GEORADIUS_RO: Command = Command {
    name: "GEORADIUS_RO",
    key_words: &[],
    run: Run::Read(georadius_ro),
    flags: Flags::READONLY,
    since: "3.2.10",
    summary: "Finds members around a position.",
    syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
    ..GEORADIUS
};

pub(super) const GEORADIUSBYMEMBER: Command = Command {
    name: "GEORADIUSBYMEMBER",
    key_words: &stores(5),
    arity: -5,
    run: Run::Write(georadiusbymember),
    summary: "Finds members around a member, and may store them as a sorted set.",
    syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE storekey] [STOREDIST storedistkey]",
    ..GEORADIUS
};

pub(super) const GEORADIUSBYMEMBER_RO: Command = Command {
    name: "GEORADIUSBYMEMBER_RO",
    arity: -5,
    run: Run::Read(georadiusbymember_ro),
    summary: "Finds members around a member.",
    syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
    ..GEORADIUS_RO
};

/// The keys that results may be stored in; options start at this index.
const fn stores(from: usize) -> [KeyWord; 2] {
    [
        KeyWord::target("STORE", from, false, &[("STOREDIST", 1), ("COUNT", 1)]),
        KeyWord::target("STOREDIST", from, false, &[("STORE", 1), ("COUNT", 1)]),
    ]
}

const STORING: Form = Form::Radius { may_store: true };
const READING: Form = Form::Radius { may_store: false };

fn georadius(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (set, query) = around_place(&txn.view(), args, STORING)?;
    answer_or_store(txn, set.as_ref(), &query, STORING)
}

fn georadius_ro(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (set, query) = around_place(view, args, READING)?;
    answer(view, set.as_ref(), &query)
}

fn georadiusbymember(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (set, query) = around_member(&txn.view(), args, STORING)?;
    answer_or_store(txn, set.as_ref(), &query, STORING)
}

fn georadiusbymember_ro(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (set, query) = around_member(view, args, READING)?;
    answer(view, set.as_ref(), &query)
}

fn around_place<'a>(
    view: &View<'_>,
    args: &mut Args<'a>,
    form: Form,
) -> Result<(Option<SortedSet>, Query<'a>)> {
    let set = SortedSet::open(view, args.next_word()?)?;
    let mut query = Query::new(form);
    query.take_place(args)?;
    query.take_radius(args)?;
    query.take_options(args, view, set.as_ref())?;
    Ok((set, query))
}

fn around_member<'a>(
    view: &View<'_>,
    args: &mut Args<'a>,
    form: Form,
) -> Result<(Option<SortedSet>, Query<'a>)> {
    let set = SortedSet::open(view, args.next_word()?)?;
    let mut query = Query::new(form);
    query.take_member(args, view, set.as_ref())?;
    if set.is_some() {
        query.take_radius(args)?;
    } else {
        // As in Redis, which checks neither if there is nothing to search.
        let _ = (args.next_word()?, args.next_word()?);
    }
    query.take_options(args, view, set.as_ref())?;
    Ok((set, query))
}
