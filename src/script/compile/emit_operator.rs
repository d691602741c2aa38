//! Operators to instructions.

use super::{
    ast::{Binary, Expr, Link, Unary},
    emit::{Emit, Emitted},
    op::{Comparison, Op, Rk},
};

impl Emit<'_> {
    pub fn unary(&mut self, op: Unary, operand: &Expr, line: u32, to: u8) -> Emitted<()> {
        let mark = self.free;
        let rk = self.operand(operand)?;
        self.free = mark;
        self.line = line;
        let at = self.push(match op {
            Unary::Minus => Op::Negate(to, rk),
            Unary::Not => Op::Not(to, rk),
            Unary::Length => Op::Length(to, rk),
        });
        let name = self.describe(operand);
        self.name(at, 0, name);
        Ok(())
    }

    /// The value of a chain, or of its first operand alone.
    fn chain_operand(&mut self, first: &Expr, links: &[Link]) -> Emitted<Rk> {
        if links.is_empty() {
            return self.operand(first);
        }
        let register = self.alloc()?;
        self.chain(first, links, register)?;
        Ok(Rk::register(register))
    }

    /// Both sides of an operator. A variable on the left has the value that it has when the right side has been evaluated.
    pub fn operands(&mut self, first: &Expr, links: &[Link], right: &Expr) -> Emitted<(Rk, Rk)> {
        if let (Expr::Local(var), []) = (first, links)
            && self.is_captured(*var)
        {
            let register = self.alloc()?;
            let right = self.operand(right)?;
            let cell = self.register(*var);
            self.push(Op::Cell(register, cell));
            return Ok((Rk::register(register), right));
        }
        let left = self.chain_operand(first, links)?;
        Ok((left, self.operand(right)?))
    }

    pub fn chain(&mut self, first: &Expr, links: &[Link], to: u8) -> Emitted<()> {
        let mark = self.free;
        if matches!(links.first(), None | Some(Link { op: Binary::And | Binary::Or, .. })) {
            self.evaluate(first, to)?;
        }
        for (at, link) in links.iter().enumerate() {
            let before = (first, links.get(..at).unwrap_or_default());
            // What is on the left has been evaluated, but for the first operand.
            let left = (at > 0).then(|| Rk::register(to));
            match link.op {
                Binary::And | Binary::Or => {
                    let jump = self.push(Op::JumpIf(to, link.op == Binary::Or, 0));
                    self.evaluate(&link.right, to)?;
                    self.land([jump]);
                }
                Binary::Concat => self.concat(left, before, link, to)?,
                op if op.is_comparison() => {
                    let (left, right) = match left {
                        Some(left) => (left, self.operand(&link.right)?),
                        None => self.operands(first, &[], &link.right)?,
                    };
                    self.line = link.line;
                    let (comparison, when, left, right) = comparison(op, left, right);
                    self.push(Op::CompareTo(to, comparison, when, left, right));
                }
                _ => self.arithmetic_link(left, before, link, to)?,
            }
            self.free = mark;
        }
        Ok(())
    }

    /// `left`: what is before it, if that has been evaluated.
    pub fn arithmetic_link(
        &mut self,
        left: Option<Rk>,
        before: (&Expr, &[Link]),
        link: &Link,
        to: u8,
    ) -> Emitted<()> {
        let (left, right) = match left {
            Some(left) => (left, self.operand(&link.right)?),
            None => self.operands(before.0, before.1, &link.right)?,
        };
        self.line = link.line;
        let make = arithmetic(link.op).ok_or_else(|| self.too_complex())?;
        let at = self.push(make(to, left, right));
        if let (first, []) = before {
            let name = self.describe(first);
            self.name(at, 0, name);
        }
        let name = self.describe(&link.right);
        self.name(at, 1, name);
        Ok(())
    }

    /// `a .. b .. c` in one instruction.
    fn concat(&mut self, left: Option<Rk>, before: (&Expr, &[Link]), link: &Link, to: u8) -> Emitted<()> {
        let mark = self.free;
        let base = self.alloc()?;
        let mut names = Vec::new();
        if let (first, []) = before {
            names.push(self.describe(first));
        } else {
            names.push(None);
        }
        match left {
            Some(left) => self.move_operand(left, base),
            None => self.evaluate(before.0, base)?,
        }
        let mut right = &link.right;
        loop {
            let register = self.alloc()?;
            match right {
                Expr::Chain(first, links) if links.last().is_some_and(|link| link.op == Binary::Concat) => {
                    let Some((last, init)) = links.split_last() else { break };
                    names.push(if init.is_empty() { self.describe(first) } else { None });
                    if init.is_empty() {
                        self.evaluate(first, register)?;
                    } else {
                        self.chain(first, init, register)?;
                    }
                    right = &last.right;
                }
                other => {
                    names.push(self.describe(other));
                    self.evaluate(other, register)?;
                    break;
                }
            }
        }
        self.line = link.line;
        let count = u8::try_from(names.len()).map_err(|_| self.too_complex())?;
        let at = self.push(Op::Concat(to, base, count));
        for (operand, name) in (0_u8..).zip(names) {
            self.name(at, operand, name);
        }
        self.free = mark;
        Ok(())
    }
}

pub fn arithmetic(op: Binary) -> Option<fn(u8, Rk, Rk) -> Op> {
    match op {
        Binary::Add => Some(Op::Add),
        Binary::Sub => Some(Op::Sub),
        Binary::Mul => Some(Op::Mul),
        Binary::Div => Some(Op::Div),
        Binary::Mod => Some(Op::Mod),
        Binary::Pow => Some(Op::Pow),
        _ => None,
    }
}

/// As an instruction has it: which comparison, the result that is true, the operands in its order.
pub fn comparison(op: Binary, left: Rk, right: Rk) -> (Comparison, bool, Rk, Rk) {
    match op {
        Binary::Ne => (Comparison::Eq, false, left, right),
        Binary::Lt => (Comparison::Lt, true, left, right),
        Binary::Le => (Comparison::Le, true, left, right),
        Binary::Gt => (Comparison::Lt, true, right, left),
        Binary::Ge => (Comparison::Le, true, right, left),
        _ => (Comparison::Eq, true, left, right),
    }
}
