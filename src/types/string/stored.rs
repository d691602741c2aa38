//! A string under a key: its length, parts of it, all of it.

use super::pieces::{PIECE_BYTES, Part, Piece, Pieces, pieces_of};
use crate::{
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Encoding, Row, Type, View},
    types::integer::parse_i64,
    value::Value,
};
use std::ops::{ControlFlow, Range};

/// A range of so many bytes is not put together on a thread that serves connections.
const LONG_BYTES: usize = 1024 * 1024;

/// See the module.
#[derive(Debug, Clone)]
pub struct StoredString {
    pub(super) row: Row,
    pub(super) pieces: Option<Pieces>,
}

impl StoredString {
    /// The string under a key; another type is WRONGTYPE.
    pub fn open(view: &View<'_>, key: &[u8]) -> Result<Option<Self>> {
        view.get(key)?.map(|row| Self::of_row(view, row)).transpose()
    }

    /// The string that a row of the current database is.
    pub fn of_row(view: &View<'_>, row: Row) -> Result<Self> {
        if row.kind != Type::String {
            return Err(ErrorReply::wrong_type().into());
        }
        let pieces = row.has_subkeys().then(|| Pieces::of_row(view, &row)).transpose()?;
        Ok(StoredString { row, pieces })
    }

    /// Milliseconds since the epoch; 0 = never.
    pub fn expires_at(&self) -> u64 {
        self.row.expires_at
    }

    /// Its row.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// Bytes of it.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.pieces.map_or(self.row.body.len(), |pieces| pieces.len)
    }

    /// Its bytes if they are in its row. One in pieces is too long to be a number, or anything else that is short.
    pub fn short(&self) -> Option<&[u8]> {
        self.pieces.is_none().then_some(&self.row.body[..])
    }

    /// Visits a range part by part until the visitor breaks. What of the range lies outside is not there.
    pub fn parts(
        &self,
        view: &View<'_>,
        range: Range<usize>,
        mut visit: impl FnMut(Part<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let range = self.clamped(range);
        match &self.pieces {
            Some(pieces) => pieces.parts(view, range, &mut visit),
            None => {
                let bytes = self.row.body.get(range).unwrap_or_default();
                if !bytes.is_empty() {
                    let _ = visit(Part::Bytes(bytes))?;
                }
                Ok(())
            }
        }
    }

    /// A range. What of it lies outside is not there.
    pub fn read(&self, view: &View<'_>, range: Range<usize>) -> Result<Value> {
        let range = self.clamped(range);
        let Some(pieces) = &self.pieces else { return Ok(self.row.body.slice(range)) };
        if range.len() >= LONG_BYTES {
            view.may_take_long()?;
        }
        view.keep(1, range.len())?;
        // Pages of it that stay zeros are not even touched.
        let mut out = vec![0; range.len()];
        let mut left = &mut out[..];
        pieces.parts(view, range, &mut |part| {
            let Some((slot, rest)) = std::mem::take(&mut left).split_at_mut_checked(part.len()) else {
                return Ok(ControlFlow::Break(()));
            };
            match part {
                Part::Zeros(_) => {}
                Part::Ones(_) => slot.fill(0xff),
                Part::Bytes(bytes) => slot.copy_from_slice(bytes),
            }
            left = rest;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(out.into())
    }

    /// All of it.
    pub fn value(&self, view: &View<'_>) -> Result<Value> {
        match self.pieces {
            Some(_) => self.read(view, 0..self.len()),
            None => Ok(self.row.body.clone()),
        }
    }

    /// A range of it as a reply, which is put together only where somebody waits for it.
    pub fn reply(&self, view: &View<'_>, range: Range<usize>) -> Result<Reply> {
        if self.pieces.is_some() {
            // Whether it is put together or not, the call costs the same.
            view.keep(1, self.clamped(range.clone()).len())?;
            if !view.is_reply_wanted() {
                return Ok(Reply::Nil);
            }
        }
        let view = &view.uncounted();
        let is_all = range.start == 0 && range.end >= self.len();
        Ok(Reply::Bulk(if is_all { self.value(view)? } else { self.read(view, range)? }))
    }

    /// Whether it is these bytes.
    pub fn equals(&self, view: &View<'_>, bytes: &[u8]) -> Result<bool> {
        let (mut left, mut is_equal) = (bytes, self.len() == bytes.len());
        if !is_equal {
            return Ok(false);
        }
        self.parts(view, 0..bytes.len(), |part| {
            let (same, rest) = left.split_at_checked(part.len()).unwrap_or_default();
            is_equal = match part {
                Part::Zeros(_) => same.iter().all(|byte| *byte == 0),
                Part::Ones(_) => same.iter().all(|byte| *byte == 0xff),
                Part::Bytes(bytes) => same == bytes,
            };
            left = rest;
            Ok(if is_equal { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(is_equal)
    }

    /// One piece of it, whether it is stored like that or not.
    pub(super) fn piece(&self, view: &View<'_>, number: usize) -> Result<Piece> {
        if let Some(pieces) = &self.pieces {
            return pieces.piece(view, number);
        }
        let begins = number.saturating_mul(PIECE_BYTES);
        let bytes = self.row.body.slice(begins..begins.saturating_add(PIECE_BYTES));
        Ok(if bytes.is_empty() { Piece::Zeros } else { Piece::Bytes(bytes) })
    }

    /// Visits its pieces, by number, that are not of zeros alone.
    pub fn each_piece(
        &self,
        view: &View<'_>,
        mut visit: impl FnMut(usize, Part<'_>) -> Result<()>,
    ) -> Result<()> {
        match &self.pieces {
            Some(pieces) => pieces.each_stored(view, |number, stored| match stored.is_empty() {
                true => visit(number, Part::Ones(PIECE_BYTES)),
                false => visit(number, Part::Bytes(stored)),
            }),
            None => {
                pieces_of(&self.row.body).try_for_each(|(number, bytes)| visit(number, Part::Bytes(bytes)))
            }
        }
    }

    fn clamped(&self, range: Range<usize>) -> Range<usize> {
        let end = range.end.min(self.len());
        range.start.min(end)..end
    }
}

/// OBJECT ENCODING's name for a string.
pub fn encoding_name(row: &Row) -> &'static str {
    match row.encoding {
        Encoding::Natural if parse_i64(&row.body).is_some() => "int",
        Encoding::Natural if row.body.len() <= 44 => "embstr",
        _ => "raw",
    }
}
