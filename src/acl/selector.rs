//! One selector: commands, keys, channels and databases that are allowed together. A user has a root selector, which rules outside
//! parentheses change, and any number of others.

use super::{Catalogue, RuleError};
use crate::limits::{ACL_COMMAND_RULES_MAX, ACL_PATTERN_BYTES_MAX, DATABASES};
use std::collections::BTreeSet;

/// A pattern of keys, and what may be done to keys that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern {
    pub reads: bool,
    pub writes: bool,
    pub pattern: Vec<u8>,
}

/// What a selector says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectorRules {
    /// All commands, also those of later builds, but for what `commands` takes away.
    pub all_commands: bool,
    /// Allowed (or not) commands, `command|subcommand`s, `command|first-argument`s and `@categories` in lower case, in order. A
    /// later rule wins.
    pub commands: Vec<(bool, String)>,
    pub all_keys: bool,
    pub keys: Vec<KeyPattern>,
    pub all_channels: bool,
    pub channels: Vec<Vec<u8>>,
    /// `None`: all databases, as at first.
    pub databases: Option<BTreeSet<u32>>,
}

impl SelectorRules {
    /// All commands, keys, channels and databases.
    pub fn everything() -> Self {
        SelectorRules { all_commands: true, all_keys: true, all_channels: true, ..SelectorRules::default() }
    }

    /// Patterns of keys and of channels.
    pub fn patterns(&self) -> usize {
        self.keys.len().saturating_add(self.channels.len())
    }

    /// Applies one rule. With `names`, commands and categories must be known.
    pub fn apply(&mut self, rule: &[u8], names: Option<&Catalogue>) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("allkeys") || is("~*") => self.set_keys(true),
            _ if is("resetkeys") => self.set_keys(false),
            _ if is("allchannels") || is("&*") => self.set_channels(true),
            _ if is("resetchannels") => self.set_channels(false),
            _ if is("allcommands") || is("+@all") => self.set_commands(true),
            _ if is("nocommands") || is("-@all") => self.set_commands(false),
            _ if is("alldbs") => self.databases = None,
            _ if is("resetdbs") => self.databases = Some(BTreeSet::new()),
            [b'~', pattern @ ..] => self.key(true, true, pattern)?,
            [b'%', rest @ ..] => {
                let (reads, writes, pattern) = permissions(rest).ok_or(RuleError::Syntax)?;
                self.key(reads, writes, pattern)?;
            }
            [b'&', pattern @ ..] => self.channel(pattern)?,
            [sign @ (b'+' | b'-'), name @ ..] => self.command(*sign == b'+', name, names)?,
            rule => {
                let list = database_list(rule).ok_or(RuleError::Syntax)?;
                self.databases = Some(databases(list)?);
            }
        }
        Ok(())
    }

    /// Whether a rule says something of databases.
    pub(super) fn is_of_databases(rule: &[u8]) -> bool {
        let words = ["alldbs", "resetdbs"];
        database_list(rule).is_some() || words.iter().any(|word| rule.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn set_commands(&mut self, all: bool) {
        self.all_commands = all;
        self.commands.clear();
    }

    fn key(&mut self, reads: bool, writes: bool, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AfterAllKeys);
        }
        check_pattern(pattern)?;
        match self.keys.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => (known.reads, known.writes) = (known.reads || reads, known.writes || writes),
            None => self.keys.push(KeyPattern { reads, writes, pattern: pattern.to_vec() }),
        }
        Ok(())
    }

    fn channel(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AfterAllChannels);
        }
        check_pattern(pattern)?;
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    fn command(&mut self, allow: bool, name: &[u8], names: Option<&Catalogue>) -> Result<(), RuleError> {
        // Words with line breaks or spaces are no commands, and would be told apart from nothing in a description.
        let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= ACL_PATTERN_BYTES_MAX);
        let name = name.ok_or(RuleError::Unknown)?.to_ascii_lowercase();
        if has_spaces(name.as_bytes()) {
            return Err(RuleError::Unknown);
        }
        if let Some(names) = names {
            check_name(allow, &name, names)?;
        }
        // What it says anew, of the command or of a subcommand, goes; so the list stays short.
        self.commands.retain(|(_, known)| {
            let rest = known.strip_prefix(name.as_str());
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        });
        if self.commands.len() >= ACL_COMMAND_RULES_MAX {
            return Err(RuleError::TooMany);
        }
        self.commands.push((allow, name));
        Ok(())
    }
}

/// Redis's rules for the names of commands and categories.
fn check_name(allow: bool, name: &str, names: &Catalogue) -> Result<(), RuleError> {
    if let Some(category) = name.strip_prefix('@') {
        return Catalogue::category(category).map(drop).ok_or(RuleError::Unknown);
    }
    let Some((command, rest)) = name.rsplit_once('|').filter(|_| allow) else {
        return names.find(name).map(drop).ok_or(RuleError::Unknown);
    };
    let at = names.find(command).ok_or(RuleError::Unknown)?;
    if names.is_subcommand(at) {
        Err(RuleError::FirstArgumentOfSubcommand)
    } else if rest.is_empty() {
        Err(RuleError::Syntax)
    } else if !names.subcommands(at).is_empty() && names.find(name).is_none() {
        Err(RuleError::Unknown)
    } else {
        // A subcommand, or the first argument of a command without any.
        Ok(())
    }
}

/// `R~`, `W~` or `RW~`, and the pattern behind it.
fn permissions(rest: &[u8]) -> Option<(bool, bool, &[u8])> {
    let end = rest.iter().position(|byte| *byte == b'~')?;
    let (letters, pattern) = rest.split_at_checked(end)?;
    let (mut reads, mut writes) = (false, false);
    for letter in letters {
        let seen = match letter.to_ascii_uppercase() {
            b'R' => &mut reads,
            b'W' => &mut writes,
            _ => return None,
        };
        if std::mem::replace(seen, true) {
            return None;
        }
    }
    (reads || writes).then_some((reads, writes, pattern.get(1..)?))
}

fn check_pattern(pattern: &[u8]) -> Result<(), RuleError> {
    match pattern.len() > ACL_PATTERN_BYTES_MAX {
        true => Err(RuleError::TooMany),
        false if has_spaces(pattern) => Err(RuleError::Syntax),
        false => Ok(()),
    }
}

/// What is behind `db=`.
fn database_list(rule: &[u8]) -> Option<&[u8]> {
    let (name, list) = rule.split_at_checked(3)?;
    name.eq_ignore_ascii_case(b"db=").then_some(list)
}

/// `0,2,5`: at least one.
fn databases(list: &[u8]) -> Result<BTreeSet<u32>, RuleError> {
    list.split(|byte| *byte == b',')
        .map(|number| {
            let digits = number.strip_prefix(b"-").unwrap_or(number);
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err(RuleError::Syntax);
            }
            let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
            number.filter(|db| *db < DATABASES).ok_or(RuleError::DatabaseOutOfRange)
        })
        .collect()
}

/// As C's `isspace`, and NUL.
pub(super) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b))
}
