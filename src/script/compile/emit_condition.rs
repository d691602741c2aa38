//! Conditions: jumps instead of values.

use super::{
    ast::{Binary, Expr, Link, Unary},
    emit::{Emit, Emitted},
    emit_operator::comparison,
    op::Op,
};

impl Emit<'_> {
    /// Jumps, still without a target, that are taken if the expression's truth is `when`.
    pub fn jump_if(&mut self, expr: &Expr, when: bool) -> Emitted<Vec<usize>> {
        match expr {
            Expr::Nil | Expr::Bool(_) | Expr::Number(_) | Expr::Str(_) => {
                let truth = !matches!(expr, Expr::Nil | Expr::Bool(false));
                Ok(if truth == when { vec![self.push(Op::Jump(0))] } else { Vec::new() })
            }
            Expr::Unary(Unary::Not, inner, _) => self.jump_if(inner, !when),
            Expr::Paren(inner) => self.jump_if(inner, when),
            Expr::Chain(first, links) => self.chain_jump(first, links, when),
            _ => {
                let mark = self.free;
                let register = self.any_register(expr)?;
                self.free = mark;
                Ok(vec![self.push(Op::JumpIf(register, when, 0))])
            }
        }
    }

    /// From left to right, in a loop: a chain of any length takes the same stack. `and` and `or` bind weakest, so they are
    /// the last of a chain.
    fn chain_jump(&mut self, first: &Expr, links: &[Link], when: bool) -> Emitted<Vec<usize>> {
        let is_logic = |link: &Link| matches!(link.op, Binary::And | Binary::Or);
        let logic = links.iter().position(is_logic).unwrap_or(links.len());
        let (values, logic) = links.split_at_checked(logic).ok_or_else(|| self.too_complex())?;
        // The truth of what is before an operator that makes the right side needless.
        let decides = |link: Option<&Link>| link.map_or(when, |link| link.op == Binary::Or);
        let mut decided = decides(logic.first());
        let mut jumps = self.value_jump(first, values, decided)?;
        for (at, link) in logic.iter().enumerate() {
            let next = decides(logic.get(at.saturating_add(1)));
            let taken = self.jump_if(&link.right, next)?;
            if decided == next {
                jumps.extend(taken);
            } else {
                self.land(jumps);
                jumps = taken;
            }
            decided = next;
        }
        Ok(jumps)
    }

    /// A chain without `and` and `or`.
    fn value_jump(&mut self, first: &Expr, links: &[Link], when: bool) -> Emitted<Vec<usize>> {
        let Some((last, init)) = links.split_last() else { return self.jump_if(first, when) };
        let mark = self.free;
        if last.op.is_comparison() {
            let (left, right) = self.operands(first, init, &last.right)?;
            self.free = mark;
            self.line = last.line;
            let (comparison, truth, left, right) = comparison(last.op, left, right);
            self.push(Op::Compare(comparison, truth == when, left, right));
            return Ok(vec![self.push(Op::Jump(0))]);
        }
        let register = self.alloc()?;
        self.chain(first, links, register)?;
        self.free = mark;
        Ok(vec![self.push(Op::JumpIf(register, when, 0))])
    }
}
