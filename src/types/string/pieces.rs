//! The pieces of a string: where they are filed, what is stored of one, and reads of a range. For the budget of a call they
//! are read in passing: who keeps what they hold says so.

use crate::{
    error::{Result, StoreError},
    limits::STRING_BYTES_MAX,
    store::{CollectionHead, CollectionId, Direction, Row, SubKeys, Txn, View, Was},
    value::Value,
};
use bytes::Bytes;
use std::{
    ops::{Bound, ControlFlow, Range},
    slice,
};

/// The longest string that is stored whole when it is written.
pub const WHOLE_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a piece; part of the format on disk.
pub const PIECE_BYTES: usize = 8 * 1024;
/// So many pieces are looked up one by one, by way of the hot cache; more are scanned.
const LOOKED_UP_MAX: usize = 16;

const _: () = assert!(PIECE_BYTES < WHOLE_BYTES_MAX);
const _: () = assert!(STRING_BYTES_MAX / PIECE_BYTES < u32::MAX as usize);

/// What a piece holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Zeros,
    /// A whole piece of them.
    Ones,
    /// These bytes, and zeros behind them.
    Bytes(Value),
}

/// A part of a string, as it is visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// So many bytes of zeros.
    Zeros(usize),
    /// So many bytes of ones.
    Ones(usize),
    Bytes(&'a [u8]),
}

impl Part<'_> {
    /// Bytes of the string.
    #[expect(clippy::len_without_is_empty, reason = "none is")]
    pub fn len(&self) -> usize {
        match self {
            Part::Zeros(len) | Part::Ones(len) => *len,
            Part::Bytes(bytes) => bytes.len(),
        }
    }
}

impl Piece {
    fn decode(stored: Option<Value>) -> Result<Self, StoreError> {
        let Some(bytes) = stored else { return Ok(Piece::Zeros) };
        check(&bytes)?;
        Ok(if bytes.is_empty() { Piece::Ones } else { Piece::Bytes(bytes) })
    }

    /// Its bytes; the zeros at its end may be missing.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Piece::Zeros => Vec::new(),
            Piece::Ones => vec![0xff; PIECE_BYTES],
            Piece::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

/// A piece as it is stored, one of zeros excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPiece(Vec<u8>);

impl StoredPiece {
    /// A whole piece of ones.
    pub const ONES: StoredPiece = StoredPiece(Vec::new());

    /// That of these bytes; `None`: they are zeros.
    pub fn of(mut bytes: Vec<u8>) -> Option<Self> {
        let len = encode(&bytes)?.len();
        bytes.truncate(len);
        bytes.shrink_to_fit();
        Some(StoredPiece(bytes))
    }

    /// As a part of a string.
    pub fn as_part(&self) -> Part<'_> {
        if *self == Self::ONES { Part::Ones(PIECE_BYTES) } else { Part::Bytes(&self.0) }
    }

    /// Bytes that are stored.
    pub fn stored_len(&self) -> usize {
        self.0.len()
    }

    /// Its bytes, without the zeros at its end.
    pub fn into_bytes(self) -> Vec<u8> {
        if self == Self::ONES { vec![0xff; PIECE_BYTES] } else { self.0 }
    }
}

fn check(stored: &[u8]) -> Result<(), StoreError> {
    match stored.len() <= PIECE_BYTES {
        true => Ok(()),
        false => Err(StoreError::corrupt("piece of a string", "too long")),
    }
}

/// What is stored of a piece of these bytes; `None` = nothing.
fn encode(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().rposition(|byte| *byte != 0)?;
    let is_ones = last.saturating_add(1) == PIECE_BYTES && bytes.iter().all(|byte| *byte == 0xff);
    if is_ones { Some(&[]) } else { bytes.get(..=last) }
}

/// A string in pieces, as its row says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pieces {
    pub(super) id: CollectionId,
    /// Pieces that are stored.
    pub(super) stored: u64,
    /// Bytes of the string.
    pub(super) len: usize,
}

impl Pieces {
    pub(super) fn of_row(view: &View<'_>, row: &Row) -> Result<Self> {
        let damaged = || StoreError::corrupt("metadata record", "a string in pieces without its length");
        let head = CollectionHead::decode(&row.body)?;
        let len = row.body.get(CollectionHead::LEN..).and_then(<[u8]>::first_chunk).ok_or_else(damaged)?;
        let len = usize::try_from(u64::from_be_bytes(*len)).map_err(|_| damaged())?;
        if len > STRING_BYTES_MAX {
            return Err(damaged().into());
        }
        Ok(Pieces { id: view.collection_id(head.generation), stored: head.len, len })
    }

    /// The body of its row.
    pub(super) fn body(&self) -> Vec<u8> {
        let head = CollectionHead { generation: self.id.generation(), len: self.stored };
        head.body(&(self.len as u64).to_be_bytes())
    }

    /// Pieces that there are, stored or not.
    pub(super) fn count(&self) -> usize {
        self.len.div_ceil(PIECE_BYTES)
    }

    /// Whether none of its pieces is of zeros alone.
    pub(super) fn is_dense(&self) -> bool {
        self.stored == self.count() as u64
    }

    /// Whether something is stored of a piece.
    pub(super) fn has(&self, view: &View<'_>, number: usize) -> Result<bool> {
        if number >= self.count() || self.is_dense() {
            return Ok(number < self.count());
        }
        Ok(view.in_passing().sub(SubKeys::Data, &self.id, &sub_key(number))?.is_some())
    }

    pub(super) fn piece(&self, view: &View<'_>, number: usize) -> Result<Piece> {
        if number >= self.count() {
            return Ok(Piece::Zeros);
        }
        Ok(Piece::decode(view.in_passing().sub(SubKeys::Data, &self.id, &sub_key(number))?)?)
    }

    /// Writes a piece, of which something was stored before or not.
    pub(super) fn put(&mut self, txn: &mut Txn<'_>, number: usize, bytes: Vec<u8>, was_stored: bool) {
        match StoredPiece::of(bytes) {
            Some(piece) => self.put_stored(txn, number, piece, was_stored),
            None if was_stored => self.delete(txn, number),
            None => {}
        }
    }

    /// As `put`, for bytes that are part of something that goes soon: they are shared if they are most of a piece.
    pub(super) fn put_shared(&mut self, txn: &mut Txn<'_>, number: usize, bytes: &Bytes, was_stored: bool) {
        match encode(bytes).map(<[u8]>::len) {
            Some(len) if len > PIECE_BYTES / 2 => {
                let was = Was::absent_if(!was_stored);
                txn.put_sub_bytes(SubKeys::Data, &self.id, &sub_key(number), bytes.slice(..len), was);
                self.stored = self.stored.saturating_add(u64::from(!was_stored));
            }
            _ => self.put(txn, number, bytes.to_vec(), was_stored),
        }
    }

    pub(super) fn put_stored(
        &mut self,
        txn: &mut Txn<'_>,
        number: usize,
        piece: StoredPiece,
        was_stored: bool,
    ) {
        let was = Was::absent_if(!was_stored);
        txn.put_sub_bytes(SubKeys::Data, &self.id, &sub_key(number), Bytes::from(piece.0), was);
        self.stored = self.stored.saturating_add(u64::from(!was_stored));
    }

    /// Deletes a piece of which something is stored.
    pub(super) fn delete(&mut self, txn: &mut Txn<'_>, number: usize) {
        txn.delete_sub(SubKeys::Data, &self.id, &sub_key(number));
        self.stored = self.stored.saturating_sub(1);
    }

    /// Visits a range, which lies within the string, part by part until the visitor breaks. Holes cost nothing.
    pub(super) fn parts(
        &self,
        view: &View<'_>,
        range: Range<usize>,
        visit: &mut impl FnMut(Part<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let numbers = range.start / PIECE_BYTES..range.end.div_ceil(PIECE_BYTES);
        if numbers.len() > LOOKED_UP_MAX {
            return self.scan(view, numbers, range, visit);
        }
        for number in numbers {
            let within = within(number, &range);
            let flow = match view.in_passing().sub(SubKeys::Data, &self.id, &sub_key(number))? {
                Some(stored) => parts_of(&stored, within, visit)?,
                None => visit(Part::Zeros(within.len()))?,
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        view: &View<'_>,
        numbers: Range<usize>,
        range: Range<usize>,
        visit: &mut impl FnMut(Part<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let (first, end) = (sub_key(numbers.start), sub_key(numbers.end));
        let span = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
        // Up to where it has been visited.
        let (mut at, mut is_over) = (range.start, false);
        view.in_passing().scan_sub(SubKeys::Data, &self.id, span, Direction::Forward, |sub, stored| {
            let number = number_of(sub)?;
            let within = within(number, &range);
            let begins = number.saturating_mul(PIECE_BYTES).saturating_add(within.start);
            let mut flow = ControlFlow::Continue(());
            if begins > at {
                flow = visit(Part::Zeros(begins.saturating_sub(at)))?;
            }
            at = begins.saturating_add(within.len());
            if flow.is_continue() {
                flow = parts_of(stored, within, visit)?;
            }
            is_over = flow.is_break();
            Ok(flow)
        })?;
        if !is_over && at < range.end {
            let _ = visit(Part::Zeros(range.end.saturating_sub(at)))?;
        }
        Ok(())
    }

    /// Visits the pieces of which something is stored: number and what is stored.
    pub(super) fn each_stored(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let view = view.in_passing();
        view.scan_sub(SubKeys::Data, &self.id, crate::store::ALL, Direction::Forward, |sub, stored| {
            check(stored)?;
            visit(number_of(sub)?, stored)?;
            Ok(ControlFlow::Continue(()))
        })
    }
}

/// Where a piece is filed.
fn sub_key(number: usize) -> [u8; 4] {
    // No string has so many.
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

fn number_of(sub: &[u8]) -> Result<usize, StoreError> {
    let number: [u8; 4] =
        sub.try_into().map_err(|_| StoreError::corrupt("piece of a string", "no number"))?;
    Ok(u32::from_be_bytes(number) as usize)
}

/// What of a range lies within a piece, counted from where that begins.
fn within(number: usize, range: &Range<usize>) -> Range<usize> {
    let begins = number.saturating_mul(PIECE_BYTES);
    let bound = |at: usize| at.saturating_sub(begins).min(PIECE_BYTES);
    bound(range.start)..bound(range.end)
}

/// Visits a part of a piece of which this is stored.
fn parts_of(
    stored: &[u8],
    within: Range<usize>,
    visit: &mut impl FnMut(Part<'_>) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    check(stored)?;
    if stored.is_empty() {
        return visit(Part::Ones(within.len()));
    }
    let end = stored.len().min(within.end);
    let bytes = stored.get(within.start.min(end)..end).unwrap_or_default();
    if !bytes.is_empty() && visit(Part::Bytes(bytes))?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    match within.len().saturating_sub(bytes.len()) {
        0 => Ok(ControlFlow::Continue(())),
        zeros => visit(Part::Zeros(zeros)),
    }
}

/// The pieces of a string that is whole.
pub(super) fn pieces_of(whole: &[u8]) -> std::iter::Enumerate<slice::Chunks<'_, u8>> {
    whole.chunks(PIECE_BYTES).enumerate()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: these bytes are on disk.
    #[test]
    fn what_is_stored_of_a_piece() {
        assert_eq!((PIECE_BYTES, sub_key(258)), (8192, [0, 0, 1, 2]));
        assert_eq!(encode(b"ab\0c\0\0"), Some(&b"ab\0c"[..]));
        assert_eq!(encode(&[0; PIECE_BYTES]), None);
        assert_eq!(encode(b""), None);
        assert_eq!(encode(&[0xff; PIECE_BYTES]), Some(&b""[..]));
        assert_eq!(encode(&[0xff; 5]), Some(&[0xff; 5][..]));
        let mut but_one = [0xff; PIECE_BYTES];
        but_one[0] = 0xfe;
        assert_eq!(encode(&but_one), Some(&but_one[..]));
        but_one[0] = 0xff;
        but_one[PIECE_BYTES - 1] = 0;
        assert_eq!(encode(&but_one).map(<[u8]>::len), Some(PIECE_BYTES - 1));
    }

    #[test]
    fn pieces_that_are_too_long_are_damage() {
        assert!(Piece::decode(Some(vec![1; PIECE_BYTES + 1].into())).is_err());
        assert!(number_of(b"abc").is_err() && number_of(b"abcde").is_err());
        assert_eq!(number_of(&sub_key(65_535)).unwrap(), 65_535);
    }
}
