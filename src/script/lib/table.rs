//! Tables as lists.

use super::arguments::{at, function, table};
use crate::script::vm::{Fail, Id, Native, Value, Vm};

pub static TABLE: [Native; 9] = [
    Native { name: "concat", run: concat },
    Native { name: "foreach", run: for_each },
    Native { name: "foreachi", run: for_each_index },
    Native { name: "getn", run: get_n },
    Native { name: "insert", run: insert },
    Native { name: "maxn", run: max_n },
    Native { name: "remove", run: remove },
    Native { name: "setn", run: |_, _, _| Err(Fail::message("'setn' is obsolete")) },
    Native { name: "sort", run: super::sort::sort },
];

type Done = Result<(), Fail>;

fn concat(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let separator = match at(arguments, 2) {
        Value::Nil => Vec::new(),
        _ => {
            let id = vm.string_argument(arguments, 2)?;
            vm.bytes(id).to_vec()
        }
    };
    let id = table(arguments, 1)?;
    let first = vm.integer_or(arguments, 3, 1)?;
    let length = i64::try_from(vm.heap.length(id)).unwrap_or(i64::MAX);
    let last = vm.integer_or(arguments, 4, length)?;
    let mut text = Vec::new();
    let mut index = first;
    while index <= last {
        let before = text.len();
        let value = vm.heap.raw_get(id, Value::Number(index as f64));
        if !vm.append_text(value, &mut text) {
            let name = value.type_name();
            let error = format!("invalid value ({name}) at index {index} in table for 'concat'");
            return Err(Fail::message(error));
        }
        if index < last {
            text.extend_from_slice(&separator);
        }
        let added = text.len().saturating_sub(before);
        vm.heap.has_room(text.len())?;
        vm.charge(added / 64 + 1)?;
        let Some(next) = index.checked_add(1) else { break };
        index = next;
    }
    out.push(vm.string(text)?);
    Ok(())
}

fn for_each(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let visit = function(arguments, 2)?;
    let mut key = Value::Nil;
    loop {
        let found = vm.heap.table(id).next(&vm.heap.strings, key);
        let Some((next, value)) = found.map_err(|()| Fail::message("invalid key to 'next'"))? else {
            return Ok(());
        };
        vm.roots.push(next);
        let result = vm.call_one(visit, &[next, value]);
        vm.roots.pop();
        let result = result?;
        if !result.is_nil() {
            out.push(result);
            return Ok(());
        }
        key = next;
    }
}

fn for_each_index(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let visit = function(arguments, 2)?;
    for index in 1..=vm.heap.length(id) {
        let value = vm.heap.raw_get_index(id, index);
        let result = vm.call_one(visit, &[Value::Number(index as f64), value])?;
        if !result.is_nil() {
            out.push(result);
            return Ok(());
        }
    }
    Ok(())
}

fn get_n(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    out.push(Value::Number(vm.heap.length(id) as f64));
    Ok(())
}

fn max_n(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let mut max = 0.0_f64;
    let mut count = 0_usize;
    vm.heap.table(id).for_each_pair(|key, _| {
        count = count.saturating_add(1);
        if let Value::Number(number) = key {
            max = max.max(number);
        }
    });
    vm.charge(count / 2)?;
    out.push(Value::Number(max));
    Ok(())
}

fn insert(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let length = vm.heap.length(id);
    let end = i64::try_from(length).unwrap_or(i64::MAX).saturating_add(1);
    let (position, value) = match arguments {
        [_, value] => (end, *value),
        [_, _, value] => (i64::from(vm.integer_argument(arguments, 2)? as i32), *value),
        _ => return Err(Fail::message("wrong number of arguments to 'insert'")),
    };
    let mut index = end.max(position);
    vm.charge(usize::try_from(index.saturating_sub(position)).unwrap_or(0) / 2)?;
    while index > position {
        let moved = vm.heap.raw_get(id, Value::Number((index - 1) as f64));
        vm.heap.raw_set(id, Value::Number(index as f64), moved)?;
        index -= 1;
        vm.charge(usize::from(index % 16 == 0))?;
    }
    vm.heap.raw_set(id, Value::Number(position as f64), value)
}

fn remove(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = table(arguments, 1)?;
    let end = i64::try_from(vm.heap.length(id)).unwrap_or(i64::MAX);
    let mut position = i64::from(vm.integer_or(arguments, 2, end)? as i32);
    if !(1..=end).contains(&position) {
        return Ok(());
    }
    out.push(vm.heap.raw_get(id, Value::Number(position as f64)));
    while position < end {
        let moved = vm.heap.raw_get(id, Value::Number((position + 1) as f64));
        vm.heap.raw_set(id, Value::Number(position as f64), moved)?;
        position += 1;
        vm.charge(usize::from(position % 2 == 0))?;
    }
    vm.heap.raw_set(id, Value::Number(end as f64), Value::Nil)
}

/// All of a list.
pub fn list(vm: &mut Vm<'_>, id: Id) -> Result<Vec<Value>, Fail> {
    let length = vm.heap.length(id);
    vm.charge(length / 4)?;
    Ok((1..=length).map(|index| vm.heap.raw_get_index(id, index)).collect())
}
