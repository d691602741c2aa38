//! The instructions of the machine: registers of a frame, constants of a function.
//!
//! A variable that a closure uses lives in a cell, which its register holds; all others live in registers.

use super::Text;
use std::sync::Arc;

/// A register (below 256) or a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rk(pub u16);

impl Rk {
    pub const CONSTANT: u16 = 256;

    pub fn register(register: u8) -> Self {
        Rk(u16::from(register))
    }

    pub fn constant(index: u32) -> Option<Self> {
        let index = u16::try_from(index).ok()?;
        index.checked_add(Self::CONSTANT).map(Rk)
    }
}

/// In the place of a number of arguments, results or values: as many as there are.
pub const OPEN: u8 = 255;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Lt,
    Le,
}

/// Operands are destination first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    Move(u8, u8),
    Constant(u8, u32),
    /// From a register on, this many.
    Nil(u8, u8),
    Bool(u8, bool),
    Global(u8, u32),
    SetGlobal(u32, Rk),
    Upvalue(u8, u8),
    SetUpvalue(u8, Rk),
    /// Puts what a register holds into a cell, and the cell into the register.
    NewCell(u8),
    Cell(u8, u8),
    SetCell(u8, Rk),
    Index(u8, u8, Rk),
    SetIndex(u8, Rk, Rk),
    /// The function, and the object behind it.
    Method(u8, u8, Rk),
    /// Room for array and hash.
    NewTable(u8, u16, u16),
    /// Table, number of values behind it, index before the first.
    SetList(u8, u8, u32),
    /// The table of extra arguments.
    ArgTable(u8),
    Add(u8, Rk, Rk),
    Sub(u8, Rk, Rk),
    Mul(u8, Rk, Rk),
    Div(u8, Rk, Rk),
    Mod(u8, Rk, Rk),
    Pow(u8, Rk, Rk),
    Negate(u8, Rk),
    Not(u8, Rk),
    Length(u8, Rk),
    /// First operand and their number.
    Concat(u8, u8, u8),
    Jump(u32),
    /// Jumps if the register's truth is this.
    JumpIf(u8, bool, u32),
    /// Executes the jump behind it if the comparison's result is this, else skips it.
    Compare(Comparison, bool, Rk, Rk),
    /// Destination, comparison, the result that is true.
    CompareTo(u8, Comparison, bool, Rk, Rk),
    /// Function, number of arguments, number of results.
    Call(u8, u8, u8),
    TailCall(u8, u8),
    Return(u8, u8),
    /// Start, limit, step; jumps to the loop's end.
    ForPrepare(u8, u32),
    /// Jumps back to the body.
    ForLoop(u8, u32),
    /// Iterator, state, control: calls for this many variables.
    GenericCall(u8, u8),
    /// Jumps back to the body, or goes on.
    GenericLoop(u8, u32),
    Closure(u8, u32),
    Vararg(u8, u8),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Const {
    Nil,
    Bool(bool),
    Number(f64),
    Str(Text),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpvalueFrom {
    /// A register that holds a cell.
    Register(u8),
    Upvalue(u8),
}

/// What errors call an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    Local,
    Upvalue,
    Global,
    Field,
    Method,
}

impl NameKind {
    pub fn text(self) -> &'static str {
        match self {
            NameKind::Local => "local",
            NameKind::Upvalue => "upvalue",
            NameKind::Global => "global",
            NameKind::Field => "field",
            NameKind::Method => "method",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub at: u32,
    pub operand: u8,
    pub kind: NameKind,
    pub text: Text,
}

/// A compiled function.
#[derive(Debug, Default)]
pub struct Proto {
    pub code: Vec<Op>,
    /// The line of each instruction.
    pub lines: Vec<u32>,
    pub constants: Vec<Const>,
    pub protos: Vec<Arc<Proto>>,
    pub upvalues: Vec<UpvalueFrom>,
    pub params: u8,
    pub is_vararg: bool,
    pub registers: u8,
    /// By instruction.
    pub names: Vec<Name>,
    pub chunk_name: Arc<[u8]>,
}

impl Proto {
    pub fn line_at(&self, pc: usize) -> u32 {
        self.lines.get(pc).copied().unwrap_or(0)
    }

    /// What an operand of an instruction is called.
    pub fn name_at(&self, pc: usize, operand: u8) -> Option<&Name> {
        let pc = u32::try_from(pc).ok()?;
        let first = self.names.partition_point(|name| name.at < pc);
        let rest = self.names.get(first..)?;
        rest.iter().take_while(|name| name.at == pc).find(|name| name.operand == operand)
    }

    /// About what it takes in memory, with all that is in it.
    pub fn memory_bytes(&self) -> usize {
        let own = size_of::<Proto>()
            + self.code.len() * (size_of::<Op>() + size_of::<u32>())
            + self.names.len() * size_of::<Name>();
        let text = |constant: &Const| match constant {
            Const::Str(text) => text.len() + 16,
            _ => 0,
        };
        let constants: usize =
            self.constants.iter().map(|constant| size_of::<Const>() + text(constant)).sum();
        own + constants + self.protos.iter().map(|proto| proto.memory_bytes()).sum::<usize>()
    }
}
