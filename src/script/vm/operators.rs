//! Operators on values that are not plain numbers: conversions, metamethods, errors.

use super::{BYTES_PER_STEP, Fail, Vm, value::Value};
use crate::script::{
    compile::Comparison,
    number::{format_number, parse_number},
};
use smallvec::SmallVec;
use std::cmp::Ordering;

/// Metatables that refer to each other.
const CHAIN_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Negate,
}

impl Arithmetic {
    pub fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
            Arithmetic::Mod => a - (a / b).floor() * b,
            Arithmetic::Pow => crate::script::lib::pow(a, b),
            Arithmetic::Negate => -a,
        }
    }

    fn event(self) -> &'static [u8] {
        match self {
            Arithmetic::Add => b"__add",
            Arithmetic::Sub => b"__sub",
            Arithmetic::Mul => b"__mul",
            Arithmetic::Div => b"__div",
            Arithmetic::Mod => b"__mod",
            Arithmetic::Pow => b"__pow",
            Arithmetic::Negate => b"__unm",
        }
    }
}

impl Vm<'_> {
    /// An operand of the wrong type, by its name.
    #[cold]
    pub fn type_error(&mut self, value: Value, operand: u8, doing: &str) -> Fail {
        let type_name = value.type_name();
        let name = self.thread.frames.last().and_then(|frame| {
            let name = frame.code.proto.name_at(self.pc.saturating_sub(1), operand)?;
            Some(format!("{} '{}'", name.kind.text(), String::from_utf8_lossy(&name.text)))
        });
        self.error_here(match name {
            Some(name) => format!("attempt to {doing} {name} (a {type_name} value)"),
            None => format!("attempt to {doing} a {type_name} value"),
        })
    }

    pub fn number_of(&mut self, value: Value) -> Result<Option<f64>, Fail> {
        Ok(match value {
            Value::Number(number) => Some(number),
            Value::Str(id) => {
                let length = self.bytes(id).len();
                self.charge(length / 8)?;
                parse_number(self.bytes(id))
            }
            _ => None,
        })
    }

    #[cold]
    pub fn arithmetic(&mut self, op: Arithmetic, a: Value, b: Value) -> Result<Value, Fail> {
        let left = self.number_of(a)?;
        if let (Some(x), Some(y)) = (left, self.number_of(b)?) {
            return Ok(Value::Number(op.apply(x, y)));
        }
        let mut handler = self.heap.metamethod(a, op.event());
        if handler.is_nil() {
            handler = self.heap.metamethod(b, op.event());
        }
        if !handler.is_nil() {
            return self.call_one(handler, &[a, b]);
        }
        let (value, operand) = if left.is_none() { (a, 0) } else { (b, 1) };
        Err(self.type_error(value, operand, "perform arithmetic on"))
    }

    pub fn index(&mut self, object: Value, key: Value) -> Result<Value, Fail> {
        let mut object = object;
        for _ in 0..CHAIN_MAX {
            let handler = match object {
                Value::Table(id) => {
                    let table = self.heap.table(id);
                    let value = table.get(&self.heap.strings, key);
                    let Some(meta) = table.meta.filter(|_| value.is_nil()) else { return Ok(value) };
                    match self.heap.raw_get_text(meta, b"__index") {
                        Value::Nil => return Ok(Value::Nil),
                        handler => handler,
                    }
                }
                other => match self.heap.metamethod(other, b"__index") {
                    Value::Nil => return Err(self.type_error(other, 0, "index")),
                    handler => handler,
                },
            };
            if matches!(handler, Value::Function(_) | Value::Native(_)) {
                return self.call_one(handler, &[object, key]);
            }
            object = handler;
        }
        Err(self.error_here("loop in gettable"))
    }

    pub fn set_index(&mut self, object: Value, key: Value, value: Value) -> Result<(), Fail> {
        let mut object = object;
        for _ in 0..CHAIN_MAX {
            let handler = match object {
                Value::Table(id) => {
                    let table = self.heap.table(id);
                    let handler = match table.meta {
                        Some(meta) if table.get(&self.heap.strings, key).is_nil() => {
                            self.heap.raw_get_text(meta, b"__newindex")
                        }
                        _ => Value::Nil,
                    };
                    if handler.is_nil() {
                        return self.set_raw(id, key, value);
                    }
                    handler
                }
                other => match self.heap.metamethod(other, b"__newindex") {
                    Value::Nil => return Err(self.type_error(other, 0, "index")),
                    handler => handler,
                },
            };
            if matches!(handler, Value::Function(_) | Value::Native(_)) {
                self.call_value(handler, &[object, key, value])?;
                return Ok(());
            }
            object = handler;
        }
        Err(self.error_here("loop in settable"))
    }

    fn set_raw(&mut self, id: u32, key: Value, value: Value) -> Result<(), Fail> {
        match key {
            Value::Nil => return Err(self.error_here("table index is nil")),
            Value::Number(number) if number.is_nan() => return Err(self.error_here("table index is NaN")),
            _ => {}
        }
        match self.heap.raw_set(id, key, value) {
            Err(Fail::Plain(text)) => Err(self.error_here(text)),
            other => other,
        }
    }

    pub fn equal(&mut self, a: Value, b: Value) -> Result<bool, Fail> {
        if self.heap.raw_equal(a, b) {
            return Ok(true);
        }
        let (Value::Table(x), Value::Table(y)) = (a, b) else { return Ok(false) };
        let (Some(_), Some(_)) = (self.heap.table(x).meta, self.heap.table(y).meta) else { return Ok(false) };
        let handler = self.heap.metamethod(a, b"__eq");
        if handler.is_nil() || !self.heap.raw_equal(handler, self.heap.metamethod(b, b"__eq")) {
            return Ok(false);
        }
        Ok(self.call_one(handler, &[a, b])?.is_true())
    }

    fn order(&mut self, a: Value, b: Value) -> Result<Option<Ordering>, Fail> {
        let (Value::Str(x), Value::Str(y)) = (a, b) else { return Ok(None) };
        let shorter = self.bytes(x).len().min(self.bytes(y).len());
        self.charge(shorter / BYTES_PER_STEP)?;
        Ok(Some(self.bytes(x).cmp(self.bytes(y))))
    }

    pub fn less(&mut self, a: Value, b: Value) -> Result<bool, Fail> {
        if let (Value::Number(x), Value::Number(y)) = (a, b) {
            return Ok(x < y);
        }
        if let Some(order) = self.order(a, b)? {
            return Ok(order == Ordering::Less);
        }
        match self.order_handler(a, b, b"__lt") {
            Some(handler) => Ok(self.call_one(handler, &[a, b])?.is_true()),
            None => Err(self.order_error(a, b)),
        }
    }

    pub fn less_equal(&mut self, a: Value, b: Value) -> Result<bool, Fail> {
        if let (Value::Number(x), Value::Number(y)) = (a, b) {
            return Ok(x <= y);
        }
        if let Some(order) = self.order(a, b)? {
            return Ok(order != Ordering::Greater);
        }
        if let Some(handler) = self.order_handler(a, b, b"__le") {
            return Ok(self.call_one(handler, &[a, b])?.is_true());
        }
        match self.order_handler(b, a, b"__lt") {
            Some(handler) => Ok(!self.call_one(handler, &[b, a])?.is_true()),
            None => Err(self.order_error(a, b)),
        }
    }

    /// Both operands must have the same metamethod.
    fn order_handler(&self, a: Value, b: Value, event: &[u8]) -> Option<Value> {
        if a.type_name() != b.type_name() {
            return None;
        }
        let handler = self.heap.metamethod(a, event);
        let same = self.heap.raw_equal(handler, self.heap.metamethod(b, event));
        (!handler.is_nil() && same).then_some(handler)
    }

    #[cold]
    fn order_error(&mut self, a: Value, b: Value) -> Fail {
        let (a, b) = (a.type_name(), b.type_name());
        self.error_here(match a == b {
            true => format!("attempt to compare two {a} values"),
            false => format!("attempt to compare {a} with {b}"),
        })
    }

    pub fn compare(&mut self, op: Comparison, a: Value, b: Value) -> Result<bool, Fail> {
        match op {
            Comparison::Eq => self.equal(a, b),
            Comparison::Lt => self.less(a, b),
            Comparison::Le => self.less_equal(a, b),
        }
    }

    pub fn length(&mut self, value: Value) -> Result<Value, Fail> {
        match value {
            Value::Str(id) => Ok(Value::Number(self.bytes(id).len() as f64)),
            Value::Table(id) => Ok(Value::Number(self.heap.length(id) as f64)),
            other => match self.heap.metamethod(other, b"__len") {
                Value::Nil => Err(self.type_error(other, 0, "get length of")),
                handler => self.call_one(handler, &[other]),
            },
        }
    }

    /// Appends a string or number; false if it is neither.
    pub fn append_text(&self, value: Value, out: &mut Vec<u8>) -> bool {
        match value {
            Value::Str(id) => out.extend_from_slice(self.bytes(id)),
            Value::Number(number) => out.extend_from_slice(format_number(number).as_bytes()),
            _ => return false,
        }
        true
    }

    pub fn concat(&mut self, first: usize, count: usize) -> Result<Value, Fail> {
        let end = first.saturating_add(count);
        let mut values: SmallVec<[Value; 8]> = self.thread.stack.get(first..end).unwrap_or_default().into();
        let is_text = |value: &&Value| matches!(value, Value::Str(_) | Value::Number(_));
        while values.len() > 1 {
            let texts = values.iter().rev().take_while(is_text).count();
            if texts >= 2 {
                let joined =
                    self.join(values.get(values.len().saturating_sub(texts)..).unwrap_or_default())?;
                values.truncate(values.len().saturating_sub(texts));
                values.push(joined);
                continue;
            }
            let (Some(b), Some(a)) = (values.pop(), values.pop()) else { break };
            let mut handler = self.heap.metamethod(a, b"__concat");
            if handler.is_nil() || matches!(a, Value::Str(_)) {
                handler = self.heap.metamethod(b, b"__concat");
            }
            if handler.is_nil() {
                let place = u8::try_from(values.len()).unwrap_or(u8::MAX);
                let (value, operand) = if is_text(&&a) { (b, place.saturating_add(1)) } else { (a, place) };
                return Err(self.type_error(value, operand, "concatenate"));
            }
            let result = self.call_one(handler, &[a, b])?;
            values.push(result);
        }
        Ok(values.first().copied().unwrap_or(Value::Nil))
    }

    fn join(&mut self, values: &[Value]) -> Result<Value, Fail> {
        let length: usize = values
            .iter()
            .map(|value| if let Value::Str(id) = value { self.bytes(*id).len() } else { 24 })
            .sum();
        self.charge_bytes(length)?;
        self.heap.has_room(length)?;
        let mut text = Vec::with_capacity(length);
        for value in values {
            self.append_text(*value, &mut text);
        }
        self.string(text)
    }
}
