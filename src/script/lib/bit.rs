//! `bit`: operations on 32 bits.

use super::arguments::to_integer;
use crate::script::vm::{Fail, Native, Value, Vm};

pub static BIT: [Native; 12] = [
    Native { name: "tobit", run: |vm, arguments, out| one(vm, arguments, out, |bits| bits) },
    Native { name: "bnot", run: |vm, arguments, out| one(vm, arguments, out, |bits| !bits) },
    Native { name: "bswap", run: |vm, arguments, out| one(vm, arguments, out, u32::swap_bytes) },
    Native { name: "band", run: |vm, arguments, out| fold(vm, arguments, out, |a, b| a & b) },
    Native { name: "bor", run: |vm, arguments, out| fold(vm, arguments, out, |a, b| a | b) },
    Native { name: "bxor", run: |vm, arguments, out| fold(vm, arguments, out, |a, b| a ^ b) },
    Native { name: "lshift", run: |vm, arguments, out| shift(vm, arguments, out, u32::wrapping_shl) },
    Native { name: "rshift", run: |vm, arguments, out| shift(vm, arguments, out, u32::wrapping_shr) },
    Native {
        name: "arshift",
        run: |vm, arguments, out| {
            shift(vm, arguments, out, |bits, count| (bits as i32).wrapping_shr(count) as u32)
        },
    },
    Native { name: "rol", run: |vm, arguments, out| shift(vm, arguments, out, u32::rotate_left) },
    Native { name: "ror", run: |vm, arguments, out| shift(vm, arguments, out, u32::rotate_right) },
    Native { name: "tohex", run: to_hex },
];

type Done = Result<(), Fail>;

/// The lowest 32 bits of a number that is rounded to an integer: adding this constant leaves them in the mantissa.
fn bits(vm: &mut Vm<'_>, arguments: &[Value], number: usize) -> Result<u32, Fail> {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    Ok((vm.number_argument(arguments, number)? + ROUND).to_bits() as u32)
}

fn give(out: &mut Vec<Value>, bits: u32) {
    out.push(Value::Number(f64::from(bits as i32)));
}

fn one(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, function: fn(u32) -> u32) -> Done {
    give(out, function(bits(vm, arguments, 1)?));
    Ok(())
}

fn fold(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, function: fn(u32, u32) -> u32) -> Done {
    let mut all = bits(vm, arguments, 1)?;
    for number in 2..=arguments.len() {
        all = function(all, bits(vm, arguments, number)?);
    }
    give(out, all);
    Ok(())
}

fn shift(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, function: fn(u32, u32) -> u32) -> Done {
    let (value, count) = (bits(vm, arguments, 1)?, bits(vm, arguments, 2)?);
    give(out, function(value, count & 31));
    Ok(())
}

fn to_hex(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let value = bits(vm, arguments, 1)?;
    let digits = match arguments.get(1) {
        None => 8,
        Some(_) => to_integer(f64::from(bits(vm, arguments, 2)? as i32)),
    };
    // The least number has no counterpart above zero.
    let count = usize::try_from(digits.unsigned_abs()).unwrap_or(8).min(8);
    let all = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    let text = all.get(8_usize.saturating_sub(count)..).unwrap_or_default();
    out.push(vm.text(text.as_bytes())?);
    Ok(())
}
