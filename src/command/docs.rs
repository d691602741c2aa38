//! COMMAND DOCS' arguments, from a row's syntax.
//!
//! The notation is that of the Redis command pages: `[x]` optional, `a | b` one of several, `<…>` a group, `x ...`
//! repeated, upper-case words are tokens, lower-case words are arguments. An argument's type follows from its name.

use crate::resp::Reply;

/// A node of the arguments tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub kind: Kind,
    /// Written before the argument.
    pub token: Option<String>,
    pub optional: bool,
    pub multiple: bool,
    pub parts: Vec<Argument>,
}

/// The kind of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }
}

/// Parses a syntax; `None` = it is not in the notation (a mistake in a row, which a test finds).
pub fn parse(syntax: &str) -> Option<Vec<Argument>> {
    let words = words(syntax);
    let mut rest = words.as_slice();
    let arguments = sequence(&mut rest)?;
    rest.is_empty().then_some(arguments)
}

/// The `arguments` of COMMAND DOCS.
pub fn reply(arguments: &[Argument]) -> Reply {
    let mut key_specs = 0;
    Reply::Array(arguments.iter().map(|argument| one(argument, &mut key_specs)).collect())
}

fn one(argument: &Argument, key_specs: &mut i64) -> Reply {
    let pair = |key: &'static str, value: Reply| (Reply::bulk(key), value);
    let mut pairs =
        vec![pair("name", Reply::bulk(&argument.name)), pair("type", Reply::bulk(argument.kind.name()))];
    if argument.parts.is_empty() && argument.kind != Kind::PureToken {
        pairs.push(pair("display_text", Reply::bulk(&argument.name)));
    }
    if argument.kind == Kind::Key {
        pairs.push(pair("key_spec_index", Reply::Int(*key_specs)));
        // Several keys of one range share a spec; separate key arguments (source, destination) are specs of their own.
        *key_specs = key_specs.saturating_add(1);
    }
    if let Some(token) = &argument.token {
        pairs.push(pair("token", Reply::bulk(token)));
    }
    let flags: Vec<Reply> = [(argument.optional, "optional"), (argument.multiple, "multiple")]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| Reply::simple(name))
        .collect();
    if !flags.is_empty() {
        pairs.push(pair("flags", Reply::Set(flags)));
    }
    if !argument.parts.is_empty() {
        let parts = argument.parts.iter().map(|part| one(part, key_specs)).collect();
        pairs.push(pair("arguments", Reply::Array(parts)));
    }
    Reply::Map(pairs)
}

fn words(syntax: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for piece in syntax.split_whitespace() {
        let mut piece = piece;
        while let Some(rest) = piece.strip_prefix(['[', '<']) {
            out.push(piece.get(..1).unwrap_or_default());
            piece = rest;
        }
        let core = piece.trim_end_matches([']', '>']);
        if !core.is_empty() {
            out.push(core);
        }
        let closers = piece.get(core.len()..).unwrap_or_default();
        out.extend((0..closers.len()).filter_map(|at| closers.get(at..=at)));
    }
    out
}

/// Arguments up to a closing bracket, a bar or the end.
fn sequence(rest: &mut &[&str]) -> Option<Vec<Argument>> {
    let mut out: Vec<Argument> = Vec::new();
    loop {
        match rest {
            [] | ["]" | ">" | "|", ..] => return Some(out),
            ["[", tail @ ..] => {
                // `key [key ...]`: the argument before may be repeated.
                if let Some(after) = repeats(&out, tail) {
                    fold_repeated(&mut out, tail, after);
                    *rest = tail.get(after..)?;
                    continue;
                }
                *rest = tail;
                let mut argument = alternatives(rest, "]")?;
                argument.optional = true;
                out.push(argument);
            }
            ["<", tail @ ..] => {
                *rest = tail;
                out.push(alternatives(rest, ">")?);
            }
            ["...", tail @ ..] => {
                *rest = tail;
                out.last_mut()?.multiple = true;
            }
            [word, tail @ ..] => {
                *rest = tail;
                let argument = plain(word);
                match out.last_mut() {
                    // `EX seconds`: a token and its argument are one.
                    Some(last) if last.kind == Kind::PureToken && argument.kind != Kind::PureToken => {
                        let token = last.token.take();
                        *last = Argument { token, ..argument };
                    }
                    _ => out.push(argument),
                }
            }
        }
    }
}

/// The number of words behind `[`, if they repeat the last arguments and end with `...]`.
fn repeats(out: &[Argument], tail: &[&str]) -> Option<usize> {
    let end = tail.iter().position(|word| *word == "]")?;
    let inner = tail.get(..end)?;
    let [names @ .., "..."] = inner else { return None };
    let known: Vec<&str> = out.iter().map(|argument| argument.name.as_str()).collect();
    known.ends_with(names).then_some(end.saturating_add(1))
}

fn fold_repeated(out: &mut Vec<Argument>, tail: &[&str], after: usize) {
    let count = after.saturating_sub(2);
    debug_assert!(tail.len() >= after);
    if count == 1 {
        if let Some(last) = out.last_mut() {
            last.multiple = true;
        }
        return;
    }
    let parts = out.split_off(out.len().saturating_sub(count));
    out.push(Argument {
        name: "data".into(),
        kind: Kind::Block,
        token: None,
        optional: false,
        multiple: true,
        parts,
    });
}

fn alternatives(rest: &mut &[&str], close: &str) -> Option<Argument> {
    let mut branches = vec![sequence(rest)?];
    while let ["|", tail @ ..] = rest {
        *rest = tail;
        branches.push(sequence(rest)?);
    }
    match rest {
        [word, tail @ ..] if *word == close => *rest = tail,
        _ => return None,
    }
    let group = |kind, name: &str, parts| Argument {
        name: name.into(),
        kind,
        token: None,
        optional: false,
        multiple: false,
        parts,
    };
    let mut branches: Vec<Argument> = branches
        .into_iter()
        .map(|mut parts| match parts.len() {
            1 => parts.pop(),
            0 => None,
            _ => Some(group(Kind::Block, "group", parts)),
        })
        .collect::<Option<_>>()?;
    if branches.len() == 1 {
        return branches.pop();
    }
    let name = branches.first().map_or("option", |first| match first.kind {
        Kind::PureToken => "condition",
        Kind::Integer | Kind::UnixTime => "expiration",
        _ => "option",
    });
    let name = name.to_owned();
    Some(group(Kind::OneOf, &name, branches))
}

fn plain(word: &str) -> Argument {
    let is_token =
        word.chars().any(|c| c.is_ascii_uppercase()) && !word.chars().any(|c| c.is_ascii_lowercase());
    let argument = |name: String, kind, token| Argument {
        name,
        kind,
        token,
        optional: false,
        multiple: false,
        parts: Vec::new(),
    };
    if is_token {
        return argument(word.to_ascii_lowercase(), Kind::PureToken, Some(word.to_owned()));
    }
    argument(word.to_owned(), kind_of(word), None)
}

fn kind_of(name: &str) -> Kind {
    match name {
        "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" => Kind::Key,
        "pattern" => Kind::Pattern,
        "longitude" | "latitude" | "radius" | "width" | "height" => Kind::Double,
        "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
        "seconds" | "milliseconds" | "count" | "offset" | "start" | "end" | "index" | "numkeys"
        | "numfields" | "timeout" | "cursor" | "decrement" | "destination-db" | "db" | "index1"
        | "index2" | "client-id" | "maxage" | "min-match-len" | "numreplicas" | "numlocal" | "protover"
        | "version" | "samples" | "stop" | "rank" | "num-matches" | "len" | "limit" | "ttl" | "frequency" => {
            Kind::Integer
        }
        _ => Kind::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation() {
        let set = parse("key value [NX | XX | IFEQ comparison-value] [GET] [EX seconds | KEEPTTL]").unwrap();
        let names: Vec<&str> = set.iter().map(|argument| argument.name.as_str()).collect();
        assert_eq!(names, ["key", "value", "condition", "get", "expiration"]);
        assert_eq!(set[2].kind, Kind::OneOf);
        assert!(set[2].optional);
        let ifeq = &set[2].parts[2];
        assert_eq!((ifeq.name.as_str(), ifeq.token.as_deref()), ("comparison-value", Some("IFEQ")));
        assert_eq!(set[3].kind, Kind::PureToken);

        let mset = parse("key value [key value ...]").unwrap();
        assert_eq!(
            (mset.len(), mset[0].kind, mset[0].multiple, mset[0].parts.len()),
            (1, Kind::Block, true, 2)
        );
        let del = parse("key [key ...]").unwrap();
        assert_eq!((del.len(), del[0].multiple), (1, true));
        assert_eq!(parse("<ON | OFF>").unwrap()[0].parts.len(), 2);
        assert!(parse("[x").is_none());
        assert!(parse("x]").is_none());
    }
}
