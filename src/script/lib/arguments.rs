//! The arguments of library functions, with Lua's errors.

use crate::script::{
    number::format_number,
    vm::{Fail, Id, Value, Vm},
};

/// An argument by its number, from 1.
pub fn at(arguments: &[Value], number: usize) -> Value {
    arguments.get(number.wrapping_sub(1)).copied().unwrap_or(Value::Nil)
}

/// A number as C casts it to a 64-bit integer on x86.
pub fn to_integer(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// A number as C casts it to an unsigned 64-bit integer on x86.
pub fn to_unsigned(number: f64) -> u64 {
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    match number {
        _ if number >= LIMIT => 0,
        _ if number < 0.0 || number.is_nan() => to_integer(number) as u64,
        _ => number as u64,
    }
}

/// A number as C casts it to a 32-bit integer on x86.
pub fn to_int(number: f64) -> i32 {
    if number > -2_147_483_649.0 && number < 2_147_483_648.0 { number as i32 } else { i32::MIN }
}

pub fn type_error(arguments: &[Value], number: usize, expected: &str) -> Fail {
    let got = arguments.get(number.wrapping_sub(1)).map_or("no value", |value| value.type_name());
    Fail::Argument(number, format!("{expected} expected, got {got}"))
}

pub fn any(arguments: &[Value], number: usize) -> Result<Value, Fail> {
    let value = arguments.get(number.wrapping_sub(1)).copied();
    value.ok_or_else(|| Fail::Argument(number, "value expected".into()))
}

pub fn table(arguments: &[Value], number: usize) -> Result<Id, Fail> {
    match at(arguments, number) {
        Value::Table(id) => Ok(id),
        _ => Err(type_error(arguments, number, "table")),
    }
}

pub fn function(arguments: &[Value], number: usize) -> Result<Value, Fail> {
    match at(arguments, number) {
        value @ (Value::Function(_) | Value::Native(_)) => Ok(value),
        _ => Err(type_error(arguments, number, "function")),
    }
}

impl Vm<'_> {
    pub fn number_argument(&mut self, arguments: &[Value], number: usize) -> Result<f64, Fail> {
        match at(arguments, number) {
            Value::Number(value) => Ok(value),
            value => self.number_of(value)?.ok_or_else(|| type_error(arguments, number, "number")),
        }
    }

    pub fn integer_argument(&mut self, arguments: &[Value], number: usize) -> Result<i64, Fail> {
        Ok(to_integer(self.number_argument(arguments, number)?))
    }

    pub fn integer_or(&mut self, arguments: &[Value], number: usize, default: i64) -> Result<i64, Fail> {
        if at(arguments, number).is_nil() { Ok(default) } else { self.integer_argument(arguments, number) }
    }

    /// A string; a number becomes one.
    pub fn string_argument(&mut self, arguments: &[Value], number: usize) -> Result<Id, Fail> {
        match self.as_string(at(arguments, number))? {
            Some(id) => Ok(id),
            None => Err(type_error(arguments, number, "string")),
        }
    }

    pub fn as_string(&mut self, value: Value) -> Result<Option<Id>, Fail> {
        match value {
            Value::Str(id) => Ok(Some(id)),
            Value::Number(number) => match self.string(format_number(number).into_bytes())? {
                Value::Str(id) => Ok(Some(id)),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }
}
