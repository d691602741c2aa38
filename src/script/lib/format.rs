//! `string.format`: the conversions of C's `printf` that Lua 5.1 allows.

use super::arguments::{to_int, to_integer, to_unsigned, type_error};
use crate::script::{
    number::{format_exponent, format_fixed, format_general, until_zero},
    vm::{Fail, Value, Vm},
};

#[derive(Default)]
struct Spec {
    is_left: bool,
    has_plus: bool,
    has_space: bool,
    is_alternate: bool,
    has_zero: bool,
    width: usize,
    precision: Option<usize>,
}

pub fn format(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Result<(), Fail> {
    let id = vm.string_argument(arguments, 1)?;
    let text = vm.bytes(id).to_vec();
    vm.charge_bytes(text.len())?;
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    let mut number = 1_usize;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            result.push(*byte);
            continue;
        }
        if let [b'%', tail @ ..] = rest {
            result.push(b'%');
            rest = tail;
            continue;
        }
        number = number.saturating_add(1);
        if number > arguments.len() {
            return Err(Fail::Argument(number, "no value".into()));
        }
        let spec = read_spec(&mut rest)?;
        let [conversion, tail @ ..] = rest else {
            return Err(Fail::message("invalid option '%' to 'format'"));
        };
        rest = tail;
        convert(vm, arguments, number, *conversion, &spec, &mut result)?;
        vm.heap.has_room(result.len())?;
    }
    out.push(vm.string(result)?);
    Ok(())
}

fn invalid(conversion: u8) -> String {
    format!("invalid option '%{}' to 'format'", char::from(conversion))
}

fn read_spec(rest: &mut &[u8]) -> Result<Spec, Fail> {
    let mut spec = Spec::default();
    let mut flags = 0_usize;
    while let [flag @ (b'-' | b'+' | b' ' | b'#' | b'0'), tail @ ..] = *rest {
        match flag {
            b'-' => spec.is_left = true,
            b'+' => spec.has_plus = true,
            b' ' => spec.has_space = true,
            b'#' => spec.is_alternate = true,
            _ => spec.has_zero = true,
        }
        flags = flags.saturating_add(1);
        *rest = tail;
    }
    if flags >= 6 {
        return Err(Fail::message("invalid format (repeated flags)"));
    }
    spec.width = two_digits(rest);
    if let [b'.', tail @ ..] = *rest {
        *rest = tail;
        spec.precision = Some(two_digits(rest));
    }
    if rest.first().is_some_and(u8::is_ascii_digit) {
        return Err(Fail::message("invalid format (width or precision too long)"));
    }
    Ok(spec)
}

fn two_digits(rest: &mut &[u8]) -> usize {
    let mut number = 0_usize;
    for _ in 0..2 {
        let [digit @ b'0'..=b'9', tail @ ..] = *rest else { break };
        number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
        *rest = tail;
    }
    number
}

fn convert(
    vm: &mut Vm<'_>,
    arguments: &[Value],
    number: usize,
    conversion: u8,
    spec: &Spec,
    result: &mut Vec<u8>,
) -> Result<(), Fail> {
    match conversion {
        b'c' => {
            let code = to_int(vm.number_argument(arguments, number)?) as u8;
            // What C prints ends at a zero.
            let mut text = Vec::new();
            pad(spec, &[], &[code], false, &mut text);
            result.extend(text.into_iter().take_while(|byte| *byte != 0));
        }
        b'd' | b'i' => {
            let value = to_integer(vm.number_argument(arguments, number)?);
            let digits = at_least(value.unsigned_abs().to_string(), spec);
            pad(spec, sign(spec, value < 0), digits.as_bytes(), spec.precision.is_none(), result);
        }
        b'u' | b'o' | b'x' | b'X' => {
            let value = to_unsigned(vm.number_argument(arguments, number)?);
            let digits = match conversion {
                b'u' => value.to_string(),
                b'o' => format!("{value:o}"),
                b'x' => format!("{value:x}"),
                _ => format!("{value:X}"),
            };
            let prefix: &[u8] = match conversion {
                b'x' if spec.is_alternate && value != 0 => b"0x",
                b'X' if spec.is_alternate && value != 0 => b"0X",
                b'o' if spec.is_alternate && value != 0 => b"0",
                _ => b"",
            };
            pad(spec, prefix, at_least(digits, spec).as_bytes(), spec.precision.is_none(), result);
        }
        b'e' | b'E' | b'f' | b'g' | b'G' => {
            let value = vm.number_argument(arguments, number)?;
            let precision = spec.precision.unwrap_or(6);
            let is_negative = value.is_sign_negative() && !value.is_nan();
            let magnitude = value.abs();
            let mut text = match conversion.to_ascii_lowercase() {
                b'e' => format_exponent(magnitude, precision, spec.is_alternate),
                b'f' => format_fixed(magnitude, precision, spec.is_alternate),
                _ => format_general(magnitude, precision, spec.is_alternate),
            };
            if conversion.is_ascii_uppercase() {
                text.make_ascii_uppercase();
            }
            let sign = if value.is_nan() { b"".as_slice() } else { sign(spec, is_negative) };
            pad(spec, sign, text.as_bytes(), value.is_finite(), result);
        }
        b'q' => {
            let id = vm.string_argument(arguments, number)?;
            quote(vm.bytes(id), result);
        }
        b's' => {
            let id = match arguments.get(number.wrapping_sub(1)) {
                Some(Value::Str(id)) => *id,
                Some(value @ Value::Number(_)) => vm.as_string(*value)?.unwrap_or(0),
                _ => return Err(type_error(arguments, number, "string")),
            };
            let text = vm.bytes(id);
            // Lua leaves shorter ones to `sprintf`.
            let text = if spec.precision.is_none() && text.len() >= 100 { text } else { until_zero(text) };
            let text = match spec.precision {
                Some(precision) => text.get(..precision.min(text.len())).unwrap_or_default(),
                None => text,
            };
            vm.heap.has_room(result.len().saturating_add(text.len()))?;
            pad(spec, &[], text, false, result);
            let length = vm.bytes(id).len();
            vm.charge_bytes(length)?;
        }
        other => return Err(Fail::message(invalid(other))),
    }
    Ok(())
}

fn sign(spec: &Spec, is_negative: bool) -> &'static [u8] {
    match () {
        () if is_negative => b"-",
        () if spec.has_plus => b"+",
        () if spec.has_space => b" ",
        () => b"",
    }
}

/// A precision of an integer is its least number of digits.
fn at_least(digits: String, spec: &Spec) -> String {
    match spec.precision {
        Some(0) if digits == "0" => String::new(),
        Some(precision) => format!("{digits:0>precision$}"),
        None => digits,
    }
}

fn pad(spec: &Spec, prefix: &[u8], text: &[u8], may_zero: bool, result: &mut Vec<u8>) {
    let fill = spec.width.saturating_sub(prefix.len().saturating_add(text.len()));
    let (spaces, zeros) = match () {
        () if spec.is_left => (0, 0),
        () if spec.has_zero && may_zero => (0, fill),
        () => (fill, 0),
    };
    result.extend(std::iter::repeat_n(b' ', spaces));
    result.extend_from_slice(prefix);
    result.extend(std::iter::repeat_n(b'0', zeros));
    result.extend_from_slice(text);
    if spec.is_left {
        result.extend(std::iter::repeat_n(b' ', fill));
    }
}

fn quote(text: &[u8], result: &mut Vec<u8>) {
    result.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' | b'\n' => result.extend([b'\\', *byte]),
            b'\r' => result.extend_from_slice(b"\\r"),
            0 => result.extend_from_slice(b"\\000"),
            other => result.push(*other),
        }
    }
    result.push(b'"');
}
