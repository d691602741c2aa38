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
    /// Bits of the first string that no other has.
    Diff,
    /// Bits that the first string does not have, but another has.
    Diff1,
    /// Bits of the first string that another has, too.
    AndOr,
    /// Bits that exactly one string has.
    One,
}

impl Operation {
    /// Parses its name; case does not matter.
    pub fn parse(word: &[u8]) -> Option<Self> {
        let all = [
            Operation::And,
            Operation::Or,
            Operation::Xor,
            Operation::Not,
            Operation::Diff,
            Operation::Diff1,
            Operation::AndOr,
            Operation::One,
        ];
        all.into_iter().find(|operation| word.eq_ignore_ascii_case(operation.name().as_bytes()))
    }

    pub fn name(self) -> &'static str {
        match self {
            Operation::And => "AND",
            Operation::Or => "OR",
            Operation::Xor => "XOR",
            Operation::Not => "NOT",
            Operation::Diff => "DIFF",
            Operation::Diff1 => "DIFF1",
            Operation::AndOr => "ANDOR",
            Operation::One => "ONE",
        }
    }

    /// Whether the first string is another operand than the others.
    pub fn has_two_sides(self) -> bool {
        matches!(self, Operation::Diff | Operation::Diff1 | Operation::AndOr)
    }

    /// Whether the first string is to be added last: what the others have is gathered first.
    pub fn takes_first_last(self) -> bool {
        matches!(self, Operation::Diff1 | Operation::AndOr)
    }
}

/// What becomes of two operands' bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    And,
    AndNot,
    Or,
    Xor,
}

/// The result, which grows with each source: as long as the longest one, in pieces as they are stored. So it is never larger
/// than what is to be stored, or than what a source has, however many sources there are, and holes and runs of ones cost next
/// to nothing. (`One` keeps as much again: what several sources have. That counts for the budget of the call.)
#[derive(Debug)]
pub struct Combined {
    operation: Operation,
    len: usize,
    is_first: bool,
    pieces: Pieces,
    /// Of `One`: bits that two sources have, or more.
    twice: Pieces,
}

impl Combined {
    pub fn new(operation: Operation) -> Self {
        let (pieces, twice) = (Pieces::default(), Pieces::default());
        Combined { operation, len: 0, is_first: true, pieces, twice }
    }

    /// Combines it with one more source; one that is absent is empty.
    pub fn add(&mut self, view: &View<'_>, source: Option<&StoredString>) -> Result<()> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        let join = match self.operation {
            _ if is_first => Join::Or,
            Operation::And => Join::And,
            Operation::Diff => Join::AndNot,
            Operation::Xor => Join::Xor,
            Operation::Or | Operation::Not | Operation::Diff1 | Operation::AndOr => Join::Or,
            Operation::One => return self.add_to_one(view, source),
        };
        self.join(view, source, join)
    }

    /// Combines the other sources with the first one, if it `takes_first_last`.
    pub fn add_first(&mut self, view: &View<'_>, source: Option<&StoredString>) -> Result<()> {
        let join = if self.operation == Operation::Diff1 { Join::AndNot } else { Join::And };
        self.join(view, source, join)
    }

    fn join(&mut self, view: &View<'_>, source: Option<&StoredString>, join: Join) -> Result<()> {
        self.len = self.len.max(source.map_or(0, StoredString::len));
        let mut seen = BTreeSet::new();
        if let Some(source) = source {
            source.each_piece(view, |number, part| {
                match join {
                    Join::And | Join::AndNot if !self.pieces.0.contains_key(&number) => return Ok(()),
                    Join::And => drop(seen.insert(number)),
                    Join::AndNot | Join::Or | Join::Xor => {}
                }
                self.pieces.join(number, part, join);
                Ok(())
            })?;
        }
        if join == Join::And {
            self.pieces.0.retain(|number, _| seen.contains(number));
        }
        Ok(())
    }

    fn add_to_one(&mut self, view: &View<'_>, source: Option<&StoredString>) -> Result<()> {
        let Some(source) = source else { return Ok(()) };
        self.len = self.len.max(source.len());
        source.each_piece(view, |number, part| {
            if let Some(piece) = self.pieces.0.get(&number) {
                let mut both = Pieces(BTreeMap::from([(number, piece.clone())]));
                both.join(number, part, Join::And);
                let before = self.twice.stored_len(number);
                if let Some(both) = both.0.get(&number) {
                    self.twice.join(number, both.as_part(), Join::Or);
                }
                view.keep(0, self.twice.stored_len(number).saturating_sub(before))?;
            }
            self.pieces.join(number, part, Join::Or);
            Ok(())
        })
    }

    /// Length and pieces, by number.
    pub fn finish(mut self) -> (usize, BTreeMap<usize, StoredPiece>) {
        if self.operation == Operation::Not {
            self.pieces.complement(self.len);
        }
        for (number, piece) in &self.twice.0 {
            self.pieces.join(*number, piece.as_part(), Join::AndNot);
        }
        (self.len, self.pieces.0)
    }
}

/// Pieces by number; those of zeros are not there.
#[derive(Debug, Default)]
struct Pieces(BTreeMap<usize, StoredPiece>);

impl Pieces {
    fn stored_len(&self, number: usize) -> usize {
        self.0.get(&number).map_or(0, StoredPiece::stored_len)
    }

    fn join(&mut self, number: usize, part: Part<'_>, join: Join) {
        match join {
            Join::And => self.join_with(number, part, |byte, other| byte & other),
            Join::AndNot => self.join_with(number, part, |byte, other| byte & !other),
            Join::Or => self.join_with(number, part, |byte, other| byte | other),
            Join::Xor => self.join_with(number, part, |byte, other| byte ^ other),
        }
    }

    fn join_with(&mut self, number: usize, part: Part<'_>, with: impl Fn(u8, u8) -> u8) {
        let new = match (self.0.get(&number), part) {
            (None, Part::Zeros(_)) => None,
            (None, Part::Ones(_)) => (with(0, 0xff) == 0xff).then_some(StoredPiece::ONES),
            (None, Part::Bytes(bytes)) => StoredPiece::of(bytes.iter().map(|byte| with(0, *byte)).collect()),
            (Some(piece), Part::Ones(_)) if *piece == StoredPiece::ONES => {
                (with(0xff, 0xff) == 0xff).then_some(StoredPiece::ONES)
            }
            (Some(_), _) => return self.join_bytes(number, part, with),
        };
        match new {
            Some(piece) => drop(self.0.insert(number, piece)),
            None => drop(self.0.remove(&number)),
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
        let mut bytes = self.0.remove(&number).map(StoredPiece::into_bytes).unwrap_or_default();
        change(&mut bytes);
        if let Some(piece) = StoredPiece::of(bytes) {
            self.0.insert(number, piece);
        }
    }

    /// Of a string of this length.
    fn complement(&mut self, string_len: usize) {
        for number in 0..string_len.div_ceil(PIECE_BYTES) {
            let len = string_len.saturating_sub(number.saturating_mul(PIECE_BYTES)).min(PIECE_BYTES);
            match self.0.get(&number) {
                None if len == PIECE_BYTES => drop(self.0.insert(number, StoredPiece::ONES)),
                Some(piece) if *piece == StoredPiece::ONES => drop(self.0.remove(&number)),
                _ => self.change(number, |piece| {
                    piece.resize(len, 0);
                    piece.iter_mut().for_each(|byte| *byte = !*byte);
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{Encoding, tests::support::Home},
        types::string::put_pieces,
    };
    use resp_tests::dice::Dice;

    const ALL: [(&str, Operation); 7] = [
        ("AND", Operation::And),
        ("or", Operation::Or),
        ("xOR", Operation::Xor),
        ("DIFF", Operation::Diff),
        ("diff1", Operation::Diff1),
        ("AndOr", Operation::AndOr),
        ("ONE", Operation::One),
    ];

    /// Bit by bit, as the words of the documentation say it.
    fn naive(operation: Operation, sources: &[Vec<u8>]) -> Vec<u8> {
        let len = sources.iter().map(Vec::len).max().unwrap();
        let byte = |at: usize| {
            (0..8).fold(0_u8, |byte, bit| {
                let has = |source: &Vec<u8>| source.get(at).is_some_and(|byte| byte >> bit & 1 == 1);
                let (first, others) = (has(&sources[0]), sources[1..].iter().any(has));
                let on = match operation {
                    Operation::And => sources.iter().all(has),
                    Operation::Or => first || others,
                    Operation::Xor => sources.iter().filter(|source| has(source)).count() % 2 == 1,
                    Operation::Diff => first && !others,
                    Operation::Diff1 => !first && others,
                    Operation::AndOr => first && others,
                    Operation::One => sources.iter().filter(|source| has(source)).count() == 1,
                    Operation::Not => unreachable!(),
                };
                byte | u8::from(on) << bit
            })
        };
        (0..len).map(byte).collect()
    }

    /// Stretches of zeros, ones and noise, from one byte to several pieces.
    fn source(dice: &mut Dice) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..dice.below(5) {
            let len = [1, 100, PIECE_BYTES, 2 * PIECE_BYTES, 5000][dice.below(5) as usize];
            let kind = dice.below(4);
            bytes.extend((0..len).map(|_| match kind {
                0 => 0,
                1 | 2 => 0xff,
                _ => dice.roll() as u8,
            }));
        }
        bytes
    }

    #[test]
    fn results_are_those_of_bits() {
        let (home, mut dice) = (Home::new(0), Dice::new(1));
        for round in 0..60 {
            let sources: Vec<Vec<u8>> = (0..2 + dice.below(3)).map(|_| source(&mut dice)).collect();
            home.write(0, 0, |txn| {
                for (key, source) in sources.iter().enumerate() {
                    let mut whole = Combined::new(Operation::Or);
                    whole.len = source.len();
                    for (number, bytes) in source.chunks(PIECE_BYTES).enumerate() {
                        whole.pieces.join(number, Part::Bytes(bytes), Join::Or);
                    }
                    let (len, pieces) = whole.finish();
                    put_pieces(txn, &[key as u8], len, pieces, Encoding::Raw).unwrap();
                }
            });
            home.read(0, 0, |view| {
                let open = |key: usize| StoredString::open(view, &[key as u8]).unwrap();
                for (name, operation) in ALL {
                    assert_eq!(Operation::parse(name.as_bytes()), Some(operation));
                    let mut result = Combined::new(operation);
                    let first = usize::from(operation.takes_first_last());
                    (first..sources.len()).for_each(|key| result.add(view, open(key).as_ref()).unwrap());
                    if first == 1 {
                        result.add_first(view, open(0).as_ref()).unwrap();
                    }
                    let (len, pieces) = result.finish();
                    let mut found = vec![0; len];
                    for (number, piece) in pieces {
                        let bytes = piece.into_bytes();
                        assert!(!bytes.is_empty());
                        found[number * PIECE_BYTES..][..bytes.len()].copy_from_slice(&bytes);
                    }
                    assert!(found == naive(operation, &sources), "{name} in round {round}");
                }
            });
        }
    }
}
