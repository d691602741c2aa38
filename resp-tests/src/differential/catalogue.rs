//! Which commands there are: read from COMMAND, so that what a server does not have yet is left out, and said.

use std::collections::BTreeSet;
use std::io;

use super::groups::GROUPS;
use super::part::{Part, Template};
use crate::connection::{Connection, Received};
use crate::value::Value;

/// The names of commands, subcommands as `xgroup|create`.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    names: BTreeSet<String>,
}

impl Catalogue {
    /// What the server lists.
    pub fn of(connection: &mut Connection) -> io::Result<Catalogue> {
        match connection.call(&["COMMAND"])? {
            Received::Reply(Value::Array(rows)) => {
                let mut names = BTreeSet::new();
                rows.iter().for_each(|row| collect(row, &mut names));
                Ok(Catalogue { names })
            }
            other => Err(io::Error::other(format!("COMMAND answered {other:?}"))),
        }
    }

    /// Everything that any group draws.
    pub fn all() -> Catalogue {
        let mut names = BTreeSet::new();
        for template in GROUPS.iter().flat_map(|group| group.templates) {
            names.extend(needs(template));
        }
        Catalogue { names }
    }

    pub fn both(&self, other: &Catalogue) -> Catalogue {
        Catalogue { names: self.names.intersection(&other.names).cloned().collect() }
    }

    pub fn without(&self, other: &Catalogue) -> Vec<String> {
        self.names.difference(&other.names).cloned().collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether all is there that a template sends.
    pub fn allows(&self, template: &Template) -> bool {
        needs(template).iter().all(|name| self.has(name))
    }
}

/// The names of all commands that a template sends. Nobody has the command that tries what becomes of unknown ones.
fn needs(template: &Template) -> Vec<String> {
    let around = template.before.iter().chain(template.after).map(|words| words[0].to_lowercase());
    let own = template.name.to_lowercase().replace(' ', "|");
    let asked_about = match template.parts.first() {
        Some(Part::Word(word)) if own == "command|getkeys" => Some(word.to_lowercase()),
        _ => None,
    };
    around.chain([own]).chain(asked_about).filter(|name| name != "nosuchcommand").collect()
}

fn collect(row: &Value, names: &mut BTreeSet<String>) {
    let Value::Array(fields) = row else { return };
    if let Some(Value::Bulk(name) | Value::Simple(name)) = fields.first() {
        names.insert(String::from_utf8_lossy(name).to_lowercase());
    }
    if let Some(Value::Array(subcommands)) = fields.get(9) {
        subcommands.iter().for_each(|row| collect(row, names));
    }
}
