//! The basic functions. There are no `dofile`, `loadfile`, `print` and `require`, and no environments to be changed.

use super::arguments::{any, at, table};
use crate::script::{
    number::until_zero,
    vm::{Fail, Native, Raised, Value, Vm},
};

pub static BASE: [Native; 21] = [
    Native { name: "assert", run: assert },
    Native { name: "collectgarbage", run: collect_garbage },
    Native { name: "error", run: error },
    Native { name: "gcinfo", run: gc_info },
    Native { name: "getmetatable", run: get_metatable },
    Native { name: "ipairs", run: ipairs },
    Native { name: "load", run: super::load::load },
    Native { name: "loadstring", run: super::load::load_string },
    Native { name: "next", run: next },
    Native { name: "pairs", run: pairs },
    Native { name: "pcall", run: pcall },
    Native { name: "rawequal", run: raw_equal },
    Native { name: "rawget", run: raw_get },
    Native { name: "rawset", run: raw_set },
    Native { name: "select", run: select },
    Native { name: "setmetatable", run: set_metatable },
    Native { name: "tonumber", run: to_number },
    Native { name: "tostring", run: to_string },
    Native { name: "type", run: type_of },
    Native { name: "unpack", run: unpack },
    Native { name: "xpcall", run: xpcall },
];

/// Values that a function may be given at once, as in Lua 5.1 (`LUAI_MAXCSTACK`).
pub const VALUES_MAX: usize = 8000;

type Done = Result<(), Fail>;

fn assert(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    if any(arguments, 1)?.is_true() {
        out.extend_from_slice(arguments);
        return Ok(());
    }
    if at(arguments, 2).is_nil() {
        return Err(Fail::message("assertion failed!"));
    }
    let id = vm.string_argument(arguments, 2)?;
    Err(Fail::message(vm.bytes(id)))
}

/// The collector runs when it has to; what it is asked for changes nothing that a script could see.
fn collect_garbage(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let option = match at(arguments, 1) {
        Value::Nil => b"collect".to_vec(),
        _ => {
            let id = vm.string_argument(arguments, 1)?;
            vm.bytes(id).to_vec()
        }
    };
    out.push(match option.as_slice() {
        b"count" => Value::Number(vm.heap.used as f64 / 1024.0),
        b"step" => Value::Bool(true),
        b"stop" | b"restart" | b"collect" | b"setpause" | b"setstepmul" => Value::Number(0.0),
        other => {
            let text = format!("invalid option '{}'", String::from_utf8_lossy(other));
            return Err(Fail::Argument(1, text));
        }
    });
    Ok(())
}

fn gc_info(vm: &mut Vm<'_>, _: &[Value], out: &mut Vec<Value>) -> Done {
    out.push(Value::Number((vm.heap.used / 1024) as f64));
    Ok(())
}

fn error(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    let level = vm.integer_or(arguments, 2, 1)?;
    let value = at(arguments, 1);
    if let Value::Str(_) | Value::Number(_) = value
        && let Some(level) = usize::try_from(level).ok().filter(|level| *level > 0)
        && let Some(place) = vm.place_of_level(level)
    {
        let mut text = place.prefix().into_bytes();
        vm.append_text(value, &mut text);
        let value = vm.string(text)?;
        return Err(Fail::raised(value));
    }
    Err(Fail::raised(value))
}

fn get_metatable(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let value = any(arguments, 1)?;
    let protected = vm.heap.metamethod(value, b"__metatable");
    out.push(match vm.heap.meta(value) {
        None => Value::Nil,
        Some(_) if !protected.is_nil() => protected,
        Some(meta) => Value::Table(meta),
    });
    Ok(())
}

fn set_metatable(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let meta = match arguments.get(1) {
        Some(Value::Nil) => None,
        Some(Value::Table(meta)) => Some(*meta),
        _ => return Err(Fail::Argument(2, "nil or table expected".into())),
    };
    if !vm.heap.metamethod(Value::Table(id), b"__metatable").is_nil() {
        return Err(Fail::message("cannot change a protected metatable"));
    }
    let table = vm.heap.tables.get_mut(id).filter(|_| id & crate::script::vm::BASE == 0);
    table.ok_or(Fail::READ_ONLY)?.meta = meta;
    out.push(Value::Table(id));
    Ok(())
}

static IPAIRS_NEXT: Native = Native { name: "ipairs_next", run: ipairs_next };

fn ipairs(_: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    out.extend([Value::Native(&IPAIRS_NEXT), Value::Table(id), Value::Number(0.0)]);
    Ok(())
}

fn ipairs_next(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let index = vm.number_argument(arguments, 2)? + 1.0;
    let value = vm.heap.raw_get(id, Value::Number(index));
    if value.is_nil() {
        out.push(Value::Nil);
    } else {
        out.extend([Value::Number(index), value]);
    }
    Ok(())
}

fn next(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let found = vm.heap.table(id).next(&vm.heap.strings, at(arguments, 2));
    match found.map_err(|()| Fail::Plain("invalid key to 'next'"))? {
        Some((key, value)) => out.extend([key, value]),
        None => out.push(Value::Nil),
    }
    Ok(())
}

static NEXT: Native = Native { name: "next", run: next };

fn pairs(_: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    out.extend([Value::Native(&NEXT), Value::Table(id), Value::Nil]);
    Ok(())
}

fn pcall(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let called = any(arguments, 1)?;
    match vm.call_value(called, arguments.get(1..).unwrap_or_default()) {
        Ok(values) => {
            out.push(Value::Bool(true));
            out.extend(values);
        }
        Err(Fail::Raised(raised)) => out.extend([Value::Bool(false), error_text(vm, raised.value)]),
        Err(other) => return Err(other),
    }
    Ok(())
}

/// Redis's `pcall` gives the text of an error table, as scripts from before there were such tables expect.
fn error_text(vm: &Vm<'_>, value: Value) -> Value {
    match value {
        Value::Table(id) => match vm.heap.raw_get_text(id, b"err") {
            text @ (Value::Str(_) | Value::Number(_)) => text,
            _ => value,
        },
        other => other,
    }
}

fn xpcall(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let handler = any(arguments, 2)?;
    match vm.call_value(at(arguments, 1), &[]) {
        Ok(values) => {
            out.push(Value::Bool(true));
            out.extend(values);
        }
        Err(Fail::Raised(raised)) => {
            out.push(Value::Bool(false));
            vm.roots.push(raised.value);
            let handled = vm.call_value(handler, &[raised.value]);
            vm.roots.pop();
            match handled {
                Ok(values) => out.push(values.first().copied().unwrap_or(Value::Nil)),
                Err(Fail::Raised(inner)) => {
                    let Raised { value, .. } = *inner;
                    out.push(value);
                }
                Err(other) => return Err(other),
            }
        }
        Err(other) => return Err(other),
    }
    Ok(())
}

fn raw_equal(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let (a, b) = (any(arguments, 1)?, any(arguments, 2)?);
    out.push(Value::Bool(vm.heap.raw_equal(a, b)));
    Ok(())
}

fn raw_get(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    out.push(vm.heap.raw_get(id, any(arguments, 2)?));
    Ok(())
}

fn raw_set(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let (key, value) = (any(arguments, 2)?, any(arguments, 3)?);
    set_checked(vm, id, key, value)?;
    out.push(Value::Table(id));
    Ok(())
}

/// Stores into a table without metamethods.
pub fn set_checked(vm: &mut Vm<'_>, id: u32, key: Value, value: Value) -> Done {
    match key {
        Value::Nil => Err(Fail::Plain("table index is nil")),
        Value::Number(number) if number.is_nan() => Err(Fail::Plain("table index is NaN")),
        _ => vm.heap.raw_set(id, key, value),
    }
}

fn select(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    if let Value::Str(id) = at(arguments, 1)
        && vm.bytes(id).first() == Some(&b'#')
    {
        out.push(Value::Number(arguments.len().saturating_sub(1) as f64));
        return Ok(());
    }
    let index = vm.integer_argument(arguments, 1)?;
    let count = i64::try_from(arguments.len()).unwrap_or(i64::MAX);
    let start = if index < 0 { count.saturating_add(index) } else { index.min(count) };
    match usize::try_from(start) {
        Ok(start @ 1..) => {
            vm.charge(arguments.len() / 8)?;
            out.extend_from_slice(arguments.get(start..).unwrap_or_default());
            Ok(())
        }
        _ => Err(Fail::Argument(1, "index out of range".into())),
    }
}

fn to_number(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let radix = vm.integer_or(arguments, 2, 10)?;
    if radix == 10 {
        let value = any(arguments, 1)?;
        let number = vm.number_of(value)?;
        out.push(number.map_or(Value::Nil, Value::Number));
        return Ok(());
    }
    let id = vm.string_argument(arguments, 1)?;
    let Some(radix) = u32::try_from(radix).ok().filter(|radix| (2..=36).contains(radix)) else {
        return Err(Fail::Argument(2, "base out of range".into()));
    };
    vm.charge(vm.bytes(id).len() / 8)?;
    let text = until_zero(vm.bytes(id)).trim_ascii();
    out.push(in_radix(text, radix).map_or(Value::Nil, Value::Number));
    Ok(())
}

/// As the C library's `strtoul` reads it: a sign is allowed, and too large a number is the largest one.
fn in_radix(text: &[u8], radix: u32) -> Option<f64> {
    let (is_negative, mut digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if radix == 16
        && let [b'0', b'x' | b'X', rest @ ..] = digits
        && !rest.is_empty()
    {
        digits = rest;
    }
    if digits.is_empty() {
        return None;
    }
    let mut number = Some(0_u64);
    for byte in digits {
        let digit = char::from(*byte).to_digit(radix)?;
        number =
            number.and_then(|number| number.checked_mul(u64::from(radix))?.checked_add(u64::from(digit)));
    }
    let number = match number {
        Some(number) if is_negative => number.wrapping_neg(),
        Some(number) => number,
        None => u64::MAX,
    };
    Some(number as f64)
}

/// What `tostring` says of a value that has no metamethod for it.
pub fn plain_text(vm: &Vm<'_>, value: Value) -> Vec<u8> {
    let mut text = Vec::new();
    if vm.append_text(value, &mut text) {
        return text;
    }
    match value {
        Value::Nil => "nil".into(),
        Value::Bool(is) => is.to_string().into_bytes(),
        Value::Null => "userdata: (nil)".into(),
        // No address: a number that is the same on every node.
        other => format!(
            "{}: 0x{:012x}",
            other.type_name(),
            0x7f00_0000_0000_u64 + u64::from(other.identity()) * 16
        )
        .into_bytes(),
    }
}

pub fn to_text(vm: &mut Vm<'_>, value: Value) -> Result<Value, Fail> {
    if let Value::Str(_) = value {
        return Ok(value);
    }
    let handler = vm.heap.metamethod(value, b"__tostring");
    if handler.is_nil() {
        let text = plain_text(vm, value);
        return vm.string(text);
    }
    vm.call_one(handler, &[value])
}

fn to_string(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let value = any(arguments, 1)?;
    out.push(to_text(vm, value)?);
    Ok(())
}

fn type_of(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let name = any(arguments, 1)?.type_name();
    out.push(vm.text(name.as_bytes())?);
    Ok(())
}

fn unpack(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let first = vm.integer_or(arguments, 2, 1)?;
    let length = i64::try_from(vm.heap.length(id)).unwrap_or(i64::MAX);
    let last = vm.integer_or(arguments, 3, length)?;
    if first > last {
        return Ok(());
    }
    let count = last.checked_sub(first).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count < VALUES_MAX.saturating_sub(arguments.len()));
    let Some(count) = count else { return Err(Fail::message("too many results to unpack")) };
    vm.charge(count)?;
    for offset in 0..=count {
        let index = first as f64 + offset as f64;
        out.push(vm.heap.raw_get(id, Value::Number(index)));
    }
    Ok(())
}
