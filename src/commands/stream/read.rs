//! XREAD. Nothing to read is the reply of a timeout; waiting for more is the server's part.

use super::{
    allowance::Allowance,
    entry_reply,
    read_options::{ReadOptions, Reader, found_reply, read_options},
};
use crate::{
    command::{Args, Command, Finds, Flags, Group, KeyRange, Run, Wait},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Direction, View},
    types::stream::{Stream, StreamId},
};
use std::ops::ControlFlow;

pub(super) const XREAD: Command = Command {
    name: "XREAD",
    arity: -4,
    keys: KeyRange::streams(1),
    run: Run::Read(xread),
    wait: Some(wait_to_read),
    flags: Flags::READONLY.with(Flags::BLOCKING).with(Flags::MOVABLEKEYS),
    group: Group::Stream,
    since: "5.0.0",
    complexity: "O(log N + M) for each stream, where M is the number of entries returned.",
    summary: "Returns the entries after given ids of several streams, and waits for some if asked to.",
    syntax: "[COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
    ..Command::BASE
};

fn xread(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let options = read_options(args, Reader::Anyone, view)?;
    let (mut found, mut allowance) = (Vec::new(), options.allowance());
    for (key, stream, after) in starts(view, &options)? {
        if allowance.is_used_up() {
            break;
        }
        let Some((stream, from)) = stream.zip(after.next()) else { continue };
        allowance.name(key);
        let entries = read(view, &stream, from, options.count, &mut allowance)?;
        if !entries.is_empty() {
            found.push((Reply::bulk(key), Reply::Array(entries)));
        }
    }
    Ok(found_reply(found))
}

fn read(
    view: &View<'_>,
    stream: &Stream,
    from: StreamId,
    count: Option<u64>,
    allowance: &mut Allowance,
) -> Result<Vec<Reply>> {
    let mut entries = Vec::new();
    stream.visit(view, from, StreamId::MAX, Direction::Forward, |id, bytes| {
        entries.push(entry_reply(id, bytes)?);
        allowance.take(id, Some(bytes))?;
        let is_full = allowance.is_used_up() || count.is_some_and(|count| entries.len() as u64 >= count);
        Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(entries)
}

/// Each key, its stream if there is one, and the id after which to read.
type Start<'a> = (&'a [u8], Option<Stream>, StreamId);

fn starts<'a>(view: &View<'_>, options: &ReadOptions<'a>) -> Result<Vec<Start<'a>>> {
    let mut starts = Vec::with_capacity(options.keys.len());
    for (key, word) in options.keys.iter().zip(options.ids) {
        let stream = Stream::open(view, key)?;
        let after = match (*word, &stream) {
            (b"$" | b"+", None) => StreamId::MIN,
            (b"$", Some(stream)) => stream.meta.last_id,
            (b"+", Some(stream)) => match stream.last_entry(view)? {
                Some(last) => last.previous().unwrap_or_default(),
                None => stream.meta.last_id,
            },
            (b">", _) => {
                let text = "The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
                            <consumer> option.";
                return Err(ErrorReply::err(text).into());
            }
            (word, _) => StreamId::parse(word, 0)?,
        };
        starts.push((*key, stream, after));
    }
    Ok(starts)
}

/// Waits for an entry behind the given ids; `$` means the last id at the time of the call. `+` stays as it is: the stream
/// was empty, so any entry will do.
fn wait_to_read(view: &View<'_>, args: &mut Args<'_>) -> Result<Option<Wait>> {
    let argv = args.argv();
    let options = read_options(args, Reader::Anyone, view)?;
    let Some(ms) = options.block_ms else { return Ok(None) };
    let mut words: Vec<Vec<u8>> = argv.iter().map(|word| word.to_vec()).collect();
    let ids = words.len().saturating_sub(options.ids.len());
    let mut finds = Finds::Nothing;
    for (word, (_, stream, after)) in words.iter_mut().skip(ids).zip(starts(view, &options)?) {
        if &word[..] == b"$" {
            *word = after.to_string().into_bytes();
        }
        if let Some(stream) = stream
            && stream.has_after(view, after)?
        {
            finds = Finds::Something;
        }
    }
    let wait = Wait::for_keys(options.keys, ms, Reply::NilArray, finds);
    Ok(Some(Wait { argv: Some(words), ..wait }))
}
