//! Calls and returns.

use super::{
    Fail, Vm,
    error::Caller,
    machine::{DEPTH_MAX, FRAMES_MAX, STACK_MAX},
    thread::Frame,
    value::{Function, Id, Loaded, Value},
};
use crate::script::compile::OPEN;
use smallvec::SmallVec;
use std::rc::Rc;

/// What a call came to.
#[derive(PartialEq, Eq)]
pub enum Called {
    /// A Lua function is to be executed.
    Frame,
    /// It is done.
    Done,
}

impl Vm<'_> {
    pub fn reg(&self, at: usize) -> Value {
        self.thread.stack.get(at).copied().unwrap_or(Value::Nil)
    }

    pub fn set_reg(&mut self, at: usize, value: Value) {
        if let Some(slot) = self.thread.stack.get_mut(at) {
            *slot = value;
        }
    }

    /// Registers that the running function may use.
    fn frame_top(&self) -> usize {
        self.thread
            .frames
            .last()
            .map_or(0, |frame| frame.base.saturating_add(frame.code.proto.registers.into()))
    }

    /// Stores results from a place of the stack on: as many as are wanted.
    pub fn put_results(&mut self, at: usize, values: &[Value], wanted: u8) {
        let count = if wanted == OPEN { values.len() } else { usize::from(wanted) };
        let end = at.saturating_add(count);
        let top = self.frame_top();
        if self.thread.stack.len() < end {
            self.thread.stack.resize(end, Value::Nil);
        }
        if let Some(slots) = self.thread.stack.get_mut(at..end) {
            for (index, slot) in slots.iter_mut().enumerate() {
                *slot = values.get(index).copied().unwrap_or(Value::Nil);
            }
        }
        self.thread.stack.resize(top.max(if wanted == OPEN { end } else { 0 }), Value::Nil);
        self.open_top = end;
    }

    /// Calls what stands at a place of the stack with the arguments behind it.
    pub fn call_at(&mut self, at: usize, count: usize, results: u8) -> Result<Called, Fail> {
        match self.reg(at) {
            Value::Function(id) => {
                let code = match self.heap.functions.get(id) {
                    Some(Function::Lua { code, .. }) => Some(code.clone()),
                    _ => None,
                };
                match code {
                    Some(code) => {
                        let frame = (id, code);
                        self.push_frame(frame, at, count, results, false)?;
                        Ok(Called::Frame)
                    }
                    None => self.call_native_at(at, count, results),
                }
            }
            Value::Native(_) => self.call_native_at(at, count, results),
            other => {
                let handler = self.heap.metamethod(other, b"__call");
                if !matches!(handler, Value::Function(_) | Value::Native(_)) {
                    return Err(self.type_error(other, 0, "call"));
                }
                let end = at.saturating_add(1).saturating_add(count);
                self.thread.stack.truncate(end.max(at));
                self.thread.stack.resize(end, Value::Nil);
                self.thread.stack.insert(at, handler);
                self.call_at(at, count.saturating_add(1), results)
            }
        }
    }

    fn call_native_at(&mut self, at: usize, count: usize, results: u8) -> Result<Called, Fail> {
        let first = at.saturating_add(1);
        let end = first.saturating_add(count);
        if self.thread.stack.len() < end {
            self.thread.stack.resize(end, Value::Nil);
        }
        let arguments: SmallVec<[Value; 8]> = self.thread.stack.get(first..end).unwrap_or_default().into();
        let mut out = self.take_list();
        let done = self.run_native(self.reg(at), &arguments, &mut out, true);
        match done {
            Ok(()) => {}
            Err(Fail::Yield(values)) => {
                self.thread.awaited = Some((at, results));
                self.thread.resume_pc = self.pc;
                return Err(Fail::Yield(values));
            }
            Err(fail) => {
                let name = self.thread.frames.last().and_then(|frame| {
                    let name = frame.code.proto.name_at(self.pc.saturating_sub(1), 0)?;
                    Some((name.kind, name.text.clone()))
                });
                return Err(self.finish_error(fail, Some(Caller { name })));
            }
        }
        self.put_results(at, &out, results);
        self.give_list(out);
        self.safe_point()?;
        Ok(Called::Done)
    }

    fn run_native(
        &mut self,
        function: Value,
        arguments: &[Value],
        out: &mut Vec<Value>,
        is_direct: bool,
    ) -> Result<(), Fail> {
        self.charge(4)?;
        let before = (self.is_direct, self.is_native);
        (self.is_direct, self.is_native) = (is_direct, true);
        let done = self.run_native_as_is(function, arguments, out);
        (self.is_direct, self.is_native) = before;
        done
    }

    fn run_native_as_is(
        &mut self,
        function: Value,
        arguments: &[Value],
        out: &mut Vec<Value>,
    ) -> Result<(), Fail> {
        match function {
            Value::Native(native) => (native.run)(self, arguments, out),
            Value::Function(id) => {
                let (native, all) = match self.heap.functions.get(id) {
                    Some(Function::Bound { native, values }) => {
                        let all: SmallVec<[Value; 8]> = values.iter().chain(arguments).copied().collect();
                        (*native, all)
                    }
                    _ => return Err(Fail::message("attempt to call a nil value")),
                };
                (native.run)(self, &all, out)
            }
            _ => Err(Fail::message("attempt to call a nil value")),
        }
    }

    fn push_frame(
        &mut self,
        (function, code): (Id, Rc<Loaded>),
        at: usize,
        count: usize,
        results: u8,
        is_entry: bool,
    ) -> Result<(), Fail> {
        // Arguments are copied.
        self.charge(count / 8)?;
        if self.thread.frames.len() >= FRAMES_MAX || self.thread.stack.len() > STACK_MAX {
            return Err(self.error_here("stack overflow"));
        }
        let stack = &mut self.thread.stack;
        let first = at.saturating_add(1);
        let params = usize::from(code.proto.params);
        let (mut base, mut extra) = (first, 0);
        if code.proto.is_vararg {
            stack.truncate(first.saturating_add(count));
            stack.resize(first.saturating_add(count.max(params)), Value::Nil);
            base = stack.len();
            extra = count.saturating_sub(params);
            for param in 0..params {
                let value = stack.get(first.saturating_add(param)).copied().unwrap_or(Value::Nil);
                stack.push(value);
            }
            // Where they were, the extra arguments follow.
        } else {
            stack.truncate(first.saturating_add(count.min(params)));
        }
        stack.resize(base.saturating_add(usize::from(code.proto.registers)), Value::Nil);
        let frame =
            Frame { code, function, caller_pc: self.pc, at, base, extra, results, is_entry, tail_calls: 0 };
        self.thread.frames.push(frame);
        self.pc = 0;
        Ok(())
    }

    /// Takes the running function's place.
    pub fn tail_call(&mut self, at: usize, count: usize) -> Result<Called, Fail> {
        let code = match self.reg(at) {
            Value::Function(id) => match self.heap.functions.get(id) {
                Some(Function::Lua { code, .. }) => Some((id, code.clone())),
                _ => None,
            },
            _ => None,
        };
        let Some(code) = code else { return self.call_at(at, count, OPEN) };
        let Some(frame) = self.thread.frames.pop() else { return self.call_at(at, count, OPEN) };
        let end = at.saturating_add(1).saturating_add(count).min(self.thread.stack.len());
        if at < end {
            self.thread.stack.copy_within(at..end, frame.at);
        }
        self.thread.stack.truncate(frame.at.saturating_add(end.saturating_sub(at)));
        self.pc = frame.caller_pc;
        self.push_frame(code, frame.at, count, frame.results, frame.is_entry)?;
        if let Some(last) = self.thread.frames.last_mut() {
            last.tail_calls = frame.tail_calls.saturating_add(1);
        }
        Ok(Called::Frame)
    }

    /// Leaves the running function. The values, if it was called from outside of Lua.
    pub fn give_back(&mut self, from: usize, count: usize) -> Option<Vec<Value>> {
        let frame = self.thread.frames.pop()?;
        let end = from.saturating_add(count);
        if self.thread.stack.len() < end {
            self.thread.stack.resize(end, Value::Nil);
        }
        self.pc = frame.caller_pc;
        if frame.is_entry {
            let values = self.thread.stack.get(from..end).unwrap_or_default().to_vec();
            self.thread.stack.truncate(frame.at);
            return Some(values);
        }
        self.thread.stack.copy_within(from..end, frame.at);
        let wanted = if frame.results == OPEN { count } else { usize::from(frame.results) };
        let stack = &mut self.thread.stack;
        stack.truncate(frame.at.saturating_add(count.min(wanted)));
        stack.resize(frame.at.saturating_add(wanted), Value::Nil);
        self.open_top = frame.at.saturating_add(wanted);
        let top = self.frame_top();
        let keep = if frame.results == OPEN { self.open_top } else { 0 };
        self.thread.stack.resize(top.max(keep), Value::Nil);
        None
    }

    /// Calls any value from a library function or for a metamethod.
    pub fn call_value(&mut self, function: Value, arguments: &[Value]) -> Result<Vec<Value>, Fail> {
        self.charge(20)?;
        if self.depth >= DEPTH_MAX {
            return Err(self.error_here("C stack overflow"));
        }
        self.depth = self.depth.saturating_add(1);
        self.nesting = self.nesting.saturating_add(1);
        let outcome = self.call_in_thread(function, arguments);
        self.nesting = self.nesting.saturating_sub(1);
        self.depth = self.depth.saturating_sub(1);
        outcome
    }

    /// The first of its results.
    pub fn call_one(&mut self, function: Value, arguments: &[Value]) -> Result<Value, Fail> {
        Ok(self.call_value(function, arguments)?.first().copied().unwrap_or(Value::Nil))
    }

    pub fn call_in_thread(&mut self, function: Value, arguments: &[Value]) -> Result<Vec<Value>, Fail> {
        let code = match function {
            Value::Function(id) => match self.heap.functions.get(id) {
                Some(Function::Lua { code, .. }) => Some((id, code.clone())),
                _ => None,
            },
            _ => None,
        };
        let Some(code) = code else { return self.call_other(function, arguments) };
        let (frames, at, pc) = (self.thread.frames.len(), self.thread.stack.len(), self.pc);
        self.thread.stack.push(function);
        self.thread.stack.extend_from_slice(arguments);
        let outcome = match self.push_frame(code, at, arguments.len(), OPEN, true) {
            Ok(()) => {
                let is_native = std::mem::replace(&mut self.is_native, false);
                let outcome = self.execute_from(frames);
                self.is_native = is_native;
                outcome
            }
            Err(fail) => Err(fail),
        };
        if outcome.is_err() && !matches!(outcome, Err(Fail::Yield(_))) {
            self.thread.frames.truncate(frames);
            self.thread.stack.truncate(at);
        }
        self.pc = pc;
        match outcome {
            // Only a coroutine's first function may be left so, and it is called by `resume`.
            Err(Fail::Yield(values)) => Ok(values),
            other => other,
        }
    }

    /// A library function, or what has a metamethod for it.
    fn call_other(&mut self, function: Value, arguments: &[Value]) -> Result<Vec<Value>, Fail> {
        match function {
            Value::Native(_) | Value::Function(_) => {
                let mut out = Vec::new();
                // A metamethod's caller is Lua.
                let is_direct = !self.is_native;
                let caller = || is_direct.then_some(Caller { name: None });
                match self.run_native(function, arguments, &mut out, is_direct) {
                    Ok(()) => Ok(out),
                    Err(Fail::Yield(_)) => {
                        let text = "attempt to yield across metamethod/C-call boundary";
                        Err(self.finish_error(Fail::Plain(text), None))
                    }
                    Err(fail) => Err(self.finish_error(fail, caller())),
                }
            }
            other => {
                let handler = self.heap.metamethod(other, b"__call");
                if !matches!(handler, Value::Function(_) | Value::Native(_)) {
                    let text = format!("attempt to call a {} value", other.type_name());
                    return Err(self.raise_text(text.into_bytes()));
                }
                let all: SmallVec<[Value; 8]> = std::iter::once(&other).chain(arguments).copied().collect();
                self.call_in_thread(handler, &all)
            }
        }
    }
}
