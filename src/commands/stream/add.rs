//! XADD.

use super::{id_reply, trim::TrimOptions};
use crate::{
    command::{Access, Args, Command, Cost, Flags, Group, KeyRange, Run, has_none_of},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn},
    types::stream::{Stream, StreamId, Trim},
};

pub(super) const XADD: Command = Command {
    name: "XADD",
    access: &[Access::Update],
    tips: &["nondeterministic_output"],
    arity: -5,
    keys: KeyRange::ONE,
    run: Run::Write(xadd),
    cost: Cost::OfCall(|argv| has_none_of(argv, 2, &[b"MAXLEN", b"MINID"])),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::Stream,
    since: "5.0.0",
    complexity: "O(log N) for the entry, and O(M) where M is the number of entries trimmed.",
    summary: "Adds an entry to a stream, and trims the stream if asked to.",
    syntax: "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
    ..Command::BASE
};

/// The id asked for.
#[derive(Debug, Clone, Copy)]
enum NewId {
    Now,
    InMillisecond(u64),
    Given(StreamId),
}

struct Options {
    id: NewId,
    may_create: bool,
    trim: Option<Trim>,
}

fn xadd(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let options = options(args)?;
    let words = args.rest();
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return Err(ErrorReply::wrong_arity("xadd").into());
    }
    if matches!(options.id, NewId::Given(StreamId::MIN)) {
        return Err(ErrorReply::err("The ID specified in XADD must be greater than 0-0").into());
    }
    let mut stream = match Stream::open(&txn.view(), key)? {
        Some(stream) => stream,
        None if options.may_create => Stream::create(txn),
        None => return Ok(Reply::Nil),
    };
    let id = new_id(&stream, options.id, txn.now())?;
    stream.append(txn, id, words);
    let trimmed = options.trim.map_or(Ok(0), |trim| stream.trim(txn, trim))?;
    stream.save(txn, key)?;
    txn.event(EventClass::Stream, "xadd", key);
    if trimmed > 0 {
        txn.event(EventClass::Stream, "xtrim", key);
    }
    Ok(id_reply(id))
}

fn options(args: &mut Args<'_>) -> Result<Options> {
    let (mut trim, mut may_create) = (TrimOptions::default(), true);
    let id = loop {
        if args.take("*") {
            break NewId::Now;
        }
        if trim.take(args)? {
            continue;
        }
        if args.take("NOMKSTREAM") {
            may_create = false;
            continue;
        }
        let Some(word) = args.next_opt() else {
            // Without an id the call is wrong; errors in the options come first all the same.
            trim.finish()?;
            return Err(ErrorReply::wrong_arity("xadd").into());
        };
        break match StreamId::parse_for_new(word)? {
            (id, true) => NewId::Given(id),
            (id, false) => NewId::InMillisecond(id.ms),
        };
    };
    Ok(Options { id, may_create, trim: trim.finish()? })
}

fn new_id(stream: &Stream, wanted: NewId, now: u64) -> Result<StreamId> {
    let last = stream.meta.last_id;
    if last == StreamId::MAX {
        let text = "The stream has exhausted the last possible ID, unable to add more items";
        return Err(ErrorReply::err(text).into());
    }
    let id = match wanted {
        NewId::Now => stream.next_id(now),
        NewId::Given(id) => Some(id),
        NewId::InMillisecond(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| StreamId { ms, seq }),
        NewId::InMillisecond(ms) => Some(StreamId::new(ms, 0)),
    };
    let text = "The ID specified in XADD is equal or smaller than the target stream top item";
    Ok(id.filter(|id| *id > last).ok_or_else(|| ErrorReply::err(text))?)
}
