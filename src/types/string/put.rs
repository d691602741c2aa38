//! Strings stored anew, whatever the key held before.

use super::pieces::{PIECE_BYTES, Pieces, StoredPiece, WHOLE_BYTES_MAX, pieces_of};
use crate::{
    error::Result,
    feature_level,
    store::{Encoding, NewRow, Txn, Type},
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// So many pieces that a new string does not need are deleted one by one. With more, all of them go at once.
const SURPLUS_MAX: usize = 256;

/// Whether long strings are stored in pieces yet.
pub(super) fn stores_pieces(txn: &Txn<'_>) -> bool {
    txn.feature_level() >= feature_level::LARGE_STRINGS
}

/// Makes a key hold this string. `encoding`: if it is stored whole. Milliseconds since the epoch; 0 = it never expires.
pub fn put(txn: &mut Txn<'_>, key: &[u8], value: &[u8], encoding: Encoding, expires_at: u64) -> Result<()> {
    if value.len() <= WHOLE_BYTES_MAX || !stores_pieces(txn) {
        return txn.put(key, NewRow { kind: Type::String, encoding, expires_at, body: value });
    }
    store(txn, key, value.len(), expires_at, |txn, pieces, there| {
        for (number, bytes) in pieces_of(value) {
            pieces.put(txn, number, bytes.to_vec(), number < there);
        }
    })
}

/// As `put`, for a value that is not needed any more: its pieces are parts of it, not copies.
pub fn put_owned(
    txn: &mut Txn<'_>,
    key: &[u8],
    value: &Bytes,
    encoding: Encoding,
    expires_at: u64,
) -> Result<()> {
    if value.len() <= WHOLE_BYTES_MAX || !stores_pieces(txn) {
        return put(txn, key, value, encoding, expires_at);
    }
    store(txn, key, value.len(), expires_at, |txn, pieces, there| {
        for number in 0..pieces.count() {
            let begins = number.saturating_mul(PIECE_BYTES);
            let ends = begins.saturating_add(PIECE_BYTES).min(value.len());
            pieces.put_shared(txn, number, &value.slice(begins..ends), number < there);
        }
    })
}

/// Stores a string of this length. `put_all` puts its pieces; of so many, from the first, something is stored.
fn store(
    txn: &mut Txn<'_>,
    key: &[u8],
    len: usize,
    expires_at: u64,
    put_all: impl FnOnce(&mut Txn<'_>, &mut Pieces, usize),
) -> Result<()> {
    let old = reusable(txn, key, len.div_ceil(PIECE_BYTES))?;
    let mut pieces = match old {
        Some(old) => Pieces { len, ..old },
        None => Pieces { id: txn.new_collection_id(), stored: 0, len },
    };
    let there = old.map_or(0, |old| old.count());
    put_all(txn, &mut pieces, there);
    for number in pieces.count()..there {
        pieces.delete(txn, number);
    }
    put_row(txn, key, &pieces, expires_at)
}

/// Makes a key hold a string of this length, in these pieces; the others are of zeros.
pub fn put_pieces(
    txn: &mut Txn<'_>,
    key: &[u8],
    len: usize,
    content: BTreeMap<usize, StoredPiece>,
    encoding: Encoding,
) -> Result<()> {
    if len <= WHOLE_BYTES_MAX || !stores_pieces(txn) {
        let mut body = vec![0; len];
        for (number, piece) in content {
            let slot = body.get_mut(number.saturating_mul(PIECE_BYTES)..).unwrap_or_default();
            slot.iter_mut().zip(piece.into_bytes()).for_each(|(byte, new)| *byte = new);
        }
        return txn.put(key, NewRow { kind: Type::String, encoding, expires_at: 0, body: &body });
    }
    let mut pieces = Pieces { id: txn.new_collection_id(), stored: 0, len };
    for (number, piece) in content {
        pieces.put_stored(txn, number, piece, false);
    }
    put_row(txn, key, &pieces, 0)
}

fn put_row(txn: &mut Txn<'_>, key: &[u8], pieces: &Pieces, expires_at: u64) -> Result<()> {
    let (kind, encoding) = (Type::String, Encoding::Pieces);
    txn.put(key, NewRow { kind, encoding, expires_at, body: &pieces.body() })
}

/// The pieces that a key holds if a string of so many can take their places: all are stored, and few are left over.
fn reusable(txn: &Txn<'_>, key: &[u8], count: usize) -> Result<Option<Pieces>> {
    let Some(row) = txn.get(key)?.filter(|row| row.encoding == Encoding::Pieces) else { return Ok(None) };
    let pieces = Pieces::of_row(&txn.view(), &row)?;
    Ok(Some(pieces).filter(|old| old.is_dense() && old.count() <= count.saturating_add(SURPLUS_MAX)))
}
