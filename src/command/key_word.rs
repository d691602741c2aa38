//! Keys behind keywords: `STORE key`.

use super::Access;
use crate::resp::Reply;

/// A key that an option names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyWord {
    /// `None` = the keys cannot be told from the call alone (SORT's BY and GET).
    pub keyword: Option<&'static str>,
    /// Index in argv from which on the keyword is looked for.
    pub from: usize,
    /// The keyword may also be an argument of another option: COMMAND INFO only says that there is such a key.
    pub hidden: bool,
    /// How the command accesses the key.
    pub access: Access,
    /// Other options and the number of their arguments, none of which is the keyword.
    pub skips: &'static [(&'static str, usize)],
}

impl KeyWord {
    /// A key that results are stored under.
    pub const fn target(
        keyword: &'static str,
        from: usize,
        hidden: bool,
        skips: &'static [(&'static str, usize)],
    ) -> Self {
        KeyWord { keyword: Some(keyword), from, hidden, access: Access::Overwrite, skips }
    }

    /// Keys that follow from the data.
    pub const UNTOLD: KeyWord =
        KeyWord { keyword: None, from: 0, hidden: true, access: Access::Read, skips: &[] };

    /// Index of the key in a call, if it has one: the one that the handler uses, which is the last.
    pub fn position(&self, argv: &[&[u8]]) -> Option<usize> {
        let keyword = self.keyword?.as_bytes();
        let (mut at, mut found) = (self.from, None);
        while let Some(word) = argv.get(at) {
            let skip = self.skips.iter().find(|(option, _)| word.eq_ignore_ascii_case(option.as_bytes()));
            let arguments = match skip {
                _ if word.eq_ignore_ascii_case(keyword) => {
                    found = Some(at.saturating_add(1)).filter(|at| *at < argv.len()).or(found);
                    1
                }
                Some((_, arguments)) => *arguments,
                None => 0,
            };
            at = at.saturating_add(1).saturating_add(arguments);
        }
        found
    }

    /// Its key spec in COMMAND INFO.
    pub(super) fn spec(&self) -> Reply {
        let (begin, find) = match self.keyword.filter(|_| !self.hidden) {
            None => (typed("unknown", vec![]), typed("unknown", vec![])),
            Some(keyword) => {
                let begin = vec![("keyword", Reply::bulk(keyword)), ("startfrom", Reply::count(self.from))];
                let one =
                    vec![("lastkey", Reply::Int(0)), ("keystep", Reply::Int(1)), ("limit", Reply::Int(0))];
                (typed("keyword", begin), typed("range", one))
            }
        };
        map(vec![
            ("flags", Reply::Set(self.access.flags().iter().map(|flag| Reply::simple(*flag)).collect())),
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
