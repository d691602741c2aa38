//! XDELEX and XACKDEL: entries deleted with regard to what groups have pending, and a word about each.

use crate::{
    command::{
        Access, Args, Command, Cost, Flags, Group as CommandGroup, KeyRange, PassedOn, Run, has_none_of,
        parse_i64, require_level,
    },
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn},
    types::stream::{AllGroups, Group, References, Stream, StreamId, group_names},
};

const NOT_THERE: i64 = -1;
const DELETED: i64 = 1;
const STILL_REFERENCED: i64 = 2;

pub(super) const XDELEX: Command = Command {
    name: "XDELEX",
    passed_on: PassedOn::Keys,
    access: &[Access::Delete],
    arity: -5,
    keys: KeyRange::ONE,
    run: Run::Write(xdelex),
    // Otherwise every group is asked about every id.
    cost: Cost::OfCall(|argv| has_none_of(argv, 2, &[b"DELREF", b"ACKED"])),
    flags: Flags::WRITE.with(Flags::FAST),
    since_level: feature_level::REDIS_8,
    group: CommandGroup::Stream,
    since: "8.2.0",
    complexity: "O(log N) for each id; with DELREF or ACKED, for each id and each group.",
    summary: "Deletes entries with regard to the groups that have them pending; tells what became of each.",
    syntax: "key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
    ..Command::BASE
};

pub(super) const XACKDEL: Command = Command {
    name: "XACKDEL",
    passed_on: PassedOn::Keys,
    access: &[Access::Delete],
    arity: -6,
    run: Run::Write(xackdel),
    summary: "Acknowledges entries for a group and deletes them; tells what became of each.",
    syntax: "key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
    ..XDELEX
};

/// Reads KEEPREF, DELREF or ACKED if one of them is next.
pub(super) fn take_references(args: &mut Args<'_>, level: u32) -> Result<Option<References>> {
    let words = [("KEEPREF", References::Keep), ("DELREF", References::Delete), ("ACKED", References::Acked)];
    let Some((word, references)) = words.into_iter().find(|(word, _)| args.take(word)) else {
        return Ok(None);
    };
    require_level(word, feature_level::REDIS_8, level)?;
    Ok(Some(references))
}

/// The words behind the key, or the group.
fn options<'a>(args: &mut Args<'a>, level: u32) -> Result<(References, &'a [&'a [u8]])> {
    let (mut references, mut ids) = (None, None);
    while !args.is_empty() {
        if references.is_none()
            && let Some(found) = take_references(args, level)?
        {
            references = Some(found);
        } else if args.remaining() > 1 && args.take("IDS") {
            ids = Some(counted(args)?);
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    Ok((references.unwrap_or_default(), ids.ok_or_else(ErrorReply::syntax)?))
}

fn counted<'a>(args: &mut Args<'a>) -> Result<&'a [&'a [u8]]> {
    let count = parse_i64(args.next_word()?).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0);
    let count = count.ok_or_else(|| ErrorReply::err("Number of IDs must be a positive integer"))?;
    if count > args.remaining() {
        let text = "The `numids` parameter must match the number of arguments";
        return Err(ErrorReply::err(text).into());
    }
    args.next_words(count)
}

fn parsed(ids: &[&[u8]]) -> Result<Vec<StreamId>> {
    Ok(ids.iter().map(|word| StreamId::parse(word, 0)).collect::<Result<_, _>>()?)
}

fn none_is_there(ids: &[&[u8]]) -> Reply {
    Reply::Array(vec![Reply::Int(NOT_THERE); ids.len()])
}

fn xdelex(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    // As Redis, the type is judged first.
    let stream = Stream::open(&txn.view(), key)?;
    let (references, ids) = options(args, txn.feature_level())?;
    let Some(mut stream) = stream else { return Ok(none_is_there(ids)) };
    let ids = parsed(ids)?;
    let names = if references == References::Keep { Vec::new() } else { group_names(&txn.view(), &stream)? };
    let mut groups = AllGroups::open(&txn.view(), &stream, &names)?;
    let before = stream.len();
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        answers.push(Reply::Int(match references {
            References::Acked if !groups.have_acknowledged(&txn.view(), id)? => STILL_REFERENCED,
            References::Delete => {
                // Also references to what has been deleted before.
                groups.forget(txn, id)?;
                delete(txn, &mut stream, id)?
            }
            References::Keep | References::Acked => delete(txn, &mut stream, id)?,
        }));
    }
    groups.save(txn);
    save_less(txn, key, stream, before)?;
    txn.write_bytes_of(key)?;
    Ok(Reply::Array(answers))
}

fn xackdel(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name) = (args.next_word()?, args.next_word()?);
    let stream = Stream::open(&txn.view(), key)?;
    let (references, ids) = options(args, txn.feature_level())?;
    let Some(mut stream) = stream else { return Ok(none_is_there(ids)) };
    if Group::open(&txn.view(), &stream, name)?.is_none() {
        return Ok(none_is_there(ids));
    }
    let ids = parsed(ids)?;
    let names = match references {
        References::Keep => vec![name.to_vec()],
        References::Delete | References::Acked => group_names(&txn.view(), &stream)?,
    };
    let mut groups = AllGroups::open(&txn.view(), &stream, &names)?;
    let before = stream.len();
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        answers.push(Reply::Int(match acknowledge(txn, &mut groups, name, id)? {
            false => NOT_THERE,
            true => match references {
                References::Acked if !groups.have_acknowledged(&txn.view(), id)? => STILL_REFERENCED,
                References::Delete => {
                    groups.forget(txn, id)?;
                    delete(txn, &mut stream, id)?;
                    DELETED
                }
                References::Keep | References::Acked => {
                    // It was pending, so it is gone now, whether it was still in the stream or not.
                    delete(txn, &mut stream, id)?;
                    DELETED
                }
            },
        }));
    }
    groups.save(txn);
    save_less(txn, key, stream, before)?;
    txn.write_bytes_of(key)?;
    Ok(Reply::Array(answers))
}

/// Whether an entry was pending in a group; it no longer is.
fn acknowledge(txn: &mut Txn<'_>, groups: &mut AllGroups<'_>, name: &[u8], id: StreamId) -> Result<bool> {
    let Some(group) = groups.get_mut(name) else { return Ok(false) };
    let Some(pending) = group.pending(&txn.view(), id)? else { return Ok(false) };
    group.acknowledge(txn, id, &pending)?;
    Ok(true)
}

fn delete(txn: &mut Txn<'_>, stream: &mut Stream, id: StreamId) -> Result<i64> {
    Ok(if stream.delete(txn, &[id])? > 0 { DELETED } else { NOT_THERE })
}

/// Saves a stream if it has lost entries.
fn save_less(txn: &mut Txn<'_>, key: &[u8], mut stream: Stream, before: u64) -> Result<()> {
    if stream.len() < before {
        stream.save(txn, key)?;
        txn.event(EventClass::Stream, "xdel", key);
    }
    Ok(())
}
