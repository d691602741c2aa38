//! What the instructions that can fail do.

use super::{
    Fail, Vm,
    call::Called,
    execute::Flow,
    value::{Function, Id, Loaded, Value},
};
use crate::script::compile::{Comparison, OPEN, Rk, UpvalueFrom};
use std::rc::Rc;

type Done = Result<(), Fail>;

impl From<Called> for Flow {
    fn from(called: Called) -> Self {
        match called {
            Called::Frame => Flow::Frame,
            Called::Done => Flow::Next,
        }
    }
}

impl Vm<'_> {
    fn count(&self, callee: usize, count: u8) -> usize {
        if count == OPEN { self.open_top.saturating_sub(callee.wrapping_add(1)) } else { count.into() }
    }

    pub fn op_call(&mut self, callee: usize, count: u8, results: u8) -> Result<Flow, Fail> {
        let count = self.count(callee, count);
        self.call_at(callee, count, results).map(Flow::from)
    }

    pub fn op_tail_call(&mut self, callee: usize, count: u8) -> Result<Flow, Fail> {
        let count = self.count(callee, count);
        self.tail_call(callee, count).map(Flow::from)
    }

    pub fn op_return(&mut self, first: usize, count: u8) -> Result<Flow, Fail> {
        let count = if count == OPEN { self.open_top.saturating_sub(first) } else { count.into() };
        Ok(self.give_back(first, count).map_or(Flow::Frame, Flow::Done))
    }

    pub fn op_generic_call(&mut self, first: usize, count: u8) -> Result<Flow, Fail> {
        let callee = first.wrapping_add(3);
        for offset in 0..3 {
            let value = self.reg(first.wrapping_add(offset));
            self.set_reg(callee.wrapping_add(offset), value);
        }
        self.call_at(callee, 2, count).map(Flow::from)
    }

    pub fn op_global(&mut self, code: &Loaded, name: u32, to: usize) -> Done {
        let name = code.constants.get(name as usize).copied().unwrap_or(Value::Nil);
        let value = self.index(Value::Table(self.globals), name)?;
        self.set_reg(to, value);
        Ok(())
    }

    pub fn op_set_global(&mut self, code: &Loaded, base: usize, name: u32, value: Rk) -> Done {
        let name = code.constants.get(name as usize).copied().unwrap_or(Value::Nil);
        let value = self.rk(code, base, value);
        self.set_index(Value::Table(self.globals), name, value)
    }

    pub fn op_index(&mut self, code: &Loaded, base: usize, object: usize, key: Rk, to: usize) -> Done {
        let (object, key) = (self.reg(object), self.rk(code, base, key));
        let value = self.index(object, key)?;
        self.set_reg(to, value);
        Ok(())
    }

    pub fn op_set_index(&mut self, code: &Loaded, base: usize, object: usize, key: Rk, value: Rk) -> Done {
        let object = self.reg(object);
        let (key, value) = (self.rk(code, base, key), self.rk(code, base, value));
        self.set_index(object, key, value)?;
        self.safe_point()
    }

    pub fn op_method(&mut self, code: &Loaded, base: usize, object: usize, key: Rk, to: usize) -> Done {
        let (object, key) = (self.reg(object), self.rk(code, base, key));
        let value = self.index(object, key)?;
        self.set_reg(to, value);
        self.set_reg(to.wrapping_add(1), object);
        Ok(())
    }

    pub fn op_length(&mut self, code: &Loaded, base: usize, of: Rk, to: usize) -> Done {
        let value = self.rk(code, base, of);
        let length = self.length(value)?;
        self.set_reg(to, length);
        Ok(())
    }

    pub fn op_concat(&mut self, first: usize, count: u8, to: usize) -> Done {
        let value = self.concat(first, usize::from(count))?;
        self.set_reg(to, value);
        self.safe_point()
    }

    #[inline]
    pub fn op_compare(
        &mut self,
        code: &Loaded,
        base: usize,
        op: Comparison,
        when: bool,
        a: Rk,
        b: Rk,
    ) -> Done {
        let (a, b) = (self.rk(code, base, a), self.rk(code, base, b));
        if self.compare(op, a, b)? != when {
            self.pc = self.pc.wrapping_add(1);
        }
        Ok(())
    }

    pub fn op_compare_to(
        &mut self,
        code: &Loaded,
        base: usize,
        (op, when): (Comparison, bool),
        to: usize,
        a: Rk,
        b: Rk,
    ) -> Done {
        let (a, b) = (self.rk(code, base, a), self.rk(code, base, b));
        let is = self.compare(op, a, b)? == when;
        self.set_reg(to, Value::Bool(is));
        Ok(())
    }

    pub fn op_new_cell(&mut self, register: usize) -> Done {
        let cell = self.heap.add_cell(self.reg(register))?;
        self.set_reg(register, Value::Cell(cell));
        self.safe_point()
    }

    pub fn op_new_table(&mut self, array: u16, hash: u16, to: usize) -> Done {
        let table = self.new_table(array.into(), hash.into())?;
        self.set_reg(to, Value::Table(table));
        self.safe_point()
    }

    pub fn set_list(&mut self, table: usize, count: u8, stored: u32) -> Result<(), Fail> {
        let Value::Table(id) = self.reg(table) else { return Ok(()) };
        let first = table.wrapping_add(1);
        let count = if count == OPEN { self.open_top.saturating_sub(first) } else { count.into() };
        self.charge(count / 4)?;
        let stored = stored as usize;
        self.heap.reserve_array(id, stored.saturating_add(count))?;
        for offset in 0..count {
            let value = self.reg(first.wrapping_add(offset));
            self.heap.raw_set_index(id, stored.saturating_add(offset).saturating_add(1), value)?;
        }
        self.safe_point()
    }

    fn extra(&self) -> (usize, usize) {
        self.thread
            .frames
            .last()
            .map_or((0, 0), |frame| (frame.base.saturating_sub(frame.extra), frame.extra))
    }

    pub fn arg_table(&mut self, to: usize) -> Result<(), Fail> {
        let (first, count) = self.extra();
        let table = self.new_table(count, 1)?;
        self.charge(count / 4)?;
        for offset in 0..count {
            let value = self.reg(first.saturating_add(offset));
            self.heap.raw_set_index(table, offset.saturating_add(1), value)?;
        }
        self.set_field(table, "n", Value::Number(count as f64))?;
        self.set_reg(to, Value::Table(table));
        Ok(())
    }

    pub fn vararg(&mut self, to: usize, wanted: u8) -> Result<(), Fail> {
        let (first, have) = self.extra();
        self.charge(have / 8)?;
        let wanted = if wanted == OPEN { have } else { usize::from(wanted) };
        let end = to.saturating_add(wanted);
        if self.thread.stack.len() < end {
            self.thread.stack.resize(end, Value::Nil);
        }
        for offset in 0..wanted {
            let value = if offset < have { self.reg(first.saturating_add(offset)) } else { Value::Nil };
            self.set_reg(to.saturating_add(offset), value);
        }
        self.open_top = end;
        Ok(())
    }

    #[inline]
    pub fn for_loop(&mut self, first: usize, to: u32) {
        let (index, limit, step) =
            (self.reg(first), self.reg(first.wrapping_add(1)), self.reg(first.wrapping_add(2)));
        if let (Value::Number(index), Value::Number(limit), Value::Number(step)) = (index, limit, step) {
            let index = index + step;
            if if step > 0.0 { index <= limit } else { limit <= index } {
                self.set_reg(first, Value::Number(index));
                self.set_reg(first.wrapping_add(3), Value::Number(index));
                self.pc = to as usize;
            }
        }
    }

    pub fn for_prepare(&mut self, first: usize, to: u32) -> Result<(), Fail> {
        for (offset, what) in ["initial value", "limit", "step"].into_iter().enumerate() {
            let value = self.reg(first.wrapping_add(offset));
            let Some(number) = self.number_of(value)? else {
                return Err(self.error_here(format!("'for' {what} must be a number")));
            };
            self.set_reg(first.wrapping_add(offset), Value::Number(number));
        }
        if let (Value::Number(index), Value::Number(step)) =
            (self.reg(first), self.reg(first.wrapping_add(2)))
        {
            self.set_reg(first, Value::Number(index - step));
        }
        self.pc = to as usize;
        Ok(())
    }

    pub fn closure(
        &mut self,
        code: &Rc<Loaded>,
        base: usize,
        own: Id,
        index: u32,
        to: usize,
    ) -> Result<(), Fail> {
        let index = index as usize;
        let (Some(child), Some(proto)) = (code.children.get(index), code.proto.protos.get(index)) else {
            return Err(Fail::message("no such function"));
        };
        if child.get() == 0 {
            child.set(self.load(proto)?);
        }
        let Some(inner) = self.loaded(child.get()) else { return Err(Fail::message("no such function")) };
        let upvalues = proto
            .upvalues
            .iter()
            .map(|from| match from {
                UpvalueFrom::Register(register) => {
                    match self.reg(base.wrapping_add(usize::from(*register))) {
                        Value::Cell(id) => id,
                        _ => 0,
                    }
                }
                UpvalueFrom::Upvalue(index) => self.upvalue(own, *index),
            })
            .collect();
        let id = self.heap.add_function(Function::Lua { code: inner, upvalues })?;
        self.set_reg(to, Value::Function(id));
        self.safe_point()
    }
}
