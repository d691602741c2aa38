//! XADD.

use super::{id_reply, trim::TrimOptions};
use crate::{
    command::{
        Access, Args, Command, Cost, Flags, Group, KeyRange, PassedOn, Run, has_none_of, require_level,
    },
    commands::passing,
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::{EventClass, PassedCommand, Txn, View},
    types::stream::{Idempotence, References, Stream, StreamId, Trim, digest_of},
};

pub(super) const XADD: Command = Command {
    name: "XADD",
    passed_on: PassedOn::As(as_passed),
    access: &[Access::Update],
    tips: &["nondeterministic_output"],
    arity: -5,
    keys: KeyRange::ONE,
    run: Run::Write(xadd),
    // Trimming takes entries away, and so it is with the ids of a producer.
    cost: Cost::OfCall(|argv| has_none_of(argv, 2, &[b"MAXLEN", b"MINID", b"IDMP", b"IDMPAUTO"])),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    group: Group::Stream,
    since: "5.0.0",
    complexity: "O(log N) for the entry, and O(M) where M is the number of entries trimmed.",
    summary: "Adds an entry to a stream, and trims the stream if asked to.",
    syntax: "key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO producer-id | IDMP producer-id idempotent-id] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
    ..Command::BASE
};

/// With the id that it got. What a producer says, and what becomes of groups' references, is not understood everywhere.
fn as_passed(view: &View<'_>, argv: &[&[u8]], reply: &Reply) -> Result<Option<Vec<PassedCommand>>> {
    let mut args = Args::new(argv, 1);
    let key = args.next_word()?;
    let Options { trim, references, producer, .. } = options(&mut args, view.feature_level())?;
    match (references, producer) {
        (References::Keep, None) => passing::added_entry(view, (key, args.rest()), reply, trim.is_some()),
        _ => Ok(None),
    }
}

/// The id asked for.
#[derive(Debug, Clone, Copy)]
enum NewId {
    Now,
    InMillisecond(u64),
    Given(StreamId),
}

struct Options<'a> {
    id: NewId,
    may_create: bool,
    trim: Option<Trim>,
    references: References,
    producer: Option<Producer<'a>>,
}

/// Who adds the entry, and the id that it has for the entry; `None` = that follows from the entry.
#[derive(Debug, Clone, Copy)]
struct Producer<'a> {
    name: &'a [u8],
    id: Option<&'a [u8]>,
}

impl<'a> Producer<'a> {
    /// Reads IDMP or IDMPAUTO and what follows, if one of them is next.
    fn take(args: &mut Args<'a>, level: u32) -> Result<Option<Self>> {
        let (option, has_id) = match args.remaining() {
            3.. if args.take("IDMP") => ("IDMP", true),
            2.. if args.take("IDMPAUTO") => ("IDMPAUTO", false),
            _ => return Ok(None),
        };
        require_level(option, feature_level::REDIS_8, level)?;
        let name = args.next_word()?;
        let id = if has_id { Some(args.next_word()?) } else { None };
        let is_empty = |what: &str| ErrorReply::err(format!("{option} requires a non-empty {what} ID"));
        if name.is_empty() {
            return Err(is_empty("producer").into());
        }
        if id.is_some_and(<[u8]>::is_empty) {
            return Err(is_empty("idempotent").into());
        }
        Ok(Some(Producer { name, id }))
    }

    fn id_of(&self, words: &[&[u8]]) -> Vec<u8> {
        match self.id {
            Some(id) => id.to_vec(),
            None => digest_of(words).to_be_bytes().to_vec(),
        }
    }
}

fn xadd(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let options = options(args, txn.feature_level())?;
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
    // What a producer sends again is there already.
    let mut producer = match options.producer {
        Some(producer) => {
            let mut known = Idempotence::of(&txn.view(), &stream)?.unwrap_or_default();
            let own_id = producer.id_of(words);
            if let Some(entry) = known.entry_of(&txn.view(), &stream, producer.name, &own_id)? {
                known.duplicates = known.duplicates.saturating_add(1);
                known.put(txn, &stream);
                txn.write_bytes_of(key)?;
                return Ok(id_reply(entry));
            }
            Some((known, producer.name, own_id))
        }
        None => None,
    };
    let id = new_id(&stream, options.id, txn.now())?;
    stream.append(txn, id, words);
    if let Some((known, name, own_id)) = &mut producer {
        known.remember(txn, &stream, (*name, own_id.as_slice()), id)?;
        known.put(txn, &stream);
    }
    let trimmed = options.trim.map_or(Ok(0), |trim| stream.trim_with(txn, trim, options.references))?;
    stream.save(txn, key)?;
    txn.event(EventClass::Stream, "xadd", key);
    if trimmed > 0 {
        txn.event(EventClass::Stream, "xtrim", key);
    }
    Ok(id_reply(id))
}

fn options<'a>(args: &mut Args<'a>, level: u32) -> Result<Options<'a>> {
    let mut producer = None;
    let (mut trim, mut may_create) = (TrimOptions::new(level), true);
    let id = loop {
        if args.take("*") {
            break NewId::Now;
        }
        if trim.take(args)? {
            continue;
        }
        if let Some(found) = Producer::take(args, level)? {
            if producer.replace(found).is_some() {
                return Err(ErrorReply::err("IDMP/IDMPAUTO specified multiple times").into());
            }
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
    if producer.is_some() && !matches!(id, NewId::Now) {
        return Err(ErrorReply::err("IDMP/IDMPAUTO can be used only with auto-generated IDs").into());
    }
    Ok(Options { id, may_create, trim: trim.finish()?, references: trim.references(), producer })
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
