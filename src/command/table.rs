//! The table of all commands: looks a call up, checks its arity, finds its keys.

use super::{Command, KeyRange, args::parse_i64};
use crate::resp::ErrorReply;
use std::collections::HashMap;

/// Longest command name that is looked up; longer words cannot be commands.
const NAME_BYTES_MAX: usize = 32;

/// All commands by name. Built once; lookups do not allocate.
pub struct Table {
    by_name: HashMap<&'static [u8], &'static Command, foldhash::fast::RandomState>,
    rows: Vec<&'static Command>,
}

/// A call resolved to its row.
#[derive(Clone, Copy)]
pub struct Resolved {
    pub command: &'static Command,
    /// The container if `command` is a subcommand.
    pub parent: Option<&'static Command>,
    /// How many words name it: 1 or 2.
    pub names: usize,
}

impl Table {
    /// A table of these groups of rows.
    pub fn new(groups: &[&'static [Command]]) -> Self {
        let mut rows: Vec<&'static Command> = groups.iter().flat_map(|group| group.iter()).collect();
        rows.sort_by_key(|row| row.name);
        let by_name = rows.iter().map(|row| (row.name.as_bytes(), *row)).collect();
        Table { by_name, rows }
    }

    /// All rows by name, containers but not their subcommands.
    pub fn rows(&self) -> &[&'static Command] {
        &self.rows
    }

    /// The row of a name, whatever its case.
    pub fn get(&self, name: &[u8]) -> Option<&'static Command> {
        let mut upper = [0_u8; NAME_BYTES_MAX];
        let upper = upper.get_mut(..name.len())?;
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        self.by_name.get(&upper[..]).copied()
    }

    /// Finds the row of a call and checks its arity, with Redis's error texts.
    pub fn resolve(&self, argv: &[&[u8]]) -> Result<Resolved, ErrorReply> {
        let name = argv.first().copied().unwrap_or_default();
        let command = self.get(name).ok_or_else(|| unknown_command(argv))?;
        if !command.subcommands.is_empty()
            && let Some(word) = argv.get(1)
        {
            let Some(sub) = subcommand(command, word) else {
                return Err(unknown_subcommand(name, word));
            };
            if !sub.accepts(argv.len()) {
                let name = format!("{}|{}", command.name, sub.name).to_ascii_lowercase();
                return Err(ErrorReply::wrong_arity(&name));
            }
            return Ok(Resolved {
                command: sub,
                parent: Some(command),
                names: 2,
            });
        }
        if !command.accepts(argv.len()) {
            return Err(ErrorReply::wrong_arity(&command.name.to_ascii_lowercase()));
        }
        Ok(Resolved {
            command,
            parent: None,
            names: 1,
        })
    }
}

/// The row of a subcommand.
pub fn subcommand(command: &Command, word: &[u8]) -> Option<&'static Command> {
    let all: &'static [Command] = command.subcommands;
    all.iter()
        .find(|sub| sub.name.as_bytes().eq_ignore_ascii_case(word))
}

fn unknown_command(argv: &[&[u8]]) -> ErrorReply {
    let show = |word: &[u8], room: usize| {
        String::from_utf8_lossy(word.get(..word.len().min(room)).unwrap_or_default()).into_owned()
    };
    let mut text = String::new();
    for word in argv.iter().skip(1) {
        let Some(room) = 128_usize.checked_sub(text.len()).filter(|room| *room > 0) else {
            break;
        };
        text.push_str(&format!("'{}' ", show(word, room)));
    }
    let name = show(argv.first().copied().unwrap_or_default(), 128);
    ErrorReply::err(format!(
        "unknown command '{name}', with args beginning with: {text}"
    ))
}

fn unknown_subcommand(name: &[u8], word: &[u8]) -> ErrorReply {
    let word = String::from_utf8_lossy(word.get(..word.len().min(128)).unwrap_or_default()).into_owned();
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    ErrorReply::err(format!("unknown subcommand '{word}'. Try {name} HELP."))
}

/// Indexes in `argv` of a call's keys.
pub fn key_positions(keys: KeyRange, argv: &[&[u8]]) -> Vec<usize> {
    let len = i64::try_from(argv.len()).unwrap_or(i64::MAX);
    if let Some(at) = keys.count_at {
        let count = argv.get(at).and_then(|word| parse_i64(word)).unwrap_or(0);
        let count = usize::try_from(count).unwrap_or(0).min(argv.len());
        let first = at.saturating_add(1);
        let step = usize::try_from(keys.step).unwrap_or(1).max(1);
        return (0..count)
            .map(|i| first.saturating_add(i.saturating_mul(step)))
            .filter(|i| *i < argv.len())
            .collect();
    }
    if keys.first <= 0 || keys.step <= 0 {
        return Vec::new();
    }
    let last = if keys.last < 0 {
        len.saturating_add(i64::from(keys.last))
    } else {
        i64::from(keys.last).min(len - 1)
    };
    let step = usize::try_from(keys.step).unwrap_or(1);
    (i64::from(keys.first)..=last)
        .step_by(step)
        .filter_map(|i| usize::try_from(i).ok())
        .collect()
}
