//! Changes to a string, gathered in memory and stored at once: each piece that they touch is read once and written once.

use super::{
    pieces::{PIECE_BYTES, Piece, Pieces, WHOLE_BYTES_MAX, pieces_of},
    put::stores_pieces,
    stored::StoredString,
};
use crate::{
    error::Result,
    store::{Encoding, NewRow, Txn, Type, View},
};
use std::collections::{BTreeMap, btree_map::Entry};

/// See the module.
#[derive(Debug)]
pub struct Edit {
    before: Option<StoredString>,
    len: usize,
    is_changed: bool,
    touched: BTreeMap<usize, Touched>,
}

/// A piece as it is to be; the zeros at its end may be missing.
#[derive(Debug)]
struct Touched {
    bytes: Vec<u8>,
    was_stored: bool,
}

impl Edit {
    /// Begins with the string that a key holds, or an empty one.
    pub fn of(before: Option<StoredString>) -> Self {
        let len = before.as_ref().map_or(0, StoredString::len);
        Edit { before, len, is_changed: false, touched: BTreeMap::new() }
    }

    /// The string that it began with.
    pub fn before(&self) -> Option<&StoredString> {
        self.before.as_ref()
    }

    /// Bytes of it as it is now.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it differs from what it began with. One of whose pieces was written as a whole counts as changed.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Continues it with zeros up to this length, unless it is longer.
    pub fn grow(&mut self, len: usize) {
        self.is_changed |= len > self.len;
        self.len = self.len.max(len);
    }

    /// The bytes from a place on, and zeros behind its end.
    pub fn read<const LEN: usize>(&self, view: &View<'_>, at: usize) -> Result<[u8; LEN]> {
        let mut out = [0; LEN];
        let end = at.saturating_add(LEN);
        let mut from = at;
        while from < end {
            let number = from / PIECE_BYTES;
            let begins = number.saturating_mul(PIECE_BYTES);
            let to = end.min(begins.saturating_add(PIECE_BYTES));
            let slot = out.get_mut(from.saturating_sub(at)..to.saturating_sub(at)).unwrap_or_default();
            let stored;
            let found = match (self.touched.get(&number), &self.before) {
                (Some(touched), _) => touched.bytes.get(from.saturating_sub(begins)..).unwrap_or_default(),
                (None, Some(before)) => {
                    stored = before.read(view, from..to)?;
                    &stored[..]
                }
                (None, None) => &[],
            };
            slot.iter_mut().zip(found).for_each(|(byte, found)| *byte = *found);
            from = to;
        }
        Ok(out)
    }

    /// Writes bytes from a place on; what lies between its end and there becomes zeros.
    pub fn write(&mut self, view: &View<'_>, at: usize, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.grow(at.saturating_add(bytes.len()));
        let (mut at, mut left) = (at, bytes);
        while !left.is_empty() {
            let (number, from) = (at / PIECE_BYTES, at % PIECE_BYTES);
            let (part, rest) = left.split_at(left.len().min(PIECE_BYTES.saturating_sub(from)));
            self.write_piece(view, number, from, part)?;
            at = at.saturating_add(part.len());
            left = rest;
        }
        Ok(())
    }

    fn write_piece(&mut self, view: &View<'_>, number: usize, from: usize, part: &[u8]) -> Result<()> {
        let touched = match self.touched.entry(number) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) if part.len() == PIECE_BYTES => {
                let was_stored = match self.before.as_ref().and_then(|before| before.pieces) {
                    Some(pieces) => pieces.has(view, number)?,
                    None => false,
                };
                entry.insert(Touched { bytes: part.to_vec(), was_stored });
                self.is_changed = true;
                return Ok(());
            }
            Entry::Vacant(entry) => {
                let piece = self.before.as_ref().map(|before| before.piece(view, number)).transpose()?;
                let bytes = piece.map(Piece::into_bytes).unwrap_or_default();
                let was_stored = !bytes.is_empty();
                entry.insert(Touched { bytes, was_stored })
            }
        };
        let end = from.saturating_add(part.len());
        if touched.bytes.len() < end {
            touched.bytes.resize(end, 0);
        }
        if let Some(slot) = touched.bytes.get_mut(from..end)
            && slot != part
        {
            slot.copy_from_slice(part);
            self.is_changed = true;
        }
        Ok(())
    }

    /// Stores it, with the expiry it had. `encoding`: if it is stored whole.
    pub fn save(self, txn: &mut Txn<'_>, key: &[u8], encoding: Encoding) -> Result<()> {
        let expires_at = self.before.as_ref().map_or(0, StoredString::expires_at);
        let old = self.before.as_ref().and_then(|before| before.pieces);
        let is_whole = self.len <= WHOLE_BYTES_MAX || !stores_pieces(txn);
        if old.is_none() && is_whole {
            let body = self.whole();
            return txn.put(key, NewRow { kind: Type::String, encoding, expires_at, body: &body });
        }
        let mut pieces =
            old.unwrap_or_else(|| Pieces { id: txn.new_collection_id(), stored: 0, len: self.len });
        pieces.len = self.len;
        if let Some(whole) = self.before.as_ref().and_then(StoredString::short) {
            for (number, bytes) in pieces_of(whole) {
                if !self.touched.contains_key(&number) {
                    pieces.put(txn, number, bytes.to_vec(), false);
                }
            }
        }
        let is_new = old.is_none();
        for (number, Touched { bytes, was_stored }) in self.touched {
            pieces.put(txn, number, bytes, was_stored && !is_new);
        }
        let (kind, encoding) = (Type::String, Encoding::Pieces);
        txn.put(key, NewRow { kind, encoding, expires_at, body: &pieces.body() })
    }

    fn whole(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.len);
        body.extend_from_slice(self.before.as_ref().and_then(StoredString::short).unwrap_or_default());
        body.resize(self.len, 0);
        for (number, touched) in &self.touched {
            let slot = body.get_mut(number.saturating_mul(PIECE_BYTES)..).unwrap_or_default();
            slot.iter_mut().zip(&touched.bytes).for_each(|(byte, new)| *byte = *new);
        }
        body
    }
}
