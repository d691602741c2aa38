//! SCAN cursors: 64-bit numbers for positions between ordered keys (`src/docs/adr/0010-scan-cursors.md`).
//!
//! A cursor is 32 bits of the first key not yet returned (its four bytes behind the pattern's literal prefix) and 31 bits
//! of a serial number. The node that issued the cursor remembers the whole key for it, for as long as the cursor is among
//! the last `REMEMBERED_MAX`. For an unknown cursor (another node, a restart) it takes the first key that could have those
//! four bytes: keys may be returned again, never left out. 0 means both "start" and "done", as in Redis.
//!
//! A script gets cursors that follow from the keys alone: the first 62 bits behind the prefix. Its pages end only between keys
//! that differ in these, so it comes to an end wherever it continues.

use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

/// Cursors a process remembers; about 100 bytes each and the key.
const REMEMBERED_MAX: usize = 16 * 1024;
const SERIAL_BITS: u32 = 31;

/// The position that a cursor names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// The exact key to continue from.
    Exact(Vec<u8>),
    /// Go on at the first key behind the prefix that has at least these bytes.
    AtLeast([u8; 4]),
}

#[derive(Default)]
struct Remembered {
    serial: u64,
    keys: HashMap<u64, Vec<u8>>,
    order: VecDeque<u64>,
}

static REMEMBERED: LazyLock<Mutex<Remembered>> = LazyLock::new(|| {
    // Starts anywhere, so that a cursor of an earlier process is not taken for one of this process.
    let serial = RandomState::new().hash_one("cursor serial");
    Mutex::new(Remembered { serial, ..Remembered::default() })
});

/// A cursor that continues with `next`, which has the prefix `prefix`.
pub fn give_out(prefix: &[u8], next: &[u8]) -> u64 {
    let digest = u64::from(u32::from_be_bytes(digest(next.strip_prefix(prefix).unwrap_or_default())));
    let mut remembered = REMEMBERED.lock();
    remembered.serial = remembered.serial.wrapping_add(1);
    // Never 0: that would be "done".
    let serial = (remembered.serial & ((1 << SERIAL_BITS) - 1)) | 1 << (SERIAL_BITS - 1);
    let cursor = digest << SERIAL_BITS | serial;
    if remembered.keys.insert(cursor, next.to_vec()).is_none() {
        remembered.order.push_back(cursor);
    }
    while remembered.order.len() > REMEMBERED_MAX {
        if let Some(oldest) = remembered.order.pop_front() {
            remembered.keys.remove(&oldest);
        }
    }
    cursor
}

/// The position that a cursor names; the cursor must not be 0.
pub fn look_up(prefix: &[u8], cursor: u64) -> Position {
    if let Some(key) = REMEMBERED.lock().keys.get(&cursor)
        && key.starts_with(prefix)
    {
        return Position::Exact(key.clone());
    }
    Position::AtLeast(digest_of(cursor))
}

/// The bit that the serial number of a remembered cursor has, and a script's cursor has not.
const REMEMBERED_BIT: u64 = 1 << (SERIAL_BITS - 1);

/// A script's cursor that continues with `next`, which has the prefix `prefix`; `None`: no cursor can say that.
pub fn for_script(prefix: &[u8], next: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    for (slot, byte) in bytes.iter_mut().zip(next.strip_prefix(prefix).unwrap_or_default()) {
        *slot = *byte;
    }
    let bits = u64::from_be_bytes(bytes) >> 2;
    let (high, low) = (bits >> (SERIAL_BITS - 1), bits & (REMEMBERED_BIT - 1));
    Some(high << SERIAL_BITS | low).filter(|cursor| *cursor != 0)
}

/// The key that a script starts at. What this node remembers of other cursors does not count.
pub fn start_for_script(prefix: &[u8], cursor: u64) -> Vec<u8> {
    if cursor & REMEMBERED_BIT != 0 {
        return at_least(prefix, &digest_of(cursor));
    }
    let bits = (cursor >> SERIAL_BITS) << (SERIAL_BITS - 1) | cursor & (REMEMBERED_BIT - 1);
    at_least(prefix, &(bits << 2).to_be_bytes())
}

/// Zero bytes at the end may stand for a shorter key.
fn at_least(prefix: &[u8], bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at.saturating_add(1));
    [prefix, bytes.get(..end).unwrap_or_default()].concat()
}

fn digest_of(cursor: u64) -> [u8; 4] {
    u32::try_from(cursor >> SERIAL_BITS).unwrap_or(0).to_be_bytes()
}

/// The key to start at.
pub fn start(prefix: &[u8], cursor: u64) -> Vec<u8> {
    if cursor == 0 {
        return prefix.to_vec();
    }
    if cursor & REMEMBERED_BIT == 0 {
        return start_for_script(prefix, cursor);
    }
    match look_up(prefix, cursor) {
        Position::Exact(key) => key,
        Position::AtLeast(bytes) => at_least(prefix, &bytes),
    }
}

fn digest(rest: &[u8]) -> [u8; 4] {
    let mut out = [0; 4];
    for (slot, byte) in out.iter_mut().zip(rest) {
        *slot = *byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_cursors_are_exact_and_forgotten_ones_never_skip() {
        let cursor = give_out(b"user:", b"user:12345678");
        assert_ne!(cursor, 0);
        assert!(i64::try_from(cursor).is_ok(), "clients may parse it as signed");
        assert_eq!(start(b"user:", cursor), b"user:12345678");
        let forgotten = cursor ^ 1;
        assert_eq!(start(b"user:", forgotten), b"user:1234");
        assert!(start(b"user:", give_out(b"user:", b"user:") ^ 1) <= b"user:".to_vec());
        assert_eq!(start(b"p", 0), b"p");
    }

    #[test]
    fn a_scripts_cursor_names_the_first_62_bits_and_is_none_of_the_remembered_ones() {
        let cursor = for_script(b"user:", b"user:12345678").unwrap();
        assert!(i64::try_from(cursor).is_ok(), "clients may parse it as signed");
        for start in [start(b"user:", cursor), start_for_script(b"user:", cursor)] {
            assert!(start[..12] == *b"user:1234567" && start[12] == b'8' & !3, "{start:?}");
        }
        assert_eq!(for_script(b"p", b"p"), None, "it would be done");
        // Not the digest of the other test: serial numbers are those of the process.
        let remembered = give_out(b"user:", b"user:87654321");
        assert_eq!(start_for_script(b"user:", remembered), b"user:8765");
        assert_eq!(start_for_script(b"user:", 0), b"user:");
        let all_ones = for_script(b"", &[0xff; 9]).unwrap();
        assert_eq!(start_for_script(b"", all_ones), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc]);
    }
}
