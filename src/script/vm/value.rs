//! Values, and what they refer to.

use super::{Fail, Vm, table::Table};
use crate::script::compile::Proto;
use std::rc::Rc;

/// The place of an object in the heap; those of the base (what all scripts share) have the highest bit set.
pub type Id = u32;

/// Of the base.
pub const BASE: Id = 1 << 31;

#[derive(Clone, Copy)]
pub enum Value {
    Nil,
    Bool(bool),
    Number(f64),
    Str(Id),
    Table(Id),
    Function(Id),
    Native(&'static Native),
    Thread(Id),
    /// `cjson.null`: the null pointer.
    Null,
    /// In a register: a variable that closures use. Scripts never see it.
    Cell(Id),
}

/// A function of a library.
pub struct Native {
    pub name: &'static str,
    pub run: NativeFn,
}

/// Gets its arguments and appends its results.
pub type NativeFn = fn(&mut Vm<'_>, &[Value], &mut Vec<Value>) -> Result<(), Fail>;

/// A closure of a script, or a library function with state of its own.
pub enum Function {
    Lua { code: Rc<Loaded>, upvalues: Box<[Id]> },
    Bound { native: &'static Native, values: Box<[Value]> },
}

/// A compiled function with its constants as values of this heap.
pub struct Loaded {
    pub proto: std::sync::Arc<Proto>,
    pub constants: Box<[Value]>,
    /// Its inner functions, loaded when they are first needed: their index among all, and 1.
    pub children: Box<[std::cell::Cell<u32>]>,
}

impl Value {
    pub fn is_nil(self) -> bool {
        matches!(self, Value::Nil)
    }

    pub fn is_true(self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }

    pub fn type_name(self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::Str(_) => "string",
            Value::Table(_) => "table",
            Value::Function(_) | Value::Native(_) => "function",
            Value::Thread(_) => "thread",
            Value::Null | Value::Cell(_) => "userdata",
        }
    }

    /// Whether they are the same, strings by their place alone.
    pub fn is_same(self, other: Value) -> bool {
        match (self, other) {
            (Value::Nil, Value::Nil) | (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::Str(a), Value::Str(b))
            | (Value::Table(a), Value::Table(b))
            | (Value::Function(a), Value::Function(b))
            | (Value::Thread(a), Value::Thread(b))
            | (Value::Cell(a), Value::Cell(b)) => a == b,
            (Value::Native(a), Value::Native(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }

    /// A number that stands for the identity of an object, the same in every run.
    pub fn identity(self) -> u32 {
        match self {
            Value::Table(id) | Value::Function(id) | Value::Thread(id) | Value::Cell(id) | Value::Str(id) => {
                id
            }
            Value::Native(native) => {
                let mix = |sum: u32, byte: u8| sum.wrapping_mul(31).wrapping_add(u32::from(byte));
                native.name.bytes().fold(7, mix)
            }
            Value::Nil | Value::Bool(_) | Value::Number(_) | Value::Null => 0,
        }
    }
}

/// A table that nothing has been put into, in the place of one that is gone.
pub static NOTHING: Table = Table::EMPTY;
