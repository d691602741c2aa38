//! `src/docs/errors.md`: every code that the source gives an error has a row, and every text is listed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};
use syn::{
    Attribute, Expr, ExprCall, ExprLit, Item, ItemEnum, ItemMod, Lit, Local, Pat,
    visit::{self, Visit},
};

const BEGIN: &str = "<!-- texts -->\n";
const END: &str = "<!-- end of texts -->\n";
/// Files that give codes which they hold as values: of other nodes and scripts, or of a place that names them in a tuple.
const CODES_AS_VALUES: [&str; 2] = ["resp/error.rs", "server/gates.rs"];
/// The enum whose messages are errors of the decoder.
const PROTOCOL_ERRORS: &str = "ProtocolError";

/// By code and text, the modules that say it.
type Texts = BTreeMap<(String, String), BTreeSet<String>>;

/// What one file says.
struct File {
    path: String,
    module: String,
    /// Texts by the name of what holds them: the latest `let` before a place, or a constant.
    named: BTreeMap<String, Vec<String>>,
    texts: Texts,
    codes: BTreeSet<String>,
    /// Errors whose code is no literal.
    open: usize,
}

/// As a reader sees it: what differs from case to case is left out.
fn shown(text: &str) -> String {
    let (mut out, mut depth) = (String::new(), 0_usize);
    for letter in text.replace("{{", "\u{1}").replace("}}", "\u{2}").chars() {
        match letter {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                out.push('…');
            }
            _ if depth > 0 => {}
            '\u{1}' => out.push('{'),
            '\u{2}' => out.push('}'),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out.trim().to_owned()
}

impl File {
    /// All texts that an expression may be.
    fn texts_of(&self, of: &Expr) -> Vec<String> {
        match of {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => vec![text.value()],
            Expr::Macro(of) if of.mac.path.is_ident("format") => {
                first_text(of.mac.tokens.clone()).into_iter().collect()
            }
            Expr::MethodCall(of) => self.texts_of(&of.receiver),
            Expr::Reference(of) => self.texts_of(&of.expr),
            Expr::Paren(of) => self.texts_of(&of.expr),
            Expr::Path(of) => {
                let name = of.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
                self.named.get(&name).cloned().unwrap_or_default()
            }
            Expr::Match(of) => of.arms.iter().flat_map(|arm| self.texts_of(&arm.body)).collect(),
            Expr::If(of) => {
                let last = |block: &syn::Block| match block.stmts.last() {
                    Some(syn::Stmt::Expr(of, None)) => self.texts_of(of),
                    _ => Vec::new(),
                };
                let other = of.else_branch.iter().flat_map(|(_, other)| self.texts_of(other));
                last(&of.then_branch).into_iter().chain(other).collect()
            }
            Expr::Block(of) => match of.block.stmts.last() {
                Some(syn::Stmt::Expr(of, None)) => self.texts_of(of),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn say(&mut self, code: &str, texts: Vec<String>) {
        self.codes.insert(code.to_owned());
        for text in texts.iter().map(|text| shown(text)).filter(|text| text.chars().any(char::is_alphabetic))
        {
            self.texts.entry((code.to_owned(), text)).or_default().insert(self.module.clone());
        }
    }
}

/// The literal that tokens begin with.
fn first_text(tokens: impl IntoIterator<Item: ToString>) -> Option<String> {
    let first = tokens.into_iter().next()?.to_string();
    syn::parse_str::<syn::LitStr>(&first).ok().map(|text| text.value())
}

/// The string literal at the beginning of a text of tokens.
fn literal_at(tokens: &str) -> Option<String> {
    let inner = tokens.trim_start().strip_prefix('"')?;
    let mut end = 0;
    while inner[end..].starts_with(|letter| letter != '"') {
        end += if inner[end..].starts_with('\\') { 2 } else { inner[end..].chars().next()?.len_utf8() };
    }
    syn::parse_str::<syn::LitStr>(&format!("\"{}\"", &inner[..end])).ok().map(|text| text.value())
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string().contains("test"))
    })
}

impl<'ast> Visit<'ast> for File {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Const(constant) = item {
            let texts = self.texts_of(&constant.expr);
            self.named.insert(constant.ident.to_string(), texts);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_enum(&mut self, of: &'ast ItemEnum) {
        if of.ident == PROTOCOL_ERRORS {
            let attributes = of.variants.iter().flat_map(|variant| &variant.attrs);
            let texts = attributes.filter(|attribute| attribute.path().is_ident("error"));
            let texts = texts
                .filter_map(|attribute| first_text(attribute.meta.require_list().ok()?.tokens.clone()))
                .collect();
            self.say("ERR", texts);
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        let name = match &local.pat {
            Pat::Ident(name) => name.ident.to_string(),
            _ => return,
        };
        if let Some(init) = &local.init {
            let texts = self.texts_of(&init.expr);
            self.named.insert(name, texts);
        }
    }

    /// What the listener sends before there is a session.
    fn visit_expr_lit(&mut self, of: &'ast ExprLit) {
        if let Lit::ByteStr(bytes) = &of.lit {
            let text = String::from_utf8_lossy(&bytes.value()).into_owned();
            if let Some((code, text)) = text.strip_prefix('-').and_then(|line| line.split_once(' '))
                && !code.is_empty()
                && code.chars().all(|letter| letter.is_ascii_uppercase())
            {
                self.say(code, vec![text.to_owned()]);
            }
        }
    }

    /// Inside `select!` and its like there are only tokens.
    fn visit_macro(&mut self, of: &'ast syn::Macro) {
        let tokens = of.tokens.to_string();
        for (at, call) in tokens.match_indices("ErrorReply ::") {
            let (before, rest) = (&tokens[..at], &tokens[at + call.len()..]);
            let Some((name, arguments)) = rest.split_once('(') else { continue };
            let (code, text) = match name.trim() {
                "err" => ("ERR".to_owned(), Some(arguments)),
                "try_again" => ("TRYAGAIN".to_owned(), Some(arguments)),
                "new" => match literal_at(arguments) {
                    Some(code) => (code, arguments.split_once(',').map(|(_, rest)| rest)),
                    None => continue,
                },
                _ => continue,
            };
            let text = text.unwrap_or_default().trim_start();
            let held = text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let text = literal_at(text).or_else(|| {
                let (_, held) = before.rsplit_once(&format!("let {held} ="))?;
                literal_at(held)
            });
            self.say(&code, text.into_iter().collect());
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        visit::visit_expr_call(self, call);
        let Expr::Path(function) = &*call.func else { return };
        let words: Vec<String> = function.path.segments.iter().map(|word| word.ident.to_string()).collect();
        let [.., of, name] = words.as_slice() else { return };
        if !(of == "ErrorReply" || of == "Self" && self.path == "resp/error.rs") {
            return;
        }
        let text = |at: usize| call.args.iter().nth(at).map(|of| self.texts_of(of)).unwrap_or_default();
        match name.as_str() {
            "err" => self.say("ERR", text(0)),
            "try_again" => self.say("TRYAGAIN", text(0)),
            "new" => match text(0).as_slice() {
                [code] if code.is_empty() => {}
                [code] => self.say(code, text(1)),
                _ => self.open += 1,
            },
            _ => {}
        }
    }
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "tests" | "docs" | "fuzz") {
                files(&path, found);
            }
        } else if name.ends_with(".rs") && !matches!(name, "tests.rs" | "tidy.rs") {
            found.push(path);
        }
    }
}

/// Everything that the source says: texts, and codes.
fn said() -> (Texts, BTreeSet<String>) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&source, &mut paths);
    let (mut texts, mut codes) = (Texts::new(), BTreeSet::new());
    for path in paths {
        let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let path = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        let module = path.rsplit_once('/').map_or("", |(module, _)| module).to_owned();
        let mut file = File {
            path,
            module,
            named: BTreeMap::new(),
            texts: Texts::new(),
            codes: BTreeSet::new(),
            open: 0,
        };
        file.visit_file(&parsed);
        let may_be_open = CODES_AS_VALUES.contains(&&file.path[..]);
        assert!(
            file.open == 0 || may_be_open,
            "{}: {} errors whose code cannot be read",
            file.path,
            file.open
        );
        for (said, modules) in file.texts {
            texts.entry(said).or_default().extend(modules);
        }
        codes.append(&mut file.codes);
    }
    (texts, codes)
}

fn table(texts: &Texts) -> String {
    let mut out = String::from("| code | text | from |\n|---|---|---|\n");
    // Codes of their own first: they are looked for.
    let (common, own): (Vec<_>, Vec<_>) = texts.iter().partition(|((code, _), _)| code == "ERR");
    for ((code, text), modules) in own.into_iter().chain(common) {
        let modules: Vec<String> = modules.iter().map(|module| format!("`{module}`")).collect();
        let fence = if text.contains('`') { "``" } else { "`" };
        let text = text.replace('|', "\\|");
        let _ = writeln!(out, "| `{code}` | {fence}{text}{fence} | {} |", modules.join(", "));
    }
    out
}

#[test]
fn errors_page_has_every_code_and_every_text() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/errors.md");
    let page = fs::read_to_string(path).unwrap();
    let (texts, codes) = said();
    assert!(texts.len() > 200, "only {} texts were found", texts.len());
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let rows: BTreeSet<String> = head
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();
    let missing: Vec<&String> = codes.difference(&rows).collect();
    assert!(missing.is_empty(), "errors.md has no row for {missing:?}");
    let gone: Vec<&String> = rows.difference(&codes).collect();
    assert!(gone.is_empty(), "errors.md has rows for {gone:?}, which nothing says");
    let wanted = format!("{head}{BEGIN}\n{}\n{END}{tail}", table(&texts));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, &wanted).unwrap();
        return;
    }
    assert!(page == wanted, "{path} differs from the source: run this test with UPDATE=1");
}

#[test]
fn texts_are_found_however_they_are_written() {
    let source = r#"
        const WHY: &str = "constant";
        fn f(x: u8) {
            let text = format!("so many: {x:>3} of {{}}");
            ErrorReply::new("ONE", text);
            ErrorReply::err(if x > 1 { "first" } else { "second" });
            ErrorReply::try_again(WHY).into();
            let why = match x { 1 => "third".to_owned(), _ => format!("fourth {}", x) };
            Err(ErrorReply::new("TWO", why));
            send(b"-DENIED no\r\n");
            select! { _ = x => { let text = "in \"tokens\""; ErrorReply::new("THREE", text) }, _ = y => ErrorReply::err("also"), }
        }
        #[cfg(test)]
        mod tests { fn g() { ErrorReply::new("NEVER", "said"); } }
    "#;
    let (path, module) = ("a/b.rs".to_owned(), "a".to_owned());
    let mut file =
        File { path, module, named: BTreeMap::new(), texts: Texts::new(), codes: BTreeSet::new(), open: 0 };
    file.visit_file(&syn::parse_file(source).unwrap());
    let found: Vec<(&str, &str)> = file.texts.keys().map(|(code, text)| (&code[..], &text[..])).collect();
    let expected = [
        ("DENIED", "no"),
        ("ERR", "also"),
        ("ERR", "first"),
        ("ERR", "second"),
        ("ONE", "so many: … of {}"),
        ("THREE", "in \"tokens\""),
        ("TRYAGAIN", "constant"),
        ("TWO", "fourth …"),
        ("TWO", "third"),
    ];
    assert_eq!(found, expected);
}
