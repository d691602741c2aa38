//! The table of all commands: looks a call up, checks its arity, finds its keys.

use super::{Command, require_level};
use crate::{
    resp::{ErrorReply, excerpt, excerpt_of},
    session::CommandClass,
    state::Work,
};
use std::{collections::HashMap, sync::Arc};

/// Longest command name that is looked up; longer words cannot be commands.
const NAME_BYTES_MAX: usize = 32;

/// All commands by name. Built once; lookups do not allocate.
pub struct Table {
    by_name: HashMap<&'static [u8], (&'static Command, usize), foldhash::fast::RandomState>,
    rows: Vec<&'static Command>,
    /// All rows and subcommands, by number.
    numbered: Vec<Resolved>,
    names: Vec<String>,
}

/// A call resolved to its row.
#[derive(Clone, Copy)]
pub struct Resolved {
    pub command: &'static Command,
    /// The container if `command` is a subcommand.
    pub parent: Option<&'static Command>,
    /// The number of words in its name: 1 or 2.
    pub names: usize,
    /// Its number among all rows and subcommands, for counters.
    pub index: usize,
}

impl Resolved {
    /// Refuses a call that the active feature level does not allow.
    pub fn allowed_at(&self, active: u32) -> Result<(), ErrorReply> {
        match self.command.since_level > active {
            false => Ok(()),
            true => require_level(&self.full_name(), self.command.since_level, active),
        }
    }

    /// `get`, `client|list`.
    pub fn full_name(&self) -> String {
        full_name(self.parent, self.command)
    }

    /// What this call may amount to.
    pub fn work(&self, argv: &[&[u8]]) -> Work {
        let is_bounded = self.command.cost.is_of_words(argv);
        Work { calls: 1, is_bounded, may_take_long: !is_bounded && self.command.is_write() }
    }
}

/// A command's name as COMMAND and INFO print it.
pub fn full_name(parent: Option<&Command>, command: &Command) -> String {
    match parent {
        Some(parent) => format!("{}|{}", parent.name, command.name).to_ascii_lowercase(),
        None => command.name.to_ascii_lowercase(),
    }
}

impl Table {
    /// A table of these groups of rows.
    pub fn new(groups: &[&'static [Command]]) -> Self {
        let mut rows: Vec<&'static Command> = groups.iter().flat_map(|group| group.iter()).collect();
        rows.sort_by_key(|row| row.name);
        let mut by_name = HashMap::default();
        let mut numbered: Vec<Resolved> = Vec::new();
        for row in &rows {
            let row: &'static Command = row;
            by_name.insert(row.name.as_bytes(), (row, numbered.len()));
            numbered.push(Resolved { command: row, parent: None, names: 1, index: numbered.len() });
            for command in row.subcommands {
                numbered.push(Resolved { command, parent: Some(row), names: 2, index: numbered.len() });
            }
        }
        let names = numbered.iter().map(Resolved::full_name).collect();
        Table { by_name, rows, numbered, names }
    }

    /// All rows by name, containers but not their subcommands.
    pub fn rows(&self) -> &[&'static Command] {
        &self.rows
    }

    /// Names of all rows and subcommands; positions are `Resolved::index`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The classes of all rows and subcommands; positions are `Resolved::index`.
    pub fn classes(&self) -> Arc<[CommandClass]> {
        self.numbered.iter().map(|resolved| resolved.command.class()).collect()
    }

    /// The call of a number that `resolve` gave (`Resolved::index`).
    pub fn at(&self, index: usize) -> Option<Resolved> {
        self.numbered.get(index).copied()
    }

    /// The row of a name; case does not matter.
    pub fn get(&self, name: &[u8]) -> Option<&'static Command> {
        self.find(name).map(|(row, _)| row)
    }

    fn find(&self, name: &[u8]) -> Option<(&'static Command, usize)> {
        let mut upper = [0_u8; NAME_BYTES_MAX];
        let upper = upper.get_mut(..name.len())?;
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        self.by_name.get(&upper[..]).copied()
    }

    /// The index of a call's row, if its name is known, whatever its arguments are.
    pub fn index(&self, argv: &[&[u8]]) -> Option<usize> {
        let (command, index) = self.find(argv.first()?)?;
        let sub = argv.get(1).and_then(|word| subcommand(command, word));
        Some(sub.map_or(index, |(at, _)| index.saturating_add(at).saturating_add(1)))
    }

    /// Whether there is a row for a call, and for its subcommand, whatever else it says.
    pub fn knows(&self, argv: &[&[u8]]) -> bool {
        let row = argv.first().and_then(|name| self.find(name));
        row.is_some_and(|(row, _)| {
            row.subcommands.is_empty() || argv.get(1).is_none_or(|word| subcommand(row, word).is_some())
        })
    }

    /// Finds the row of a call and checks its arity, with Redis's error texts.
    pub fn resolve(&self, argv: &[&[u8]]) -> Result<Resolved, ErrorReply> {
        let name = argv.first().copied().unwrap_or_default();
        let (command, index) = self.find(name).ok_or_else(|| unknown_command(argv))?;
        if !command.subcommands.is_empty()
            && let Some(word) = argv.get(1)
        {
            let Some((at, sub)) = subcommand(command, word) else {
                return Err(unknown_subcommand(command.name, word));
            };
            let index = index.saturating_add(at).saturating_add(1);
            if !sub.accepts(argv.len()) {
                let name = format!("{}|{}", command.name, sub.name).to_ascii_lowercase();
                return Err(ErrorReply::wrong_arity(&name));
            }
            return Ok(Resolved { command: sub, parent: Some(command), index, names: 2 });
        }
        if !command.accepts(argv.len()) {
            return Err(ErrorReply::wrong_arity(&command.name.to_ascii_lowercase()));
        }
        Ok(Resolved { command, parent: None, index, names: 1 })
    }
}

/// The row of a subcommand.
pub fn subcommand(command: &Command, word: &[u8]) -> Option<(usize, &'static Command)> {
    let all: &'static [Command] = command.subcommands;
    all.iter().enumerate().find(|(_, sub)| sub.name.as_bytes().eq_ignore_ascii_case(word))
}

fn unknown_command(argv: &[&[u8]]) -> ErrorReply {
    let mut text = String::new();
    for word in argv.iter().skip(1) {
        let Some(room) = 128_usize.checked_sub(text.len()).filter(|room| *room > 0) else {
            break;
        };
        text.push_str(&format!("'{}' ", excerpt_of(word, room)));
    }
    let name = excerpt(argv.first().copied().unwrap_or_default());
    ErrorReply::err(format!("unknown command '{name}', with args beginning with: {text}"))
}

fn unknown_subcommand(name: &str, word: &[u8]) -> ErrorReply {
    let word = excerpt(word);
    ErrorReply::err(format!("unknown subcommand '{word}'. Try {name} HELP."))
}
