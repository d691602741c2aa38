//! SCAN cursors: 64-bit numbers for positions between ordered keys (`src/docs/adr/0010-scan-cursors.md`).
//!
//! A cursor is 32 bits of the first key not yet returned (its four bytes behind the pattern's literal prefix) and 31 bits
//! of a serial number. The node that gave the cursor out remembers the whole key under it, for as long as the cursor is
//! among the last `REMEMBERED_MAX`. A cursor it does not remember (another node, a restart) means the first key that could
//! have those four bytes: keys may be returned again, never left out. 0 means both "start" and "done", as in Redis.

use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

/// Cursors a process remembers; about 100 bytes each and the key.
const REMEMBERED_MAX: usize = 16 * 1024;
const SERIAL_BITS: u32 = 31;

/// Where a cursor points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// The exact key to go on with.
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

/// A cursor that goes on with `next`, which begins with `prefix`.
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

/// Where a cursor points; it must not be 0.
pub fn look_up(prefix: &[u8], cursor: u64) -> Position {
    if let Some(key) = REMEMBERED.lock().keys.get(&cursor)
        && key.starts_with(prefix)
    {
        return Position::Exact(key.clone());
    }
    let digest = u32::try_from(cursor >> SERIAL_BITS).unwrap_or(0);
    Position::AtLeast(digest.to_be_bytes())
}

/// The key to start at.
pub fn start(prefix: &[u8], cursor: u64) -> Vec<u8> {
    if cursor == 0 {
        return prefix.to_vec();
    }
    match look_up(prefix, cursor) {
        Position::Exact(key) => key,
        // Zero bytes at the end may stand for a key that was shorter.
        Position::AtLeast(bytes) => {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            [prefix, bytes.get(..end).unwrap_or_default()].concat()
        }
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
}
