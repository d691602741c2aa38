//! Only in builds for tests (`next-level`): what a later feature level may bring, a command of its own and a handler that does
//! something else from that level on. `make upgrade` rolls a core from a build without it to one with it, and back.

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    error::Result,
    feature_level::NEWEST,
    resp::Reply,
    store::Txn,
    types::set::Set,
};
use std::{borrow::Cow, env, sync::LazyLock};

/// Whether the handler below forgets to ask which level is active, so that a test can show that this is noticed.
static FORGETS_LEVEL: LazyLock<bool> = LazyLock::new(|| env::var_os("FLOTILLA_FORGETS_LEVEL").is_some());

pub(super) const NEXTLEVEL: Command = Command {
    name: "NEXTLEVEL",
    access: &[Access::Insert],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Write(next_level),
    flags: Flags::WRITE,
    since_level: NEWEST,
    group: Group::Set,
    since: "0.1.0",
    summary: "Of a later build: adds a member of that name to a set.",
    syntax: "key",
    ..Command::BASE
};

fn next_level(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, member) = (args.next_word()?, b"next-level");
    let set = Set::open(&txn.view(), key)?;
    let mut set = set.unwrap_or_else(|| Set::create(txn, member, 1));
    let is_new = set.add(txn, member)?;
    set.save(txn, key)?;
    Ok(Reply::Int(is_new.into()))
}

/// What SADD stores: from the later level on, members in lower case.
pub(super) fn stored<'a>(txn: &Txn<'_>, member: &'a [u8]) -> Cow<'a, [u8]> {
    match *FORGETS_LEVEL || txn.feature_level() >= NEWEST {
        true => Cow::Owned(member.to_ascii_lowercase()),
        false => Cow::Borrowed(member),
    }
}
