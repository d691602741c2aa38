//! Which databases a call is about: what rules of users (`db=0,1`) are asked for.

use super::{Command, Flags, Group, OfCall, Run, parse_i64};
use crate::limits::DATABASES;

/// Of a command.
#[derive(Clone, Copy)]
pub enum Databases {
    /// The one that is selected, if it is about keys.
    Selected,
    /// Also those whose numbers are at these positions in argv.
    Named(OfCall<Vec<usize>>),
    /// All.
    All,
}

impl Command {
    /// Whether a call is about the database that is selected.
    pub(super) fn is_of_selected(&self, argv: &[&[u8]]) -> bool {
        let has_key = || self.keys_in(argv).any(|named| named.access.is_of_key());
        let is_of_keys =
            [Flags::KEYSPACE, Flags::READONLY, Flags::WRITE].iter().any(|flag| self.flags.has(*flag))
                || matches!(self.run, Run::Read(_));
        match self.databases {
            // A script is asked for its keys, and for each call that it makes.
            Databases::Selected if self.group == Group::Scripting && !self.flags.has(Flags::WRITE) => {
                has_key()
            }
            Databases::Selected => is_of_keys || has_key(),
            Databases::Named(_) => has_key(),
            Databases::All => true,
        }
    }

    /// The databases that a call names, each with its position. A number that is none, or of no database, is for the command to
    /// refuse.
    pub(super) fn databases_in(&self, argv: &[&[u8]]) -> impl Iterator<Item = (usize, u32)> {
        let at = match self.databases {
            Databases::Named(named) => named(argv),
            Databases::Selected | Databases::All => Vec::new(),
        };
        at.into_iter().filter_map(move |at| {
            let db = argv.get(at).and_then(|word| parse_i64(word)).and_then(|db| u32::try_from(db).ok());
            db.filter(|db| *db < DATABASES).map(|db| (at, db))
        })
    }
}
