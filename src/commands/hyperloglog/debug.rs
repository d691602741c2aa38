//! Looking into sketches, and testing the algorithm.

use super::{corrupt, sketch_of};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run},
    commands::string::replace,
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, Txn, View},
    types::{
        hyperloglog::{Registers, self_test},
        string::StoredString,
    },
};

pub(super) const PFDEBUG: Command = Command {
    name: "PFDEBUG",
    access: &[Access::ReadWrite],
    arity: 3,
    keys: KeyRange::new(2, 2, 1),
    run: Run::Write(pfdebug),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::ADMIN),
    group: Group::HyperLogLog,
    since: "2.8.9",
    summary: "Shows how a sketch is stored: DECODE, ENCODING, GETREG; TODENSE and GETREG make it dense.",
    syntax: "subcommand key",
    ..Command::BASE
};

pub(super) const PFSELFTEST: Command = Command {
    name: "PFSELFTEST",
    run: Run::Read(pfselftest),
    flags: Flags::ADMIN,
    group: Group::HyperLogLog,
    since: "2.8.9",
    summary: "Tests on this node that sketches keep their registers and estimate well.",
    ..Command::BASE
};

fn pfdebug(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (word, key) = (args.next_word()?, args.next_word()?);
    let row = StoredString::open(&txn.view(), key)?
        .ok_or_else(|| ErrorReply::err("The specified key does not exist"))?;
    let mut sketch = sketch_of(&txn.view(), &row)?;
    let was_dense = sketch.is_dense();
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let reply = if is("GETREG") {
        sketch.make_dense().map_err(corrupt)?;
        let mut registers = Registers::default();
        registers.merge(&sketch).map_err(corrupt)?;
        Reply::Array(registers.iter().map(|rank| Reply::Int(rank.into())).collect())
    } else if is("DECODE") {
        Reply::bulk(sketch.decode().ok_or_else(|| ErrorReply::err("HLL encoding is not sparse"))?)
    } else if is("ENCODING") {
        Reply::simple(if was_dense { "dense" } else { "sparse" })
    } else if is("TODENSE") {
        sketch.make_dense().map_err(corrupt)?;
        (!was_dense).into()
    } else {
        let text = format!("Unknown PFDEBUG subcommand '{}'", String::from_utf8_lossy(word));
        return Err(ErrorReply::err(text).into());
    };
    if sketch.is_dense() && !was_dense {
        replace(txn, key, Some(&row), Encoding::Raw, sketch.bytes())?;
    }
    Ok(reply)
}

fn pfselftest(view: &View<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    view.may_take_long()?;
    self_test().map_err(ErrorReply::err)?;
    Ok(Reply::Ok)
}
