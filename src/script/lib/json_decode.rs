//! `cjson.decode`. Nested values are a list, not calls: depth takes no stack of the thread.

use crate::script::{
    number::parse_number,
    vm::{Fail, Id, Value, Vm},
};

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text(Vec<u8>),
    Number(f64),
    Bool(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Text(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Bool(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(text) => text,
        }
    }
}

struct Parser {
    data: Vec<u8>,
    at: usize,
    /// Where the current token begins.
    start: usize,
    takes_invalid: bool,
}

/// A container that is being read.
enum Open {
    /// Its next index.
    Array(Id, usize),
    /// The key whose value comes next.
    Object(Id, Value),
}

pub fn decode(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Result<(), Fail> {
    if arguments.len() != 1 {
        return Err(Fail::Argument(1, "expected 1 argument".into()));
    }
    let id = vm.string_argument(arguments, 1)?;
    let data = vm.bytes(id).to_vec();
    if let [a, b, ..] = data.as_slice()
        && (*a == 0 || *b == 0)
    {
        return Err(Fail::message("JSON parser does not support UTF-16 or UTF-32"));
    }
    vm.charge(data.len() / 8)?;
    let mut parser = Parser { data, at: 0, start: 0, takes_invalid: vm.settings.json.decode_invalid };
    let value = parser.document(vm)?;
    let token = parser.next();
    if !matches!(token, Token::End) {
        return Err(parser.unexpected("the end", &token));
    }
    out.push(value);
    Ok(())
}

impl Parser {
    fn document(&mut self, vm: &mut Vm<'_>) -> Result<Value, Fail> {
        let mut open: Vec<Open> = Vec::new();
        let mut token = self.next();
        loop {
            vm.charge(3)?;
            let mut value = match token {
                Token::Text(text) => vm.string(text)?,
                Token::Number(number) => Value::Number(number),
                Token::Bool(is) => Value::Bool(is),
                Token::Null => Value::Null,
                Token::ObjectBegin => {
                    let table = self.descend(vm, open.len())?;
                    match self.next() {
                        Token::ObjectEnd => Value::Table(table),
                        next => {
                            let key = self.key(vm, next)?;
                            open.push(Open::Object(table, key));
                            token = self.next();
                            continue;
                        }
                    }
                }
                Token::ArrayBegin => {
                    let table = self.descend(vm, open.len())?;
                    if vm.settings.json.marks_arrays {
                        mark(vm, table)?;
                    }
                    match self.next() {
                        Token::ArrayEnd => Value::Table(table),
                        next => {
                            open.push(Open::Array(table, 1));
                            token = next;
                            continue;
                        }
                    }
                }
                other => return Err(self.unexpected("value", &other)),
            };
            // The value is complete; so may be what it is in.
            loop {
                match open.last_mut() {
                    None => return Ok(value),
                    Some(Open::Array(table, index)) => {
                        vm.heap.raw_set_index(*table, *index, value)?;
                        *index = index.saturating_add(1);
                        match self.next() {
                            Token::ArrayEnd => value = Value::Table(*table),
                            Token::Comma => {
                                token = self.next();
                                break;
                            }
                            other => return Err(self.unexpected("comma or array end", &other)),
                        }
                    }
                    Some(Open::Object(table, key)) => {
                        vm.heap.raw_set(*table, *key, value)?;
                        match self.next() {
                            Token::ObjectEnd => value = Value::Table(*table),
                            Token::Comma => {
                                let next = self.next();
                                *key = self.key(vm, next)?;
                                token = self.next();
                                break;
                            }
                            other => return Err(self.unexpected("comma or object end", &other)),
                        }
                    }
                }
                open.pop();
            }
        }
    }

    fn descend(&self, vm: &mut Vm<'_>, depth: usize) -> Result<Id, Fail> {
        let depth = depth.saturating_add(1);
        if i64::try_from(depth).unwrap_or(i64::MAX) > vm.settings.json.decode_depth {
            let text = format!("Found too many nested data structures ({depth}) at character {}", self.at);
            return Err(Fail::message(text));
        }
        vm.new_table(0, 0)
    }

    /// A key and its colon.
    fn key(&mut self, vm: &mut Vm<'_>, token: Token) -> Result<Value, Fail> {
        let Token::Text(text) = token else { return Err(self.unexpected("object key string", &token)) };
        let key = vm.string(text)?;
        let token = self.next();
        if !matches!(token, Token::Colon) {
            return Err(self.unexpected("colon", &token));
        }
        Ok(key)
    }

    fn unexpected(&self, expected: &str, found: &Token) -> Fail {
        let place = self.start.saturating_add(1);
        Fail::message(format!("Expected {expected} but found {} at character {place}", found.name()))
    }

    fn peek(&self) -> u8 {
        self.data.get(self.at).copied().unwrap_or(0)
    }

    fn rest(&self) -> &[u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// An error at the place that has been reached.
    fn fail(&mut self, text: &'static str) -> Token {
        self.start = self.at;
        Token::Error(text)
    }

    fn next(&mut self) -> Token {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at = self.at.saturating_add(1);
        }
        self.start = self.at;
        let (token, length) = match self.peek() {
            0 => return Token::End,
            b'{' => (Token::ObjectBegin, 1),
            b'}' => (Token::ObjectEnd, 1),
            b'[' => (Token::ArrayBegin, 1),
            b']' => (Token::ArrayEnd, 1),
            b',' => (Token::Comma, 1),
            b':' => (Token::Colon, 1),
            b'"' => return self.text(),
            b'-' | b'0'..=b'9' if !self.takes_invalid && self.is_invalid_number() => {
                return self.fail("invalid number");
            }
            b'-' | b'0'..=b'9' => return self.number(),
            b't' if self.rest().starts_with(b"true") => (Token::Bool(true), 4),
            b'f' if self.rest().starts_with(b"false") => (Token::Bool(false), 5),
            b'n' if self.rest().starts_with(b"null") => (Token::Null, 4),
            b'+' | b'i' | b'I' | b'n' | b'N' if self.takes_invalid && self.is_invalid_number() => {
                return self.number();
            }
            _ => return self.fail("invalid token"),
        };
        self.at = self.at.saturating_add(length);
        token
    }

    /// Whether it is a number that C reads and JSON does not have.
    fn is_invalid_number(&self) -> bool {
        let rest = self.rest();
        if rest.first() == Some(&b'+') {
            return true;
        }
        let rest = rest.strip_prefix(b"-").unwrap_or(rest);
        match rest {
            [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
            [first, ..] if *first <= b'9' => false,
            _ => {
                let word = rest.get(..3).unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token {
        let length = number_length(self.rest());
        let text = self.rest().get(..length).unwrap_or_default();
        match parse_number(text) {
            Some(number) if length > 0 => {
                self.at = self.at.saturating_add(length);
                Token::Number(number)
            }
            _ => self.fail("invalid number"),
        }
    }

    fn text(&mut self) -> Token {
        self.at = self.at.saturating_add(1);
        let mut text = Vec::new();
        loop {
            match self.peek() {
                b'"' => {
                    self.at = self.at.saturating_add(1);
                    return Token::Text(text);
                }
                0 => return self.fail("unexpected end of string"),
                b'\\' => {
                    let escaped = match self.data.get(self.at.saturating_add(1)) {
                        Some(b'u') => match self.unicode(&mut text) {
                            Some(length) => {
                                self.at = self.at.saturating_add(length);
                                continue;
                            }
                            None => return self.fail("invalid unicode escape code"),
                        },
                        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
                        Some(b'b') => 8,
                        Some(b't') => b'\t',
                        Some(b'n') => b'\n',
                        Some(b'f') => 12,
                        Some(b'r') => b'\r',
                        _ => return self.fail("invalid escape code"),
                    };
                    text.push(escaped);
                    self.at = self.at.saturating_add(2);
                }
                byte => {
                    text.push(byte);
                    self.at = self.at.saturating_add(1);
                }
            }
        }
    }

    fn four_digits(&self, offset: usize) -> Option<u32> {
        let start = self.at.checked_add(offset)?;
        let digits = self.data.get(start..start.checked_add(4)?)?;
        digits.iter().try_fold(0_u32, |number, byte| Some(number * 16 + char::from(*byte).to_digit(16)?))
    }

    /// Appends what an escape stands for; its length.
    fn unicode(&self, text: &mut Vec<u8>) -> Option<usize> {
        let first = self.four_digits(2)?;
        let (code, length) = match first {
            0xdc00..=0xdfff => return None,
            0xd800..=0xdbff => {
                let next = self.data.get(self.at.checked_add(6)?..self.at.checked_add(8)?)?;
                let second = self.four_digits(8).filter(|code| (0xdc00..=0xdfff).contains(code))?;
                if next != b"\\u" {
                    return None;
                }
                ((((first & 0x3ff) << 10) | (second & 0x3ff)) + 0x1_0000, 12)
            }
            code => (code, 6),
        };
        let letter = char::from_u32(code)?;
        text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        Some(length)
    }
}

/// The length of the longest number that C's `strtod` reads at the beginning.
fn number_length(text: &[u8]) -> usize {
    let is_sign = |byte: &u8| matches!(byte, b'-' | b'+');
    let sign = usize::from(text.first().is_some_and(is_sign));
    let rest = text.get(sign..).unwrap_or_default();
    for word in [b"infinity".as_slice(), b"inf", b"nan"] {
        if rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
            return sign.saturating_add(word.len());
        }
    }
    let (digits, exponent): (fn(&u8) -> bool, u8) = match rest {
        [b'0', b'x' | b'X', next, ..] if next.is_ascii_hexdigit() || *next == b'.' => {
            (u8::is_ascii_hexdigit, b'p')
        }
        _ => (u8::is_ascii_digit, b'e'),
    };
    let mut at = if exponent == b'p' { sign.saturating_add(2) } else { sign };
    let run =
        |from: usize| text.get(from..).unwrap_or_default().iter().take_while(|byte| digits(byte)).count();
    let whole = run(at);
    at = at.saturating_add(whole);
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        fraction = run(at.saturating_add(1));
        if whole.saturating_add(fraction) > 0 {
            at = at.saturating_add(1).saturating_add(fraction);
        }
    }
    if whole.saturating_add(fraction) == 0 {
        return 0;
    }
    if text.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&exponent)) {
        let mut end = at.saturating_add(1);
        if text.get(end).is_some_and(is_sign) {
            end = end.saturating_add(1);
        }
        let count =
            text.get(end..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count > 0 {
            at = end.saturating_add(count);
        }
    }
    at
}

/// `decode_array_with_array_mt`: a table that stays a list when it is empty.
fn mark(vm: &mut Vm<'_>, table: Id) -> Result<(), Fail> {
    let meta = vm.new_table(0, 1)?;
    vm.set_field(meta, "__is_cjson_array", Value::Bool(true))?;
    if let Some(table) = vm.heap.tables.get_mut(table) {
        table.meta = Some(meta);
    }
    Ok(())
}
