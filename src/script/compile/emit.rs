//! Syntax tree to instructions: registers, constants, jumps. Expressions, conditions and statements have files of their own.

use super::{
    SyntaxError,
    ast::{Captured, Expr, Function, SuffixKind, Text, VarId},
    chunk_id,
    op::{Const, Name, NameKind, Op, Proto, Rk, UpvalueFrom},
};
use std::{collections::HashMap, sync::Arc};

/// Registers of one frame, as in Lua 5.1.
const REGISTERS_MAX: usize = 250;

pub type Emitted<T> = Result<T, SyntaxError>;

/// Instructions of one function as they are made.
pub struct Emit<'a> {
    pub function: &'a Function,
    chunk_name: Arc<[u8]>,
    pub proto: Proto,
    known: HashMap<Key, u32>,
    /// The register of each variable.
    registers: Vec<u8>,
    /// The first register that nothing uses.
    pub free: usize,
    /// Jumps out of the loops that are open.
    pub breaks: Vec<Vec<usize>>,
    pub line: u32,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Nil,
    Bool(bool),
    Number(u64),
    Str(Text),
}

pub fn emit(function: &Function, chunk_name: &[u8]) -> Emitted<Arc<Proto>> {
    emit_function(function, chunk_name.into())
}

fn emit_function(function: &Function, chunk_name: Arc<[u8]>) -> Emitted<Arc<Proto>> {
    let proto = Proto {
        is_vararg: function.is_vararg,
        params: u8::try_from(function.params.len()).unwrap_or(u8::MAX),
        chunk_name: chunk_name.clone(),
        ..Proto::default()
    };
    let mut emit = Emit {
        function,
        chunk_name,
        proto,
        known: HashMap::new(),
        registers: vec![0; function.vars.len()],
        free: 0,
        breaks: Vec::new(),
        line: function.line,
    };
    for param in &function.params {
        emit.declare(*param)?;
    }
    if let Some(arg) = function.arg {
        let register = emit.declare(arg)?;
        emit.push(Op::ArgTable(register));
    }
    let in_cells = function.params.iter().chain(&function.arg);
    for var in in_cells {
        emit.put_in_cell(*var);
    }
    emit.block(&function.body)?;
    emit.line = function.last_line;
    emit.push(Op::Return(0, 0));
    emit.proto.names.sort_by_key(|name| name.at);
    Ok(Arc::new(emit.proto))
}

impl<'a> Emit<'a> {
    pub fn too_complex(&self) -> SyntaxError {
        let chunk = chunk_id(&self.chunk_name);
        SyntaxError(format!("{chunk}:{}: function or expression too complex", self.line).into_bytes())
    }

    pub fn push(&mut self, op: Op) -> usize {
        self.proto.code.push(op);
        self.proto.lines.push(self.line);
        self.proto.code.len().saturating_sub(1)
    }

    /// The next free register, from now on in use.
    pub fn alloc(&mut self) -> Emitted<u8> {
        let register = self.free;
        self.free = self.free.saturating_add(1);
        if self.free > REGISTERS_MAX {
            return Err(self.too_complex());
        }
        let needed = u8::try_from(self.free).unwrap_or(u8::MAX);
        self.proto.registers = self.proto.registers.max(needed);
        u8::try_from(register).map_err(|_| self.too_complex())
    }

    /// Gives a variable the next free register.
    pub fn declare(&mut self, var: VarId) -> Emitted<u8> {
        let register = self.alloc()?;
        self.bind(var, register);
        Ok(register)
    }

    pub fn bind(&mut self, var: VarId, register: u8) {
        if let Some(slot) = self.registers.get_mut(var) {
            *slot = register;
        }
    }

    pub fn register(&self, var: VarId) -> u8 {
        self.registers.get(var).copied().unwrap_or(0)
    }

    pub fn is_captured(&self, var: VarId) -> bool {
        self.function.vars.get(var).is_some_and(|var| var.captured)
    }

    /// Puts a variable into its cell, if it needs one.
    pub fn put_in_cell(&mut self, var: VarId) {
        if self.is_captured(var) {
            let register = self.register(var);
            self.push(Op::NewCell(register));
        }
    }

    fn constant(&mut self, key: Key, constant: Const) -> u32 {
        let next = u32::try_from(self.proto.constants.len()).unwrap_or(u32::MAX);
        let index = *self.known.entry(key).or_insert(next);
        if index == next {
            self.proto.constants.push(constant);
        }
        index
    }

    pub fn text(&mut self, text: &Text) -> u32 {
        self.constant(Key::Str(text.clone()), Const::Str(text.clone()))
    }

    pub fn nil(&mut self) -> u32 {
        self.constant(Key::Nil, Const::Nil)
    }

    pub fn bool(&mut self, value: bool) -> u32 {
        self.constant(Key::Bool(value), Const::Bool(value))
    }

    pub fn number(&mut self, number: f64) -> u32 {
        self.constant(Key::Number(number.to_bits()), Const::Number(number))
    }

    /// A constant as an operand; in a register if there are too many.
    pub fn constant_operand(&mut self, index: u32) -> Emitted<Rk> {
        match Rk::constant(index) {
            Some(rk) => Ok(rk),
            None => {
                let register = self.alloc()?;
                self.push(Op::Constant(register, index));
                Ok(Rk::register(register))
            }
        }
    }

    pub fn here(&self) -> u32 {
        u32::try_from(self.proto.code.len()).unwrap_or(u32::MAX)
    }

    /// Lets jumps go to the next instruction.
    pub fn land(&mut self, jumps: impl IntoIterator<Item = usize>) {
        let here = self.here();
        self.land_at(jumps, here);
    }

    pub fn land_at(&mut self, jumps: impl IntoIterator<Item = usize>, target: u32) {
        for jump in jumps {
            if let Some(
                Op::Jump(to)
                | Op::JumpIf(_, _, to)
                | Op::ForPrepare(_, to)
                | Op::ForLoop(_, to)
                | Op::GenericLoop(_, to),
            ) = self.proto.code.get_mut(jump)
            {
                *to = target;
            }
        }
    }

    pub fn name(&mut self, at: usize, operand: u8, name: Option<(NameKind, Text)>) {
        if let (Some((kind, text)), Ok(at)) = (name, u32::try_from(at)) {
            self.proto.names.push(Name { at, operand, kind, text });
        }
    }

    /// What errors call the value of an expression.
    pub fn describe(&self, expr: &Expr) -> Option<(NameKind, Text)> {
        match expr {
            Expr::Local(var) => Some((NameKind::Local, self.function.vars.get(*var)?.name.clone())),
            Expr::Upvalue(index) => Some((NameKind::Upvalue, self.function.upvalues.get(*index)?.0.clone())),
            Expr::Global(name) => Some((NameKind::Global, name.clone())),
            Expr::Paren(inner) => self.describe(inner),
            Expr::Suffixed(_, suffixes) => describe_suffix(&suffixes.last()?.kind),
            _ => None,
        }
    }

    pub fn closure(&mut self, function: &Function, to: u8) -> Emitted<()> {
        let proto = emit_function(function, self.chunk_name.clone())?;
        let from = |(_, captured): &(Text, Captured)| match captured {
            Captured::Local(var) => UpvalueFrom::Register(self.register(*var)),
            Captured::Upvalue(index) => UpvalueFrom::Upvalue(u8::try_from(*index).unwrap_or(u8::MAX)),
        };
        let upvalues = function.upvalues.iter().map(from).collect();
        // Just made, nobody else has it.
        let proto = Arc::try_unwrap(proto).map_err(|_| self.too_complex())?;
        let index = u32::try_from(self.proto.protos.len()).unwrap_or(u32::MAX);
        self.proto.protos.push(Arc::new(Proto { upvalues, ..proto }));
        self.push(Op::Closure(to, index));
        Ok(())
    }
}

pub fn describe_suffix(suffix: &SuffixKind) -> Option<(NameKind, Text)> {
    match suffix {
        SuffixKind::Field(name) | SuffixKind::Index(Expr::Str(name)) => Some((NameKind::Field, name.clone())),
        SuffixKind::Index(_) => Some((NameKind::Field, b"?".as_slice().into())),
        SuffixKind::Call(_) | SuffixKind::Method(..) => None,
    }
}
