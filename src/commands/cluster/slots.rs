//! Slots, and the keys in them. Keys are not filed by slot, so a question about slots looks at all keys.

use crate::{
    command::{Args, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    store::View,
};
use crc::{CRC_16_XMODEM, Crc};
use std::ops::{ControlFlow, RangeInclusive};

pub(super) const SLOTS: u16 = 16384;
static CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of a key: of the text between the first `{` and the next `}`, if it is not empty.
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open.saturating_add(1)..)?;
        let close = rest.iter().position(|byte| *byte == b'}').filter(|close| *close > 0)?;
        rest.get(..close)
    });
    CRC.checksum(tag.unwrap_or(key)) % SLOTS
}

fn slot(args: &mut Args<'_>) -> Result<u16> {
    let slot =
        parse_i64(args.next_word()?).and_then(|slot| u16::try_from(slot).ok()).filter(|slot| *slot < SLOTS);
    Ok(slot.ok_or_else(|| ErrorReply::err("Invalid slot"))?)
}

pub(super) fn count_keys(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (slot, mut count) = (slot(args)?, 0_u64);
    view.scan(b"", b"", |key, _| {
        count = count.saturating_add(u64::from(slot_of(key) == slot));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Reply::count(count))
}

pub(super) fn keys_in_slot(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let slot = slot(args)?;
    let count = usize::try_from(args.next_i64()?).map_err(|_| ErrorReply::err("Invalid number of keys"))?;
    let mut found = Vec::new();
    view.scan(b"", b"", |key, _| {
        if found.len() >= count {
            return Ok(ControlFlow::Break(()));
        }
        if slot_of(key) == slot {
            found.push(Reply::bulk(key));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Reply::Array(found))
}

/// As Redis 8 words it.
pub(super) fn slot_in_range(args: &mut Args<'_>) -> Result<u16> {
    slot(args).map_err(|_| ErrorReply::err("Invalid or out of range slot").into())
}

/// The slots that CLUSTER SLOT-STATS tells of.
enum Wanted {
    Range(RangeInclusive<u16>),
    /// So many of them, by their number of keys.
    Most {
        limit: usize,
        is_ascending: bool,
    },
}

pub(super) fn slot_stats(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let wanted = wanted(args)?;
    let mut counts = vec![0_u64; usize::from(SLOTS)];
    view.in_passing().scan(b"", b"", |key, _| {
        if let Some(count) = counts.get_mut(usize::from(slot_of(key))) {
            *count = count.saturating_add(1);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut slots: Vec<(u16, u64)> = (0..SLOTS).zip(counts).collect();
    match wanted {
        Wanted::Range(range) => slots.retain(|(slot, _)| range.contains(slot)),
        Wanted::Most { limit, is_ascending } => {
            // Slots of as many keys stay in their order.
            slots.sort_by_key(
                |(_, count)| if is_ascending { *count } else { u64::MAX.saturating_sub(*count) },
            );
            slots.truncate(limit);
        }
    }
    let one = |(slot, count): (u16, u64)| {
        let keys = (Reply::bulk("key-count"), Reply::count(count));
        Reply::Array(vec![Reply::count(slot), Reply::Map(vec![keys])])
    };
    Ok(Reply::Array(slots.into_iter().map(one).collect()))
}

fn wanted(args: &mut Args<'_>) -> Result<Wanted> {
    if args.remaining() == 3 && args.take("SLOTSRANGE") {
        let (start, end) = (slot_in_range(args)?, slot_in_range(args)?);
        if start > end {
            let text = format!("Start slot number {start} is greater than end slot number {end}");
            return Err(ErrorReply::err(text).into());
        }
        return Ok(Wanted::Range(start..=end));
    }
    if !args.take("ORDERBY") {
        return Err(ErrorReply::subcommand_syntax("CLUSTER", "SLOT-STATS").into());
    }
    if !args.take("KEY-COUNT") {
        return Err(ErrorReply::err("Unrecognized sort metric for ORDERBY.").into());
    }
    let (mut limit, mut is_ascending) = (None, None);
    while !args.is_empty() {
        let repeated = if args.remaining() > 1 && args.take("LIMIT") {
            let number = usize::try_from(args.next_i64()?).ok();
            let number = number.filter(|number| (1..=usize::from(SLOTS)).contains(number));
            let text = "Limit has to lie in between 1 and 16384 (maximum number of slots).";
            limit.replace(number.ok_or_else(|| ErrorReply::err(text))?).is_some()
        } else if args.take("ASC") {
            is_ascending.replace(true).is_some()
        } else if args.take("DESC") {
            is_ascending.replace(false).is_some()
        } else {
            return Err(ErrorReply::syntax().into());
        };
        if repeated {
            return Err(ErrorReply::err("Multiple filters of the same type are disallowed.").into());
        }
    }
    let limit = limit.unwrap_or(usize::from(SLOTS));
    Ok(Wanted::Most { limit, is_ascending: is_ascending.unwrap_or(false) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Redis Cluster specification, and values that redis-server 7.0.15 gave.
    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(CRC.checksum(b"123456789"), 0x31C3);
        for (key, slot) in [(&b"foo"[..], 12182), (b"", 0), (b"{foo}bar", 12182), (b"a{foo}", 12182)] {
            assert_eq!(slot_of(key), slot, "{}", String::from_utf8_lossy(key));
        }
        assert_eq!(slot_of(b"foo{}{bar}"), CRC.checksum(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"{foo"), CRC.checksum(b"{foo") % SLOTS);
    }
}
