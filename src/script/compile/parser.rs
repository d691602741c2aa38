//! Statements.

use super::{
    SyntaxError,
    ast::{Block, Expr, Function, Stat, StatKind, Text, VarId},
    lexer::{Lexer, Token},
    scope::{LOCALS_MAX, Scope, UPVALUES_MAX, resolve},
};

/// How deep constructs may nest, as in Lua 5.1.
const LEVELS_MAX: usize = 200;

pub struct Parser<'a> {
    pub lexer: Lexer<'a>,
    pub token: Token,
    /// The source of `token`, for errors.
    pub raw: &'a [u8],
    ahead: Option<(Token, &'a [u8], u32)>,
    pub line: u32,
    pub last_line: u32,
    pub scopes: Vec<Scope>,
    levels: usize,
}

type Parsed<T> = Result<T, SyntaxError>;

pub fn parse(source: &[u8], chunk_name: &[u8]) -> Parsed<Function> {
    let mut parser = Parser {
        lexer: Lexer::new(source, chunk_name),
        token: Token::End,
        raw: b"",
        ahead: None,
        line: 1,
        last_line: 1,
        scopes: vec![Scope::new(0, true)],
        levels: 0,
    };
    parser.advance()?;
    let body = parser.block(false)?;
    if parser.token != Token::End {
        return Err(parser.expected("<eof>"));
    }
    let last_line = parser.line;
    Ok(parser.close_function(Vec::new(), None, body, last_line))
}

impl<'a> Parser<'a> {
    pub fn advance(&mut self) -> Parsed<()> {
        self.last_line = self.line;
        (self.token, self.raw, self.line) = match self.ahead.take() {
            Some(ahead) => ahead,
            None => {
                let token = self.lexer.next_token()?;
                (token, self.lexer.raw(), self.lexer.line)
            }
        };
        Ok(())
    }

    /// The token behind the current one.
    pub fn look_ahead(&mut self) -> Parsed<&Token> {
        if self.ahead.is_none() {
            let token = self.lexer.next_token()?;
            self.ahead = Some((token, self.lexer.raw(), self.lexer.line));
        }
        Ok(self.ahead.as_ref().map_or(&Token::End, |(token, ..)| token))
    }

    pub fn error(&self, text: &str) -> SyntaxError {
        self.lexer.error(text, Some(&Lexer::show(&self.token, self.raw)))
    }

    pub fn expected(&self, what: &str) -> SyntaxError {
        self.error(&format!("'{what}' expected"))
    }

    pub fn too_many(&self, at: usize, limit: usize, what: &str) -> SyntaxError {
        let line = self.scopes.get(at).map_or(0, |scope| scope.line);
        let text = match line {
            0 => format!("main function has more than {limit} {what}"),
            line => format!("function at line {line} has more than {limit} {what}"),
        };
        self.error(&text)
    }

    pub fn is(&self, text: &str) -> bool {
        matches!(&self.token, Token::Keyword(other) | Token::Op(other) if *other == text)
    }

    pub fn take(&mut self, text: &str) -> Parsed<bool> {
        let found = self.is(text);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.take(text)? { Ok(()) } else { Err(self.expected(text)) }
    }

    /// The end of something that began at a line.
    pub fn expect_match(&mut self, close: &str, open: &str, line: u32) -> Parsed<()> {
        if self.take(close)? {
            return Ok(());
        }
        if line == self.line {
            return Err(self.expected(close));
        }
        Err(self.error(&format!("'{close}' expected (to close '{open}' at line {line})")))
    }

    pub fn name(&mut self) -> Parsed<Text> {
        let Token::Name(name) = &self.token else { return Err(self.error("'<name>' expected")) };
        let name = name.clone();
        self.advance()?;
        Ok(name)
    }

    pub fn enter(&mut self) -> Parsed<()> {
        self.levels = self.levels.saturating_add(1);
        if self.levels > LEVELS_MAX {
            return Err(self.lexer.error("chunk has too many syntax levels", None));
        }
        Ok(())
    }

    pub fn leave(&mut self) {
        self.levels = self.levels.saturating_sub(1);
    }

    pub fn scope(&mut self) -> Parsed<&mut Scope> {
        let error = self.lexer.error("no function", None);
        self.scopes.last_mut().ok_or(error)
    }

    pub fn resolve(&mut self, name: Text) -> Parsed<Expr> {
        resolve(&mut self.scopes, name).map_err(|at| self.too_many(at, UPVALUES_MAX, "upvalues"))
    }

    fn declare(&mut self, name: Text) -> Parsed<VarId> {
        Ok(self.scope()?.declare(name))
    }

    pub fn activate(&mut self, vars: &[VarId]) -> Parsed<()> {
        if self.scope()?.activate(vars) {
            return Ok(());
        }
        Err(self.too_many(self.scopes.len().saturating_sub(1), LOCALS_MAX, "local variables"))
    }

    pub fn close_function(
        &mut self,
        params: Vec<VarId>,
        arg: Option<VarId>,
        body: Block,
        last_line: u32,
    ) -> Function {
        let Scope { vars, upvalues, is_vararg, uses_vararg, line, .. } =
            self.scopes.pop().unwrap_or_default();
        let arg = arg.filter(|_| !uses_vararg);
        Function { params, vars, is_vararg, arg, upvalues, body, line, last_line }
    }

    fn ends_block(&self) -> bool {
        self.token == Token::End || ["else", "elseif", "end", "until"].iter().any(|word| self.is(word))
    }

    /// Statements up to the end of a block, in a scope of their own.
    pub fn block(&mut self, is_loop: bool) -> Parsed<Block> {
        self.scope()?.open_block(is_loop);
        let block = self.statements()?;
        self.scope()?.close_block();
        Ok(block)
    }

    fn statements(&mut self) -> Parsed<Block> {
        let mut block = Vec::new();
        self.enter()?;
        while !self.ends_block() {
            let stat = self.statement()?;
            let is_last = matches!(stat.kind, StatKind::Return(_) | StatKind::Break);
            block.push(stat);
            self.take(";")?;
            if is_last {
                break;
            }
        }
        self.leave();
        Ok(block)
    }

    fn statement(&mut self) -> Parsed<Stat> {
        let line = self.line;
        let word = match &self.token {
            Token::Keyword(word) => *word,
            _ => "",
        };
        let kind = match word {
            "if" => self.if_statement(line)?,
            "while" => {
                self.advance()?;
                let condition = self.expr()?;
                self.expect("do")?;
                let body = self.block(true)?;
                self.expect_match("end", "while", line)?;
                StatKind::While(condition, body)
            }
            "do" => {
                self.advance()?;
                let body = self.block(false)?;
                self.expect_match("end", "do", line)?;
                StatKind::Do(body)
            }
            "for" => self.for_statement(line)?,
            "repeat" => self.repeat(line)?,
            "function" => self.function_statement(line)?,
            "local" => {
                self.advance()?;
                if self.take("function")? { self.local_function()? } else { self.local()? }
            }
            "return" => {
                self.advance()?;
                let is_empty = self.ends_block() || self.is(";");
                StatKind::Return(if is_empty { Vec::new() } else { self.expr_list()? })
            }
            "break" => {
                self.advance()?;
                if !self.scope()?.is_in_loop() {
                    return Err(self.error("no loop to break"));
                }
                StatKind::Break
            }
            _ => self.expr_statement()?,
        };
        Ok(Stat { line, kind })
    }

    fn if_statement(&mut self, line: u32) -> Parsed<StatKind> {
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            self.advance()?;
            let condition = self.expr()?;
            self.expect("then")?;
            branches.push((condition, self.block(false)?));
            if !self.is("elseif") {
                break;
            }
        }
        if self.take("else")? {
            otherwise = Some(self.block(false)?);
        }
        self.expect_match("end", "if", line)?;
        Ok(StatKind::If(branches, otherwise))
    }

    fn repeat(&mut self, line: u32) -> Parsed<StatKind> {
        self.advance()?;
        // The condition sees the variables of the body.
        self.scope()?.open_block(true);
        self.scope()?.open_block(false);
        let body = self.statements()?;
        self.expect_match("until", "repeat", line)?;
        let condition = self.expr()?;
        self.scope()?.close_block();
        self.scope()?.close_block();
        Ok(StatKind::Repeat(body, condition))
    }

    fn for_statement(&mut self, line: u32) -> Parsed<StatKind> {
        self.advance()?;
        let first = self.name()?;
        let kind = match &self.token {
            Token::Op("=") => {
                self.advance()?;
                let from = self.expr()?;
                self.expect(",")?;
                let to = self.expr()?;
                let step = if self.take(",")? { Some(self.expr()?) } else { None };
                let (vars, body) = self.for_body(vec![first])?;
                let var = vars.first().copied().unwrap_or(0);
                StatKind::NumericFor { var, from, to, step, body }
            }
            Token::Op(",") | Token::Keyword("in") => {
                let mut names = vec![first];
                while self.take(",")? {
                    names.push(self.name()?);
                }
                self.expect("in")?;
                let exprs = self.expr_list()?;
                let (vars, body) = self.for_body(names)?;
                StatKind::GenericFor { vars, exprs, body }
            }
            _ => return Err(self.error("'=' or 'in' expected")),
        };
        self.expect_match("end", "for", line)?;
        Ok(kind)
    }

    fn for_body(&mut self, names: Vec<Text>) -> Parsed<(Vec<VarId>, Block)> {
        self.expect("do")?;
        self.scope()?.open_block(true);
        let vars = names.into_iter().map(|name| self.declare(name)).collect::<Parsed<Vec<_>>>()?;
        self.activate(&vars)?;
        let body = self.statements()?;
        self.scope()?.close_block();
        Ok((vars, body))
    }

    fn function_statement(&mut self, line: u32) -> Parsed<StatKind> {
        use super::ast::{Suffix, SuffixKind};
        self.advance()?;
        let name = self.name()?;
        let base = self.resolve(name)?;
        let mut suffixes = Vec::new();
        let mut is_method = false;
        while self.is(".") || self.is(":") {
            is_method = self.is(":");
            self.advance()?;
            let kind = SuffixKind::Field(self.name()?);
            suffixes.push(Suffix { kind, line: self.last_line });
            if is_method {
                break;
            }
        }
        let target = if suffixes.is_empty() { base } else { Expr::Suffixed(Box::new(base), suffixes) };
        let function = self.function(is_method, line)?;
        Ok(StatKind::Assign(vec![target], vec![Expr::Function(Box::new(function))]))
    }

    fn local_function(&mut self) -> Parsed<StatKind> {
        let name = self.name()?;
        let var = self.declare(name)?;
        self.activate(&[var])?;
        let function = self.function(false, self.line)?;
        Ok(StatKind::LocalFunction(var, Box::new(function)))
    }

    fn local(&mut self) -> Parsed<StatKind> {
        let mut vars = Vec::new();
        loop {
            let name = self.name()?;
            vars.push(self.declare(name)?);
            if vars.len() > LOCALS_MAX {
                return Err(self.too_many(
                    self.scopes.len().saturating_sub(1),
                    LOCALS_MAX,
                    "local variables",
                ));
            }
            if !self.take(",")? {
                break;
            }
        }
        let exprs = if self.take("=")? { self.expr_list()? } else { Vec::new() };
        self.activate(&vars)?;
        Ok(StatKind::Local(vars, exprs))
    }

    fn expr_statement(&mut self) -> Parsed<StatKind> {
        let first = self.suffixed()?;
        let is_call = !matches!(first, Expr::Vararg) && first.is_open();
        if is_call {
            return Ok(StatKind::Call(first));
        }
        let mut targets = vec![first];
        while self.take(",")? {
            targets.push(self.suffixed()?);
            if targets.len() > LOCALS_MAX {
                return Err(self.too_many(
                    self.scopes.len().saturating_sub(1),
                    LOCALS_MAX,
                    "variables in assignment",
                ));
            }
        }
        let is_variable = |target: &Expr| match target {
            Expr::Local(_) | Expr::Upvalue(_) | Expr::Global(_) => true,
            Expr::Suffixed(..) => !target.is_open(),
            _ => false,
        };
        if !targets.iter().all(is_variable) {
            return Err(self.error("syntax error"));
        }
        self.expect("=")?;
        Ok(StatKind::Assign(targets, self.expr_list()?))
    }
}
