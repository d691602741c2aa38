//! ACL LOG: what users were refused on this node, the latest first, alike ones counted together as by Redis.
//!
//! Names that clients choose are cut, and the number of entries has a bound: whatever clients try costs little memory.

use parking_lot::Mutex;
use std::collections::VecDeque;

/// Alike entries no further apart are one.
const GROUPED_MS: u64 = 60_000;
/// Of a key, channel or user name that is kept.
const NAME_BYTES_MAX: usize = 256;
/// Of an entry's client.
const CLIENT_CHARS_MAX: usize = 1024;
/// Entries that are looked at for one that is alike.
const LOOKED_AT_MAX: usize = 10;

/// Why it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedReason {
    Command,
    Key,
    Channel,
    Database,
    Auth,
}

impl DeniedReason {
    pub fn name(self) -> &'static str {
        match self {
            DeniedReason::Command => "command",
            DeniedReason::Key => "key",
            DeniedReason::Channel => "channel",
            DeniedReason::Database => "database",
            DeniedReason::Auth => "auth",
        }
    }
}

/// Where the call came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedIn {
    TopLevel,
    Multi,
    Script,
}

impl DeniedIn {
    pub fn name(self) -> &'static str {
        match self {
            DeniedIn::TopLevel => "toplevel",
            DeniedIn::Multi => "multi",
            DeniedIn::Script => "lua",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclLogEntry {
    pub id: u64,
    pub count: u64,
    pub reason: DeniedReason,
    pub context: DeniedIn,
    /// The command, key or channel.
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    /// As CLIENT INFO describes it.
    pub client: String,
    pub created_ms: u64,
    pub updated_ms: u64,
}

#[derive(Debug, Default)]
struct Entries {
    next_id: u64,
    latest_first: VecDeque<AclLogEntry>,
}

/// The log.
#[derive(Debug, Default)]
pub struct AclLog(Mutex<Entries>);

impl AclLog {
    /// Adds what was refused. `now_ms`: wall time.
    pub fn add(
        &self,
        (reason, context): (DeniedReason, DeniedIn),
        object: &[u8],
        user: &[u8],
        client: String,
        now_ms: u64,
        len_max: usize,
    ) {
        let cut = |text: &[u8]| text.get(..text.len().min(NAME_BYTES_MAX)).unwrap_or_default().to_vec();
        let (object, user) = (cut(object), cut(user));
        let client: String = client.chars().take(CLIENT_CHARS_MAX).collect();
        let mut entries = self.0.lock();
        let is_alike = |entry: &AclLogEntry| {
            entry.reason == reason
                && entry.context == context
                && now_ms.saturating_sub(entry.updated_ms) <= GROUPED_MS
                && entry.object == object
                && entry.user == user
        };
        let alike = entries.latest_first.iter().take(LOOKED_AT_MAX).position(is_alike);
        let entry = match alike.and_then(|at| entries.latest_first.remove(at)) {
            Some(entry) => {
                AclLogEntry { count: entry.count.saturating_add(1), client, updated_ms: now_ms, ..entry }
            }
            None => {
                let id = entries.next_id;
                entries.next_id = id.saturating_add(1);
                let (created_ms, updated_ms) = (now_ms, now_ms);
                AclLogEntry { id, count: 1, reason, context, object, user, client, created_ms, updated_ms }
            }
        };
        entries.latest_first.push_front(entry);
        entries.latest_first.truncate(len_max);
    }

    /// The latest entries, the latest first.
    pub fn latest(&self, count: usize) -> Vec<AclLogEntry> {
        self.0.lock().latest_first.iter().take(count).cloned().collect()
    }

    /// ACL LOG RESET.
    pub fn reset(&self) {
        self.0.lock().latest_first.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_entries_are_one_and_the_oldest_goes() {
        let log = AclLog::default();
        let add = |object: &[u8], now| {
            log.add((DeniedReason::Key, DeniedIn::TopLevel), object, b"u", "id=1".into(), now, 3);
        };
        add(b"a", 0);
        add(b"b", 0);
        add(b"a", GROUPED_MS);
        let told: Vec<_> =
            log.latest(10).into_iter().map(|entry| (entry.object, entry.count, entry.id)).collect();
        assert_eq!(told, [(b"a".to_vec(), 2, 0), (b"b".to_vec(), 1, 1)]);
        add(b"a", 3 * GROUPED_MS);
        assert_eq!(log.latest(1)[0].count, 1, "too long ago");
        add(&[b'x'; 100_000], 3 * GROUPED_MS);
        assert_eq!(log.latest(1)[0].object.len(), NAME_BYTES_MAX);
        assert_eq!(log.latest(10).len(), 3);
        log.reset();
        assert!(log.latest(10).is_empty());
    }
}
