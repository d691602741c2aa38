//! Strings seen as bits, as Redis numbers them: bit 0 is the highest bit of the first byte.
//!
//! Pure functions over bytes, and the same over strings as they are stored, which skip holes. Offsets count bits and never exceed 2^32 by much (`OFFSET_END`), so their arithmetic fits
//! 64 bits.

mod combine;
mod field;
mod stored;

pub use combine::{Combined, Operation};
pub use field::{Field, Overflow};
pub use stored::{count_in, position_in};

use crate::limits::STRING_BYTES_MAX;
use std::ops::Range;

/// Bits beyond this cannot be named: the string would be longer than a string may be.
pub const OFFSET_END: u64 = STRING_BYTES_MAX as u64 * 8;

/// A bit; what lies behind the end is 0.
pub fn get(bytes: &[u8], offset: u64) -> bool {
    byte_at(bytes, offset >> 3) & mask(offset) != 0
}

/// Sets a bit and returns its former value. The string must be long enough; otherwise nothing happens.
pub fn set(bytes: &mut [u8], offset: u64, on: bool) -> bool {
    let byte = usize::try_from(offset >> 3).ok().and_then(|index| bytes.get_mut(index));
    let Some(byte) = byte else { return false };
    let before = *byte & mask(offset) != 0;
    if on {
        *byte |= mask(offset);
    } else {
        *byte &= !mask(offset);
    }
    before
}

/// The number of set bits in a range. The range must lie within the string.
pub fn count(bytes: &[u8], range: Range<u64>) -> u64 {
    let (first, whole, last) = split(range);
    let edge = |part: Range<u64>| u64::from((byte_at(bytes, part.start >> 3) & between(&part)).count_ones());
    let ones = slice(bytes, whole).iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    edge(first).saturating_add(ones).saturating_add(edge(last))
}

/// The position of the first bit of this kind in a range. The range must lie within the string.
pub fn position(bytes: &[u8], bit: bool, range: Range<u64>) -> Option<u64> {
    // Turns the wanted bit into a set bit.
    let flip = if bit { 0x00 } else { 0xff };
    let (first, whole, last) = split(range);
    let edge = |part: &Range<u64>| {
        let found = (byte_at(bytes, part.start >> 3) ^ flip) & between(part);
        (found != 0).then(|| (part.start & !7).saturating_add(u64::from(found.leading_zeros())))
    };
    edge(&first)
        .or_else(|| {
            let inner = slice(bytes, whole.clone());
            let at = inner.iter().position(|byte| *byte ^ flip != 0)?;
            let zeros = (inner.get(at)? ^ flip).leading_zeros();
            Some((whole.start.saturating_add(at as u64)).saturating_mul(8).saturating_add(u64::from(zeros)))
        })
        .or_else(|| edge(&last))
}

/// Splits a range of bits into bits of one byte, whole bytes (numbered as bytes), and bits of one byte. Each may be empty.
fn split(range: Range<u64>) -> (Range<u64>, Range<u64>, Range<u64>) {
    let Range { start, end } = range;
    if start >= end {
        return (0..0, 0..0, 0..0);
    }
    let (inner, outer) = (start.div_ceil(8), end >> 3);
    if inner > outer {
        return (start..end, 0..0, 0..0);
    }
    (start..inner.saturating_mul(8), inner..outer, outer.saturating_mul(8)..end)
}

/// The bits of a byte that a range within it means.
fn between(part: &Range<u64>) -> u8 {
    let len = part.end.saturating_sub(part.start).min(8);
    let ones = 0xff00_u16 >> len;
    ((ones & 0xff) >> (part.start & 7)) as u8
}

fn mask(offset: u64) -> u8 {
    0x80 >> (offset & 7)
}

fn byte_at(bytes: &[u8], index: u64) -> u8 {
    usize::try_from(index).ok().and_then(|index| bytes.get(index)).copied().unwrap_or(0)
}

fn slice(bytes: &[u8], range: Range<u64>) -> &[u8] {
    let bound = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(bound(range.start)..bound(range.end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bits_count_from_the_highest() {
        let mut bytes = [0x40, 0x01];
        assert!(get(&bytes, 1) && get(&bytes, 15) && !get(&bytes, 0) && !get(&bytes, 16));
        assert!(!set(&mut bytes, 8, true) && set(&mut bytes, 1, false) && !set(&mut bytes, 16, true));
        assert_eq!(bytes, [0x00, 0x81]);
    }

    #[test]
    fn ranges_within_a_byte() {
        assert_eq!(count(&[0xff], 2..5), 3);
        assert_eq!(count(&[0xff, 0xff], 7..9), 2);
        assert_eq!(count(&[0xff], 3..3), 0);
        assert_eq!(position(&[0b0001_0100], true, 4..8), Some(5));
        assert_eq!(position(&[0b0001_0100], true, 6..8), None);
        assert_eq!(position(&[0xff, 0xff, 0xfe], false, 3..24), Some(23));
    }

    proptest! {
        #[test]
        fn as_bit_by_bit(bytes in prop::collection::vec(prop_oneof![Just(0), Just(255), any::<u8>()], 0..40), a: u16, b: u16) {
            let bits = bytes.len() as u64 * 8;
            let (a, b) = (u64::from(a) % (bits + 1), u64::from(b) % (bits + 1));
            let range = a.min(b)..a.max(b);
            let slow = range.clone().filter(|at| get(&bytes, *at)).count() as u64;
            prop_assert_eq!(count(&bytes, range.clone()), slow);
            for bit in [false, true] {
                let slow = range.clone().find(|at| get(&bytes, *at) == bit);
                prop_assert_eq!(position(&bytes, bit, range.clone()), slow);
            }
        }
    }
}
