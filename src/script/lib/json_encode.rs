//! `cjson.encode`. Nested tables are a list, not calls: depth takes no stack of the thread.

use crate::script::{
    number::{format_general, format_number},
    vm::{Fail, Id, Value, Vm},
};

/// A table that is being written.
enum Open {
    /// Next index, length.
    Array(Id, usize, usize),
    /// The key written last.
    Object(Id, Value),
}

pub fn encode(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Result<(), Fail> {
    let [value] = arguments else { return Err(Fail::Argument(1, "expected 1 argument".into())) };
    let mut text = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut value = *value;
    loop {
        let before = text.len();
        if let Some(table) = begin(vm, value, open.len(), &mut text)? {
            open.push(table);
        }
        // The next value: of the innermost table that has one.
        let next = loop {
            match open.last_mut() {
                None => break None,
                Some(table) => match advance(vm, table, &mut text)? {
                    Some(next) => break Some(next),
                    None => {
                        open.pop();
                    }
                },
            }
        };
        vm.charge(text.len().saturating_sub(before) / 8 + 8)?;
        vm.heap.has_room(text.len())?;
        match next {
            Some(next) => value = next,
            None => break,
        }
    }
    out.push(vm.string(text)?);
    Ok(())
}

fn cannot(value: Value, why: &str) -> Fail {
    Fail::message(format!("Cannot serialise {}: {why}", value.type_name()))
}

/// Writes a value, or the beginning of a table.
fn begin(vm: &mut Vm<'_>, value: Value, depth: usize, text: &mut Vec<u8>) -> Result<Option<Open>, Fail> {
    match value {
        Value::Str(id) => {
            vm.heap.has_room(text.len().saturating_add(vm.bytes(id).len()))?;
            string(vm.bytes(id), text);
        }
        Value::Number(number) => self::number(vm, number, text)?,
        Value::Bool(is) => text.extend_from_slice(if is { b"true" } else { b"false" }),
        Value::Nil | Value::Null => text.extend_from_slice(b"null"),
        Value::Table(id) => {
            let depth = depth.saturating_add(1);
            if i64::try_from(depth).unwrap_or(i64::MAX) > vm.settings.json.encode_depth {
                return Err(Fail::message(format!("Cannot serialise, excessive nesting ({depth})")));
            }
            return Ok(Some(match array_length(vm, id)? {
                Some(length @ 1..) => {
                    text.push(b'[');
                    Open::Array(id, 1, length)
                }
                // `decode_array_with_array_mt`: the metatable says that an empty table is a list.
                Some(_) if is_marked(vm, id) => {
                    text.push(b'[');
                    Open::Array(id, 1, 0)
                }
                _ => {
                    text.push(b'{');
                    Open::Object(id, Value::Nil)
                }
            }));
        }
        other => return Err(cannot(other, "type not supported")),
    }
    Ok(None)
}

fn is_marked(vm: &Vm<'_>, id: Id) -> bool {
    vm.heap.table(id).meta.is_some_and(|meta| !vm.heap.raw_get_text(meta, b"__is_cjson_array").is_nil())
}

/// The value to be written next, behind its key; `None`: the table is done.
fn advance(vm: &mut Vm<'_>, table: &mut Open, text: &mut Vec<u8>) -> Result<Option<Value>, Fail> {
    match table {
        Open::Array(_, index, length) if *index > *length => {
            text.push(b']');
            Ok(None)
        }
        Open::Array(id, index, _) => {
            if *index > 1 {
                text.push(b',');
            }
            let value = vm.heap.raw_get_index(*id, *index);
            *index = index.saturating_add(1);
            Ok(Some(value))
        }
        Open::Object(id, key) => {
            let found = vm.heap.table(*id).next(&vm.heap.strings, *key);
            let Some((next, value)) = found.map_err(|()| Fail::message("invalid key to 'next'"))? else {
                text.push(b'}');
                return Ok(None);
            };
            if !key.is_nil() {
                text.push(b',');
            }
            match next {
                Value::Number(number) => {
                    text.push(b'"');
                    self::number(vm, number, text)?;
                    text.push(b'"');
                }
                Value::Str(id) => {
                    vm.heap.has_room(text.len().saturating_add(vm.bytes(id).len()))?;
                    string(vm.bytes(id), text);
                }
                other => return Err(cannot(other, "table key must be a number or string")),
            }
            text.push(b':');
            *key = next;
            Ok(Some(value))
        }
    }
}

/// The length of a table that is a list; `None`: it is none.
fn array_length(vm: &mut Vm<'_>, id: Id) -> Result<Option<usize>, Fail> {
    let (mut max, mut items, mut is_list) = (0_usize, 0_usize, true);
    vm.heap.table(id).for_each_pair(|key, _| {
        items = items.saturating_add(1);
        match key {
            Value::Number(number) if number >= 1.0 && number.fract() == 0.0 && number < 1e15 => {
                max = max.max(number as usize);
            }
            _ => is_list = false,
        }
    });
    vm.charge(items / 4)?;
    if !is_list {
        return Ok(None);
    }
    let settings = vm.settings.json;
    let (long, many) = (i64::try_from(max).unwrap_or(i64::MAX), i64::try_from(items).unwrap_or(i64::MAX));
    if settings.sparse_ratio > 0
        && long > many.saturating_mul(settings.sparse_ratio)
        && long > settings.sparse_safe
    {
        if !settings.sparse_to_object {
            return Err(cannot(Value::Table(id), "excessively sparse array"));
        }
        return Ok(None);
    }
    Ok(Some(max))
}

fn number(vm: &Vm<'_>, number: f64, text: &mut Vec<u8>) -> Result<(), Fail> {
    if !number.is_finite() {
        let word: &[u8] = match vm.settings.json.encode_invalid {
            0 => return Err(cannot(Value::Number(number), "must not be NaN or Inf")),
            2 => b"null",
            _ if number.is_nan() => b"nan",
            _ if number > 0.0 => b"inf",
            _ => b"-inf",
        };
        text.extend_from_slice(word);
        return Ok(());
    }
    if vm.settings.json.precision == 14 {
        text.extend_from_slice(format_number(number).as_bytes());
        return Ok(());
    }
    let precision = usize::try_from(vm.settings.json.precision).unwrap_or(14);
    text.extend_from_slice(format_general(number, precision, false).as_bytes());
    Ok(())
}

fn string(bytes: &[u8], text: &mut Vec<u8>) {
    text.push(b'"');
    for byte in bytes {
        match byte {
            b'"' => text.extend_from_slice(b"\\\""),
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'/' => text.extend_from_slice(b"\\/"),
            8 => text.extend_from_slice(b"\\b"),
            b'\t' => text.extend_from_slice(b"\\t"),
            b'\n' => text.extend_from_slice(b"\\n"),
            12 => text.extend_from_slice(b"\\f"),
            b'\r' => text.extend_from_slice(b"\\r"),
            0..=31 | 127 => text.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            other => text.push(*other),
        }
    }
    text.push(b'"');
}
