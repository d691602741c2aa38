//! Source text to tokens, with Lua 5.1's error texts.

use super::{SyntaxError, TOKENS_MAX, Text, chunk_id};
use crate::script::number::parse_number;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    End,
    Name(Text),
    Str(Text),
    Number(f64),
    /// A reserved word.
    Keyword(&'static str),
    /// An operator or bracket; any other byte stands for itself.
    Op(&'static str),
    Byte(u8),
}

pub const WORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

const LONG_OPS: [&str; 6] = ["...", "..", "==", "<=", ">=", "~="];
const OPS: [&str; 21] =
    ["+", "-", "*", "/", "%", "^", "#", "<", ">", "=", "(", ")", "{", "}", "[", "]", ";", ":", ",", ".", "~"];

pub struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
    chunk: String,
    pub line: u32,
    /// The line of the token before the current one.
    pub last_line: u32,
    /// The text of the token being read, for errors.
    start: usize,
    tokens: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(source: &'a [u8], chunk_name: &[u8]) -> Self {
        Lexer { source, at: 0, chunk: chunk_id(chunk_name), line: 1, last_line: 1, start: 0, tokens: 0 }
    }

    pub fn error(&self, text: &str, near: Option<&[u8]>) -> SyntaxError {
        let mut full = format!("{}:{}: {text}", self.chunk, self.line).into_bytes();
        if let Some(near) = near {
            full.extend_from_slice(b" near '");
            full.extend_from_slice(near.get(..near.len().min(256)).unwrap_or_default());
            full.push(b'\'');
        }
        SyntaxError(full)
    }

    /// The token as errors show it; `raw`: what stands in the source for it.
    pub fn show(token: &Token, raw: &[u8]) -> Vec<u8> {
        match token {
            Token::End => b"<eof>".to_vec(),
            Token::Name(_) | Token::Str(_) | Token::Number(_) => raw.to_vec(),
            Token::Keyword(text) | Token::Op(text) => text.as_bytes().to_vec(),
            Token::Byte(byte) if byte.is_ascii_control() => format!("char({byte})").into_bytes(),
            Token::Byte(byte) => vec![*byte],
        }
    }

    /// The source of the token that was read last.
    pub fn raw(&self) -> &'a [u8] {
        self.source.get(self.start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at.saturating_add(ahead)).copied()
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        if found {
            self.bump();
        }
        found
    }

    /// A line break of one or two characters.
    fn line_break(&mut self) {
        let first = self.peek();
        self.bump();
        let second = self.peek();
        if matches!((first, second), (Some(b'\r'), Some(b'\n')) | (Some(b'\n'), Some(b'\r'))) {
            self.bump();
        }
        self.line = self.line.saturating_add(1);
    }

    pub fn next_token(&mut self) -> Result<Token, SyntaxError> {
        self.last_line = self.line;
        self.tokens = self.tokens.saturating_add(1);
        if self.tokens > TOKENS_MAX {
            return Err(self.error(&format!("chunk has more than {TOKENS_MAX} tokens"), None));
        }
        loop {
            self.start = self.at;
            let Some(byte) = self.peek() else { return Ok(Token::End) };
            match byte {
                b'\n' | b'\r' => self.line_break(),
                b' ' | b'\t' | 0x0b | 0x0c => self.bump(),
                b'-' if self.peek_at(1) == Some(b'-') => self.comment()?,
                b'[' if matches!(self.peek_at(1), Some(b'[' | b'=')) => match self.long_bracket() {
                    Ok(level) => return Ok(Token::Str(self.long_text(level, "string")?.into())),
                    Err(0) => return Err(self.error("invalid long string delimiter", Some(self.raw()))),
                    Err(_) => {
                        return Err(self.error("invalid long string delimiter", Some(self.raw())));
                    }
                },
                b'"' | b'\'' => return self.quoted(byte),
                b'0'..=b'9' => return self.numeral(),
                b'.' if self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) => return self.numeral(),
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => return Ok(self.name()),
                _ => return Ok(self.operator(byte)),
            }
        }
    }

    fn operator(&mut self, byte: u8) -> Token {
        let rest = self.source.get(self.at..).unwrap_or_default();
        let found = LONG_OPS.iter().chain(&OPS).find(|op| rest.starts_with(op.as_bytes()));
        match found {
            Some(op) => {
                self.at = self.at.saturating_add(op.len());
                Token::Op(op)
            }
            None => {
                self.bump();
                Token::Byte(byte)
            }
        }
    }

    fn name(&mut self) -> Token {
        while self.take(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {}
        let raw = self.raw();
        match WORDS.iter().find(|word| word.as_bytes() == raw) {
            Some(word) => Token::Keyword(word),
            None => Token::Name(raw.into()),
        }
    }

    fn numeral(&mut self) -> Result<Token, SyntaxError> {
        while self.take(|byte| byte == b'.' || byte.is_ascii_digit()) {}
        if self.take(|byte| matches!(byte, b'e' | b'E')) {
            self.take(|byte| matches!(byte, b'+' | b'-'));
        }
        while self.take(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {}
        let raw = self.raw();
        match parse_number(raw) {
            Some(number) => Ok(Token::Number(number)),
            None => Err(self.error("malformed number", Some(raw))),
        }
    }

    /// Behind `--`: a comment of any shape.
    fn comment(&mut self) -> Result<(), SyntaxError> {
        self.bump();
        self.bump();
        if self.peek() == Some(b'[') {
            self.start = self.at;
            if let Ok(level) = self.long_bracket() {
                self.long_text(level, "comment")?;
                return Ok(());
            }
        }
        while self.peek().is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) {
            self.bump();
        }
        Ok(())
    }

    /// Reads `[`, equals signs and `[`: their number. Reads less if it is not that, and says how many equals signs.
    fn long_bracket(&mut self) -> Result<usize, usize> {
        self.bump();
        let mut level = 0_usize;
        while self.take(|byte| byte == b'=') {
            level = level.saturating_add(1);
        }
        if self.take(|byte| byte == b'[') { Ok(level) } else { Err(level) }
    }

    fn long_text(&mut self, level: usize, what: &str) -> Result<Vec<u8>, SyntaxError> {
        let mut text = Vec::new();
        if matches!(self.peek(), Some(b'\n' | b'\r')) {
            self.line_break();
        }
        loop {
            match self.peek() {
                None => return Err(self.error(&format!("unfinished long {what}"), Some(b"<eof>"))),
                Some(b']') if self.closes(level) => {
                    self.at = self.at.saturating_add(level).saturating_add(2);
                    return Ok(text);
                }
                Some(b'[') if level == 0 && self.peek_at(1) == Some(b'[') => {
                    return Err(self.error("nesting of [[...]] is deprecated", Some(b"[")));
                }
                Some(b'\n' | b'\r') => {
                    self.line_break();
                    text.push(b'\n');
                }
                Some(byte) => {
                    text.push(byte);
                    self.bump();
                }
            }
        }
    }

    fn closes(&self, level: usize) -> bool {
        let signs = (0..level).all(|ahead| self.peek_at(ahead.saturating_add(1)) == Some(b'='));
        signs && self.peek_at(level.saturating_add(1)) == Some(b']')
    }

    fn quoted(&mut self, quote: u8) -> Result<Token, SyntaxError> {
        self.bump();
        let mut text = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return Err(self.error("unfinished string", Some(b"<eof>")));
            };
            match byte {
                _ if byte == quote => {
                    self.bump();
                    return Ok(Token::Str(text.into()));
                }
                b'\n' | b'\r' => return Err(self.error("unfinished string", Some(self.raw()))),
                b'\\' => {
                    self.bump();
                    self.escape(quote, &mut text)?;
                }
                _ => {
                    text.push(byte);
                    self.bump();
                }
            }
        }
    }

    /// Behind a backslash.
    fn escape(&mut self, quote: u8, text: &mut Vec<u8>) -> Result<(), SyntaxError> {
        // The end of the text is found by the caller.
        let Some(byte) = self.peek() else { return Ok(()) };
        match byte {
            b'\n' | b'\r' => {
                self.line_break();
                text.push(b'\n');
                return Ok(());
            }
            b'0'..=b'9' => {
                let mut code = 0_u32;
                for _ in 0..3 {
                    let Some(digit) = self.peek().filter(u8::is_ascii_digit) else { break };
                    code = code.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0')));
                    self.bump();
                }
                let Ok(code) = u8::try_from(code) else {
                    let near = [&[quote], text.as_slice()].concat();
                    return Err(self.error("escape sequence too large", Some(&near)));
                };
                text.push(code);
                return Ok(());
            }
            b'a' => text.push(7),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'v' => text.push(11),
            other => text.push(other),
        }
        self.bump();
        Ok(())
    }
}
