//! `cmsgpack.unpack`. Nested values are a list, not calls: depth takes no stack of the thread.

use super::base::{VALUES_MAX, set_checked};
use crate::script::vm::{Fail, Id, Value, Vm};

type Done = Result<(), Fail>;

pub fn unpack(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    values(vm, arguments, 0, 0, out)
}

pub fn unpack_one(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let offset = vm.integer_or(arguments, 2, 0)?;
    values(vm, arguments, 1, offset, out)
}

pub fn unpack_limit(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let limit = vm.integer_argument(arguments, 2)?;
    let offset = vm.integer_or(arguments, 3, 0)?;
    values(vm, arguments, limit, offset, out)
}

/// Up to `limit` values; 0 = all, and without the place behind them.
fn values(vm: &mut Vm<'_>, arguments: &[Value], limit: i64, offset: i64, out: &mut Vec<Value>) -> Done {
    let id = vm.string_argument(arguments, 1)?;
    let length = vm.bytes(id).len();
    let (Ok(start), Ok(count)) = (usize::try_from(offset), usize::try_from(limit)) else {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {length}.");
        return Err(Fail::message(text));
    };
    if start > length {
        let text = format!("Start offset {start} greater than input length {length}.");
        return Err(Fail::message(text));
    }
    let mut reader = Reader { data: vm.bytes(id).to_vec(), at: start };
    vm.charge(length / 8)?;
    let is_all = limit == 0;
    if !is_all {
        out.push(Value::Nil);
    }
    let mut read = 0_usize;
    while reader.at < length && (is_all || read < count) {
        if out.len() >= VALUES_MAX {
            return Err(Fail::message(
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
            ));
        }
        let value = reader.value(vm)?;
        out.push(value);
        read = read.saturating_add(1);
    }
    if let Some(place) = out.first_mut().filter(|_| !is_all) {
        *place = Value::Number(if reader.at >= length { -1.0 } else { reader.at as f64 });
    }
    Ok(())
}

struct Reader {
    data: Vec<u8>,
    at: usize,
}

/// A container that is being read: what is missing.
enum Open {
    Array { table: Id, next: usize, length: usize },
    Map { table: Id, key: Option<Value>, left: usize },
}

enum Item {
    Value(Value),
    Array(usize),
    Map(usize),
}

impl Reader {
    fn take(&mut self, count: usize) -> Result<&[u8], Fail> {
        let end = self.at.saturating_add(count);
        let bytes = self.data.get(self.at..end).ok_or_else(|| Fail::message("Missing bytes in input."))?;
        self.at = end;
        Ok(bytes)
    }

    fn unsigned(&mut self, count: usize) -> Result<u64, Fail> {
        Ok(self.take(count)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn length(&mut self, count: usize) -> Result<usize, Fail> {
        Ok(usize::try_from(self.unsigned(count)?).unwrap_or(usize::MAX))
    }

    fn signed(&mut self, count: usize) -> Result<f64, Fail> {
        let unused = 64_u32.saturating_sub(u32::try_from(count).unwrap_or(8).saturating_mul(8));
        Ok((((self.unsigned(count)? << unused) as i64) >> unused) as f64)
    }

    fn text(&mut self, vm: &mut Vm<'_>, length: usize) -> Result<Item, Fail> {
        vm.charge_bytes(length.min(self.data.len()))?;
        let bytes = self.take(length)?.to_vec();
        Ok(Item::Value(vm.string(bytes)?))
    }

    fn item(&mut self, vm: &mut Vm<'_>) -> Result<Item, Fail> {
        let tag = self.take(1)?.first().copied().unwrap_or(0xc0);
        let number = |number: f64| Ok(Item::Value(Value::Number(number)));
        match tag {
            0x00..=0x7f => number(f64::from(tag)),
            0xe0..=0xff => number(f64::from(tag as i8)),
            0xcc => number(self.unsigned(1)? as f64),
            0xcd => number(self.unsigned(2)? as f64),
            0xce => number(self.unsigned(4)? as f64),
            // Redis reads it so, too.
            0xcf => number(self.unsigned(8)? as i64 as f64),
            0xd0 => number(self.signed(1)?),
            0xd1 => number(self.signed(2)?),
            0xd2 => number(self.signed(4)?),
            0xd3 => number(self.signed(8)?),
            0xc0 => Ok(Item::Value(Value::Nil)),
            0xc2 | 0xc3 => Ok(Item::Value(Value::Bool(tag == 0xc3))),
            0xca => number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => number(f64::from_bits(self.unsigned(8)?)),
            0xd9 => {
                let length = self.length(1)?;
                self.text(vm, length)
            }
            0xda => {
                let length = self.length(2)?;
                self.text(vm, length)
            }
            0xdb => {
                let length = self.length(4)?;
                self.text(vm, length)
            }
            0xa0..=0xbf => self.text(vm, usize::from(tag & 31)),
            0xdc => Ok(Item::Array(self.length(2)?)),
            0xdd => Ok(Item::Array(self.length(4)?)),
            0x90..=0x9f => Ok(Item::Array(usize::from(tag & 15))),
            0xde => Ok(Item::Map(self.length(2)?)),
            0xdf => Ok(Item::Map(self.length(4)?)),
            0x80..=0x8f => Ok(Item::Map(usize::from(tag & 15))),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => Err(Fail::message("Bad data format in input.")),
        }
    }

    fn value(&mut self, vm: &mut Vm<'_>) -> Result<Value, Fail> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            vm.charge(3)?;
            let mut value = match self.item(vm)? {
                Item::Value(value) => value,
                Item::Array(length) => {
                    let table = vm.new_table(0, 0)?;
                    if length > 0 {
                        open.push(Open::Array { table, next: 1, length });
                        continue;
                    }
                    Value::Table(table)
                }
                Item::Map(length) => {
                    let table = vm.new_table(0, 0)?;
                    if length > 0 {
                        open.push(Open::Map { table, key: None, left: length });
                        continue;
                    }
                    Value::Table(table)
                }
            };
            // What is on the list is memory as well.
            vm.heap.has_room(open.len().saturating_mul(size_of::<Open>()))?;
            loop {
                let whole = match open.last_mut() {
                    None => return Ok(value),
                    Some(Open::Array { table, next, length }) => {
                        set_checked(vm, *table, Value::Number(*next as f64), value)?;
                        *next = next.saturating_add(1);
                        (*next > *length).then_some(*table)
                    }
                    Some(Open::Map { table, key, left }) => match key.take() {
                        None => {
                            *key = Some(value);
                            None
                        }
                        Some(key) => {
                            set_checked(vm, *table, key, value)?;
                            *left = left.saturating_sub(1);
                            (*left == 0).then_some(*table)
                        }
                    },
                };
                let Some(table) = whole else { break };
                value = Value::Table(table);
                open.pop();
            }
        }
    }
}
