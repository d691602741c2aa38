//! XREADGROUP. Nothing to read is the reply of a timeout; waiting for more is the server's part.

use super::{
    allowance::Allowance,
    claim_idle::{self, claim_idle, claimable_at},
    entry_reply, id_reply,
    read_options::{ReadOptions, Reader, found_reply, read_options},
};
use crate::{
    command::{
        Access, Args, Command, Finds, Flags, Group as CommandGroup, KeyRange, PassedOn, Run, Wait,
        require_level,
    },
    commands::passing,
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::{Direction, EventClass, Txn, View},
    types::stream::{ConsumerRecord, Group, Pending, Stream, StreamId, entries_read_with, scan_pending},
};
use std::ops::ControlFlow;

pub(super) const XREADGROUP: Command = Command {
    name: "XREADGROUP",
    passed_on: PassedOn::StreamGroup(passing::group_read),
    access: &[Access::Read],
    arity: -7,
    keys: KeyRange::streams(4),
    run: Run::Write(xreadgroup),
    wait: Some(wait_to_read),
    flags: Flags::WRITE.with(Flags::BLOCKING).with(Flags::MOVABLEKEYS),
    group: CommandGroup::Stream,
    since: "5.0.0",
    complexity: "O(log N + M) for each stream, where M is the number of entries returned; with CLAIM also O(P) where P is the number of entries pending in the group.",
    summary: "Reads entries that no consumer of the group has read, or again those that this consumer has not acknowledged.",
    syntax: "GROUP group consumer [COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...]",
    ..Command::BASE
};

/// The entries wanted of one stream.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// `>`: entries that the group has not read.
    New,
    /// The consumer's pending entries after this id.
    HistoryAfter(StreamId),
}

/// The consumer that reads, and its options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    group: &'a [u8],
    pub(super) consumer: &'a [u8],
    pub(super) count: Option<u64>,
    noack: bool,
    claim_ms: Option<u64>,
}

fn read_own_options<'a>(args: &mut Args<'a>, view: &View<'_>) -> Result<ReadOptions<'a>> {
    let options = read_options(args, Reader::Group, view)?;
    if options.claim_ms.is_some() {
        require_level("CLAIM", feature_level::REDIS_8, view.feature_level())?;
    }
    Ok(options)
}

fn xreadgroup(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let options = read_own_options(args, &txn.view())?;
    let (group, consumer) = options.group.unwrap_or_default();
    let (noack, claim_ms) = (options.noack, options.claim_ms);
    let asking = Asking { group, consumer, count: options.count, noack, claim_ms };
    let wanted = wanted(&txn.view(), &options, group)?;
    let (mut found, mut allowance) = (Vec::new(), options.allowance());
    for (key, wanted) in options.keys.iter().zip(wanted) {
        if allowance.is_used_up() {
            break;
        }
        allowance.name(key);
        if let Some(reply) = read_one(txn, key, wanted, &asking, &mut allowance)? {
            found.push((Reply::bulk(key), reply));
        }
    }
    Ok(found_reply(found))
}

/// Waits for entries that the group has not read, or that have been pending for long enough. History is answered at once, and a
/// new consumer is created before it waits.
fn wait_to_read(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let options = read_own_options(args, view)?;
    let (group, consumer) = options.group.unwrap_or_default();
    let wanted = wanted(view, &options, group)?;
    let Some(ms) = options.block_ms.filter(|_| wanted.iter().all(|wanted| matches!(wanted, Wanted::New)))
    else {
        return Ok(None);
    };
    let (mut finds, mut finds_at) = (Finds::Nothing, None);
    for key in options.keys {
        let Some(stream) = Stream::open(view, key)? else { continue };
        let Some(group) = Group::open(view, &stream, group)? else { continue };
        if stream.has_after(view, group.record.last_id)? || group.consumer(view, consumer)?.is_none() {
            finds = Finds::Something;
        }
        if let Some(claim_ms) = options.claim_ms
            && let Some(at) = claimable_at(view, &stream, &group, claim_ms)?
        {
            finds = if at == 0 { Finds::Something } else { finds };
            finds_at = Some(finds_at.map_or(at, |earliest: u64| earliest.min(at)));
        }
    }
    let wait = Wait::for_keys(options.keys, ms, Reply::NilArray, finds);
    Ok(Some(Wait { of_group: true, finds_at, ..wait }))
}

fn wanted(view: &View<'_>, options: &ReadOptions<'_>, group: &[u8]) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::with_capacity(options.keys.len());
    for (key, word) in options.keys.iter().zip(options.ids) {
        let stream = Stream::open(view, key)?;
        let has_group = match &stream {
            Some(stream) => Group::open(view, stream, group)?.is_some(),
            None => false,
        };
        if !has_group {
            let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
            let text =
                format!("No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option");
            return Err(ErrorReply::new("NOGROUP", text).into());
        }
        if *word == b"$" {
            let text = "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of \
                        this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID \
                        would just return an empty result set.";
            return Err(ErrorReply::err(text).into());
        }
        wanted.push(match *word {
            b">" => Wanted::New,
            word => match StreamId::parse(word, 0)? {
                // Redis tells new entries from history by this id.
                StreamId::MAX => Wanted::New,
                id => Wanted::HistoryAfter(id),
            },
        });
    }
    Ok(wanted)
}

/// The entries of one stream; `None` = there is nothing new.
fn read_one(
    txn: &mut Txn<'_>,
    key: &[u8],
    wanted: Wanted,
    asking: &Asking<'_>,
    allowance: &mut Allowance,
) -> Result<Option<Reply>> {
    let Some(stream) = Stream::open(&txn.view(), key)? else { return Ok(None) };
    let Some(mut group) = Group::open(&txn.view(), &stream, asking.group)? else { return Ok(None) };
    see_consumer(txn, key, &mut group, asking.consumer)?;
    let reply = match wanted {
        Wanted::New => read_new(txn, &stream, &mut group, *asking, allowance)?,
        Wanted::HistoryAfter(id) => Some(read_history(txn, &stream, &mut group, asking, id, allowance)?),
    };
    group.save(txn);
    txn.write_bytes_of(key)?;
    Ok(reply)
}

/// A consumer shows itself; a new one is made.
pub(super) fn see_consumer(txn: &mut Txn<'_>, key: &[u8], group: &mut Group<'_>, name: &[u8]) -> Result<()> {
    let seen_at = txn.now();
    match group.consumer(&txn.view(), name)? {
        Some(record) => group.set_consumer(name, ConsumerRecord { seen_at, ..record }),
        None => {
            group.add_consumer(name, ConsumerRecord { seen_at, ..ConsumerRecord::default() });
            txn.event(EventClass::Stream, "xgroup-createconsumer", key);
        }
    }
    Ok(())
}

/// A consumer got something.
pub(super) fn note_active(txn: &Txn<'_>, group: &mut Group<'_>, name: &[u8]) -> Result<()> {
    if let Some(record) = group.consumer(&txn.view(), name)? {
        group.set_consumer(name, ConsumerRecord { active_at: Some(txn.now()), ..record });
    }
    Ok(())
}

fn read_new(
    txn: &mut Txn<'_>,
    stream: &Stream,
    group: &mut Group<'_>,
    asking: Asking<'_>,
    allowance: &mut Allowance,
) -> Result<Option<Reply>> {
    let mut replies = match asking.claim_ms {
        Some(claim_ms) => claim_idle(txn, stream, group, &asking, claim_ms, allowance)?,
        None => Vec::new(),
    };
    // What was claimed counts.
    let left = asking.count.map(|count| count.saturating_sub(replies.len() as u64));
    if left != Some(0) && !allowance.is_used_up() {
        read_unread(txn, stream, group, &Asking { count: left, ..asking }, &mut replies, allowance)?;
    }
    Ok((!replies.is_empty()).then(|| Reply::Array(replies)))
}

fn read_unread(
    txn: &mut Txn<'_>,
    stream: &Stream,
    group: &mut Group<'_>,
    asking: &Asking<'_>,
    replies: &mut Vec<Reply>,
    allowance: &mut Allowance,
) -> Result<()> {
    let Some(from) = group.record.last_id.next() else { return Ok(()) };
    let mut ids = Vec::new();
    stream.visit(&txn.view(), from, StreamId::MAX, Direction::Forward, |id, bytes| {
        ids.push(id);
        replies.push(match asking.claim_ms {
            Some(_) => claim_idle::reply(id, bytes, Some(0), 0)?,
            None => entry_reply(id, bytes)?,
        });
        allowance.take(id, Some(bytes))?;
        let is_full = allowance.is_used_up() || asking.count.is_some_and(|count| ids.len() as u64 >= count);
        Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    for id in &ids {
        group.record.entries_read = entries_read_with(stream, &group.record, *id);
        group.record.last_id = *id;
        if !asking.noack {
            let before = group.pending(&txn.view(), *id)?;
            let (delivered_at, consumer) = (txn.now(), Some(asking.consumer.to_vec()));
            group.deliver(txn, *id, before.as_ref(), &Pending { delivered_at, deliveries: 1, consumer })?;
        }
    }
    if !asking.noack && !ids.is_empty() {
        note_active(txn, group, asking.consumer)?;
    }
    Ok(())
}

/// Counts each pending entry of the consumer as delivered once more. Of deleted entries only the ids are left.
fn read_history(
    txn: &mut Txn<'_>,
    stream: &Stream,
    group: &mut Group<'_>,
    asking: &Asking<'_>,
    after: StreamId,
    allowance: &mut Allowance,
) -> Result<Reply> {
    let record = group.consumer(&txn.view(), asking.consumer)?.unwrap_or_default();
    let (mut found, most) = (Vec::new(), allowance.at_most(asking.count));
    if let Some(from) = after.next() {
        scan_pending(
            &txn.view(),
            stream.collection_id(),
            asking.group,
            Some(asking.consumer),
            &record.pending,
            (from, StreamId::MAX),
            Direction::Forward,
            |id, pending| {
                found.push((id, pending));
                let is_full = most.is_some_and(|most| found.len() as u64 >= most);
                Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            },
        )?;
    }
    let mut replies = Vec::with_capacity(found.len());
    for (id, before) in found {
        if allowance.is_used_up() {
            break;
        }
        let Some(bytes) = stream.get(&txn.view(), id)? else {
            allowance.take(id, None)?;
            replies.push(Reply::Array(vec![id_reply(id), Reply::NilArray]));
            continue;
        };
        allowance.take(id, Some(&bytes))?;
        replies.push(entry_reply(id, &bytes)?);
        let deliveries = before.deliveries.saturating_add(1);
        let now = Pending { delivered_at: txn.now(), deliveries, consumer: before.consumer.clone() };
        group.deliver(txn, id, Some(&before), &now)?;
    }
    Ok(Reply::Array(replies))
}
