//! Whether a user may make a call, by the row's keys, channels and databases. One answer for every place that asks: the gates of
//! connections, EXEC, blocked calls, scripts, ACL DRYRUN.

use super::{Access, Databases, Flags, Resolved, Table, info};
use crate::{
    acl::{CATEGORIES, Catalogue, Entry, KeyUse, Selector, User},
    resp::ErrorReply,
    session::DeniedReason,
};

/// Why a user may not make a call. Positions are indexes in argv. In the order in which they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// The position of its number; 0: the one that is selected.
    Database(usize),
    Command,
    Key(usize),
    Channel(usize),
}

impl Denied {
    /// As Redis 7.2 (and of databases, Valkey 9.1) tells a client that is not allowed what it asks for.
    pub fn text(self, user: &User, call: Resolved) -> String {
        match self {
            Denied::Database(_) => "No permissions to access database".into(),
            Denied::Command => {
                format!("User {} has no permissions to run the '{}' command", user.name(), call.full_name())
            }
            Denied::Key(_) => "No permissions to access a key".into(),
            Denied::Channel(_) => "No permissions to access a channel".into(),
        }
    }

    /// As `text`, with the name that was denied.
    pub fn full_text(self, user: &User, call: Resolved, argv: &[&[u8]]) -> String {
        let word =
            |at: usize| String::from_utf8_lossy(argv.get(at).copied().unwrap_or_default()).into_owned();
        match self {
            Denied::Database(at) => {
                format!("User {} has no permissions to access database {}", user.name(), word(at))
            }
            Denied::Command => self.text(user, call),
            Denied::Key(at) => {
                format!("User {} has no permissions to access the '{}' key", user.name(), word(at))
            }
            Denied::Channel(at) => {
                format!("User {} has no permissions to access the '{}' channel", user.name(), word(at))
            }
        }
    }

    /// As ACL LOG has it: the reason, and what was denied.
    pub fn logged(self, call: Resolved, argv: &[&[u8]]) -> (DeniedReason, Vec<u8>) {
        let word = |at: usize| argv.get(at).map_or_else(Vec::new, |word| word.to_vec());
        match self {
            Denied::Database(at) => (DeniedReason::Database, word(at)),
            Denied::Command => (DeniedReason::Command, call.full_name().into_bytes()),
            Denied::Key(at) => (DeniedReason::Key, word(at)),
            Denied::Channel(at) => (DeniedReason::Channel, word(at)),
        }
    }

    /// The error reply.
    pub fn error(self, user: &User, call: Resolved) -> ErrorReply {
        ErrorReply::new("NOPERM", self.text(user, call))
    }
}

/// Asks each selector. If none allows the call, the reason is of the one that came furthest, as in Redis. `db`: the database
/// that is selected.
pub fn check(user: &User, call: Resolved, argv: &[&[u8]], db: u32) -> Result<(), Denied> {
    if user.is_unrestricted() {
        return Ok(());
    }
    let mut furthest = Denied::Database(0);
    for selector in user.selectors() {
        match ask(selector, call, argv, db) {
            Ok(()) => return Ok(()),
            Err(denied) => furthest = furthest.max(denied),
        }
    }
    Err(furthest)
}

/// Whether a selector that allows the call allows to read every key: what the call reads follows from data.
pub fn may_read_all_keys(user: &User, call: Resolved, argv: &[&[u8]], db: u32) -> bool {
    let every = |selector: &Selector| selector.allows_every_key(KeyUse { reads: true, writes: false });
    user.is_unrestricted()
        || user.selectors().iter().any(|selector| every(selector) && ask(selector, call, argv, db).is_ok())
}

fn ask(selector: &Selector, call: Resolved, argv: &[&[u8]], db: u32) -> Result<(), Denied> {
    let command = call.command;
    if !selector.allows_all_databases() {
        let is_of_all = matches!(command.databases, Databases::All);
        if is_of_all || command.is_of_selected(argv) && !selector.allows_database(db) {
            return Err(Denied::Database(0));
        }
        if let Some((at, _)) = command.databases_in(argv).find(|(_, db)| !selector.allows_database(*db)) {
            return Err(Denied::Database(at));
        }
    }
    let first = argv.get(call.names).copied();
    if !command.flags.has(Flags::NO_AUTH) && !selector.allows_command(call.index, first) {
        return Err(Denied::Command);
    }
    let word = |at: usize| argv.get(at).copied().unwrap_or_default();
    if !selector.allows_all_keys() {
        let mut keys = command.keys_in(argv).filter(|named| named.access.is_of_key());
        let denied = keys.find(|named| !selector.allows_key(word(named.at), named.access.needs()));
        if let Some(named) = denied {
            return Err(Denied::Key(named.at));
        }
    }
    if !selector.allows_all_channels() {
        let mut channels = command.channels_in(argv).filter(|named| named.access != Access::Unsubscribed);
        let denied = channels
            .find(|named| !selector.allows_channel(word(named.at), named.access == Access::ChannelPattern));
        if let Some(named) = denied {
            return Err(Denied::Channel(named.at));
        }
    }
    Ok(())
}

/// The commands of a table, as rules of users name them.
pub fn catalogue(table: &Table) -> Catalogue {
    let (mut entries, mut container) = (Vec::new(), None);
    for (at, name) in table.names().iter().enumerate() {
        let Some(call) = table.at(at) else { continue };
        if call.parent.is_none() {
            container = Some(at);
        }
        let parent = call.parent.and(container);
        let names = info::categories(call.parent, call.command);
        let bits = CATEGORIES.iter().enumerate().filter(|(_, category)| names.contains(category));
        let categories = bits.fold(0_u32, |bits, (at, _)| bits | 1 << at);
        entries.push(Entry { name: name.clone(), parent, categories });
    }
    Catalogue::new(entries)
}
