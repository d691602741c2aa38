//! Floating-point numbers as text, in the shape Redis 7.2 gives them in replies.
//!
//! Invariant: the text reads back as the same number, and the same number always gives the same text (replicas compare
//! what they store). Numbers like 3, 0.5, 1e+30 and 1.5e-9 look as clients know them.

/// Whole numbers up to here are written as integers.
const WHOLE_MAX: f64 = (1_u64 << 62) as f64;

/// The shortest digits that read back as `number`; `inf`, `-inf` or `nan` for non-finite numbers.
pub fn format_double(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        let is_below_zero = number == 0.0 && number.is_sign_negative();
        return if is_below_zero { "-0".into() } else { (number as i64).to_string() };
    }
    let mut buffer = ryu::Buffer::new();
    let sign = if number < 0.0 { "-" } else { "" };
    let (digits, exponent) = digits_and_exponent(buffer.format_finite(number.abs()));
    format!("{sign}{}", lay_out(&digits, exponent))
}

/// Takes `12.5e-3` apart: significant digits, and the power of ten of the last of them.
fn digits_and_exponent(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let dropped = all.len().saturating_sub(digits.len());
    let shift = i32::try_from(dropped).unwrap_or(0) - i32::try_from(fraction.len()).unwrap_or(0);
    (digits.trim_start_matches('0').to_owned(), exponent.parse::<i32>().unwrap_or(0) + shift)
}

/// Plain digits while few zeros must be added, else scientific notation: the thresholds are those of the routine that Redis
/// prints with (fpconv).
fn lay_out(digits: &str, exponent: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let scientific = exponent + count - 1;
    if exponent >= 0 && scientific < count + 7 {
        return format!("{digits}{}", zeros(exponent));
    }
    if exponent < 0 && (exponent > -7 || scientific.abs() < 4) {
        let point = count + exponent;
        return match usize::try_from(point)
            .ok()
            .filter(|at| *at > 0)
            .and_then(|at| digits.split_at_checked(at))
        {
            Some((whole, fraction)) => format!("{whole}.{fraction}"),
            None => format!("0.{}{digits}", zeros(-point)),
        };
    }
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let point = if rest.is_empty() { "" } else { "." };
    format!("{first}{point}{rest}e{scientific:+}")
}

fn zeros(count: i32) -> String {
    "0".repeat(usize::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_numbers_look_as_clients_know_them() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-17.0, "-17"),
            (3.25, "3.25"),
            (-0.5, "-0.5"),
            (100.25, "100.25"),
            (0.000_001, "0.000001"),
            (0.001_5, "0.0015"),
            (1.5e-9, "1.5e-9"),
            (1e-10, "1e-10"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e17, "100000000000000000"),
            (4.611_686_018_427_388e18, "4611686018427387904"),
            (1e30, "1e+30"),
            (1.234e30, "1.234e+30"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::from_bits(1), "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(format_double(number), text);
        }
    }

    proptest! {
        #[test]
        fn it_reads_back_as_the_same_number(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            let back: f64 = format_double(number).parse().unwrap();
            prop_assert!(back.to_bits() == number.to_bits() || (back.is_nan() && number.is_nan()));
        }

        #[test]
        fn so_do_numbers_of_everyday_size(number in -1e7..1e7_f64, places in 0_i32..9) {
            let number = (number * 10_f64.powi(places)).round() / 10_f64.powi(places);
            prop_assert_eq!(format_double(number).parse::<f64>().unwrap(), number);
        }
    }
}
