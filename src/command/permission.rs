//! Whether a user may make a call, by the row's keys and channels. One answer for every place that asks: the gates of
//! connections, EXEC, blocked calls, scripts, ACL DRYRUN.

use super::{Access, Flags, Resolved, Table, info};
use crate::{
    acl::{CATEGORIES, Catalogue, Entry, KeyUse, Selector, User},
    resp::ErrorReply,
};

/// Why a user may not make a call. Positions are indexes in argv.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    Command,
    Key(usize),
    Channel(usize),
}

impl Denied {
    /// As Redis 7.2 tells a client that is not allowed what it asks for.
    pub fn text(self, user: &User, call: Resolved) -> String {
        match self {
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
            Denied::Command => self.text(user, call),
            Denied::Key(at) => {
                format!("User {} has no permissions to access the '{}' key", user.name(), word(at))
            }
            Denied::Channel(at) => {
                format!("User {} has no permissions to access the '{}' channel", user.name(), word(at))
            }
        }
    }

    /// The error reply.
    pub fn error(self, user: &User, call: Resolved) -> ErrorReply {
        ErrorReply::new("NOPERM", self.text(user, call))
    }
}

/// Asks each selector. If none allows the call, the reason is of the one that came furthest, as in Redis.
pub fn check(user: &User, call: Resolved, argv: &[&[u8]]) -> Result<(), Denied> {
    if user.is_unrestricted() {
        return Ok(());
    }
    let mut furthest = Denied::Command;
    for selector in user.selectors() {
        match ask(selector, call, argv) {
            Ok(()) => return Ok(()),
            Err(denied) => furthest = furthest.max(denied),
        }
    }
    Err(furthest)
}

/// Whether a selector that allows the call allows to read every key: what the call reads follows from data.
pub fn may_read_all_keys(user: &User, call: Resolved, argv: &[&[u8]]) -> bool {
    let every = |selector: &Selector| selector.allows_every_key(KeyUse { reads: true, writes: false });
    user.is_unrestricted()
        || user.selectors().iter().any(|selector| every(selector) && ask(selector, call, argv).is_ok())
}

fn ask(selector: &Selector, call: Resolved, argv: &[&[u8]]) -> Result<(), Denied> {
    let command = call.command;
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
