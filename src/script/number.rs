//! Numbers as text, and back, as Lua 5.1 and the C library have them.
//!
//! Invariant: the text of a number is the same on every machine. A NaN's sign is not: it is always `-nan`, as 0/0 is on x86.

/// What a function of the C library sees of a text: it ends at the first zero byte.
pub fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The number that a text is; white space around it does not matter, nor does what is behind a zero byte.
pub fn parse_number(text: &[u8]) -> Option<f64> {
    let text = until_zero(text);
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let end = text.iter().rposition(|byte| !is_space(byte))?.saturating_add(1);
    let text = text.get(start..end)?;
    if text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let (is_negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let number = match rest {
        [b'0', b'x' | b'X', digits @ ..] => hexadecimal(digits)?,
        _ if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") => f64::INFINITY,
        _ if rest.eq_ignore_ascii_case(b"nan") => f64::NAN,
        _ => return None,
    };
    Some(if is_negative { -number } else { number })
}

/// `1f`, `1.8p3`: with a fraction and a binary exponent.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let at = text.iter().position(|byte| matches!(byte, b'p' | b'P')).unwrap_or(text.len());
    let (digits, exponent) = text.split_at_checked(at)?;
    let exponent = match exponent {
        [] => 0_i32,
        [_, rest @ ..] => std::str::from_utf8(rest).ok()?.parse().ok()?,
    };
    let (mut number, mut places, mut seen, mut in_fraction) = (0.0_f64, 0_i32, false, false);
    for byte in digits {
        if *byte == b'.' && !in_fraction {
            in_fraction = true;
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        number = number * 16.0 + f64::from(digit);
        seen = true;
        if in_fraction {
            places = places.saturating_add(4);
        }
    }
    seen.then(|| ldexp(number, exponent.saturating_sub(places)))
}

/// `number` × 2^`exponent`.
pub fn ldexp(number: f64, exponent: i32) -> f64 {
    let mut exponent = exponent.clamp(-2200, 2200);
    let mut number = number;
    while exponent > 0 {
        let step = exponent.min(1000);
        number *= 2_f64.powi(step);
        exponent -= step;
    }
    while exponent < 0 {
        let step = (-exponent).min(1000);
        number *= 2_f64.powi(-step);
        exponent += step;
    }
    number
}

/// A number as `tostring` writes it: `%.14g`.
pub fn format_number(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e14 && (number != 0.0 || number.is_sign_positive()) {
        return itoa::Buffer::new().format(number as i64).to_owned();
    }
    format_general(number, 14, false)
}

/// Infinity and NaN.
pub fn format_special(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("-nan"),
        f64::INFINITY => Some("inf"),
        f64::NEG_INFINITY => Some("-inf"),
        _ => None,
    }
}

/// `%e`: digits behind the point.
pub fn format_exponent(number: f64, precision: usize, keep_point: bool) -> String {
    if let Some(text) = format_special(number) {
        return text.to_owned();
    }
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if keep_point && precision == 0 { "." } else { "" };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{point}e{sign}{:02}", exponent.unsigned_abs())
}

/// `%f`: digits behind the point.
pub fn format_fixed(number: f64, precision: usize, keep_point: bool) -> String {
    match format_special(number) {
        Some(text) => text.to_owned(),
        None if keep_point && precision == 0 => format!("{number:.0}."),
        None => format!("{number:.precision$}"),
    }
}

/// `%g`: significant digits; `keep_zeros` is the flag `#`.
pub fn format_general(number: f64, precision: usize, keep_zeros: bool) -> String {
    if let Some(text) = format_special(number) {
        return text.to_owned();
    }
    let precision = precision.max(1);
    let text = format!("{number:.*e}", precision.saturating_sub(1));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let is_fixed = exponent >= -4 && i64::from(exponent) < i64::try_from(precision).unwrap_or(i64::MAX);
    let strip = |text: &str| match (keep_zeros, text.contains('.')) {
        (false, true) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => text.to_owned(),
    };
    if is_fixed {
        let places = i64::try_from(precision).unwrap_or(0) - 1 - i64::from(exponent);
        let places = usize::try_from(places).unwrap_or(0);
        return strip(&format_fixed(number, places, keep_zeros));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let mantissa = strip(mantissa);
    let point = if keep_zeros && !mantissa.contains('.') { "." } else { "" };
    format!("{mantissa}{point}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_as_the_c_library_reads_them() {
        for (text, number) in [
            ("0", Some(0.0)),
            (" 12 ", Some(12.0)),
            ("\t-1.5e3\n", Some(-1500.0)),
            ("5.", Some(5.0)),
            (".5", Some(0.5)),
            ("0x10", Some(16.0)),
            ("-0xA", Some(-10.0)),
            ("0x1.8p1", Some(3.0)),
            ("inf", Some(f64::INFINITY)),
            ("-INF", Some(f64::NEG_INFINITY)),
            ("", None),
            (" ", None),
            (".", None),
            ("e", None),
            ("1e", None),
            ("0x", None),
            ("1 2", None),
            ("1_000", None),
            ("5\0x", Some(5.0)),
            ("5 \0", Some(5.0)),
            ("\u{0}5", None),
            ("--1", None),
            ("1e5000", Some(f64::INFINITY)),
        ] {
            assert_eq!(parse_number(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_printf_does() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (99_999_999_999_999.0, "99999999999999"),
            (1e14, "1e+14"),
            (123_456_789_012_345.0, "1.2345678901234e+14"),
            (1e15, "1e+15"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1e100, "1e+100"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "-nan"),
        ] {
            assert_eq!(format_number(number), text);
        }
        assert_eq!(format_general(100.0, 3, true), "100.");
        assert_eq!(format_general(1e10, 3, true), "1.00e+10");
        assert_eq!(format_exponent(12345.678, 2, false), "1.23e+04");
        assert_eq!(format_fixed(2.5, 0, false), "2");
    }
}
