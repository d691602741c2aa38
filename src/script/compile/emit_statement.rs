//! Statements to instructions.

use super::{
    ast::{Block, Expr, Stat, StatKind, SuffixKind, VarId},
    emit::{Emit, Emitted},
    op::{OPEN, Op, Rk},
};

/// What an assignment stores into.
enum Target {
    Variable(u8),
    Cell(u8),
    Upvalue(u8),
    Global(u32),
    Index { table: u8, key: Rk, name: Option<(super::NameKind, super::Text)> },
}

impl Emit<'_> {
    pub fn block(&mut self, block: &Block) -> Emitted<()> {
        let mark = self.free;
        for stat in block {
            self.statement(stat)?;
        }
        self.free = mark;
        Ok(())
    }

    fn statement(&mut self, stat: &Stat) -> Emitted<()> {
        self.line = stat.line;
        match &stat.kind {
            StatKind::Local(vars, exprs) => {
                let first = self.free;
                self.values_to(exprs, vars.len())?;
                self.bind_all(vars, first)?;
            }
            StatKind::LocalFunction(var, function) => {
                let register = self.declare(*var)?;
                if self.is_captured(*var) {
                    self.push(Op::Nil(register, 1));
                    self.put_in_cell(*var);
                    let mark = self.free;
                    let temporary = self.alloc()?;
                    self.closure(function, temporary)?;
                    self.push(Op::SetCell(register, Rk::register(temporary)));
                    self.free = mark;
                } else {
                    self.closure(function, register)?;
                }
            }
            StatKind::Assign(targets, exprs) => self.assign(targets, exprs)?,
            StatKind::Call(expr) => {
                let mark = self.free;
                let register = self.alloc()?;
                self.values(expr, register, 0)?;
                self.free = mark;
            }
            StatKind::Do(block) => self.block(block)?,
            StatKind::While(condition, body) => {
                let start = self.here();
                let exit = self.jump_if(condition, false)?;
                self.breaks.push(Vec::new());
                self.block(body)?;
                self.push(Op::Jump(start));
                self.land(exit);
                self.land_breaks();
            }
            StatKind::Repeat(body, condition) => self.repeat(body, condition)?,
            StatKind::If(branches, otherwise) => self.branches(branches, otherwise.as_ref())?,
            StatKind::NumericFor { var, from, to, step, body } => {
                self.numeric_for(*var, [Some(from), Some(to), step.as_ref()], body)?;
            }
            StatKind::GenericFor { vars, exprs, body } => self.generic_for(vars, exprs, body)?,
            StatKind::Return(exprs) => self.give_back(exprs)?,
            StatKind::Break => {
                let jump = self.push(Op::Jump(0));
                if let Some(breaks) = self.breaks.last_mut() {
                    breaks.push(jump);
                }
            }
        }
        Ok(())
    }

    fn land_breaks(&mut self) {
        let breaks = self.breaks.pop().unwrap_or_default();
        self.land(breaks);
    }

    /// Variables whose values are in registers already, from `first` on.
    fn bind_all(&mut self, vars: &[VarId], first: usize) -> Emitted<()> {
        for (at, var) in vars.iter().enumerate() {
            let register = u8::try_from(first.saturating_add(at)).map_err(|_| self.too_complex())?;
            self.bind(*var, register);
            self.put_in_cell(*var);
        }
        Ok(())
    }

    /// This many values into the next registers.
    fn values_to(&mut self, exprs: &[Expr], wanted: usize) -> Emitted<()> {
        let mark = self.free;
        for (at, expr) in exprs.iter().enumerate() {
            let is_last = at.saturating_add(1) == exprs.len();
            let register = self.alloc()?;
            let rest = wanted.saturating_sub(at);
            if is_last && expr.is_open() && rest > 1 {
                self.values(expr, register, u8::try_from(rest).map_err(|_| self.too_complex())?)?;
                for _ in 1..rest {
                    self.alloc()?;
                }
            } else {
                self.evaluate(expr, register)?;
                if at >= wanted {
                    self.free = self.free.saturating_sub(1);
                }
            }
        }
        let have = self.free.saturating_sub(mark);
        if have < wanted {
            let first = self.alloc()?;
            for _ in have.saturating_add(1)..wanted {
                self.alloc()?;
            }
            let count = u8::try_from(wanted.saturating_sub(have)).map_err(|_| self.too_complex())?;
            self.push(Op::Nil(first, count));
        }
        Ok(())
    }

    fn assign(&mut self, targets: &[Expr], exprs: &[Expr]) -> Emitted<()> {
        let mark = self.free;
        if let ([target], [expr]) = (targets, exprs) {
            let line = self.line;
            let target = self.target(target, false)?;
            match target {
                Target::Variable(register) => self.assign_to(expr, register)?,
                other => {
                    let value = self.operand(expr)?;
                    self.line = line;
                    self.store(other, value);
                }
            }
            self.free = mark;
            return Ok(());
        }
        let places = targets.iter().map(|target| self.target(target, true)).collect::<Emitted<Vec<_>>>()?;
        let first = self.free;
        self.values_to(exprs, targets.len())?;
        for (at, place) in places.into_iter().enumerate().rev() {
            let register = u8::try_from(first.saturating_add(at)).map_err(|_| self.too_complex())?;
            self.store(place, Rk::register(register));
        }
        self.free = mark;
        Ok(())
    }

    /// `is_one_of_many`: what it refers to may be assigned to by the same statement, so it is copied.
    fn target(&mut self, expr: &Expr, is_one_of_many: bool) -> Emitted<Target> {
        Ok(match expr {
            Expr::Local(var) if self.is_captured(*var) => Target::Cell(self.register(*var)),
            Expr::Local(var) => Target::Variable(self.register(*var)),
            Expr::Upvalue(index) => Target::Upvalue(u8::try_from(*index).unwrap_or(u8::MAX)),
            Expr::Global(name) => Target::Global(self.text(name)),
            Expr::Suffixed(base, suffixes) => {
                let Some((last, init)) = suffixes.split_last() else { return Err(self.too_complex()) };
                let name = match init.last() {
                    None => self.describe(base),
                    Some(suffix) => super::emit::describe_suffix(&suffix.kind),
                };
                let table = if init.is_empty() {
                    if is_one_of_many { self.next_register(base)? } else { self.any_register(base)? }
                } else {
                    let register = self.alloc()?;
                    self.suffixed(base, init, register, 1)?;
                    register
                };
                let key = match &last.kind {
                    SuffixKind::Field(key) => {
                        let index = self.text(key);
                        self.constant_operand(index)?
                    }
                    SuffixKind::Index(key) if is_one_of_many && matches!(key, Expr::Local(_)) => {
                        Rk::register(self.next_register(key)?)
                    }
                    SuffixKind::Index(key) => self.operand(key)?,
                    SuffixKind::Call(_) | SuffixKind::Method(..) => return Err(self.too_complex()),
                };
                self.line = last.line;
                Target::Index { table, key, name }
            }
            _ => return Err(self.too_complex()),
        })
    }

    fn store(&mut self, target: Target, value: Rk) {
        match target {
            Target::Variable(register) => self.move_operand(value, register),
            Target::Cell(register) => {
                self.push(Op::SetCell(register, value));
            }
            Target::Upvalue(index) => {
                self.push(Op::SetUpvalue(index, value));
            }
            Target::Global(name) => {
                self.push(Op::SetGlobal(name, value));
            }
            Target::Index { table, key, name } => {
                let at = self.push(Op::SetIndex(table, key, value));
                self.name(at, 0, name);
            }
        }
    }

    fn repeat(&mut self, body: &Block, condition: &Expr) -> Emitted<()> {
        let start = self.here();
        let mark = self.free;
        self.breaks.push(Vec::new());
        for stat in body {
            self.statement(stat)?;
        }
        let back = self.jump_if(condition, false)?;
        self.land_at(back, start);
        self.free = mark;
        self.land_breaks();
        Ok(())
    }

    fn branches(&mut self, branches: &[(Expr, Block)], otherwise: Option<&Block>) -> Emitted<()> {
        let mut ends = Vec::new();
        for (at, (condition, block)) in branches.iter().enumerate() {
            let skip = self.jump_if(condition, false)?;
            self.block(block)?;
            let is_last = at.saturating_add(1) == branches.len() && otherwise.is_none();
            if !is_last {
                ends.push(self.push(Op::Jump(0)));
            }
            self.land(skip);
        }
        if let Some(block) = otherwise {
            self.block(block)?;
        }
        self.land(ends);
        Ok(())
    }

    fn numeric_for(&mut self, var: VarId, exprs: [Option<&Expr>; 3], body: &Block) -> Emitted<()> {
        let (mark, line) = (self.free, self.line);
        let base = u8::try_from(self.free).map_err(|_| self.too_complex())?;
        for expr in exprs {
            match expr {
                Some(expr) => {
                    self.next_register(expr)?;
                }
                None => {
                    let register = self.alloc()?;
                    let one = self.number(1.0);
                    self.push(Op::Constant(register, one));
                }
            }
        }
        self.line = line;
        let prepare = self.push(Op::ForPrepare(base, 0));
        self.declare(var)?;
        let start = self.here();
        self.put_in_cell(var);
        self.breaks.push(Vec::new());
        self.block(body)?;
        self.line = line;
        self.land([prepare]);
        self.push(Op::ForLoop(base, start));
        self.land_breaks();
        self.free = mark;
        Ok(())
    }

    fn generic_for(&mut self, vars: &[VarId], exprs: &[Expr], body: &Block) -> Emitted<()> {
        let (mark, line) = (self.free, self.line);
        let base = u8::try_from(self.free).map_err(|_| self.too_complex())?;
        self.values_to(exprs, 3)?;
        let enter = self.push(Op::Jump(0));
        for var in vars {
            self.declare(*var)?;
        }
        // The call needs room for a function and two arguments.
        let inner = self.free;
        while self.free < mark.saturating_add(6) {
            self.alloc()?;
        }
        self.free = inner;
        let start = self.here();
        for var in vars {
            self.put_in_cell(*var);
        }
        self.breaks.push(Vec::new());
        self.block(body)?;
        self.land([enter]);
        self.line = line;
        let count = u8::try_from(vars.len()).map_err(|_| self.too_complex())?;
        self.push(Op::GenericCall(base, count));
        self.push(Op::GenericLoop(base, start));
        self.land_breaks();
        self.free = mark;
        Ok(())
    }

    fn give_back(&mut self, exprs: &[Expr]) -> Emitted<()> {
        let mark = self.free;
        if let [Expr::Suffixed(base, suffixes)] = exprs
            && suffixes.last().is_some_and(super::ast::Suffix::is_call)
        {
            let register = self.alloc()?;
            self.suffixed(base, suffixes, register, OPEN)?;
            if let Some(Op::Call(at, arguments, OPEN)) = self.proto.code.last().copied()
                && let Some(last) = self.proto.code.last_mut()
            {
                *last = Op::TailCall(at, arguments);
            }
            self.push(Op::Return(register, OPEN));
        } else if let [Expr::Local(var)] = exprs
            && !self.is_captured(*var)
        {
            let register = self.register(*var);
            self.push(Op::Return(register, 1));
        } else {
            let first = u8::try_from(self.free).map_err(|_| self.too_complex())?;
            let is_open = self.list_open(exprs)?;
            let count =
                if is_open { OPEN } else { u8::try_from(exprs.len()).map_err(|_| self.too_complex())? };
            self.push(Op::Return(first, count));
        }
        self.free = mark;
        Ok(())
    }
}
