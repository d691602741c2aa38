//! What one run holds, and what all runs share.

use super::{
    Fail, Table,
    strings::{Slots, Str, Strings, Text},
    thread::Thread,
    value::{BASE, Function, Id, NOTHING, Value},
};
use crate::{resp::ErrorReply, script::Stop};

/// Memory that objects are counted with beside what they hold.
pub const STRING_BYTES: usize = 48;
pub const FUNCTION_BYTES: usize = 64;
pub const CELL_BYTES: usize = 32;

/// The libraries, which no script can change.
pub struct Base {
    pub strings: &'static [Str],
    pub tables: Vec<Table>,
    /// The global variables of scripts, of functions and of a library that is being loaded.
    pub script_globals: Id,
    pub function_globals: Id,
    pub library_globals: Id,
    pub string_meta: Id,
}

pub struct Heap {
    pub strings: Strings,
    pub tables: Slots<Table>,
    pub functions: Slots<Function>,
    pub cells: Slots<Value>,
    pub threads: Slots<Thread>,
    pub base: &'static Base,
    /// Bytes, with those of code that was compiled during the run.
    pub used: usize,
    pub code_bytes: usize,
    pub peak: usize,
    pub limit: usize,
    /// Collect when more than this is used.
    pub threshold: usize,
}

/// No collection before this much is used.
const FIRST_THRESHOLD: usize = 1 << 20;

impl Heap {
    pub fn new(base: &'static Base, limit: usize) -> Self {
        Heap {
            strings: Strings::new(base.strings),
            tables: Slots::default(),
            functions: Slots::default(),
            cells: Slots::default(),
            threads: Slots::default(),
            base,
            used: 0,
            code_bytes: 0,
            peak: 0,
            limit,
            threshold: FIRST_THRESHOLD.min(limit / 2),
        }
    }

    pub fn next_threshold(&self) -> usize {
        let doubled = self.used.saturating_mul(2).max(FIRST_THRESHOLD);
        doubled.min(self.used.midpoint(self.limit))
    }

    #[cold]
    pub fn too_much() -> Fail {
        Fail::stop(Stop::Limit(ErrorReply::err("script uses too much memory (not enough memory)")))
    }

    /// Counts bytes that are about to be used.
    pub fn take(&mut self, bytes: usize) -> Result<(), Fail> {
        self.used = self.used.saturating_add(bytes);
        self.peak = self.peak.max(self.used);
        if self.used > self.limit { Err(Self::too_much()) } else { Ok(()) }
    }

    /// Whether this much more may be used; for results that are made in one piece.
    pub fn has_room(&self, bytes: usize) -> Result<(), Fail> {
        if self.used.saturating_add(bytes) > self.limit { Err(Self::too_much()) } else { Ok(()) }
    }

    pub fn add_text(&mut self, text: Text) -> Result<Id, Fail> {
        self.take(STRING_BYTES.saturating_add(text.bytes().len()))?;
        Ok(self.strings.slots.add(Str::new(text)))
    }

    pub fn add_table(&mut self, table: Table) -> Result<Id, Fail> {
        self.take(table.bytes())?;
        Ok(self.tables.add(table))
    }

    pub fn add_function(&mut self, function: Function) -> Result<Id, Fail> {
        let values = match &function {
            Function::Lua { upvalues, .. } => upvalues.len(),
            Function::Bound { values, .. } => values.len(),
        };
        self.take(FUNCTION_BYTES.saturating_add(values.saturating_mul(size_of::<Value>())))?;
        Ok(self.functions.add(function))
    }

    pub fn add_cell(&mut self, value: Value) -> Result<Id, Fail> {
        self.take(CELL_BYTES)?;
        Ok(self.cells.add(value))
    }

    pub fn table(&self, id: Id) -> &Table {
        let table =
            if id & BASE != 0 { self.base.tables.get((id & !BASE) as usize) } else { self.tables.get(id) };
        table.unwrap_or(&NOTHING)
    }

    /// What a key of a table is mapped to, whatever its metatable is.
    pub fn raw_get(&self, table: Id, key: Value) -> Value {
        self.table(table).get(&self.strings, key)
    }

    pub fn raw_get_text(&self, table: Id, key: &[u8]) -> Value {
        self.table(table).get_text(&self.strings, key)
    }

    pub fn raw_get_index(&self, table: Id, index: usize) -> Value {
        self.table(table).get_index(&self.strings, index)
    }

    pub fn length(&self, table: Id) -> usize {
        self.table(table).length(&self.strings)
    }

    /// Stores into a table. The key is neither nil nor NaN. Tables of the base are read-only.
    pub fn raw_set(&mut self, id: Id, key: Value, value: Value) -> Result<(), Fail> {
        let Some(table) = self.tables.get_mut(id).filter(|_| id & BASE == 0) else {
            return Err(Fail::READ_ONLY);
        };
        let before = table.bytes();
        table.set(&self.strings, key, value);
        let after = table.bytes();
        if after == before {
            return Ok(());
        }
        self.used = self.used.saturating_sub(before);
        self.take(after)
    }

    pub fn raw_set_index(&mut self, id: Id, index: usize, value: Value) -> Result<(), Fail> {
        self.raw_set(id, Value::Number(index as f64), value)
    }

    /// Makes room for array elements up to `last`.
    pub fn reserve_array(&mut self, id: Id, last: usize) -> Result<(), Fail> {
        self.has_room(last.saturating_mul(size_of::<Value>()))?;
        let Some(table) = self.tables.get_mut(id) else { return Ok(()) };
        let before = table.bytes();
        table.reserve_array(&self.strings, last);
        let after = table.bytes();
        self.used = self.used.saturating_sub(before);
        self.take(after)
    }

    /// The metatable of any value.
    pub fn meta(&self, value: Value) -> Option<Id> {
        match value {
            Value::Table(id) => self.table(id).meta,
            Value::Str(_) => Some(self.base.string_meta),
            _ => None,
        }
    }

    /// A metamethod, or nil.
    pub fn metamethod(&self, value: Value, event: &[u8]) -> Value {
        self.meta(value).map_or(Value::Nil, |meta| self.raw_get_text(meta, event))
    }

    /// Equality without metamethods.
    pub fn raw_equal(&self, a: Value, b: Value) -> bool {
        match (a, b) {
            (Value::Str(a), Value::Str(b)) => self.strings.equal(a, b),
            _ => a.is_same(b),
        }
    }
}
