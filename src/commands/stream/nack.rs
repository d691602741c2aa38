//! XNACK: a consumer gives entries back that it cannot process.

use super::no_group;
use crate::{
    command::{Access, Args, Command, Flags, Group as CommandGroup, KeyRange, PassedOn, Run, parse_i64},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::Txn,
    types::stream::{Group, Pending, Stream, StreamId},
};

/// More deliveries than any: the entry will never do.
const FATAL: u64 = i64::MAX.cast_unsigned();

pub(super) const XNACK: Command = Command {
    name: "XNACK",
    passed_on: PassedOn::Keys,
    access: &[Access::Update],
    arity: -7,
    keys: KeyRange::ONE,
    run: Run::Write(xnack),
    flags: Flags::WRITE.with(Flags::FAST),
    since_level: feature_level::REDIS_8_MORE,
    group: CommandGroup::Stream,
    since: "8.8.0",
    complexity: "O(log N) for each id.",
    summary: "Releases pending entries of a group, so that any consumer may claim them at once; returns how many.",
    syntax: "key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]",
    ..Command::BASE
};

/// What becomes of the number of deliveries.
#[derive(Debug, Clone, Copy)]
enum Mode {
    /// The last one does not count.
    Silent,
    Fail,
    Fatal,
}

struct Options {
    mode: Mode,
    ids: Vec<StreamId>,
    retry_count: Option<u64>,
    force: bool,
}

impl Options {
    fn read(args: &mut Args<'_>) -> Result<Self> {
        let modes = [("SILENT", Mode::Silent), ("FAIL", Mode::Fail), ("FATAL", Mode::Fatal)];
        let mode = modes.into_iter().find(|(word, _)| args.take(word)).map(|(_, mode)| mode);
        let mode = mode.ok_or_else(|| ErrorReply::err("mode must be SILENT, FAIL, or FATAL"))?;
        let (mut words, mut retry_count, mut force) = (None, None, false);
        while let Some(word) = args.peek() {
            let has_more = args.remaining() > 1;
            if has_more && args.take("IDS") {
                words = Some(ids(args)?);
            } else if has_more && args.take("RETRYCOUNT") {
                let count = u64::try_from(args.next_i64()?);
                let text = "Invalid RETRYCOUNT value, must be >= 0";
                retry_count = Some(count.map_err(|_negative| ErrorReply::err(text))?);
            } else if args.take("FORCE") {
                force = true;
            } else {
                let word = String::from_utf8_lossy(word);
                return Err(ErrorReply::err(format!("Unrecognized XNACK option '{word}'")).into());
            }
        }
        let words = words.ok_or_else(|| ErrorReply::err("syntax error, expected IDS keyword"))?;
        // A bad id leaves all of them alone.
        let ids = words.iter().map(|word| StreamId::parse(word, 0)).collect::<Result<_, _>>()?;
        Ok(Options { mode, ids, retry_count, force })
    }

    fn deliveries(&self, before: u64) -> u64 {
        self.retry_count.unwrap_or(match self.mode {
            Mode::Silent => before.saturating_sub(1),
            Mode::Fail => before,
            Mode::Fatal => FATAL,
        })
    }
}

fn ids<'a>(args: &mut Args<'a>) -> Result<&'a [&'a [u8]]> {
    let count = args.next_opt().and_then(parse_i64).and_then(|count| i32::try_from(count).ok());
    let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.ok_or_else(|| ErrorReply::err("numids must be a positive integer"))?;
    if count > args.remaining() {
        return Err(ErrorReply::err("number of IDs doesn't match numids").into());
    }
    args.next_words(count)
}

fn xnack(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, name) = (args.next_word()?, args.next_word()?);
    let mut stream = Stream::open(&txn.view(), key)?.ok_or_else(|| no_group(key, name))?;
    let mut group = Group::open(&txn.view(), &stream, name)?.ok_or_else(|| no_group(key, name))?;
    let options = Options::read(args)?;
    let mut released = 0_usize;
    for id in &options.ids {
        let before = group.pending(&txn.view(), *id)?;
        let deliveries = match &before {
            Some(before) => before.deliveries,
            None if options.force && stream.has(&txn.view(), *id)? => 0,
            None => continue,
        };
        let deliveries = options.deliveries(deliveries);
        let now = Pending { delivered_at: txn.now(), deliveries, consumer: None };
        group.deliver(txn, *id, before.as_ref(), &now)?;
        released = released.saturating_add(1);
    }
    if released > 0 {
        group.save(txn);
        // Whoever waits to claim something looks again.
        stream.save(txn, key)?;
    }
    Ok(Reply::count(released))
}
