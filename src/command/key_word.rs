//! Keys behind keywords: `STORE key`.

use crate::resp::Reply;

/// A key that an option names. It is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyWord {
    pub keyword: &'static str,
    /// Index in argv from which on the keyword is looked for.
    pub from: usize,
    /// The keyword may also be an argument of another option: COMMAND INFO says no more than that there is such a key.
    pub hidden: bool,
}

impl KeyWord {
    /// What a command does with such a key.
    pub const FLAGS: &'static [&'static str] = &["OW", "update"];

    /// Index of the key in a call, if it has one.
    pub fn position(&self, argv: &[&[u8]]) -> Option<usize> {
        let mut words = argv.iter().enumerate().skip(self.from);
        let (at, _) = words.find(|(_, word)| word.eq_ignore_ascii_case(self.keyword.as_bytes()))?;
        Some(at.saturating_add(1)).filter(|at| *at < argv.len())
    }

    /// Its key spec in COMMAND INFO.
    pub(super) fn spec(&self) -> Reply {
        let (begin, find) = if self.hidden {
            (typed("unknown", vec![]), typed("unknown", vec![]))
        } else {
            let begin = vec![("keyword", Reply::bulk(self.keyword)), ("startfrom", Reply::count(self.from))];
            let one = vec![("lastkey", Reply::Int(0)), ("keystep", Reply::Int(1)), ("limit", Reply::Int(0))];
            (typed("keyword", begin), typed("range", one))
        };
        map(vec![
            ("flags", Reply::Set(Self::FLAGS.iter().map(|flag| Reply::simple(*flag)).collect())),
            ("begin_search", begin),
            ("find_keys", find),
        ])
    }
}

fn typed(kind: &'static str, spec: Vec<(&'static str, Reply)>) -> Reply {
    map(vec![("type", Reply::bulk(kind)), ("spec", map(spec))])
}

fn map(pairs: Vec<(&'static str, Reply)>) -> Reply {
    Reply::Map(pairs.into_iter().map(|(key, value)| (Reply::bulk(key), value)).collect())
}
