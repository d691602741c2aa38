//! What a user is: flags, hashes of passwords, selectors; and the rules that change it, with Redis's grammar and errors.
//!
//! Bounds: the number of rules of a call, of patterns, selectors and passwords of a user, and the bytes of all. So a user costs
//! little memory, and asking one costs little time, whatever ACL SETUSER is sent.

use super::{Catalogue, Hash, SelectorRules, selector::has_spaces};
use crate::limits::{
    ACL_PASSWORDS_MAX, ACL_PATTERNS_MAX, ACL_SELECTORS_MAX, ACL_USER_BYTES_MAX, ACL_USER_NAME_BYTES_MAX,
};

/// Why a rule is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    #[error("The provided database ID is out of range")]
    DatabaseOutOfRange,
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgumentOfSubcommand,
    #[error(
        "The user would have too many rules: a user may have {ACL_PATTERNS_MAX} patterns, {ACL_SELECTORS_MAX} selectors and {ACL_PASSWORDS_MAX} passwords, of {} KiB in all",
        ACL_USER_BYTES_MAX >> 10
    )]
    TooMany,
}

/// A user as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub is_on: bool,
    /// Of `default`, until a rule says something of its passwords: it is each node's `requirepass`.
    pub password_is_configured: bool,
    /// Any password will do.
    pub is_nopass: bool,
    /// Of RESTORE, if a rule says so; every payload is checked here, so it is told and no more.
    pub sanitizes: Option<bool>,
    pub passwords: Vec<Hash>,
    pub root: SelectorRules,
    pub others: Vec<SelectorRules>,
}

impl Definition {
    /// A new user: off, without a password, and may do nothing.
    pub fn new() -> Self {
        Definition {
            is_on: false,
            password_is_configured: false,
            is_nopass: false,
            sanitizes: None,
            passwords: Vec::new(),
            root: SelectorRules::default(),
            others: Vec::new(),
        }
    }

    /// The user `default` before anybody has changed it.
    pub fn of_default() -> Self {
        let root = SelectorRules::everything();
        Definition { is_on: true, password_is_configured: true, is_nopass: true, root, ..Self::new() }
    }

    /// All selectors, the root first.
    pub fn selectors(&self) -> impl Iterator<Item = &SelectorRules> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// Whether Redis's rules for names allow this one. Names are text here.
    pub fn allows_name(name: &[u8]) -> bool {
        !has_spaces(name) && name.len() <= ACL_USER_NAME_BYTES_MAX && std::str::from_utf8(name).is_ok()
    }

    /// Applies one rule, without passwords in clear text (see `logged`). With `names`, commands and categories must be known.
    /// After an error the definition is half changed: drop it.
    pub fn apply(&mut self, rule: &[u8], names: Option<&Catalogue>) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        self.password_is_configured &= !Self::is_of_passwords(rule);
        match rule {
            [] => {}
            _ if rule.len() > ACL_USER_BYTES_MAX => return Err(RuleError::TooMany),
            _ if is("on") => self.is_on = true,
            _ if is("off") => self.is_on = false,
            _ if is("nopass") => self.set_nopass(true),
            _ if is("resetpass") => self.set_nopass(false),
            _ if is("skip-sanitize-payload") => self.sanitizes = Some(false),
            _ if is("sanitize-payload") => self.sanitizes = Some(true),
            _ if is("clearselectors") => self.others.clear(),
            _ if is("reset") => *self = Definition { sanitizes: Some(true), ..Self::new() },
            [b'#', hash @ ..] => {
                let hash = Hash::parse(hash).ok_or(RuleError::BadHash)?;
                if !self.passwords.contains(&hash) {
                    self.passwords.push(hash);
                }
                self.is_nopass = false;
            }
            [b'!', hash @ ..] => {
                let hash = Hash::parse(hash).ok_or(RuleError::BadHash)?;
                let at = self.passwords.iter().position(|known| *known == hash);
                self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
            }
            [b'(', rules @ .., b')'] => self.others.push(selector(rules, names)?),
            rule => self.root.apply(rule, names)?,
        }
        match self.is_too_large() {
            true => Err(RuleError::TooMany),
            false => Ok(()),
        }
    }

    /// Whether a rule says something of passwords.
    pub fn is_of_passwords(rule: &[u8]) -> bool {
        let words = ["nopass", "resetpass", "reset"];
        matches!(rule, [b'#' | b'!', ..])
            || words.iter().any(|word| rule.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether a rule, or one of a selector, says something of databases.
    pub fn is_of_databases(rule: &[u8]) -> bool {
        match rule {
            [b'(', rules @ .., b')'] => {
                rules.split(u8::is_ascii_whitespace).any(SelectorRules::is_of_databases)
            }
            rule => SelectorRules::is_of_databases(rule),
        }
    }

    /// The password that a node is configured with becomes the user's own.
    pub fn take_over(&mut self, configured: Option<Hash>) {
        if std::mem::take(&mut self.password_is_configured)
            && let Some(hash) = configured
        {
            self.is_nopass = false;
            self.passwords.push(hash);
        }
    }

    fn set_nopass(&mut self, nopass: bool) {
        self.is_nopass = nopass;
        self.passwords.clear();
    }

    fn is_too_large(&self) -> bool {
        let patterns = self.selectors().fold(0, |sum: usize, rules| sum.saturating_add(rules.patterns()));
        patterns > ACL_PATTERNS_MAX
            || self.others.len() > ACL_SELECTORS_MAX
            || self.passwords.len() > ACL_PASSWORDS_MAX
    }

    /// A rule as the log carries it: with the hash of a password in its place.
    pub fn logged(rule: &[u8]) -> Vec<u8> {
        match rule {
            [b'>', password @ ..] => format!("#{}", Hash::of(password)).into_bytes(),
            [b'<', password @ ..] => format!("!{}", Hash::of(password)).into_bytes(),
            rule => rule.to_vec(),
        }
    }
}

impl Default for Definition {
    fn default() -> Self {
        Self::new()
    }
}

/// The rules of a selector, without its parentheses.
fn selector(rules: &[u8], names: Option<&Catalogue>) -> Result<SelectorRules, RuleError> {
    let mut selector = SelectorRules::default();
    for rule in rules.split(u8::is_ascii_whitespace).filter(|rule| !rule.is_empty()) {
        selector.apply(rule, names)?;
        if selector.patterns() > ACL_PATTERNS_MAX {
            return Err(RuleError::TooMany);
        }
    }
    Ok(selector)
}
