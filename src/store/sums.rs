//! What apply counts and sums over the state: equal on all replicas that have applied the same entry, so that they are compared
//! without reading any data.
//!
//! * **Of rows**, one for each database: over its metadata and its expiry index, a hash of every row. A function of the
//!   state: whoever reads all rows finds the same sum, and a node that does not knows that its rows are wrong.
//! * **Of changes**, one for all: over every write, deletion and drop of sub-keys, a hash of it and of its log position. Many
//!   of them are made without reading what was there, so this sum is one of what happened, not of what is.
//!
//! Hashes are XXH3 and sums wrap around, so the order of rows does not matter. They find faults, not forgers: entries are
//! the same on all replicas, whoever chose their words.

use super::{LogPosition, engine::Family};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Of a row of metadata or of the expiry index.
pub(super) fn of_row(key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64(key))
}

/// A change of sub-keys.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    Written(&'a [u8]),
    Deleted,
    /// All of a collection; the key is its prefix.
    Dropped,
}

/// Of a change by the command at this position.
pub(super) fn of_change(at: LogPosition, family: Family, key: &[u8], change: Change<'_>) -> u64 {
    let (tag, value) = match change {
        Change::Written(value) => (0_u64, value),
        Change::Deleted => (1, &[][..]),
        Change::Dropped => (2, &[][..]),
    };
    let tag = tag << 1 | u64::from(family == Family::Score);
    let seed = at.index.rotate_left(24) ^ u64::from(at.ordinal) << 3 ^ tag;
    xxh3_64_with_seed(value, xxh3_64_with_seed(key, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are persisted, and compared between builds.
    #[test]
    fn golden_sums() {
        assert_eq!(of_row(b"key", b"value"), 12_799_176_785_381_101_966);
        let at = LogPosition { index: 5, ordinal: 1 };
        let of = |family, change| of_change(at, family, b"key", change);
        assert_eq!(of(Family::Data, Change::Written(b"value")), 11_478_435_952_774_502_358);
        let all = [
            of(Family::Data, Change::Written(b"value")),
            of(Family::Score, Change::Written(b"value")),
            of(Family::Data, Change::Written(b"")),
            of(Family::Data, Change::Deleted),
            of(Family::Data, Change::Dropped),
            of_change(LogPosition { index: 5, ordinal: 2 }, Family::Data, b"key", Change::Deleted),
            of_change(LogPosition { index: 6, ordinal: 1 }, Family::Data, b"key", Change::Deleted),
        ];
        let different: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
