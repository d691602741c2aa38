//! Expressions.

use super::{
    SyntaxError,
    ast::{Binary, Expr, Function, Item, Link, Suffix, SuffixKind, UNARY_PRIORITY, Unary, VarId},
    lexer::Token,
    parser::Parser,
    scope::Scope,
};

type Parsed<T> = Result<T, SyntaxError>;

impl Parser<'_> {
    pub fn expr(&mut self) -> Parsed<Expr> {
        self.sub_expr(0)
    }

    pub fn expr_list(&mut self) -> Parsed<Vec<Expr>> {
        let mut list = vec![self.expr()?];
        while self.take(",")? {
            list.push(self.expr()?);
        }
        Ok(list)
    }

    /// Operators that bind tighter than `limit`.
    fn sub_expr(&mut self, limit: u8) -> Parsed<Expr> {
        self.enter()?;
        let first = match self.unary_op() {
            Some(op) => {
                let line = self.line;
                self.advance()?;
                let operand = self.sub_expr(UNARY_PRIORITY)?;
                match (op, &operand) {
                    (Unary::Minus, Expr::Number(number)) => Expr::Number(-*number),
                    _ => Expr::Unary(op, Box::new(operand), line),
                }
            }
            None => self.simple()?,
        };
        let mut links = Vec::new();
        while let Some(op) = self.binary_op() {
            let (left, right) = op.priority();
            if left <= limit {
                break;
            }
            let line = self.line;
            self.advance()?;
            links.push(Link { op, right: self.sub_expr(right)?, line });
        }
        self.leave();
        Ok(if links.is_empty() { first } else { Expr::Chain(Box::new(first), links) })
    }

    fn unary_op(&self) -> Option<Unary> {
        match &self.token {
            Token::Op("-") => Some(Unary::Minus),
            Token::Op("#") => Some(Unary::Length),
            Token::Keyword("not") => Some(Unary::Not),
            _ => None,
        }
    }

    fn binary_op(&self) -> Option<Binary> {
        let (Token::Op(text) | Token::Keyword(text)) = &self.token else { return None };
        Some(match *text {
            "+" => Binary::Add,
            "-" => Binary::Sub,
            "*" => Binary::Mul,
            "/" => Binary::Div,
            "%" => Binary::Mod,
            "^" => Binary::Pow,
            ".." => Binary::Concat,
            "~=" => Binary::Ne,
            "==" => Binary::Eq,
            "<" => Binary::Lt,
            "<=" => Binary::Le,
            ">" => Binary::Gt,
            ">=" => Binary::Ge,
            "and" => Binary::And,
            "or" => Binary::Or,
            _ => return None,
        })
    }

    fn simple(&mut self) -> Parsed<Expr> {
        let expr = match &self.token {
            Token::Number(number) => Expr::Number(*number),
            Token::Str(text) => Expr::Str(text.clone()),
            Token::Keyword("nil") => Expr::Nil,
            Token::Keyword("true") => Expr::Bool(true),
            Token::Keyword("false") => Expr::Bool(false),
            Token::Op("...") => {
                if !self.scope()?.is_vararg {
                    return Err(self.error("cannot use '...' outside a vararg function"));
                }
                self.scope()?.uses_vararg = true;
                Expr::Vararg
            }
            Token::Op("{") => return self.table(),
            Token::Keyword("function") => {
                let line = self.line;
                self.advance()?;
                return Ok(Expr::Function(Box::new(self.function(false, line)?)));
            }
            _ => return self.suffixed(),
        };
        self.advance()?;
        Ok(expr)
    }

    /// A name or an expression in parentheses, and what follows it.
    pub fn suffixed(&mut self) -> Parsed<Expr> {
        let line = self.line;
        let base = match &self.token {
            Token::Name(name) => {
                let name = name.clone();
                self.advance()?;
                self.resolve(name)?
            }
            Token::Op("(") => {
                self.advance()?;
                let inner = self.expr()?;
                self.expect_match(")", "(", line)?;
                Expr::Paren(Box::new(inner))
            }
            _ => return Err(self.error("unexpected symbol")),
        };
        let mut suffixes = Vec::new();
        loop {
            let line = self.line;
            let kind = match &self.token {
                Token::Op(".") => {
                    self.advance()?;
                    SuffixKind::Field(self.name()?)
                }
                Token::Op("[") => {
                    self.advance()?;
                    let index = self.expr()?;
                    self.expect("]")?;
                    SuffixKind::Index(index)
                }
                Token::Op(":") => {
                    self.advance()?;
                    let name = self.name()?;
                    SuffixKind::Method(name, self.arguments()?)
                }
                Token::Op("(" | "{") | Token::Str(_) => SuffixKind::Call(self.arguments()?),
                _ => break,
            };
            suffixes.push(Suffix { kind, line });
        }
        Ok(if suffixes.is_empty() { base } else { Expr::Suffixed(Box::new(base), suffixes) })
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        match &self.token {
            Token::Str(text) => {
                let text = text.clone();
                self.advance()?;
                Ok(vec![Expr::Str(text)])
            }
            Token::Op("{") => Ok(vec![self.table()?]),
            Token::Op("(") => {
                let line = self.line;
                if line != self.last_line {
                    return Err(self.error("ambiguous syntax (function call x new statement)"));
                }
                self.advance()?;
                let list = if self.is(")") { Vec::new() } else { self.expr_list()? };
                self.expect_match(")", "(", line)?;
                Ok(list)
            }
            _ => Err(self.error("function arguments expected")),
        }
    }

    fn table(&mut self) -> Parsed<Expr> {
        let line = self.line;
        self.expect("{")?;
        let mut items = Vec::new();
        while !self.is("}") {
            items.push(self.item()?);
            if !self.take(",")? && !self.take(";")? {
                break;
            }
        }
        self.expect_match("}", "{", line)?;
        Ok(Expr::Table(items, line))
    }

    fn item(&mut self) -> Parsed<Item> {
        if let Token::Name(name) = &self.token {
            let name = name.clone();
            if *self.look_ahead()? == Token::Op("=") {
                self.advance()?;
                self.advance()?;
                return Ok(Item::Named(name, self.expr()?));
            }
        } else if self.take("[")? {
            let key = self.expr()?;
            self.expect("]")?;
            self.expect("=")?;
            return Ok(Item::Keyed(key, self.expr()?));
        }
        Ok(Item::Positional(self.expr()?))
    }

    /// From its parameters on.
    pub fn function(&mut self, is_method: bool, line: u32) -> Parsed<Function> {
        self.scopes.push(Scope::new(line, false));
        self.scope()?.open_block(false);
        let mut params: Vec<VarId> = Vec::new();
        if is_method {
            params.push(self.scope()?.declare(b"self".as_slice().into()));
        }
        self.expect("(")?;
        let mut arg = None;
        while !self.is(")") {
            if self.take("...")? {
                self.scope()?.is_vararg = true;
                arg = Some(self.scope()?.declare(b"arg".as_slice().into()));
                break;
            }
            let name = match &self.token {
                Token::Name(name) => name.clone(),
                _ => return Err(self.error("<name> or '...' expected")),
            };
            self.advance()?;
            params.push(self.scope()?.declare(name));
            if !self.take(",")? {
                break;
            }
            if self.is(")") {
                return Err(self.error("<name> or '...' expected"));
            }
        }
        let in_scope: Vec<VarId> = params.iter().copied().chain(arg).collect();
        self.activate(&in_scope)?;
        self.expect(")")?;
        let body = self.block(false)?;
        let last_line = self.line;
        self.expect_match("end", "function", line)?;
        Ok(self.close_function(params, arg, body, last_line))
    }
}
