//! BITFIELD's integers: 1 to 64 bits wide, at any bit, highest bit first.

use super::byte_at;
use crate::types::integer::parse_i64;

/// A width with a sign: `u1` to `u63`, `i1` to `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    signed: bool,
    bits: u32,
}

/// The handling of a number that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Its lowest bits.
    Wrap,
    /// The nearest number that fits.
    Saturate,
    /// Nothing.
    Fail,
}

impl Overflow {
    /// Parses its name; case does not matter.
    pub fn parse(word: &[u8]) -> Option<Self> {
        let names = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
        let found = names.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, overflow)| overflow)
    }
}

impl Field {
    /// `u8`, `i64`. Unsigned 64-bit numbers do not fit an integer reply.
    pub fn parse(word: &[u8]) -> Option<Self> {
        let (sign, digits) = word.split_first()?;
        let signed = match sign {
            b'i' => true,
            b'u' => false,
            _ => return None,
        };
        // As Redis, a number that a zero byte ends.
        let digits = digits.split(|byte| *byte == 0).next().unwrap_or_default();
        let bits = u32::try_from(parse_i64(digits)?).ok()?;
        (1..=if signed { 64 } else { 63 }).contains(&bits).then_some(Field { signed, bits })
    }

    /// Width in bits, 1 to 64.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// The number at a bit; what lies behind the string's end is 0.
    pub fn get(self, bytes: &[u8], offset: u64) -> i64 {
        let first = offset >> 3;
        // Up to 64 bits that start anywhere in a byte touch nine bytes.
        let window = (0..9)
            .fold(0_u128, |window, at| window << 8 | u128::from(byte_at(bytes, first.saturating_add(at))));
        self.narrow((window >> self.shift(offset)) as i64)
    }

    /// Writes a number's lowest bits. The string must reach so far.
    pub fn set(self, bytes: &mut [u8], offset: u64, number: i64) {
        let Ok(first) = usize::try_from(offset >> 3) else { return };
        let ones = (u128::from(u64::MAX) >> (64 - self.bits)) << self.shift(offset);
        let window = (u128::from(number as u64) << self.shift(offset)) & ones;
        let parts = window.to_be_bytes().into_iter().zip(ones.to_be_bytes()).skip(16 - 9);
        for (byte, (new, ones)) in bytes.iter_mut().skip(first).zip(parts) {
            *byte = (*byte & !ones) | new;
        }
    }

    /// The distance of the field's last bit from the end of the nine bytes that hold it.
    fn shift(self, offset: u64) -> u32 {
        72 - (offset & 7) as u32 - self.bits
    }

    /// The field's bits of a number as the number they mean.
    fn narrow(self, number: i64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed { number << unused >> unused } else { ((number as u64) << unused >> unused) as i64 }
    }

    /// The number that SET stores; `None` = nothing, it does not fit.
    pub fn fit(self, number: i64, overflow: Overflow) -> Option<i64> {
        let beyond = if self.signed {
            let max = (i64::MAX as u64 >> (64 - self.bits)) as i64;
            // Redis subtracts with wrap-around here: numbers far below the least one count as too large.
            if number > max || (self.bits != 64 && 0 > max.wrapping_sub(number)) {
                Some(max)
            } else {
                (number < -max - 1).then_some(-max - 1)
            }
        } else {
            // A negative number is a huge one.
            let max = (u64::MAX >> (64 - self.bits)) as i64;
            (number < 0 || number > max).then_some(max)
        };
        self.bounded(number, beyond, overflow)
    }

    /// The number that INCRBY stores: the sum, adjusted for overflow; `None` = nothing, it does not fit.
    pub fn add(self, number: i64, amount: i64, overflow: Overflow) -> Option<i64> {
        let (min, max) = if self.signed {
            let max = i128::from((i64::MAX as u64 >> (64 - self.bits)) as i64);
            (-max - 1, max)
        } else {
            (0, i128::from(u64::MAX >> (64 - self.bits)))
        };
        let sum = i128::from(number) + i128::from(amount);
        let beyond = (sum > max).then_some(max).or((sum < min).then_some(min));
        self.bounded(number.wrapping_add(amount), beyond.map(|limit| limit as i64), overflow)
    }

    fn bounded(self, number: i64, beyond: Option<i64>, overflow: Overflow) -> Option<i64> {
        match (beyond, overflow) {
            (None, _) => Some(number),
            (Some(_), Overflow::Wrap) => Some(self.narrow(number)),
            (Some(limit), Overflow::Saturate) => Some(limit),
            (Some(_), Overflow::Fail) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(name: &str) -> Field {
        Field::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn widths() {
        for name in ["u1", "u63", "i1", "i64"] {
            assert_eq!(field(name).bits().to_string(), name[1..]);
        }
        for name in
            ["", "u", "u0", "u64", "i0", "i65", "U8", "8", "u-1", "u08", "u 8", "u99999999999999999999"]
        {
            assert_eq!(Field::parse(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn overflows() {
        use Overflow::{Fail, Saturate, Wrap};
        assert_eq!(field("u8").add(250, 10, Wrap), Some(4));
        assert_eq!(field("u8").add(250, 10, Saturate), Some(255));
        assert_eq!(field("u8").add(5, -10, Saturate), Some(0));
        assert_eq!(field("u8").add(250, 10, Fail), None);
        assert_eq!(field("i8").add(-120, -10, Wrap), Some(126));
        assert_eq!(field("i8").add(-120, -10, Saturate), Some(-128));
        assert_eq!(field("i64").add(i64::MAX, 1, Wrap), Some(i64::MIN));
        assert_eq!(field("i64").add(i64::MIN, -1, Saturate), Some(i64::MIN));
        assert_eq!(field("u63").add(i64::MAX, i64::MAX, Saturate), Some(i64::MAX));
        assert_eq!(field("u8").fit(-1, Wrap), Some(255));
        assert_eq!(field("u8").fit(256, Saturate), Some(255));
        assert_eq!(field("i8").fit(-129, Saturate), Some(-128));
        assert_eq!(field("i8").fit(128, Fail), None);
        assert_eq!(field("i64").fit(i64::MIN, Fail), Some(i64::MIN));
    }

    proptest! {
        #[test]
        fn what_is_set_is_read_back_and_nothing_else_changes(
            bits in 1_u32..=64, signed: bool, offset in 0_u64..40, number: i64, fill: u8,
        ) {
            let field = Field { signed, bits: if signed { bits } else { bits.min(63) } };
            let mut bytes = vec![fill; 14];
            field.set(&mut bytes, offset, number);
            prop_assert_eq!(field.get(&bytes, offset), field.narrow(number));
            let inside = offset..offset + u64::from(field.bits());
            for at in (0..14 * 8).filter(|at| !inside.contains(at)) {
                prop_assert_eq!(super::super::get(&bytes, at), super::super::get(&[fill; 14], at), "bit {}", at);
            }
        }
    }
}
