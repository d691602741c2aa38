//! The machine of one run.

use super::{
    Fail,
    heap::{Base, Heap},
    strings::Text,
    table::Table,
    thread::Thread,
    value::{Function, Id, Loaded, Native, Value},
};
use crate::script::{
    Host, Limits,
    compile::{Const, Proto, compile},
    lib::Settings,
};
use std::{rc::Rc, sync::Arc};

/// Calls by way of library functions, metamethods and coroutines. Each takes stack of the thread: 3 KiB, without optimization
/// 10 KiB, and threads have 2 MiB. Lua 5.1 allows 200.
pub const DEPTH_MAX: usize = 120;

/// Nested calls of Lua functions, as in Lua 5.1.
pub const FRAMES_MAX: usize = 20_000;

/// Values on one stack.
pub const STACK_MAX: usize = 1 << 20;

pub struct Vm<'h> {
    pub heap: Heap,
    pub host: &'h mut dyn Host,
    pub limits: Limits,
    /// The running coroutine, and which it is; `None`: none, but the script itself.
    pub thread: Thread,
    pub thread_id: Option<Id>,
    /// Those that wait for it, innermost last.
    pub waiting: Vec<(Option<Id>, Thread)>,
    /// The next instruction of the running function.
    pub pc: usize,
    /// Instructions and what counts as such.
    pub executed: u64,
    pub check_at: u64,
    pub looks: u64,
    /// Calls by way of library functions: of all coroutines, and within the running one.
    pub depth: usize,
    pub nesting: usize,
    /// Whether the running library function was called by Lua, not by another library function.
    pub is_direct: bool,
    /// Whether a library function runs, and has not called Lua.
    pub is_native: bool,
    /// Behind the last of an open number of values.
    pub open_top: usize,
    pub globals: Id,
    pub loaded: Vec<Rc<Loaded>>,
    /// Values that library functions hold while Lua runs.
    pub roots: Vec<Value>,
    spare: Vec<Vec<Value>>,
    /// What libraries remember during a run.
    pub settings: Settings,
}

/// What a run is made of.
pub struct Run<'h> {
    pub host: &'h mut dyn Host,
    pub limits: Limits,
    pub base: &'static Base,
    pub globals: Id,
    pub settings: Settings,
}

impl<'h> Vm<'h> {
    pub fn new(run: Run<'h>) -> Self {
        let Run { host, limits, base, globals, settings } = run;
        Vm {
            heap: Heap::new(base, limits.memory_bytes),
            host,
            thread: Thread::new(None),
            thread_id: None,
            waiting: Vec::new(),
            pc: 0,
            executed: 0,
            check_at: super::meter::PERIOD.min(limits.instructions),
            looks: 0,
            limits,
            depth: 0,
            nesting: 0,
            is_direct: true,
            is_native: false,
            open_top: 0,
            globals,
            loaded: Vec::new(),
            roots: Vec::new(),
            spare: Vec::new(),
            settings,
        }
    }

    pub fn string(&mut self, bytes: impl Into<Box<[u8]>>) -> Result<Value, Fail> {
        Ok(Value::Str(self.heap.add_text(Text::Own(bytes.into()))?))
    }

    pub fn text(&mut self, bytes: &[u8]) -> Result<Value, Fail> {
        self.string(bytes)
    }

    pub fn new_table(&mut self, array: usize, hash: usize) -> Result<Id, Fail> {
        self.heap
            .has_room(array.saturating_add(hash.saturating_mul(2)).saturating_mul(size_of::<Value>()))?;
        self.heap.add_table(Table::new(array, hash))
    }

    /// Stores under a text key.
    pub fn set_field(&mut self, table: Id, key: &str, value: Value) -> Result<(), Fail> {
        let key = self.text(key.as_bytes())?;
        self.heap.raw_set(table, key, value)
    }

    pub fn bytes(&self, id: Id) -> &[u8] {
        self.heap.strings.bytes(id)
    }

    /// A compiled function with its constants, as one of this heap.
    pub fn load(&mut self, proto: &Arc<Proto>) -> Result<u32, Fail> {
        let mut constants = Vec::with_capacity(proto.constants.len());
        for constant in &proto.constants {
            constants.push(match constant {
                Const::Nil => Value::Nil,
                Const::Bool(is) => Value::Bool(*is),
                Const::Number(number) => Value::Number(*number),
                Const::Str(text) => Value::Str(self.heap.add_text(Text::Shared(text.clone()))?),
            });
        }
        let children = proto.protos.iter().map(|_| std::cell::Cell::new(0)).collect();
        let loaded = Loaded { proto: proto.clone(), constants: constants.into(), children };
        self.loaded.push(Rc::new(loaded));
        Ok(u32::try_from(self.loaded.len()).unwrap_or(u32::MAX))
    }

    pub fn loaded(&self, number: u32) -> Option<Rc<Loaded>> {
        self.loaded.get(usize::try_from(number).ok()?.checked_sub(1)?).cloned()
    }

    /// A closure over a whole chunk.
    pub fn chunk(&mut self, proto: &Arc<Proto>) -> Result<Value, Fail> {
        let number = self.load(proto)?;
        let code = self.loaded(number).ok_or_else(|| Fail::message("no code"))?;
        let function = Function::Lua { code, upvalues: Box::default() };
        Ok(Value::Function(self.heap.add_function(function)?))
    }

    /// Compiles at run time: `load`. `Err` inside: the syntax error.
    pub fn compile(&mut self, source: &[u8], name: &[u8]) -> Result<Result<Value, Vec<u8>>, Fail> {
        // What is made of a source on the way is up to fifty times its size.
        self.charge(source.len().saturating_mul(6).saturating_add(500))?;
        self.heap.has_room(source.len().saturating_mul(64))?;
        match compile(source, name) {
            Ok(proto) => {
                // Code is kept until the run ends.
                let bytes = proto.memory_bytes();
                self.heap.code_bytes = self.heap.code_bytes.saturating_add(bytes);
                self.heap.take(bytes)?;
                Ok(Ok(self.chunk(&proto)?))
            }
            Err(error) => Ok(Err(error.0)),
        }
    }

    pub fn bound(&mut self, native: &'static Native, values: &[Value]) -> Result<Value, Fail> {
        let function = Function::Bound { native, values: values.into() };
        Ok(Value::Function(self.heap.add_function(function)?))
    }

    /// An empty list, to be given back.
    pub fn take_list(&mut self) -> Vec<Value> {
        self.spare.pop().unwrap_or_default()
    }

    pub fn give_list(&mut self, mut list: Vec<Value>) {
        if self.spare.len() < 8 && list.capacity() <= 256 {
            list.clear();
            self.spare.push(list);
        }
    }
}
