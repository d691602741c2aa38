//! Names and what follows them, calls, table constructors.

use super::{
    ast::{Expr, Item, Suffix, SuffixKind},
    emit::{Emit, Emitted, describe_suffix},
    op::{NameKind, OPEN, Op, Rk},
};

/// Values of a table constructor that are stored at once.
const LIST_ITEMS: usize = 50;

impl Emit<'_> {
    /// A name and what follows it. `results` other than 1 are for a call, at the end, and `to` is then the last register in
    /// use.
    pub fn suffixed(&mut self, base: &Expr, suffixes: &[Suffix], to: u8, results: u8) -> Emitted<()> {
        let mark = self.free;
        let mut current = match base {
            Expr::Local(var) if !self.is_captured(*var) => self.register(*var),
            _ => {
                self.evaluate(base, to)?;
                to
            }
        };
        let mut name = self.describe(base);
        for (at, suffix) in suffixes.iter().enumerate() {
            let is_last = at.saturating_add(1) == suffixes.len();
            let wanted = if is_last { results } else { 1 };
            let next = describe_suffix(&suffix.kind);
            match &suffix.kind {
                SuffixKind::Field(key) => {
                    let index = self.text(key);
                    let key = self.constant_operand(index)?;
                    self.index(current, key, suffix.line, name, to);
                }
                SuffixKind::Index(key) => {
                    let key = self.operand(key)?;
                    self.index(current, key, suffix.line, name, to);
                }
                SuffixKind::Call(arguments) => {
                    let at = self.call_base(current, to)?;
                    if at != current {
                        self.push(Op::Move(at, current));
                    }
                    self.call(at, 0, arguments, suffix.line, wanted, name)?;
                    self.leave_results(at, to, wanted);
                }
                SuffixKind::Method(method, arguments) => {
                    let at = self.call_base(current, to)?;
                    let object = self.alloc()?;
                    let index = self.text(method);
                    let key = self.constant_operand(index)?;
                    self.line = suffix.line;
                    let op = self.push(Op::Method(at, current, key));
                    self.name(op, 0, name);
                    self.free = usize::from(object).saturating_add(1);
                    let called = Some((NameKind::Method, method.clone()));
                    self.call(at, 1, arguments, suffix.line, wanted, called)?;
                    self.leave_results(at, to, wanted);
                }
            }
            self.free = mark;
            current = to;
            name = next;
        }
        Ok(())
    }

    fn index(&mut self, table: u8, key: Rk, line: u32, name: Option<(NameKind, super::Text)>, to: u8) {
        self.line = line;
        let at = self.push(Op::Index(to, table, key));
        self.name(at, 0, name);
    }

    /// The register for a function to be called: `to` if that is the last in use.
    fn call_base(&mut self, _current: u8, to: u8) -> Emitted<u8> {
        if usize::from(to).saturating_add(1) == self.free { Ok(to) } else { self.alloc() }
    }

    fn leave_results(&mut self, at: u8, to: u8, results: u8) {
        if at != to && results == 1 {
            self.push(Op::Move(to, at));
        }
    }

    fn call(
        &mut self,
        at: u8,
        before: u8,
        arguments: &[Expr],
        line: u32,
        results: u8,
        name: Option<(NameKind, super::Text)>,
    ) -> Emitted<()> {
        let is_open = self.list_open(arguments)?;
        let count = if is_open {
            OPEN
        } else {
            u8::try_from(arguments.len()).map_err(|_| self.too_complex())?.saturating_add(before)
        };
        self.line = line;
        let op = self.push(Op::Call(at, count, results));
        self.name(op, 0, name);
        Ok(())
    }

    pub fn table(&mut self, items: &[Item], line: u32, to: u8) -> Emitted<()> {
        // List items are stored from the registers behind the table.
        if usize::from(to).saturating_add(1) != self.free {
            let mark = self.free;
            let temporary = self.alloc()?;
            self.table(items, line, temporary)?;
            self.push(Op::Move(to, temporary));
            self.free = mark;
            return Ok(());
        }
        let named = items.iter().filter(|item| !matches!(item, Item::Positional(_))).count();
        let last_is_open = matches!(items.last(), Some(Item::Positional(expr)) if expr.is_open());
        let listed = items.len().saturating_sub(named).saturating_sub(usize::from(last_is_open));
        let room = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        self.line = line;
        self.push(Op::NewTable(to, room(listed), room(named)));
        let mark = self.free;
        let (mut pending, mut stored) = (0_usize, 0_u32);
        for (at, item) in items.iter().enumerate() {
            let is_last = at.saturating_add(1) == items.len();
            match item {
                Item::Named(name, value) => {
                    let inner = self.free;
                    let index = self.text(name);
                    let key = self.constant_operand(index)?;
                    let value = self.operand(value)?;
                    self.push(Op::SetIndex(to, key, value));
                    self.free = inner;
                }
                Item::Keyed(key, value) => {
                    let inner = self.free;
                    let key = self.operand(key)?;
                    let value = self.operand(value)?;
                    self.push(Op::SetIndex(to, key, value));
                    self.free = inner;
                }
                Item::Positional(value) if is_last && value.is_open() => {
                    let register = self.alloc()?;
                    self.values(value, register, OPEN)?;
                    self.push(Op::SetList(to, OPEN, stored));
                    pending = 0;
                    self.free = mark;
                }
                Item::Positional(value) => {
                    self.next_register(value)?;
                    pending = pending.saturating_add(1);
                    if pending == LIST_ITEMS {
                        stored = self.store_list(to, pending, stored);
                        pending = 0;
                        self.free = mark;
                    }
                }
            }
        }
        if pending > 0 {
            self.store_list(to, pending, stored);
        }
        self.free = mark;
        Ok(())
    }

    fn store_list(&mut self, table: u8, count: usize, stored: u32) -> u32 {
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        self.push(Op::SetList(table, count, stored));
        stored.saturating_add(u32::from(count))
    }
}
