//! Bytes of RDB in, from a file or a payload: lengths, strings, numbers.
//!
//! Memory for a string grows as its bytes arrive, and a budget bounds what one object becomes in memory. It is asked before
//! anything is allocated that is larger than the bytes it is made from: what a compressed string becomes, a blob's elements,
//! the names that the entries of a stream share.

use super::{
    error::{Fault, RdbError, Result},
    lzf,
    types::{CRC64, ENC_INT8, ENC_INT16, ENC_INT32, ENC_LZF},
};
use crate::limits::BULK_BYTES_MAX;
use crc::{Digest, Table};
use std::io::{ErrorKind, Read};

/// Requested at once; more when this much has arrived.
const CHUNK_BYTES: usize = 64 * 1024;
/// Memory of an element beside its bytes.
const ELEMENT_BYTES: u64 = 48;

/// A reader of RDB bytes.
pub struct Input<R> {
    source: R,
    at: u64,
    digest: Option<Digest<'static, u64, Table<16>>>,
    budget: u64,
    budget_max: u64,
}

/// The value of a length field.
enum Length {
    Plain(u64),
    /// A string in a special encoding follows.
    Encoded(u8),
}

impl<R: Read> Input<R> {
    /// Without a checksum; one object may become `object_bytes_max` large in memory.
    pub fn new(source: R, object_bytes_max: u64) -> Self {
        Input { source, at: 0, digest: None, budget: object_bytes_max, budget_max: object_bytes_max }
    }

    /// Everything read from now on counts for the checksum.
    pub fn with_checksum(mut self) -> Self {
        self.digest = Some(CRC64.digest());
        self
    }

    /// Bytes read so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Of the bytes read so far.
    pub fn checksum(&self) -> u64 {
        self.digest.as_ref().map_or(0, |digest| digest.clone().finalize())
    }

    /// From here on the next object counts.
    pub fn next_object(&mut self) {
        self.budget = self.budget_max;
    }

    /// The error for bytes that break the format.
    pub fn corrupt(&self, what: &'static str) -> RdbError {
        self.fault(Fault::Corrupt(what))
    }

    pub fn fault(&self, fault: Fault) -> RdbError {
        RdbError { at: self.at, fault }
    }

    /// What the object may still take.
    pub fn room(&self) -> u64 {
        self.budget
    }

    /// So many elements the object may still have.
    pub fn elements_left(&self) -> usize {
        usize::try_from(self.budget / ELEMENT_BYTES).unwrap_or(usize::MAX)
    }

    /// What the object has taken.
    pub fn taken(&self) -> u64 {
        self.budget_max.saturating_sub(self.budget)
    }

    /// The object is too large.
    pub fn too_large(&self) -> RdbError {
        self.fault(Fault::TooLarge(self.budget_max))
    }

    /// Takes memory for `elements` that hold `bytes` together.
    pub fn charge(&mut self, elements: u64, bytes: u64) -> Result<()> {
        let cost = elements.saturating_mul(ELEMENT_BYTES).saturating_add(bytes);
        match self.budget.checked_sub(cost) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(self.too_large()),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.source.read_exact(buffer).map_err(|error| {
            let ended = error.kind() == ErrorKind::UnexpectedEof;
            self.fault(if ended { Fault::Truncated } else { Fault::Read(error) })
        })?;
        if let Some(digest) = &mut self.digest {
            digest.update(buffer);
        }
        self.at = self.at.saturating_add(buffer.len() as u64);
        Ok(())
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Whether nothing follows. A byte that follows is lost.
    pub fn is_at_end(&mut self) -> Result<bool> {
        match self.byte() {
            Ok(_) => Ok(false),
            Err(RdbError { fault: Fault::Truncated, .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        let count = self.string_len(count)?;
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let have = bytes.len();
            let want = count.min(have.saturating_mul(2).max(CHUNK_BYTES));
            bytes.reserve_exact(want.saturating_sub(have));
            bytes.resize(want, 0);
            self.fill(bytes.get_mut(have..).unwrap_or_default())?;
        }
        Ok(bytes)
    }

    fn string_len(&self, len: u64) -> Result<usize> {
        let fits = usize::try_from(len).ok().filter(|len| *len <= BULK_BYTES_MAX);
        fits.ok_or_else(|| self.corrupt("a string is longer than 512 MiB"))
    }

    fn length(&mut self) -> Result<Length> {
        let first = self.byte()?;
        let low = first & 0x3f;
        Ok(Length::Plain(match first >> 6 {
            0 => u64::from(low),
            1 => u64::from(u16::from_be_bytes([low, self.byte()?])),
            2 => match low {
                0 => u64::from(u32::from_be_bytes(self.array()?)),
                1 => u64::from_be_bytes(self.array()?),
                _ => return Err(self.corrupt("a length has an unknown form")),
            },
            _ => return Ok(Length::Encoded(low)),
        }))
    }

    /// A length, or a number that is written like one.
    pub fn number(&mut self) -> Result<u64> {
        match self.length()? {
            Length::Plain(number) => Ok(number),
            Length::Encoded(_) => Err(self.corrupt("a string instead of a number")),
        }
    }

    /// The number of elements that follow: at least one.
    pub fn count(&mut self) -> Result<u64> {
        match self.number()? {
            0 => Err(self.fault(Fault::Empty)),
            count => Ok(count),
        }
    }

    pub fn string(&mut self) -> Result<Vec<u8>> {
        let string = match self.length()? {
            Length::Plain(len) => {
                self.charge(1, self.string_len(len)? as u64)?;
                return self.bytes(len);
            }
            Length::Encoded(ENC_LZF) => return self.compressed(),
            Length::Encoded(ENC_INT8) => i8::from_le_bytes(self.array()?).to_string().into_bytes(),
            Length::Encoded(ENC_INT16) => i16::from_le_bytes(self.array()?).to_string().into_bytes(),
            Length::Encoded(ENC_INT32) => i32::from_le_bytes(self.array()?).to_string().into_bytes(),
            Length::Encoded(_) => return Err(self.corrupt("a string has an unknown encoding")),
        };
        self.charge(1, string.len() as u64)?;
        Ok(string)
    }

    fn compressed(&mut self) -> Result<Vec<u8>> {
        let compressed_len = self.number()?;
        let len = self.number()?;
        let len = self.string_len(len)?;
        self.charge(1, len as u64)?;
        let compressed = self.bytes(compressed_len)?;
        lzf::decompress(&compressed, len).ok_or_else(|| self.corrupt("a compressed string is malformed"))
    }

    /// Skips a string without keeping it.
    pub fn skip_string(&mut self) -> Result<()> {
        self.string().map(drop)
    }

    /// Unix time in milliseconds. What lies before 1970 has expired as well as what lies in it.
    pub fn time_ms(&mut self) -> Result<u64> {
        Ok(u64::try_from(i64::from_le_bytes(self.array()?)).unwrap_or(0))
    }

    pub fn float(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.array()?))
    }
}
