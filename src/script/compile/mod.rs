//! Lua source to code: `lexer` (tokens), `parser` and `expression` (syntax tree, `ast`; scopes are resolved on the way,
//! `scope`), `emit` (instructions, `op`).
//!
//! Invariant: compiling takes time and memory in proportion to the source, and a stack that is bounded whatever it nests.

mod ast;
mod emit;
mod emit_call;
mod emit_condition;
mod emit_expression;
mod emit_operator;
mod emit_statement;
mod expression;
mod lexer;
mod op;
mod parser;
mod scope;

pub use ast::Text;
pub use op::{Comparison, Const, NameKind, OPEN, Op, Proto, Rk, UpvalueFrom};

use std::sync::Arc;

/// The text of a syntax error, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError(pub Vec<u8>);

/// A longer source is refused, and one of more tokens: what is made of a token on the way takes up to some 200 bytes.
pub const SOURCE_BYTES_MAX: usize = 16 << 20;
pub const TOKENS_MAX: usize = 500_000;

/// Compiles a chunk, a function of its own that takes any number of arguments.
pub fn compile(source: &[u8], chunk_name: &[u8]) -> Result<Arc<Proto>, SyntaxError> {
    // Bytecode of another interpreter would be no text either; this is Redis's word for it.
    if source.first() == Some(&0x1b) {
        let text = format!("{}: bad header in precompiled chunk", chunk_id(chunk_name));
        return Err(SyntaxError(text.into_bytes()));
    }
    if source.len() > SOURCE_BYTES_MAX {
        let text = format!("{}: chunk is longer than {SOURCE_BYTES_MAX} bytes", chunk_id(chunk_name));
        return Err(SyntaxError(text.into_bytes()));
    }
    let function = parser::parse(source, chunk_name)?;
    emit::emit(&function, chunk_name)
}

/// A chunk's name as errors show it: `@file` and `=name` without the first character, other text shortened and quoted.
pub fn chunk_id(name: &[u8]) -> String {
    /// Room for all of it, and for what a file name may take.
    const ROOM: usize = 60;
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match name {
        [b'=', rest @ ..] => lossy(rest.get(..rest.len().min(ROOM - 1)).unwrap_or_default()),
        [b'@', rest @ ..] => {
            let cut = rest.len().saturating_sub(ROOM - 8);
            let dots = if cut > 0 { "..." } else { "" };
            format!("{dots}{}", lossy(rest.get(cut..).unwrap_or_default()))
        }
        text => {
            let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
            let room = ROOM - 17;
            if line.len() > room || line.len() < text.len() {
                format!("[string \"{}...\"]", lossy(line.get(..line.len().min(room)).unwrap_or_default()))
            } else {
                format!("[string \"{}\"]", lossy(line))
            }
        }
    }
}
