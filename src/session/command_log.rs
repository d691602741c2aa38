//! SLOWLOG and COMMANDLOG: calls of this node that took long, were long, or had a long reply; the latest first.
//!
//! Bounded three ways: in entries as configured, in words and bytes of a call (`command/shown.rs` cuts them), and in bytes of a
//! log, whatever was configured. A call that is below all thresholds costs a comparison for each log.

use super::Client;
use crate::{config::Settings, time::now_ms};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Bytes of words that one log keeps.
const LOG_BYTES_MAX: usize = 8 << 20;
/// What a word takes beside its bytes, and an entry beside its words.
const WORD_BYTES: usize = 32;
const ENTRY_BYTES: usize = 256;
/// Nothing reaches it.
const NEVER: u64 = u64::MAX;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLogEntry {
    pub id: u64,
    /// Wall time, seconds.
    pub at_seconds: u64,
    /// Microseconds or bytes, by the log.
    pub value: u64,
    pub argv: Vec<Vec<u8>>,
    /// Address and name of the client.
    pub peer: String,
    pub name: String,
}

impl CommandLogEntry {
    fn bytes(&self) -> usize {
        let texts = self.peer.len().saturating_add(self.name.len()).saturating_add(ENTRY_BYTES);
        self.argv.iter().fold(texts, |sum, word| sum.saturating_add(word.len()).saturating_add(WORD_BYTES))
    }
}

#[derive(Debug, Default)]
struct Entries {
    next_id: u64,
    bytes: usize,
    latest_first: VecDeque<CommandLogEntry>,
}

/// One log.
#[derive(Debug)]
pub struct CommandLog {
    /// Values from here on are logged.
    threshold: AtomicU64,
    len_max: AtomicUsize,
    entries: Mutex<Entries>,
}

impl Default for CommandLog {
    fn default() -> Self {
        CommandLog {
            threshold: AtomicU64::new(NEVER),
            len_max: AtomicUsize::new(0),
            entries: Mutex::default(),
        }
    }
}

impl CommandLog {
    /// `threshold`: negative = nothing is logged. A shorter log forgets with its next entry, as in Redis.
    fn configure(&self, threshold: i64, len_max: usize) {
        let threshold = if len_max == 0 { NEVER } else { u64::try_from(threshold).unwrap_or(NEVER) };
        self.threshold.store(threshold, Ordering::Relaxed);
        self.len_max.store(len_max, Ordering::Relaxed);
    }

    /// Whether a call with this value is logged.
    #[inline]
    pub fn wants(&self, value: u64) -> bool {
        value >= self.threshold.load(Ordering::Relaxed)
    }

    /// Whether any call is.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.threshold.load(Ordering::Relaxed) != NEVER
    }

    /// Adds a call. `argv`: cut, and without secrets. `client`: `None` if it is another node's, or gone.
    pub fn add(&self, value: u64, argv: Vec<Vec<u8>>, client: Option<&Client>) {
        let (peer, name) = match client {
            Some(client) => (client.peer.to_string(), client.text.lock().name.clone()),
            // As Redis shows a client without an address.
            None => ("?:0".to_owned(), String::new()),
        };
        let len_max = self.len_max.load(Ordering::Relaxed);
        let mut entries = self.entries.lock();
        let id = entries.next_id;
        entries.next_id = id.saturating_add(1);
        let entry = CommandLogEntry { id, at_seconds: now_ms() / 1000, value, argv, peer, name };
        entries.bytes = entries.bytes.saturating_add(entry.bytes());
        entries.latest_first.push_front(entry);
        while (entries.latest_first.len() > len_max || entries.bytes > LOG_BYTES_MAX)
            && let Some(oldest) = entries.latest_first.pop_back()
        {
            entries.bytes = entries.bytes.saturating_sub(oldest.bytes());
        }
    }

    /// The latest entries, the latest first.
    pub fn latest(&self, count: usize) -> Vec<CommandLogEntry> {
        self.entries.lock().latest_first.iter().take(count).cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.entries.lock().latest_first.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries; numbers go on.
    pub fn reset(&self) {
        let mut entries = self.entries.lock();
        entries.bytes = 0;
        entries.latest_first = VecDeque::new();
    }
}

/// The logs of a node.
#[derive(Debug, Default)]
pub struct CommandLogs {
    /// Microseconds of execution: without waits for the log, other nodes, keys and other clients.
    pub slow: CommandLog,
    /// Bytes of requests, and of replies.
    pub large_request: CommandLog,
    pub large_reply: CommandLog,
}

impl CommandLogs {
    /// Puts the configuration into force.
    pub fn configure(&self, settings: &Settings) {
        for (log, (threshold, len_max)) in
            [&self.slow, &self.large_request, &self.large_reply].into_iter().zip(settings.command_logs)
        {
            log.configure(threshold, len_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(log: &CommandLog) -> Vec<u64> {
        log.latest(usize::MAX).iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn the_oldest_go_and_numbers_go_on() {
        let log = CommandLog::default();
        assert!(!log.is_on() && !log.wants(NEVER - 1));
        log.configure(10, 2);
        assert!(log.is_on() && log.wants(10) && !log.wants(9));
        for _ in 0..3 {
            log.add(10, vec![b"GET".to_vec()], None);
        }
        assert_eq!(ids(&log), [2, 1]);
        assert_eq!(log.latest(1)[0].peer, "?:0");
        log.reset();
        log.add(11, Vec::new(), None);
        assert_eq!(ids(&log), [3]);
        log.configure(-1, 2);
        assert!(!log.is_on());
        log.configure(0, 0);
        assert!(!log.is_on(), "a log without room");
    }

    #[test]
    fn a_log_of_any_length_has_a_bound_in_bytes() {
        let log = CommandLog::default();
        log.configure(0, usize::MAX);
        let argv = || vec![vec![b'x'; 128]; 32];
        for _ in 0..4000 {
            log.add(1, argv(), None);
        }
        let bytes: usize = log.latest(usize::MAX).iter().map(CommandLogEntry::bytes).sum();
        assert!(bytes <= LOG_BYTES_MAX && bytes > LOG_BYTES_MAX / 2, "{bytes}");
        assert_eq!(log.entries.lock().bytes, bytes);
    }
}
