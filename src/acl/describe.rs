//! A user in Redis's words, as ACL LIST and ACL GETUSER show it. Rules stay in the order in which they were given (Redis 7.2).

use super::{Definition, KeyPattern, SelectorRules};

impl Definition {
    /// The flags that ACL GETUSER lists.
    pub fn flags(&self) -> Vec<&'static str> {
        let flags = [
            (self.is_on, "on"),
            (!self.is_on, "off"),
            (self.is_nopass, "nopass"),
            (self.sanitizes == Some(false), "skip-sanitize-payload"),
            (self.sanitizes == Some(true), "sanitize-payload"),
        ];
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
    }

    /// All rules in one line, as ACL LIST shows them behind the name.
    pub fn describe(&self) -> Vec<u8> {
        self.line(false)
    }

    /// As `describe`, with rules that make the same user again.
    pub fn describe_exactly(&self) -> Vec<u8> {
        self.line(true)
    }

    fn line(&self, is_exact: bool) -> Vec<u8> {
        let mut words: Vec<Vec<u8>> = self.flags().into_iter().map(|flag| flag.as_bytes().to_vec()).collect();
        words.extend(self.passwords.iter().map(|hash| format!("#{hash}").into_bytes()));
        words.extend(self.root.words(is_exact));
        let others = self
            .others
            .iter()
            .map(|selector| [b"(", &selector.words(is_exact).join(&b' ')[..], b")"].concat());
        words.extend(others);
        words.join(&b' ')
    }
}

impl SelectorRules {
    /// The rules that make this selector of an empty one; see `key_words`.
    pub fn words(&self, is_exact: bool) -> Vec<Vec<u8>> {
        let mut words = key_words(self, is_exact);
        match self.all_channels {
            true => words.push(b"&*".to_vec()),
            false => {
                words.push(b"resetchannels".to_vec());
                words.extend(self.channels.iter().map(|pattern| [b"&", &pattern[..]].concat()));
            }
        }
        match &self.databases {
            None => {}
            Some(databases) if databases.is_empty() => words.push(b"resetdbs".to_vec()),
            Some(_) => words.push(self.describe_databases().into_bytes()),
        }
        words.push(self.describe_commands().into_bytes());
        words
    }

    /// `alldbs`, `db=0,1`, or nothing.
    pub fn describe_databases(&self) -> String {
        let Some(databases) = &self.databases else { return "alldbs".to_owned() };
        let numbers: Vec<String> = databases.iter().map(u32::to_string).collect();
        if numbers.is_empty() { String::new() } else { format!("db={}", numbers.join(",")) }
    }

    /// `-@all +get`.
    pub fn describe_commands(&self) -> String {
        let mut text = if self.all_commands { "+@all".to_owned() } else { "-@all".to_owned() };
        for (allow, name) in &self.commands {
            text.push_str(if *allow { " +" } else { " -" });
            text.push_str(name);
        }
        text
    }
}

/// `is_exact`: what `%RW~*` is told as makes the same rules again. Redis tells it as `~*`.
fn key_words(rules: &SelectorRules, is_exact: bool) -> Vec<Vec<u8>> {
    if rules.all_keys {
        return vec![b"~*".to_vec()];
    }
    let sign = |key: &KeyPattern| match (key.reads, key.writes) {
        (true, false) => &b"%R~"[..],
        (false, true) => b"%W~",
        // `~*` is another rule.
        _ if is_exact && key.pattern == b"*" => b"%RW~",
        (true, true) | (false, false) => b"~",
    };
    rules.keys.iter().map(|key| [sign(key), &key.pattern].concat()).collect()
}

/// `~a* %R~b*`, or nothing.
pub fn patterns_of_keys(rules: &SelectorRules) -> Vec<u8> {
    key_words(rules, false).join(&b' ')
}

/// `&a* &b*`, or nothing.
pub fn patterns_of_channels(rules: &SelectorRules) -> Vec<u8> {
    match rules.all_channels {
        true => b"&*".to_vec(),
        false => {
            let words: Vec<Vec<u8>> =
                rules.channels.iter().map(|pattern| [b"&", &pattern[..]].concat()).collect();
            words.join(&b' ')
        }
    }
}
