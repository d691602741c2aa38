//! Expressions to instructions.

use super::{
    ast::Expr,
    emit::{Emit, Emitted},
    emit_operator::arithmetic,
    op::{OPEN, Op, Rk},
};

impl Emit<'_> {
    /// Evaluates into a register that no variable in scope uses.
    pub fn evaluate(&mut self, expr: &Expr, to: u8) -> Emitted<()> {
        match expr {
            Expr::Nil => {
                self.push(Op::Nil(to, 1));
            }
            Expr::Bool(value) => {
                self.push(Op::Bool(to, *value));
            }
            Expr::Number(number) => {
                let index = self.number(*number);
                self.push(Op::Constant(to, index));
            }
            Expr::Str(text) => {
                let index = self.text(text);
                self.push(Op::Constant(to, index));
            }
            Expr::Vararg => {
                self.push(Op::Vararg(to, 1));
            }
            Expr::Function(function) => self.closure(function, to)?,
            Expr::Local(var) if self.is_captured(*var) => {
                let from = self.register(*var);
                self.push(Op::Cell(to, from));
            }
            Expr::Local(var) => {
                let from = self.register(*var);
                if from != to {
                    self.push(Op::Move(to, from));
                }
            }
            Expr::Upvalue(index) => {
                let index = u8::try_from(*index).unwrap_or(u8::MAX);
                self.push(Op::Upvalue(to, index));
            }
            Expr::Global(name) => {
                let name = self.text(name);
                self.push(Op::Global(to, name));
            }
            Expr::Paren(inner) => self.evaluate(inner, to)?,
            Expr::Unary(op, operand, line) => self.unary(*op, operand, *line, to)?,
            Expr::Chain(first, links) => self.chain(first, links, to)?,
            Expr::Suffixed(base, suffixes) => self.suffixed(base, suffixes, to, 1)?,
            Expr::Table(items, line) => self.table(items, *line, to)?,
        }
        Ok(())
    }

    /// Evaluates into a variable's register; the expression may use that variable.
    pub fn assign_to(&mut self, expr: &Expr, to: u8) -> Emitted<()> {
        match expr {
            Expr::Nil | Expr::Bool(_) | Expr::Number(_) | Expr::Str(_) | Expr::Local(_) => {
                self.evaluate(expr, to)
            }
            Expr::Chain(first, links) => {
                if let Some((last, init)) = links.split_last()
                    && arithmetic(last.op).is_some()
                {
                    let mark = self.free;
                    self.arithmetic_link(None, (first, init), last, to)?;
                    self.free = mark;
                    return Ok(());
                }
                self.by_way_of_temporary(expr, to)
            }
            _ => self.by_way_of_temporary(expr, to),
        }
    }

    fn by_way_of_temporary(&mut self, expr: &Expr, to: u8) -> Emitted<()> {
        let mark = self.free;
        let temporary = self.alloc()?;
        self.evaluate(expr, temporary)?;
        self.push(Op::Move(to, temporary));
        self.free = mark;
        Ok(())
    }

    /// Evaluates into any register: that of a variable, or the next free one.
    pub fn any_register(&mut self, expr: &Expr) -> Emitted<u8> {
        match expr {
            Expr::Local(var) if !self.is_captured(*var) => Ok(self.register(*var)),
            Expr::Paren(inner) => self.any_register(inner),
            _ => self.next_register(expr),
        }
    }

    /// Evaluates into the next free register.
    pub fn next_register(&mut self, expr: &Expr) -> Emitted<u8> {
        let register = self.alloc()?;
        self.evaluate(expr, register)?;
        Ok(register)
    }

    /// Evaluates into a register, or is a constant.
    pub fn operand(&mut self, expr: &Expr) -> Emitted<Rk> {
        match expr {
            Expr::Number(number) => {
                let index = self.number(*number);
                self.constant_operand(index)
            }
            Expr::Str(text) => {
                let index = self.text(text);
                self.constant_operand(index)
            }
            Expr::Nil => {
                let index = self.nil();
                self.constant_operand(index)
            }
            Expr::Bool(value) => {
                let index = self.bool(*value);
                self.constant_operand(index)
            }
            _ => Ok(Rk::register(self.any_register(expr)?)),
        }
    }

    pub fn move_operand(&mut self, from: Rk, to: u8) {
        match u8::try_from(from.0) {
            Ok(register) => self.push(Op::Move(to, register)),
            Err(_) => self.push(Op::Constant(to, u32::from(from.0.saturating_sub(Rk::CONSTANT)))),
        };
    }

    /// Expressions into the next registers; true if the last has any number of values.
    pub fn list_open(&mut self, exprs: &[Expr]) -> Emitted<bool> {
        let Some((last, init)) = exprs.split_last() else { return Ok(false) };
        for expr in init {
            self.next_register(expr)?;
        }
        let register = self.alloc()?;
        if last.is_open() {
            self.values(last, register, OPEN)?;
            return Ok(true);
        }
        self.evaluate(last, register)?;
        Ok(false)
    }

    /// The values of a call or of `...`, from the last register in use on.
    pub fn values(&mut self, expr: &Expr, to: u8, count: u8) -> Emitted<()> {
        match expr {
            Expr::Suffixed(base, suffixes) => self.suffixed(base, suffixes, to, count),
            _ => {
                self.push(Op::Vararg(to, count));
                Ok(())
            }
        }
    }
}
