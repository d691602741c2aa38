//! A definition compiled against the commands that this node has: what is asked for every call of a user who may not do
//! everything.
//!
//! A question costs a bit for the command, and a match of each pattern at most for each key and channel; nothing is allocated.

use super::{Catalogue, Definition, KeyPattern, SelectorRules};
use crate::types::glob;
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Clone)]
pub struct User {
    name: String,
    created: u64,
    definition: Definition,
    selectors: Vec<Selector>,
    is_unrestricted: bool,
}

/// What a call does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    pub reads: bool,
    pub writes: bool,
}

/// A selector compiled.
#[derive(Debug, Clone)]
pub struct Selector {
    /// Every command, also of those that the catalogue does not have.
    all_commands: bool,
    /// A bit for each command.
    commands: Vec<u64>,
    /// Of commands without such a bit: the first arguments with which they are allowed, in lower case.
    first_arguments: BTreeMap<usize, Vec<String>>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
    /// `None`: all.
    databases: Option<BTreeSet<u32>>,
}

impl User {
    pub fn new(name: &str, created: u64, definition: Definition, catalogue: &Catalogue) -> Self {
        let selectors: Vec<Selector> =
            definition.selectors().map(|rules| Selector::new(rules, catalogue)).collect();
        let is_unrestricted = selectors.iter().any(Selector::is_unrestricted);
        User { name: name.to_owned(), created, definition, selectors, is_unrestricted }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells it from a later user of the same name.
    pub fn created(&self) -> u64 {
        self.created
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether it may make all calls: nothing needs to be asked.
    pub fn is_unrestricted(&self) -> bool {
        self.is_unrestricted
    }

    /// Whether it can no longer hear all that it could as `before`.
    pub fn hears_less_than(&self, before: &User) -> bool {
        let hears = |pattern: &[u8]| {
            self.selectors
                .iter()
                .any(|own| own.all_channels || own.channels.iter().any(|known| known == pattern))
        };
        let hears_all = || self.selectors.iter().any(|own| own.all_channels);
        before.selectors.iter().any(|old| match old.all_channels {
            true => !hears_all(),
            false => old.channels.iter().any(|pattern| !hears(pattern)),
        })
    }
}

impl Selector {
    fn new(rules: &SelectorRules, catalogue: &Catalogue) -> Self {
        let words = catalogue.entries().len().div_ceil(64);
        let mut selector = Selector {
            all_commands: rules.all_commands,
            commands: vec![if rules.all_commands { u64::MAX } else { 0 }; words],
            first_arguments: BTreeMap::new(),
            all_keys: rules.all_keys,
            keys: rules.keys.clone(),
            all_channels: rules.all_channels,
            channels: rules.channels.clone(),
            databases: rules.databases.clone(),
        };
        for (allow, name) in &rules.commands {
            selector.command(*allow, name, catalogue);
        }
        selector
    }

    /// Applies a rule of commands. One that this node does not know changes nothing: it is of another build.
    fn command(&mut self, allow: bool, name: &str, catalogue: &Catalogue) {
        if let Some(category) = name.strip_prefix('@') {
            let bit = Catalogue::category(category).unwrap_or(0);
            catalogue.of_category(bit).for_each(|at| self.set(at, allow, catalogue));
        } else if let Some(at) = catalogue.find(name) {
            self.set(at, allow, catalogue);
        } else if let Some((command, argument)) = name.rsplit_once('|').filter(|_| allow)
            && let Some(at) = catalogue.find(command)
        {
            self.first_arguments.entry(at).or_default().push(argument.to_owned());
        }
    }

    fn set(&mut self, at: usize, allow: bool, catalogue: &Catalogue) {
        self.all_commands &= allow;
        self.first_arguments.remove(&at);
        for at in std::iter::once(at).chain(catalogue.subcommands(at).iter().copied()) {
            let bit = 1_u64 << (at % 64);
            if let Some(word) = self.commands.get_mut(at / 64) {
                *word = if allow { *word | bit } else { *word & !bit };
            }
        }
    }

    fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels && self.databases.is_none()
    }

    /// Whether it allows a command, with this first argument behind its name.
    pub fn allows_command(&self, at: usize, first_argument: Option<&[u8]>) -> bool {
        let is_set = || self.commands.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0);
        self.all_commands || is_set() || self.allows_first(at, first_argument)
    }

    fn allows_first(&self, at: usize, argument: Option<&[u8]>) -> bool {
        let (Some(allowed), Some(argument)) = (self.first_arguments.get(&at), argument) else { return false };
        allowed.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(argument))
    }

    pub fn allows_all_databases(&self) -> bool {
        self.databases.is_none()
    }

    pub fn allows_database(&self, db: u32) -> bool {
        self.databases.as_ref().is_none_or(|databases| databases.contains(&db))
    }

    pub fn allows_all_keys(&self) -> bool {
        self.all_keys
    }

    /// Whether it allows this with every key, as patterns say it.
    pub fn allows_every_key(&self, using: KeyUse) -> bool {
        self.all_keys || self.keys.iter().any(|known| covers(known, using) && known.pattern == b"*")
    }

    pub fn allows_key(&self, key: &[u8], using: KeyUse) -> bool {
        self.all_keys
            || self.keys.iter().any(|known| covers(known, using) && glob::matches(&known.pattern, key, false))
    }

    pub fn allows_all_channels(&self) -> bool {
        self.all_channels
    }

    /// A pattern of channels must be one of those allowed, letter by letter: what it matches is not known.
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|known| match is_pattern {
                true => known == channel,
                false => glob::matches(known, channel, false),
            })
    }
}

fn covers(pattern: &KeyPattern, using: KeyUse) -> bool {
    (pattern.reads || !using.reads) && (pattern.writes || !using.writes)
}
