//! The syntax tree of a function. Long chains (`a + b + c`, `a.b.c`, `elseif`) are lists, so the tree is never deeper than the
//! parser lets a source nest, and visiting or dropping it needs a bounded stack.

use std::sync::Arc;

pub type Text = Arc<[u8]>;

/// A local variable of one function: an index into `Function::vars`.
pub type VarId = usize;

#[derive(Debug)]
pub struct Var {
    pub name: Text,
    /// A closure uses it: it lives in a cell.
    pub captured: bool,
}

/// From where a closure takes an upvalue when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Captured {
    Local(VarId),
    Upvalue(usize),
}

#[derive(Debug)]
pub struct Function {
    pub params: Vec<VarId>,
    pub vars: Vec<Var>,
    pub is_vararg: bool,
    /// The old-style `arg` table of a vararg function that has no `...` in it.
    pub arg: Option<VarId>,
    pub upvalues: Vec<(Text, Captured)>,
    pub body: Block,
    pub line: u32,
    pub last_line: u32,
}

pub type Block = Vec<Stat>;

#[derive(Debug)]
pub struct Stat {
    pub line: u32,
    pub kind: StatKind,
}

#[derive(Debug)]
pub enum StatKind {
    Local(Vec<VarId>, Vec<Expr>),
    LocalFunction(VarId, Box<Function>),
    Assign(Vec<Expr>, Vec<Expr>),
    Call(Expr),
    Do(Block),
    While(Expr, Block),
    Repeat(Block, Expr),
    If(Vec<(Expr, Block)>, Option<Block>),
    NumericFor { var: VarId, from: Expr, to: Expr, step: Option<Expr>, body: Block },
    GenericFor { vars: Vec<VarId>, exprs: Vec<Expr>, body: Block },
    Return(Vec<Expr>),
    Break,
}

#[derive(Debug)]
pub enum Expr {
    Nil,
    Bool(bool),
    Number(f64),
    Str(Text),
    Vararg,
    Function(Box<Function>),
    Local(VarId),
    Upvalue(usize),
    Global(Text),
    Paren(Box<Expr>),
    Unary(Unary, Box<Expr>, u32),
    /// Operators of one nesting level, from left to right.
    Chain(Box<Expr>, Vec<Link>),
    Suffixed(Box<Expr>, Vec<Suffix>),
    Table(Vec<Item>, u32),
}

#[derive(Debug)]
pub struct Link {
    pub op: Binary,
    pub right: Expr,
    pub line: u32,
}

#[derive(Debug)]
pub struct Suffix {
    pub kind: SuffixKind,
    pub line: u32,
}

#[derive(Debug)]
pub enum SuffixKind {
    Field(Text),
    Index(Expr),
    Call(Vec<Expr>),
    Method(Text, Vec<Expr>),
}

#[derive(Debug)]
pub enum Item {
    Positional(Expr),
    Named(Text, Expr),
    Keyed(Expr, Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Minus,
    Not,
    Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Concat,
    Ne,
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

impl Binary {
    /// Left and right priority; a right one that is lower makes the operator right-associative.
    pub fn priority(self) -> (u8, u8) {
        match self {
            Binary::Add | Binary::Sub => (6, 6),
            Binary::Mul | Binary::Div | Binary::Mod => (7, 7),
            Binary::Pow => (10, 9),
            Binary::Concat => (5, 4),
            Binary::Ne | Binary::Eq | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge => (3, 3),
            Binary::And => (2, 2),
            Binary::Or => (1, 1),
        }
    }

    /// Whether its value is true or false, whatever its operands are.
    pub fn is_comparison(self) -> bool {
        self.priority() == (3, 3)
    }
}

/// Of the unary operators.
pub const UNARY_PRIORITY: u8 = 8;

impl Expr {
    /// Whether it may have any number of values: a call, or `...`.
    pub fn is_open(&self) -> bool {
        match self {
            Expr::Vararg => true,
            Expr::Suffixed(_, suffixes) => suffixes.last().is_some_and(Suffix::is_call),
            _ => false,
        }
    }
}

impl Suffix {
    pub fn is_call(&self) -> bool {
        matches!(self.kind, SuffixKind::Call(_) | SuffixKind::Method(..))
    }
}
