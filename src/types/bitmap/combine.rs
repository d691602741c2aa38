//! BITOP's arithmetic: strings combined bit by bit, the shorter ones continued with zeros.

use crate::{
    error::Result,
    store::View,
    types::string::{PIECE_BYTES, Part, StoredPiece, StoredString},
};
use std::collections::{BTreeMap, BTreeSet};

/// The bitwise operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    And,
    Or,
    Xor,
    /// Of one string only.
    Not,
}

impl Operation {
    /// Parses its name; case does not matter.
    pub fn parse(word: &[u8]) -> Option<Self> {
        let names = [
            ("AND", Operation::And),
            ("OR", Operation::Or),
            ("XOR", Operation::Xor),
            ("NOT", Operation::Not),
        ];
        let found = names.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, operation)| operation)
    }
}

/// The result, which grows with each source: as long as the longest one, in pieces as they are stored. So it is never larger
/// than what is to be stored, however many sources there are, and holes and runs of ones cost next to nothing.
#[derive(Debug)]
pub struct Combined {
    operation: Operation,
    len: usize,
    is_first: bool,
    pieces: BTreeMap<usize, StoredPiece>,
}

impl Combined {
    pub fn new(operation: Operation) -> Self {
        Combined { operation, len: 0, is_first: true, pieces: BTreeMap::new() }
    }

    /// Combines it with one more source; one that is absent is empty.
    pub fn add(&mut self, view: &View<'_>, source: Option<&StoredString>) -> Result<()> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        self.len = self.len.max(source.map_or(0, StoredString::len));
        let operation = if is_first { Operation::Or } else { self.operation };
        let mut seen = BTreeSet::new();
        if let Some(source) = source {
            source.each_piece(view, |number, part| {
                match operation {
                    Operation::And if !self.pieces.contains_key(&number) => return Ok(()),
                    Operation::And => {
                        seen.insert(number);
                        self.join(number, part, |byte, other| byte & other);
                    }
                    Operation::Or | Operation::Not => self.join(number, part, |byte, other| byte | other),
                    Operation::Xor => self.join(number, part, |byte, other| byte ^ other),
                }
                Ok(())
            })?;
        }
        if operation == Operation::And {
            self.pieces.retain(|number, _| seen.contains(number));
        }
        Ok(())
    }

    fn join(&mut self, number: usize, part: Part<'_>, with: impl Fn(u8, u8) -> u8) {
        let new = match (self.pieces.get(&number), part) {
            (None, Part::Zeros(_)) => None,
            (None, Part::Ones(_)) => Some(StoredPiece::ONES),
            (None, Part::Bytes(bytes)) => StoredPiece::of(bytes.to_vec()),
            (Some(piece), Part::Ones(_)) if *piece == StoredPiece::ONES => {
                (with(0xff, 0xff) == 0xff).then_some(StoredPiece::ONES)
            }
            (Some(_), _) => return self.join_bytes(number, part, with),
        };
        match new {
            Some(piece) => drop(self.pieces.insert(number, piece)),
            None => drop(self.pieces.remove(&number)),
        }
    }

    fn join_bytes(&mut self, number: usize, part: Part<'_>, with: impl Fn(u8, u8) -> u8) {
        self.change(number, |piece| {
            let end = piece.len().max(part.len());
            piece.resize(end, 0);
            let (shared, beyond) = piece.split_at_mut(part.len());
            match part {
                Part::Zeros(_) => shared.iter_mut().for_each(|byte| *byte = with(*byte, 0)),
                Part::Ones(_) => shared.iter_mut().for_each(|byte| *byte = with(*byte, 0xff)),
                Part::Bytes(bytes) => {
                    shared.iter_mut().zip(bytes).for_each(|(byte, other)| *byte = with(*byte, *other));
                }
            }
            beyond.iter_mut().for_each(|byte| *byte = with(*byte, 0));
        });
    }

    fn change(&mut self, number: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.pieces.remove(&number).map(StoredPiece::into_bytes).unwrap_or_default();
        change(&mut bytes);
        if let Some(piece) = StoredPiece::of(bytes) {
            self.pieces.insert(number, piece);
        }
    }

    /// Length and pieces, by number.
    pub fn finish(mut self) -> (usize, BTreeMap<usize, StoredPiece>) {
        if self.operation == Operation::Not {
            for number in 0..self.len.div_ceil(PIECE_BYTES) {
                let len = self.len.saturating_sub(number.saturating_mul(PIECE_BYTES)).min(PIECE_BYTES);
                match self.pieces.get(&number) {
                    None if len == PIECE_BYTES => drop(self.pieces.insert(number, StoredPiece::ONES)),
                    Some(piece) if *piece == StoredPiece::ONES => drop(self.pieces.remove(&number)),
                    _ => self.change(number, |piece| {
                        piece.resize(len, 0);
                        piece.iter_mut().for_each(|byte| *byte = !*byte);
                    }),
                }
            }
        }
        (self.len, self.pieces)
    }
}
