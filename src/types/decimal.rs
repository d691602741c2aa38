//! INCRBYFLOAT's arithmetic: exact decimals, so that 0.1 + 0.2 is 0.3 on every replica and every machine.
//!
//! Redis adds 80-bit floats and prints 17 decimals; exact decimals rounded to 17 places give the same text wherever Redis's
//! has no rounding noise. Numbers beyond an f64's range are refused as Redis refuses infinity.

pub use bigdecimal::BigDecimal as Decimal;
use bigdecimal::{BigDecimal, RoundingMode};
use std::str::FromStr;

/// Places kept behind the point, as Redis prints them.
const PLACES: i64 = 17;
/// Longest text that is read as a number.
const TEXT_BYTES_MAX: usize = 5 * 1024;
/// Most digits before the point; more would be infinite in Redis, which reads it as no number.
const DIGITS_MAX: usize = 4932;
/// Largest decimal exponent that is read, as in Redis's 80-bit floats.
const EXPONENT_MAX: i64 = 4932;

/// Why a sum cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// The text is not a finite number.
    NotANumber,
    /// The text is NaN or infinity, or the result would be infinite.
    NotFinite,
}

/// Reads a decimal number; no spaces, no hexadecimal, `inf` and `nan` are `NotFinite`.
pub fn parse(text: &[u8]) -> Result<BigDecimal, DecimalError> {
    let text = std::str::from_utf8(text).map_err(|_| DecimalError::NotANumber)?;
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(DecimalError::NotANumber);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
        return Err(DecimalError::NotFinite);
    }
    let plain = unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !plain || !unsigned.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::NotANumber);
    }
    if unsigned.bytes().take_while(u8::is_ascii_digit).count() > DIGITS_MAX {
        return Err(DecimalError::NotANumber);
    }
    if let Some((_, exponent)) = unsigned.split_once(['e', 'E']) {
        let exponent: i64 = exponent.parse().map_err(|_| DecimalError::NotANumber)?;
        if exponent > EXPONENT_MAX {
            return Err(DecimalError::NotANumber);
        }
        if exponent < -EXPONENT_MAX {
            return Ok(BigDecimal::from(0));
        }
    }
    BigDecimal::from_str(text).map_err(|_| DecimalError::NotANumber)
}

/// The sum, rounded to 17 places, as text without trailing zeros.
pub fn add(a: &BigDecimal, b: &BigDecimal) -> Result<String, DecimalError> {
    let sum = (a + b).with_scale_round(PLACES, RoundingMode::HalfEven);
    let text = sum.to_plain_string();
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    // A stored number must be readable again.
    if parse(text.as_bytes()).is_err() {
        return Err(DecimalError::NotFinite);
    }
    Ok(if text == "-0" { "0".to_owned() } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_short() {
        for (a, b, sum) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "200", "5200"),
            ("0.1", "0.2", "0.3"),
            ("3", "-3", "0"),
            ("-0.5", "0.5", "0"),
            ("1", "0.00000000000000000001", "1"),
            ("1e2", "0", "100"),
        ] {
            let sum_text = add(&parse(a.as_bytes()).unwrap(), &parse(b.as_bytes()).unwrap());
            assert_eq!(sum_text.as_deref(), Ok(sum), "{a} + {b}");
        }
    }

    #[test]
    fn what_is_not_a_number() {
        for text in ["", " 1", "1 ", "abc", "0x10", "1e", "--1", "1.2.3", "nan", ".", "e5", "1e5000"] {
            assert_eq!(parse(text.as_bytes()), Err(DecimalError::NotANumber), "{text}");
        }
        for text in ["inf", "-Infinity"] {
            assert_eq!(parse(text.as_bytes()), Err(DecimalError::NotFinite), "{text}");
        }
        assert!(parse("9".repeat(6000).as_bytes()).is_err());
    }
}
