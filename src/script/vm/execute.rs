//! The loop over instructions.

use super::{
    Fail, Vm,
    operators::Arithmetic,
    value::{Function, Id, Loaded, Value},
};
use crate::script::compile::{Op, Rk};
use std::rc::Rc;

/// What an instruction leads to.
pub enum Flow {
    Next,
    /// Another function goes on.
    Frame,
    /// The function that was called from outside of Lua has returned.
    Done(Vec<Value>),
}

impl Vm<'_> {
    /// Executes until the function that was called from outside of Lua returns: the frame above the first `entry` ones.
    pub fn execute_from(&mut self, entry: usize) -> Result<Vec<Value>, Fail> {
        let outcome = self.steps();
        match &outcome {
            Ok(_) | Err(Fail::Yield(_)) => {}
            Err(_) => self.thread.frames.truncate(entry),
        }
        match outcome {
            Err(Fail::Yield(values)) if entry == 0 && self.nesting == 0 => Ok(values),
            other => other,
        }
    }

    fn current(&self) -> Result<(Rc<Loaded>, usize, Id), Fail> {
        let frame = self.thread.frames.last().ok_or_else(|| Fail::message("no function is running"))?;
        Ok((frame.code.clone(), frame.base, frame.function))
    }

    #[inline]
    pub fn rk(&self, code: &Loaded, base: usize, rk: Rk) -> Value {
        match rk.0.checked_sub(Rk::CONSTANT) {
            None => self.reg(base.wrapping_add(usize::from(rk.0))),
            Some(index) => code.constants.get(usize::from(index)).copied().unwrap_or(Value::Nil),
        }
    }

    pub fn upvalue(&self, function: Id, index: u8) -> Id {
        match self.heap.functions.get(function) {
            Some(Function::Lua { upvalues, .. }) => upvalues.get(usize::from(index)).copied().unwrap_or(0),
            _ => 0,
        }
    }

    fn cell(&self, value: Value) -> Value {
        match value {
            Value::Cell(id) => self.heap.cells.get(id).copied().unwrap_or(Value::Nil),
            other => other,
        }
    }

    fn set_cell(&mut self, id: Id, value: Value) {
        if let Some(slot) = self.heap.cells.get_mut(id) {
            *slot = value;
        }
    }

    /// Each instruction is a function of its own: the frame of this one is on the thread's stack once for each nested call.
    fn steps(&mut self) -> Result<Vec<Value>, Fail> {
        let (mut code, mut base, mut function) = self.current()?;
        loop {
            self.executed = self.executed.wrapping_add(1);
            if self.executed >= self.check_at {
                self.look()?;
            }
            let op = self.fetch(&code);
            match self.step(op, &code, base, function) {
                Ok(Flow::Next) => {}
                Ok(Flow::Frame) => (code, base, function) = self.current()?,
                Ok(Flow::Done(values)) => return Ok(values),
                Err(fail) => return Err(fail),
            }
        }
    }

    #[inline]
    fn fetch(&mut self, code: &Loaded) -> Op {
        let op = code.proto.code.get(self.pc).copied();
        self.pc = self.pc.wrapping_add(1);
        op.unwrap_or(Op::Return(0, 0))
    }

    #[inline]
    fn step(&mut self, op: Op, code: &Rc<Loaded>, base: usize, function: Id) -> Result<Flow, Fail> {
        let at = |register: u8| base.wrapping_add(usize::from(register));
        let done = match op {
            Op::Call(callee, count, results) => return self.op_call(at(callee), count, results),
            Op::TailCall(callee, count) => return self.op_tail_call(at(callee), count),
            Op::Return(first, count) => return self.op_return(at(first), count),
            Op::GenericCall(first, count) => return self.op_generic_call(at(first), count),
            Op::Global(to, name) => self.op_global(code, name, at(to)),
            Op::SetGlobal(name, value) => self.op_set_global(code, base, name, value),
            Op::Index(to, object, key) => self.op_index(code, base, at(object), key, at(to)),
            Op::SetIndex(object, key, value) => self.op_set_index(code, base, at(object), key, value),
            Op::Method(to, object, key) => self.op_method(code, base, at(object), key, at(to)),
            Op::Add(to, a, b) => self.number_op(code, base, Arithmetic::Add, at(to), a, b),
            Op::Sub(to, a, b) => self.number_op(code, base, Arithmetic::Sub, at(to), a, b),
            Op::Mul(to, a, b) => self.number_op(code, base, Arithmetic::Mul, at(to), a, b),
            Op::Div(to, a, b) => self.number_op(code, base, Arithmetic::Div, at(to), a, b),
            Op::Mod(to, a, b) => self.number_op(code, base, Arithmetic::Mod, at(to), a, b),
            Op::Pow(to, a, b) => self.number_op(code, base, Arithmetic::Pow, at(to), a, b),
            Op::Negate(to, a) => self.number_op(code, base, Arithmetic::Negate, at(to), a, a),
            Op::Length(to, a) => self.op_length(code, base, a, at(to)),
            Op::Concat(to, first, count) => self.op_concat(at(first), count, at(to)),
            Op::Compare(op, when, a, b) => self.op_compare(code, base, op, when, a, b),
            Op::CompareTo(to, op, when, a, b) => self.op_compare_to(code, base, (op, when), at(to), a, b),
            Op::NewCell(register) => self.op_new_cell(at(register)),
            Op::NewTable(to, array, hash) => self.op_new_table(array, hash, at(to)),
            Op::SetList(table, count, stored) => self.set_list(at(table), count, stored),
            Op::ArgTable(to) => self.arg_table(at(to)),
            Op::ForPrepare(first, to) => self.for_prepare(at(first), to),
            Op::Closure(to, index) => self.closure(code, base, function, index, at(to)),
            Op::Vararg(to, count) => self.vararg(at(to), count),
            plain => {
                self.plain(plain, code, base, function);
                Ok(())
            }
        };
        match done {
            Ok(()) => Ok(Flow::Next),
            Err(fail) => Err(fail),
        }
    }

    #[inline]
    fn jump_if(&mut self, register: usize, when: bool, to: u32) {
        if self.reg(register).is_true() == when {
            self.pc = to as usize;
        }
    }

    /// Instructions that cannot fail.
    #[inline]
    fn plain(&mut self, op: Op, code: &Loaded, base: usize, function: Id) {
        let at = |register: u8| base.wrapping_add(usize::from(register));
        match op {
            Op::Move(to, from) => {
                let value = self.reg(at(from));
                self.set_reg(at(to), value);
            }
            Op::Constant(to, index) => {
                let value = code.constants.get(index as usize).copied().unwrap_or(Value::Nil);
                self.set_reg(at(to), value);
            }
            Op::Nil(to, count) => {
                for offset in 0..count {
                    self.set_reg(at(to).wrapping_add(usize::from(offset)), Value::Nil);
                }
            }
            Op::Bool(to, is) => self.set_reg(at(to), Value::Bool(is)),
            Op::Upvalue(to, index) => {
                let value = self.cell(Value::Cell(self.upvalue(function, index)));
                self.set_reg(at(to), value);
            }
            Op::SetUpvalue(index, value) => {
                let value = self.rk(code, base, value);
                self.set_cell(self.upvalue(function, index), value);
            }
            Op::Cell(to, from) => {
                let value = self.cell(self.reg(at(from)));
                self.set_reg(at(to), value);
            }
            Op::SetCell(register, value) => {
                let value = self.rk(code, base, value);
                if let Value::Cell(id) = self.reg(at(register)) {
                    self.set_cell(id, value);
                }
            }
            Op::Not(to, a) => {
                let value = Value::Bool(!self.rk(code, base, a).is_true());
                self.set_reg(at(to), value);
            }
            Op::Jump(to) => self.pc = to as usize,
            Op::JumpIf(register, when, to) => self.jump_if(at(register), when, to),
            Op::ForLoop(first, to) => self.for_loop(at(first), to),
            Op::GenericLoop(first, to) => {
                let control = self.reg(at(first).wrapping_add(3));
                if !control.is_nil() {
                    self.set_reg(at(first).wrapping_add(2), control);
                    self.pc = to as usize;
                }
            }
            // All others can fail.
            _ => {}
        }
    }

    #[inline]
    fn number_op(
        &mut self,
        code: &Loaded,
        base: usize,
        op: Arithmetic,
        to: usize,
        a: Rk,
        b: Rk,
    ) -> Result<(), Fail> {
        let (a, b) = (self.rk(code, base, a), self.rk(code, base, b));
        let value = match (a, b) {
            (Value::Number(x), Value::Number(y)) => Value::Number(op.apply(x, y)),
            _ => self.arithmetic(op, a, b)?,
        };
        self.set_reg(to, value);
        Ok(())
    }
}
