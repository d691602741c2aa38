//! XCFGSET: how long, and how many, ids of producers a stream remembers.

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::stream::{Idempotence, Stream},
};

const DURATION_S_MAX: i64 = 86_400;
const IDS_MAX: i64 = 10_000;

pub(super) const XCFGSET: Command = Command {
    name: "XCFGSET",
    passed_on: PassedOn::Keys,
    access: &[Access::Update],
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(xcfgset),
    flags: Flags::WRITE.with(Flags::FAST),
    since_level: feature_level::REDIS_8,
    group: Group::Stream,
    since: "8.6.0",
    complexity: "O(1) if nothing changes, else O(N) where N is the number of ids that are forgotten.",
    summary: "Sets how long and how many ids of each producer a stream remembers; forgets all if that changes.",
    syntax: "key [IDMP-DURATION idmp-duration] [IDMP-MAXSIZE idmp-maxsize]",
    ..Command::BASE
};

fn between(number: i64, max: i64, option: &str, unit: &str) -> Result<u32> {
    let text = || ErrorReply::err(format!("{option} must be between 1 and {max} {unit}"));
    let number = u32::try_from(number).ok().filter(|number| (1..=max).contains(&i64::from(*number)));
    Ok(number.ok_or_else(text)?)
}

fn xcfgset(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let (mut duration_s, mut ids_max) = (None, None);
    if args.is_empty() {
        return Err(ErrorReply::syntax().into());
    }
    while !args.is_empty() {
        if args.remaining() > 1 && args.take("IDMP-DURATION") {
            duration_s = Some(between(args.next_i64()?, DURATION_S_MAX, "IDMP-DURATION", "seconds")?);
        } else if args.remaining() > 1 && args.take("IDMP-MAXSIZE") {
            ids_max = Some(between(args.next_i64()?, IDS_MAX, "IDMP-MAXSIZE", "entries")?);
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    let stream = Stream::open(&txn.view(), key)?.ok_or_else(ErrorReply::no_such_key)?;
    let before = Idempotence::of(&txn.view(), &stream)?;
    let known = before.unwrap_or_default();
    let mut wanted = Idempotence {
        duration_s: duration_s.unwrap_or(known.duration_s),
        ids_max: ids_max.unwrap_or(known.ids_max),
        ..known
    };
    if before != Some(wanted) {
        wanted.forget_all(txn, &stream)?;
        wanted.put(txn, &stream);
        txn.write_bytes_of(key)?;
    }
    Ok(Reply::Ok)
}
