//! A sketch as stored, with its header.

use super::{
    HEADER_LEN, REGISTERS,
    dense::{self, DENSE_LEN},
    estimate::Histogram,
    hash,
    sparse::{self, Raised},
};
use std::borrow::Cow;

const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const CARDINALITY_AT: usize = 8;
/// In the highest byte of the cardinality: it is out of date.
const STALE: u8 = 0x80;

/// A string that has the header of a sketch but invalid runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

/// One rank per register.
#[derive(Debug, Clone)]
pub struct Registers(Box<[u8]>);

impl Default for Registers {
    fn default() -> Self {
        Registers(vec![0; REGISTERS].into())
    }
}

impl Registers {
    /// One rank per register, in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        self.0.iter().copied()
    }

    /// Raises each register to that of the sketch.
    pub fn merge(&mut self, sketch: &Sketch<'_>) -> Result<(), Corrupt> {
        if sketch.is_dense() {
            for (rank, other) in self.0.iter_mut().zip(dense::registers(sketch.body())) {
                *rank = other.max(*rank);
            }
            return Ok(());
        }
        let mut first = 0_usize;
        for run in sparse::runs(sketch.body()) {
            let end = first.saturating_add(run.registers);
            let ranks = self.0.get_mut(first..end).ok_or(Corrupt)?;
            ranks.iter_mut().for_each(|rank| *rank = run.rank.max(*rank));
            first = end;
        }
        if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
    }

    /// The estimated number of different elements.
    pub fn cardinality(&self) -> u64 {
        let mut histogram = Histogram::new();
        self.0.iter().for_each(|rank| histogram.add(*rank, 1));
        histogram.cardinality()
    }
}

/// A sketch.
#[derive(Debug, Clone)]
pub struct Sketch<'a>(Cow<'a, [u8]>);

impl Default for Sketch<'_> {
    /// Of no element.
    fn default() -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.push(SPARSE);
        bytes.resize(HEADER_LEN, 0);
        bytes.extend_from_slice(&sparse::empty());
        Sketch(bytes.into())
    }
}

impl<'a> Sketch<'a> {
    /// A string, if its header is that of a sketch. Runs are checked when they are used.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let fits = match *header.get(ENCODING_AT)? {
            DENSE => bytes.len() == DENSE_LEN,
            SPARSE => true,
            _ => false,
        };
        (header.starts_with(MAGIC) && fits).then_some(Sketch(bytes.into()))
    }

    /// As it is stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn is_dense(&self) -> bool {
        self.0.get(ENCODING_AT) == Some(&DENSE)
    }

    fn body(&self) -> &[u8] {
        self.0.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Adds an element; whether that changed the sketch.
    pub fn add(&mut self, element: &[u8]) -> Result<bool, Corrupt> {
        let (register, rank) = hash::place(element);
        self.raise(register, rank)
    }

    /// Raises each register to these ranks.
    pub fn raise_all(&mut self, registers: &Registers) -> Result<(), Corrupt> {
        for (register, rank) in registers.iter().enumerate().filter(|(_, rank)| *rank != 0) {
            self.raise(register, rank)?;
        }
        Ok(())
    }

    fn raise(&mut self, register: usize, rank: u8) -> Result<bool, Corrupt> {
        if !self.is_dense() {
            match sparse::raise(self.0.to_mut(), register, rank) {
                Raised::Yes => {
                    self.mark_stale();
                    return Ok(true);
                }
                Raised::No => return Ok(false),
                Raised::Corrupt => return Err(Corrupt),
                Raised::TooMuch => self.make_dense()?,
            }
        }
        let raised =
            self.0.to_mut().get_mut(HEADER_LEN..).is_some_and(|body| dense::raise(body, register, rank));
        if raised {
            self.mark_stale();
        }
        Ok(raised)
    }

    /// Says that the cardinality in the header is out of date.
    pub fn mark_stale(&mut self) {
        if let Some(byte) = self.0.to_mut().get_mut(HEADER_LEN - 1) {
            *byte |= STALE;
        }
    }

    /// Turns to the dense representation. The header keeps its cardinality.
    pub fn make_dense(&mut self) -> Result<(), Corrupt> {
        if self.is_dense() {
            return Ok(());
        }
        let mut registers = Registers::default();
        registers.merge(self)?;
        let bytes = self.0.to_mut();
        bytes.truncate(HEADER_LEN);
        bytes.resize(DENSE_LEN, 0);
        if let Some(encoding) = bytes.get_mut(ENCODING_AT) {
            *encoding = DENSE;
        }
        let body = bytes.get_mut(HEADER_LEN..).unwrap_or_default();
        for (register, rank) in registers.iter().enumerate() {
            dense::raise(body, register, rank);
        }
        Ok(())
    }

    /// The estimated number of different elements, from the header or else counted.
    pub fn cardinality(&self) -> Result<u64, Corrupt> {
        let stored = self.0.get(CARDINALITY_AT..).and_then(|rest| rest.first_chunk::<8>());
        match stored {
            Some(number @ [.., last]) if last & STALE == 0 => Ok(u64::from_le_bytes(*number)),
            _ => self.count(),
        }
    }

    fn count(&self) -> Result<u64, Corrupt> {
        let mut histogram = Histogram::new();
        if self.is_dense() {
            dense::registers(self.body()).for_each(|rank| histogram.add(rank, 1));
            return Ok(histogram.cardinality());
        }
        let mut registers = 0_usize;
        for run in sparse::runs(self.body()) {
            histogram.add(run.rank, run.registers);
            registers = registers.saturating_add(run.registers);
        }
        if registers == REGISTERS { Ok(histogram.cardinality()) } else { Err(Corrupt) }
    }

    /// The runs of a sparse sketch as PFDEBUG DECODE writes them; `None` = it is dense.
    pub fn decode(&self) -> Option<String> {
        if self.is_dense() {
            return None;
        }
        let runs = sparse::runs(self.body()).map(|run| match run.rank {
            0 if run.long => format!("Z:{}", run.registers),
            0 => format!("z:{}", run.registers),
            rank => format!("v:{rank},{}", run.registers),
        });
        Some(runs.collect::<Vec<_>>().join(" "))
    }
}
