//! Scores: as text, and as bytes whose order is that of the numbers.
//!
//! Both zeros are one score: they have the same bytes, and the sign is kept separately (`set.rs`), since replies show it.
//! NaN is no score.

/// Bytes of a score in a sub-key.
pub const SCORE_LEN: usize = 8;

const SIGN: u64 = 1 << 63;

/// The number whose order among all `u64` is that of the score.
pub fn ordered(score: f64) -> u64 {
    let bits = if score == 0.0 { 0 } else { score.to_bits() };
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The score that `ordered` was given; a negative zero comes back positive.
pub fn of_ordered(number: u64) -> f64 {
    f64::from_bits(if number & SIGN == 0 { !number } else { number & !SIGN })
}

/// A score in a client's notation: a decimal or hexadecimal number or infinity, nothing before or behind it. `None` also
/// for NaN and for numbers that do not fit a double.
pub fn parse(text: &[u8]) -> Option<f64> {
    if text.first().is_none_or(|byte| is_space(*byte)) {
        return None;
    }
    let number = leading_number(text);
    (number.len == text.len() && number.fits && !number.value.is_nan()).then_some(number.value)
}

/// An end of a range as Redis reads it: space may precede the number, an empty text is 0, a number that does not fit is
/// infinite, and a zero byte ends the text.
pub fn parse_lenient(text: &[u8]) -> Option<f64> {
    let number = leading_number(text);
    let ends = text.get(number.len).is_none_or(|byte| *byte == 0);
    (ends && !number.value.is_nan()).then_some(number.value)
}

/// The number at the start of a text.
struct Leading {
    value: f64,
    /// Its length in bytes, with leading space; 0 = the text does not start with a number.
    len: usize,
    /// It is neither too large for a double nor so small that nothing is left of it.
    fits: bool,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// As `strtod` of the C standard reads one.
fn leading_number(text: &[u8]) -> Leading {
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    let signed = text.get(spaces..).unwrap_or_default();
    let (negative, sign_len) = match signed.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let body = signed.get(sign_len..).unwrap_or_default();
    let Some((magnitude, len, fits)) = word(body).or_else(|| hexadecimal(body)).or_else(|| decimal(body))
    else {
        return Leading { value: 0.0, len: 0, fits: true };
    };
    let value = if negative { -magnitude } else { magnitude };
    Leading { value, len: spaces.saturating_add(sign_len).saturating_add(len), fits }
}

/// `inf`, `infinity`, `nan`.
fn word(body: &[u8]) -> Option<(f64, usize, bool)> {
    let words = [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)];
    let begins =
        |word: &str| body.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()));
    let (word, value) = words.into_iter().find(|(word, _)| begins(word))?;
    Some((value, word.len(), true))
}

fn digits(text: &[u8], is_digit: fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_digit(byte)).count()
}

/// Length of digits, a point and digits, if there is a digit; and that of the part before the point.
fn mantissa(body: &[u8], is_digit: fn(&u8) -> bool) -> Option<(usize, usize)> {
    let whole = digits(body, is_digit);
    let point = usize::from(body.get(whole) == Some(&b'.'));
    let behind = whole.saturating_add(point);
    let fraction = if point == 1 { digits(body.get(behind..).unwrap_or_default(), is_digit) } else { 0 };
    (whole.saturating_add(fraction) > 0).then(|| (behind.saturating_add(fraction), whole))
}

/// Length and value of `e+10` (or, with another letter, `p-3`) at the head of `rest`; huge ones are cut.
fn exponent(rest: &[u8], letter: u8) -> (usize, i64) {
    if rest.first().is_none_or(|byte| !byte.eq_ignore_ascii_case(&letter)) {
        return (0, 0);
    }
    let sign_len = usize::from(matches!(rest.get(1), Some(b'+' | b'-')));
    let from = sign_len.saturating_add(1);
    let count = digits(rest.get(from..).unwrap_or_default(), u8::is_ascii_digit);
    if count == 0 {
        return (0, 0);
    }
    let end = from.saturating_add(count);
    let magnitude = rest.get(from..end).unwrap_or_default().iter().fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0'))).min(1 << 40)
    });
    (end, if rest.get(1) == Some(&b'-') { -magnitude } else { magnitude })
}

fn decimal(body: &[u8]) -> Option<(f64, usize, bool)> {
    let (mantissa_len, _) = mantissa(body, u8::is_ascii_digit)?;
    let (exponent_len, _) = exponent(body.get(mantissa_len..).unwrap_or_default(), b'e');
    let len = mantissa_len.saturating_add(exponent_len);
    let text = std::str::from_utf8(body.get(..len)?).ok()?;
    let value: f64 = text.parse().ok()?;
    let is_zero = body.get(..mantissa_len)?.iter().all(|byte| matches!(byte, b'0' | b'.'));
    Some((value, len, value.is_finite() && (value != 0.0 || is_zero)))
}

fn hexadecimal(body: &[u8]) -> Option<(f64, usize, bool)> {
    let number = match body {
        [b'0', b'x' | b'X', number @ ..] => number,
        _ => return None,
    };
    let (mantissa_len, whole) = mantissa(number, u8::is_ascii_hexdigit)?;
    let (exponent_len, shift) = exponent(number.get(mantissa_len..).unwrap_or_default(), b'p');
    // Sixteen significant digits, and in the last bit whether more was behind them.
    let (mut significant, mut scale) = (0_u64, 0_i64);
    for (at, byte) in number.get(..mantissa_len)?.iter().enumerate() {
        let Some(digit) = char::from(*byte).to_digit(16) else { continue };
        let is_fraction = at > whole;
        if significant >> 60 == 0 {
            significant = significant << 4 | u64::from(digit);
            scale = scale.saturating_sub(if is_fraction { 4 } else { 0 });
        } else {
            significant |= u64::from(digit != 0);
            scale = scale.saturating_add(if is_fraction { 0 } else { 4 });
        }
    }
    let value = scaled(significant, scale.saturating_add(shift));
    let len = mantissa_len.saturating_add(exponent_len).saturating_add(2);
    Some((value, len, value.is_finite() && (value != 0.0 || significant == 0)))
}

/// `significant` × 2^`exponent`, rounded once, to the nearest, halves to even.
fn scaled(significant: u64, exponent: i64) -> f64 {
    if significant == 0 {
        return 0.0;
    }
    let bits = 64 - i64::from(significant.leading_zeros());
    let top = exponent.saturating_add(bits).saturating_sub(1);
    if top > 1023 {
        return f64::INFINITY;
    }
    let precision = if top >= -1022 { 53 } else { 53 + 1022 + top };
    if precision < 0 {
        return 0.0;
    }
    let dropped = u32::try_from(bits - precision).unwrap_or(0);
    let wide = u128::from(significant);
    let half = if dropped == 0 { 0 } else { 1_u128 << (dropped - 1) };
    let (kept, rest) = (wide >> dropped, wide & ((1_u128 << dropped) - 1));
    let up = rest > half || (rest == half && dropped > 0 && kept & 1 == 1);
    // At most 2^53, so exact.
    let rounded = (kept + u128::from(up)) as f64;
    rounded * power_of_two(exponent.saturating_add(i64::from(dropped)))
}

/// 2^`exponent`, from -1074 to 1023.
fn power_of_two(exponent: i64) -> f64 {
    let at = |shift: i64| 1_u64 << shift.clamp(0, 63);
    if exponent < -1022 {
        return f64::from_bits(at(exponent.saturating_add(1074)));
    }
    f64::from_bits(u64::try_from(exponent.saturating_add(1023)).unwrap_or(0) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_a_score() {
        for (text, score) in [
            ("0", 0.0),
            ("1.5", 1.5),
            ("+1.5e3", 1500.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0x1.8p1", -3.0),
            ("0x.8", 0.5),
            ("0x1p-1074", f64::from_bits(1)),
            ("0x1.8p-1074", f64::from_bits(2)),
            ("0x1.4p-1074", f64::from_bits(1)),
            ("0x1fffffffffffff8p0", 144115188075855872.0),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x0p9999", 0.0),
            ("5e-324", f64::from_bits(1)),
            ("0e-999", 0.0),
            ("1.7976931348623157e308", f64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(score), "{text}");
        }
        assert!(parse(b"-0").is_some_and(|score| score == 0.0 && score.is_sign_negative()));
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "-nan",
            "abc",
            "1x",
            "0x",
            "0xg",
            "1e",
            "e5",
            ".",
            "+",
            "--1",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0x1p-1076",
            "1\0",
            "1,5",
            "infinit",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ends_of_ranges_are_read_more_leniently() {
        for (text, score) in
            [("", 0.0), (" 1", 1.0), ("1\0x", 1.0), ("1e400", f64::INFINITY), ("-inf", f64::NEG_INFINITY)]
        {
            assert_eq!(parse_lenient(text.as_bytes()), Some(score), "{text}");
        }
        for text in ["1 ", "nan", "x", "1x", "(1", " "] {
            assert_eq!(parse_lenient(text.as_bytes()), None, "{text}");
        }
    }

    /// Golden: on disk.
    #[test]
    fn golden_bytes() {
        assert_eq!(ordered(1.0), 0xbff0_0000_0000_0000);
        assert_eq!(ordered(-1.0), 0x400f_ffff_ffff_ffff);
        assert_eq!(ordered(-0.0), ordered(0.0));
    }

    proptest! {
        #[test]
        fn order_is_kept_and_scores_come_back(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(Some(ordered(a).cmp(&ordered(b))), a.partial_cmp(&b));
            prop_assert_eq!(of_ordered(ordered(a)), a);
        }

        #[test]
        fn hexadecimal_numbers_are_read_exactly(bits in any::<u64>()) {
            let number = f64::from_bits(bits & !(1 << 63));
            prop_assume!(number.is_finite());
            let (exponent, fraction) = (number.to_bits() >> 52, number.to_bits() & ((1 << 52) - 1));
            let text = match exponent {
                0 => format!("0x0.{fraction:013x}p-1022"),
                _ => format!("0x1.{fraction:013x}p{}", exponent as i64 - 1023),
            };
            prop_assert_eq!(parse(text.as_bytes()), Some(number));
        }
    }
}
