//! Strings.

use super::{
    arguments::{at, type_error},
    pattern::{Capture, Matcher},
};
use crate::script::{
    number::until_zero,
    vm::{Fail, Id, Native, Value, Vm},
};

pub static STRING: [Native; 15] = [
    Native { name: "byte", run: byte },
    Native { name: "char", run: char },
    Native { name: "dump", run: |_, _, _| Err(Fail::message("unable to dump given function")) },
    Native { name: "find", run: |vm, arguments, out| find(vm, arguments, out, true) },
    Native { name: "format", run: super::format::format },
    Native { name: "gfind", run: gmatch },
    Native { name: "gmatch", run: gmatch },
    Native { name: "gsub", run: super::gsub::gsub },
    Native { name: "len", run: length },
    Native {
        name: "lower",
        run: |vm, arguments, out| map(vm, arguments, out, |text| text.make_ascii_lowercase()),
    },
    Native { name: "match", run: |vm, arguments, out| find(vm, arguments, out, false) },
    Native { name: "rep", run: repeat },
    Native { name: "reverse", run: |vm, arguments, out| map(vm, arguments, out, |text| text.reverse()) },
    Native { name: "sub", run: sub },
    Native {
        name: "upper",
        run: |vm, arguments, out| map(vm, arguments, out, |text| text.make_ascii_uppercase()),
    },
];

type Done = Result<(), Fail>;

/// A position, counted from the end if it is negative.
fn position(position: i64, length: usize) -> i64 {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    if position >= 0 { position } else { position.saturating_add(length).saturating_add(1).max(0) }
}

fn byte(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = vm.string_argument(arguments, 1)?;
    let length = vm.bytes(id).len();
    let first = position(vm.integer_or(arguments, 2, 1)?, length);
    let last = position(vm.integer_or(arguments, 3, first)?, length).min(i64::try_from(length).unwrap_or(0));
    let first = first.max(1);
    if first > last {
        return Ok(());
    }
    let count = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(usize::MAX);
    if count.saturating_add(arguments.len()) > super::base::VALUES_MAX {
        return Err(Fail::message("string slice too long"));
    }
    vm.charge(count / 8)?;
    let start = usize::try_from(first).unwrap_or(1).saturating_sub(1);
    let bytes = vm.bytes(id).get(start..start.saturating_add(count)).unwrap_or_default();
    out.extend(bytes.iter().map(|byte| Value::Number(f64::from(*byte))));
    Ok(())
}

fn char(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let mut text = Vec::with_capacity(arguments.len());
    for number in 1..=arguments.len() {
        let code = vm.integer_argument(arguments, number)?;
        let Ok(code) = u8::try_from(code as i32) else {
            return Err(Fail::Argument(number, "invalid value".into()));
        };
        text.push(code);
    }
    out.push(vm.string(text)?);
    Ok(())
}

fn length(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = vm.string_argument(arguments, 1)?;
    out.push(Value::Number(vm.bytes(id).len() as f64));
    Ok(())
}

fn map(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, change: fn(&mut Vec<u8>)) -> Done {
    let id = vm.string_argument(arguments, 1)?;
    let length = vm.bytes(id).len();
    vm.charge_bytes(length)?;
    vm.heap.has_room(length)?;
    let mut text = vm.bytes(id).to_vec();
    change(&mut text);
    out.push(vm.string(text)?);
    Ok(())
}

fn repeat(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = vm.string_argument(arguments, 1)?;
    let count = usize::try_from(i64::from(vm.integer_argument(arguments, 2)? as i32)).unwrap_or(0);
    let total = vm.bytes(id).len().saturating_mul(count);
    vm.heap.has_room(total)?;
    vm.charge_bytes(total)?;
    let text = vm.bytes(id).repeat(if total == 0 { 0 } else { count });
    out.push(vm.string(text)?);
    Ok(())
}

fn sub(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = vm.string_argument(arguments, 1)?;
    let length = vm.bytes(id).len();
    let first = position(vm.integer_argument(arguments, 2)?, length).max(1);
    let last = position(vm.integer_or(arguments, 3, -1)?, length);
    let start = usize::try_from(first).unwrap_or(usize::MAX).saturating_sub(1).min(length);
    let end = usize::try_from(last).unwrap_or(0).min(length).max(start);
    vm.charge_bytes(end.saturating_sub(start))?;
    vm.heap.has_room(end.saturating_sub(start))?;
    let text = vm.bytes(id).get(start..end).unwrap_or_default().to_vec();
    out.push(vm.string(text)?);
    Ok(())
}

/// A capture's value; where a pattern has none, its match is the only one.
pub fn captured(
    vm: &mut Vm<'_>,
    subject: Id,
    captures: &[Capture],
    index: usize,
    whole: (usize, usize),
) -> Result<Value, Fail> {
    let (from, length) = match captures.get(index) {
        None if index == 0 => (whole.0, whole.1.saturating_sub(whole.0)),
        None => return Err(Fail::message("invalid capture index")),
        Some(Capture::Position(at)) => return Ok(Value::Number(at.saturating_add(1) as f64)),
        Some(Capture::Open(_)) => return Err(Fail::message("unfinished capture")),
        Some(Capture::Closed(from, length)) => (*from, *length),
    };
    let text = vm.bytes(subject).get(from..from.saturating_add(length)).unwrap_or_default().to_vec();
    vm.string(text)
}

/// All captures, or the match if the pattern has none.
pub fn all_captured(
    vm: &mut Vm<'_>,
    subject: Id,
    captures: &[Capture],
    whole: (usize, usize),
    out: &mut Vec<Value>,
) -> Done {
    for index in 0..captures.len().max(1) {
        out.push(captured(vm, subject, captures, index, whole)?);
    }
    Ok(())
}

/// The first match from a place on: from, to, captures.
pub type Found = Option<(usize, usize, Vec<Capture>)>;

pub fn first_match(vm: &mut Vm<'_>, subject: Id, pattern: &[u8], from: usize) -> Result<Found, Fail> {
    let (pattern, is_anchored) = match pattern {
        [b'^', rest @ ..] => (rest, true),
        rest => (rest, false),
    };
    let steps_left = vm.steps_left();
    let text = vm.bytes(subject);
    let mut matcher = Matcher::new(text, pattern, steps_left);
    let mut outcome = Ok(None);
    for start in from..=text.len() {
        match matcher.match_at(start) {
            Ok(Some(end)) => {
                outcome = Ok(Some((start, end, std::mem::take(&mut matcher.captures))));
                break;
            }
            Ok(None) if is_anchored => break,
            Ok(None) => {}
            Err(broken) => {
                outcome = Err(broken);
                break;
            }
        }
    }
    let steps = matcher.steps();
    vm.charge(steps)?;
    outcome.map_err(|broken| vm.broken(&broken))
}

fn find(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, is_find: bool) -> Done {
    let subject = vm.string_argument(arguments, 1)?;
    let pattern = vm.string_argument(arguments, 2)?;
    let length = vm.bytes(subject).len();
    let start = position(vm.integer_or(arguments, 3, 1)?, length).saturating_sub(1).max(0);
    let start = usize::try_from(start).unwrap_or(0).min(length);
    let pattern = vm.bytes(pattern).to_vec();
    let is_plain =
        at(arguments, 4).is_true() || !until_zero(&pattern).iter().any(|byte| b"^$*+?.([%-".contains(byte));
    if is_find && is_plain {
        vm.charge(length.saturating_sub(start) / 16)?;
        let rest = vm.bytes(subject).get(start..).unwrap_or_default();
        match memchr::memmem::find(rest, &pattern) {
            Some(offset) => {
                let first = start.saturating_add(offset);
                let last = first.saturating_add(pattern.len());
                out.extend([Value::Number((first + 1) as f64), Value::Number(last as f64)]);
            }
            None => out.push(Value::Nil),
        }
        return Ok(());
    }
    match first_match(vm, subject, &pattern, start)? {
        None => out.push(Value::Nil),
        Some((from, to, captures)) => {
            if is_find {
                out.extend([Value::Number((from + 1) as f64), Value::Number(to as f64)]);
                if captures.is_empty() {
                    return Ok(());
                }
            }
            all_captured(vm, subject, &captures, (from, to), out)?;
        }
    }
    Ok(())
}

static GMATCH_NEXT: Native = Native { name: "gmatch_next", run: gmatch_next };

fn gmatch(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let subject = vm.string_argument(arguments, 1)?;
    let pattern = vm.string_argument(arguments, 2)?;
    let place = vm.heap.add_cell(Value::Number(0.0))?;
    let values = [Value::Str(subject), Value::Str(pattern), Value::Cell(place)];
    out.push(vm.bound(&GMATCH_NEXT, &values)?);
    Ok(())
}

fn gmatch_next(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let [Value::Str(subject), Value::Str(pattern), Value::Cell(place), ..] = arguments else {
        return Err(type_error(arguments, 1, "string"));
    };
    let (subject, place) = (*subject, *place);
    let from = match vm.heap.cells.get(place) {
        Some(Value::Number(from)) => *from as usize,
        _ => 0,
    };
    if from > vm.bytes(subject).len() {
        out.push(Value::Nil);
        return Ok(());
    }
    // Here `^` has no meaning: it stands for itself.
    let mut pattern = vm.bytes(*pattern).to_vec();
    if pattern.first() == Some(&b'^') {
        pattern.insert(0, b'%');
    }
    match first_match(vm, subject, &pattern, from)? {
        None => {
            set_place(vm, place, usize::MAX);
            out.push(Value::Nil);
        }
        Some((start, end, captures)) => {
            set_place(vm, place, if end == start { end.saturating_add(1) } else { end });
            all_captured(vm, subject, &captures, (start, end), out)?;
        }
    }
    Ok(())
}

fn set_place(vm: &mut Vm<'_>, place: Id, to: usize) {
    if let Some(slot) = vm.heap.cells.get_mut(place) {
        *slot = Value::Number(to as f64);
    }
}
