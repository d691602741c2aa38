//! Replies to values, and values to replies, in both protocols.

use super::{
    lib::to_integer,
    vm::{Fail, Heap, Id, Text, Value, Vm},
};
use crate::{
    resp::{ErrorReply, Reply, format_double},
    script::Stop,
};

/// Tables within tables of a script's reply. Nodes pass replies on to each other, which may be no deeper.
const DEPTH_MAX: usize = 28;

impl Vm<'_> {
    /// A command's reply as the script sees it.
    pub fn reply_value(&mut self, reply: Reply) -> Result<Value, Fail> {
        self.charge(2)?;
        let is_resp3 = self.settings.is_resp3;
        match reply {
            Reply::Ok => self.one_field("ok", b"OK"),
            Reply::Simple(text) => self.one_field("ok", text.as_bytes()),
            Reply::Error(error) => self.one_field("err", error.to_string().as_bytes()),
            Reply::Nil | Reply::NilArray | Reply::None if is_resp3 => Ok(Value::Nil),
            Reply::Nil | Reply::NilArray | Reply::None => Ok(Value::Bool(false)),
            Reply::Int(number) => Ok(Value::Number(number as f64)),
            Reply::Bulk(bytes) => {
                self.charge_bytes(bytes.len())?;
                Ok(Value::Str(self.heap.add_text(Text::Value(bytes))?))
            }
            Reply::Double(number) if is_resp3 => self.wrapped("double", Value::Number(number)),
            Reply::Double(number) => self.string(format_double(number).into_bytes()),
            Reply::DoubleText(text) if is_resp3 => {
                let number = text.parse().unwrap_or(f64::NAN);
                self.wrapped("double", Value::Number(number))
            }
            Reply::DoubleText(text) => self.string(text.into_bytes()),
            Reply::Bool(is) if is_resp3 => Ok(Value::Bool(is)),
            Reply::Bool(is) => Ok(Value::Number(f64::from(u8::from(is)))),
            Reply::BigNumber(digits) if is_resp3 => self.one_field("big_number", digits.as_bytes()),
            Reply::BigNumber(digits) => self.string(digits.into_bytes()),
            Reply::Verbatim(format, bytes) if is_resp3 => {
                let table = self.new_table(0, 2)?;
                let bytes = self.text(&bytes)?;
                self.set_field(table, "string", bytes)?;
                let format = self.text(format.as_bytes())?;
                self.set_field(table, "format", format)?;
                self.wrapped("verbatim_string", Value::Table(table))
            }
            Reply::Verbatim(_, bytes) => self.text(&bytes),
            Reply::Array(items) | Reply::Push(items) | Reply::Several(items) => self.list_value(items),
            Reply::Set(items) if is_resp3 => {
                let table = self.new_table(0, items.len())?;
                for item in items {
                    let item = self.reply_value(item)?;
                    self.set_unless_nil(table, item, Value::Bool(true))?;
                }
                self.wrapped("set", Value::Table(table))
            }
            Reply::Set(items) => self.list_value(items),
            Reply::Map(pairs) | Reply::Keyed(pairs) if is_resp3 => {
                let table = self.new_table(0, pairs.len())?;
                for (key, value) in pairs {
                    let key = self.reply_value(key)?;
                    let value = self.reply_value(value)?;
                    self.set_unless_nil(table, key, value)?;
                }
                self.wrapped("map", Value::Table(table))
            }
            Reply::Pairs(pairs) if is_resp3 => self.list_of_pairs(pairs),
            Reply::Keyed(pairs) => self.list_of_pairs(pairs),
            Reply::Map(pairs) | Reply::Pairs(pairs) => {
                self.list_value(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect())
            }
        }
    }

    fn set_unless_nil(&mut self, table: Id, key: Value, value: Value) -> Result<(), Fail> {
        if matches!(key, Value::Nil) { Ok(()) } else { self.heap.raw_set(table, key, value) }
    }

    fn list_of_pairs(&mut self, pairs: Vec<(Reply, Reply)>) -> Result<Value, Fail> {
        self.list_value(pairs.into_iter().map(|(key, value)| Reply::Array(vec![key, value])).collect())
    }

    fn list_value(&mut self, items: Vec<Reply>) -> Result<Value, Fail> {
        let table = self.new_table(items.len(), 0)?;
        for (index, item) in (1_usize..).zip(items) {
            let value = self.reply_value(item)?;
            self.heap.raw_set_index(table, index, value)?;
        }
        Ok(Value::Table(table))
    }

    fn one_field(&mut self, key: &str, text: &[u8]) -> Result<Value, Fail> {
        let text = self.text(text)?;
        self.wrapped(key, text)
    }

    fn wrapped(&mut self, key: &str, value: Value) -> Result<Value, Fail> {
        let table = self.new_table(0, 1)?;
        self.set_field(table, key, value)?;
        Ok(Value::Table(table))
    }
}

/// What a script returned, as a reply.
pub struct ToReply<'a> {
    heap: &'a Heap,
    left: usize,
    is_resp3: bool,
}

/// What an element of a reply is counted with beside its bytes.
const ITEM_BYTES: usize = 48;

impl<'a> ToReply<'a> {
    pub fn new(heap: &'a Heap, bytes_max: usize, is_resp3: bool) -> Self {
        ToReply { heap, left: bytes_max, is_resp3 }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        let bytes = bytes.saturating_add(ITEM_BYTES);
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            Stop::Limit(ErrorReply::err("script was ended: its reply is larger than a script's may be"))
        })?;
        Ok(())
    }

    fn bytes(&mut self, id: Id) -> Result<&'a [u8], Stop> {
        let bytes = self.heap.strings.bytes(id);
        self.take(bytes.len())?;
        Ok(bytes)
    }

    fn text(&mut self, id: Id) -> Result<String, Stop> {
        Ok(String::from_utf8_lossy(self.bytes(id)?).into_owned())
    }

    pub fn reply(&mut self, value: Value) -> Result<Reply, Stop> {
        self.at_depth(value, 0)
    }

    fn at_depth(&mut self, value: Value, depth: usize) -> Result<Reply, Stop> {
        if depth > DEPTH_MAX {
            return Ok(Reply::Error(ErrorReply::err("reached lua stack limit")));
        }
        Ok(match value {
            Value::Str(id) => Reply::bulk(self.bytes(id)?),
            Value::Number(number) => {
                self.take(0)?;
                Reply::Int(to_integer(number))
            }
            Value::Bool(is) if self.is_resp3 => Reply::Bool(is),
            Value::Bool(true) => Reply::Int(1),
            Value::Table(id) => self.table(id, depth)?,
            _ => {
                self.take(0)?;
                Reply::Nil
            }
        })
    }

    fn table(&mut self, id: Id, depth: usize) -> Result<Reply, Stop> {
        self.take(0)?;
        let field = |key: &[u8]| self.heap.raw_get_text(id, key);
        let inner = depth.saturating_add(1);
        if let Value::Str(text) = field(b"err") {
            return Ok(Reply::Error(ErrorReply::of_text(one_line(&self.text(text)?))));
        }
        if let Value::Str(text) = field(b"ok") {
            let text = one_line(&self.text(text)?);
            return Ok(if text == "OK" { Reply::Ok } else { Reply::simple(text) });
        }
        if let Value::Number(number) = field(b"double") {
            return Ok(Reply::Double(number));
        }
        if let Value::Table(map) = field(b"map") {
            let mut pairs = Vec::new();
            for (key, value) in self.pairs(map) {
                pairs.push((self.at_depth(key, inner)?, self.at_depth(value, inner)?));
            }
            return Ok(Reply::Map(pairs));
        }
        if let Value::Table(set) = field(b"set") {
            let mut items = Vec::new();
            for (key, _) in self.pairs(set) {
                items.push(self.at_depth(key, inner)?);
            }
            return Ok(Reply::Set(items));
        }
        if let Value::Str(digits) = field(b"big_number") {
            return Ok(Reply::BigNumber(one_line(&self.text(digits)?)));
        }
        if let Value::Table(verbatim) = field(b"verbatim_string")
            && let Value::Str(text) = self.heap.raw_get_text(verbatim, b"string")
            && let Value::Str(format) = self.heap.raw_get_text(verbatim, b"format")
        {
            let format = if self.heap.strings.bytes(format) == b"mkd" { "mkd" } else { "txt" };
            return Ok(Reply::Verbatim(format, self.bytes(text)?.to_vec().into()));
        }
        let mut items = Vec::new();
        for index in 1.. {
            let value = self.heap.raw_get_index(id, index);
            if value.is_nil() {
                break;
            }
            items.push(self.at_depth(value, inner)?);
        }
        Ok(Reply::Array(items))
    }

    fn pairs(&self, id: Id) -> Vec<(Value, Value)> {
        let mut pairs = Vec::new();
        self.heap.table(id).for_each_pair(|key, value| pairs.push((key, value)));
        pairs
    }
}

/// Line breaks would end an error or status early.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}
