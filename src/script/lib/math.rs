//! Real numbers, random ones, and the clock.

use super::{arguments::to_integer, image::Constant};
use crate::script::vm::{Fail, Native, Value, Vm};

pub static MATH: [Native; 29] = [
    Native { name: "abs", run: |vm, arguments, out| real(vm, arguments, out, f64::abs) },
    Native { name: "acos", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_acos) },
    Native { name: "asin", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_asin) },
    Native { name: "atan", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_atan) },
    Native { name: "atan2", run: |vm, arguments, out| two(vm, arguments, out, pxfm::f_atan2) },
    Native { name: "ceil", run: |vm, arguments, out| real(vm, arguments, out, f64::ceil) },
    Native { name: "cos", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_cos) },
    Native { name: "cosh", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_cosh) },
    Native { name: "deg", run: |vm, arguments, out| real(vm, arguments, out, |x| x / (PI / 180.0)) },
    Native { name: "exp", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_exp) },
    Native { name: "floor", run: |vm, arguments, out| real(vm, arguments, out, f64::floor) },
    Native { name: "fmod", run: |vm, arguments, out| two(vm, arguments, out, |x, y| x % y) },
    Native { name: "frexp", run: frexp },
    Native { name: "ldexp", run: ldexp },
    Native { name: "log", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_log) },
    Native { name: "log10", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_log10) },
    Native { name: "max", run: |vm, arguments, out| fold(vm, arguments, out, |best, x| x > best) },
    Native { name: "min", run: |vm, arguments, out| fold(vm, arguments, out, |best, x| x < best) },
    Native { name: "mod", run: |vm, arguments, out| two(vm, arguments, out, |x, y| x % y) },
    Native { name: "modf", run: modf },
    Native { name: "pow", run: |vm, arguments, out| two(vm, arguments, out, super::pow) },
    Native { name: "rad", run: |vm, arguments, out| real(vm, arguments, out, |x| x * (PI / 180.0)) },
    Native { name: "random", run: random },
    Native { name: "randomseed", run: random_seed },
    Native { name: "sin", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_sin) },
    Native { name: "sinh", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_sinh) },
    Native { name: "sqrt", run: |vm, arguments, out| real(vm, arguments, out, f64::sqrt) },
    Native { name: "tan", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_tan) },
    Native { name: "tanh", run: |vm, arguments, out| real(vm, arguments, out, pxfm::f_tanh) },
];

pub static OS: [Native; 1] = [Native { name: "clock", run: clock }];

use std::f64::consts::PI;

pub fn constants() -> Vec<(&'static str, Constant)> {
    vec![("pi", Constant::Number(PI)), ("huge", Constant::Number(f64::INFINITY))]
}

type Done = Result<(), Fail>;

fn real(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, function: fn(f64) -> f64) -> Done {
    let x = vm.number_argument(arguments, 1)?;
    out.push(Value::Number(function(x)));
    Ok(())
}

fn two(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, function: fn(f64, f64) -> f64) -> Done {
    // Redis complains of the second argument first.
    let y = vm.number_argument(arguments, 2)?;
    let x = vm.number_argument(arguments, 1)?;
    out.push(Value::Number(function(x, y)));
    Ok(())
}

fn fold(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, is_better: fn(f64, f64) -> bool) -> Done {
    let mut best = vm.number_argument(arguments, 1)?;
    for number in 2..=arguments.len() {
        let x = vm.number_argument(arguments, number)?;
        if is_better(best, x) {
            best = x;
        }
    }
    out.push(Value::Number(best));
    Ok(())
}

fn frexp(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let x = vm.number_argument(arguments, 1)?;
    if x == 0.0 || !x.is_finite() {
        out.extend([Value::Number(x), Value::Number(0.0)]);
        return Ok(());
    }
    // A subnormal number is made a normal one first.
    let (normal, shift) = if x.is_normal() { (x, 0) } else { (x * 2_f64.powi(64), 64) };
    let exponent = i32::try_from((normal.to_bits() >> 52) & 0x7ff).unwrap_or(0) - 1022;
    let mantissa = f64::from_bits((normal.to_bits() & !(0x7ff << 52)) | (1022 << 52));
    out.extend([Value::Number(mantissa), Value::Number(f64::from(exponent - shift))]);
    Ok(())
}

fn ldexp(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let exponent = vm.integer_argument(arguments, 2)?;
    let x = vm.number_argument(arguments, 1)?;
    let exponent = i32::try_from(exponent.clamp(-10_000, 10_000)).unwrap_or(0);
    out.push(Value::Number(crate::script::number::ldexp(x, exponent)));
    Ok(())
}

fn modf(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let x = vm.number_argument(arguments, 1)?;
    let fraction = if x.is_infinite() { 0.0 } else { x - x.trunc() }.copysign(x);
    out.extend([Value::Number(x.trunc()), Value::Number(fraction)]);
    Ok(())
}

/// The generator of POSIX's `lrand48`, which Redis has on all machines.
#[derive(Debug, Clone, Copy)]
pub struct Random(u64);

impl Random {
    /// As `srand48`.
    pub fn new(seed: u32) -> Self {
        Random((u64::from(seed) << 16) | 0x330e)
    }

    /// From any bits, which are mixed first.
    pub fn from_bits(seed: u64) -> Self {
        let mixed = (seed ^ (seed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        Random((mixed ^ (mixed >> 33)) & ((1 << 48) - 1))
    }

    /// 31 random bits.
    pub fn next_bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & ((1 << 48) - 1);
        u32::try_from(self.0 >> 17).unwrap_or(0)
    }

    /// From 0 to 1.
    fn next_real(&mut self) -> f64 {
        const MAX: u32 = i32::MAX as u32;
        f64::from(self.next_bits() % MAX) / f64::from(MAX)
    }
}

fn random(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let real = vm.settings.random.next_real();
    let narrow = |number: f64| f64::from(to_integer(number) as i32);
    let number = match arguments.len() {
        0 => real,
        1 => {
            let upper = narrow(vm.number_argument(arguments, 1)?);
            if upper < 1.0 {
                return Err(Fail::Argument(1, "interval is empty".into()));
            }
            (real * upper).floor() + 1.0
        }
        2 => {
            let lower = narrow(vm.number_argument(arguments, 1)?);
            let upper = narrow(vm.number_argument(arguments, 2)?);
            if lower > upper {
                return Err(Fail::Argument(2, "interval is empty".into()));
            }
            (real * (upper - lower + 1.0)).floor() + lower
        }
        _ => return Err(Fail::message("wrong number of arguments")),
    };
    out.push(Value::Number(number));
    Ok(())
}

fn random_seed(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    vm.settings.random = Random::new(vm.integer_argument(arguments, 1)? as u32);
    Ok(())
}

/// Instructions that count as a second.
const STEPS_PER_SECOND: f64 = 1e8;

/// Time that passes as the script executes, not that of a clock.
fn clock(vm: &mut Vm<'_>, _: &[Value], out: &mut Vec<Value>) -> Done {
    out.push(Value::Number(vm.executed as f64 / STEPS_PER_SECOND));
    Ok(())
}
