//! Which variable a name means, while a source is parsed.

use super::ast::{Captured, Expr, Text, Var, VarId};
use std::collections::HashMap;

/// Lua's limits.
pub const LOCALS_MAX: usize = 200;
pub const UPVALUES_MAX: usize = 60;

/// A function being parsed.
#[derive(Debug, Default)]
pub struct Scope {
    pub vars: Vec<Var>,
    /// The variables in scope, innermost last, and those of each name.
    active: Vec<VarId>,
    by_name: HashMap<Text, Vec<VarId>>,
    /// The number of active variables where each open block began, and whether it is a loop.
    blocks: Vec<(usize, bool)>,
    pub upvalues: Vec<(Text, Captured)>,
    /// What names mean that are no variables of this function: it stays so as long as the function is parsed.
    outer: HashMap<Text, Option<usize>>,
    pub is_vararg: bool,
    pub uses_vararg: bool,
    pub line: u32,
}

impl Scope {
    pub fn new(line: u32, is_vararg: bool) -> Self {
        Scope { line, is_vararg, uses_vararg: is_vararg, ..Scope::default() }
    }

    /// A new variable, not yet in scope.
    pub fn declare(&mut self, name: Text) -> VarId {
        self.vars.push(Var { name, captured: false });
        self.vars.len().saturating_sub(1)
    }

    /// From here on its name means this variable. False: there are too many.
    pub fn activate(&mut self, vars: &[VarId]) -> bool {
        for id in vars {
            self.active.push(*id);
            if let Some(var) = self.vars.get(*id) {
                self.by_name.entry(var.name.clone()).or_default().push(*id);
            }
        }
        self.active.len() <= LOCALS_MAX
    }

    pub fn open_block(&mut self, is_loop: bool) {
        self.blocks.push((self.active.len(), is_loop));
    }

    pub fn close_block(&mut self) {
        let Some((active, _)) = self.blocks.pop() else { return };
        for id in self.active.drain(active.min(self.active.len())..) {
            let ids = self.vars.get(id).and_then(|var| self.by_name.get_mut(&var.name));
            if let Some(ids) = ids {
                ids.pop();
            }
        }
    }

    pub fn is_in_loop(&self) -> bool {
        self.blocks.iter().any(|(_, is_loop)| *is_loop)
    }

    fn local(&self, name: &Text) -> Option<VarId> {
        self.by_name.get(name)?.last().copied()
    }

    fn upvalue(&mut self, name: &Text, from: Captured) -> Option<usize> {
        if let Some(known) = self.upvalues.iter().position(|(_, other)| *other == from) {
            return Some(known);
        }
        self.upvalues.push((name.clone(), from));
        (self.upvalues.len() <= UPVALUES_MAX).then(|| self.upvalues.len().saturating_sub(1))
    }
}

/// The meaning of a name in the innermost of these functions. `Err`: the function (an index) has too many upvalues.
pub fn resolve(scopes: &mut [Scope], name: Text) -> Result<Expr, usize> {
    let Some(last) = scopes.last() else { return Ok(Expr::Global(name)) };
    if let Some(id) = last.local(&name) {
        return Ok(Expr::Local(id));
    }
    let known = match last.outer.get(&name) {
        Some(known) => *known,
        None => {
            let found = outer(scopes, &name)?;
            if let Some(last) = scopes.last_mut() {
                last.outer.insert(name.clone(), found);
            }
            found
        }
    };
    Ok(known.map_or(Expr::Global(name), Expr::Upvalue))
}

/// The upvalue of the innermost function for a variable of one around it, if there is one.
fn outer(scopes: &mut [Scope], name: &Text) -> Result<Option<usize>, usize> {
    let Some(owner) = scopes.iter().rposition(|scope| scope.local(name).is_some()) else { return Ok(None) };
    let mut from = None;
    if let Some(scope) = scopes.get_mut(owner)
        && let Some(id) = scope.local(name)
    {
        if let Some(var) = scope.vars.get_mut(id) {
            var.captured = true;
        }
        from = Some(Captured::Local(id));
    }
    let mut index = None;
    for (at, scope) in scopes.iter_mut().enumerate().skip(owner.saturating_add(1)) {
        let Some(captured) = from else { break };
        let upvalue = scope.upvalue(name, captured).ok_or(at)?;
        index = Some(upvalue);
        from = Some(Captured::Upvalue(upvalue));
    }
    Ok(index)
}
