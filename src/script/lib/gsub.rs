//! `string.gsub`.

use super::{
    arguments::at,
    pattern::{Capture, Matcher},
    string::{all_captured, captured},
};
use crate::script::vm::{Fail, Id, Value, Vm};

type Done = Result<(), Fail>;

pub fn gsub(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let subject = vm.string_argument(arguments, 1)?;
    let pattern = vm.string_argument(arguments, 2)?;
    let replacement = match at(arguments, 3) {
        value @ Value::Number(_) => Value::Str(vm.as_string(value)?.unwrap_or(0)),
        value @ (Value::Str(_) | Value::Table(_) | Value::Function(_) | Value::Native(_)) => value,
        _ => return Err(Fail::Argument(3, "string/function/table expected".into())),
    };
    let length = vm.bytes(subject).len();
    let times = vm.integer_or(arguments, 4, i64::try_from(length).unwrap_or(i64::MAX).saturating_add(1))?;
    let times = usize::try_from(times).unwrap_or(0);
    let pattern = vm.bytes(pattern).to_vec();
    let (pattern, is_anchored) = match pattern.as_slice() {
        [b'^', rest @ ..] => (rest, true),
        rest => (rest, false),
    };
    let roots = vm.roots.len();
    vm.roots.extend([Value::Str(subject), replacement]);
    let done = replace(vm, subject, pattern, is_anchored, replacement, times);
    vm.roots.truncate(roots);
    let (text, count) = done?;
    out.push(vm.string(text)?);
    out.push(Value::Number(count as f64));
    Ok(())
}

fn replace(
    vm: &mut Vm<'_>,
    subject: Id,
    pattern: &[u8],
    is_anchored: bool,
    replacement: Value,
    times: usize,
) -> Result<(Vec<u8>, usize), Fail> {
    // The text is copied: what is called may collect.
    let text = vm.bytes(subject).to_vec();
    vm.charge_bytes(text.len())?;
    let mut result = Vec::new();
    let (mut place, mut count) = (0_usize, 0_usize);
    while count < times {
        let mut matcher = Matcher::new(&text, pattern, vm.steps_left());
        let found = matcher.match_at(place);
        let (steps, captures) = (matcher.steps(), std::mem::take(&mut matcher.captures));
        vm.charge(steps)?;
        match found.map_err(|broken| vm.broken(&broken))? {
            Some(end) => {
                count = count.saturating_add(1);
                add(vm, subject, &captures, (place, end), replacement, &mut result)?;
                if end > place {
                    place = end;
                } else {
                    result.extend(text.get(place));
                    place = place.saturating_add(1);
                }
            }
            None => {
                result.extend(text.get(place));
                place = place.saturating_add(1);
            }
        }
        vm.heap.has_room(result.len())?;
        if place > text.len() || is_anchored {
            break;
        }
    }
    result.extend_from_slice(text.get(place..).unwrap_or_default());
    Ok((result, count))
}

fn add(
    vm: &mut Vm<'_>,
    subject: Id,
    captures: &[Capture],
    whole: (usize, usize),
    replacement: Value,
    result: &mut Vec<u8>,
) -> Done {
    let value = match replacement {
        Value::Str(id) => return add_text(vm, subject, captures, whole, id, result),
        Value::Table(_) => {
            let key = captured(vm, subject, captures, 0, whole)?;
            vm.index(replacement, key)?
        }
        _ => {
            let mut values = Vec::new();
            all_captured(vm, subject, captures, whole, &mut values)?;
            vm.call_one(replacement, &values)?
        }
    };
    match value {
        Value::Nil | Value::Bool(false) => {
            let same = vm.bytes(subject).get(whole.0..whole.1).unwrap_or_default().to_vec();
            result.extend_from_slice(&same);
        }
        Value::Str(_) | Value::Number(_) => {
            vm.append_text(value, result);
        }
        other => {
            let text = format!("invalid replacement value (a {})", other.type_name());
            return Err(Fail::message(text));
        }
    }
    Ok(())
}

/// A replacement text: `%1` is a capture, `%0` the match, `%%` a percent sign.
fn add_text(
    vm: &mut Vm<'_>,
    subject: Id,
    captures: &[Capture],
    whole: (usize, usize),
    replacement: Id,
    result: &mut Vec<u8>,
) -> Done {
    let text = vm.bytes(replacement).to_vec();
    vm.charge_bytes(text.len())?;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            result.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'0') => {
                let matched = vm.bytes(subject).get(whole.0..whole.1).unwrap_or_default();
                vm.heap.has_room(result.len().saturating_add(matched.len()))?;
                result.extend_from_slice(vm.bytes(subject).get(whole.0..whole.1).unwrap_or_default());
            }
            Some(digit @ b'1'..=b'9') => {
                let value = captured(vm, subject, captures, usize::from(digit - b'1'), whole)?;
                vm.append_text(value, result);
            }
            Some(other) => result.push(other),
            None => result.push(0),
        }
    }
    Ok(())
}
