//! Counters for INFO and metrics. All are since start or the last CONFIG RESETSTAT.

use super::{CommandLogs, HotKeys, Threads};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// Counters. Relaxed atomics: each is exact, but two of them may be read a moment apart.
#[derive(Debug, Default)]
pub struct Stats {
    pub connections_received: AtomicU64,
    pub connections_rejected: AtomicU64,
    pub commands_processed: AtomicU64,
    pub net_input_bytes: AtomicU64,
    pub net_output_bytes: AtomicU64,
    pub keyspace_hits: AtomicU64,
    pub keyspace_misses: AtomicU64,
    pub expired_keys: AtomicU64,
    /// Fields of hashes.
    pub expired_subkeys: AtomicU64,
    /// By this node, as leader.
    pub evicted_keys: AtomicU64,
    pub error_replies: AtomicU64,
    pub protocol_errors: AtomicU64,
    pub output_limit_disconnections: AtomicU64,
    /// Clients closed because they sent too much without ending a request.
    pub query_limit_disconnections: AtomicU64,
    /// Clients closed because all together pinned more than `maxmemory-clients`.
    pub evicted_clients: AtomicU64,
    pub blocking_reads: AtomicU64,
    /// Of the last full second.
    pub rates: Rates,
    pub proposals_refused: AtomicU64,
    pub auth_failures: AtomicU64,
    /// By `Resolved::index`.
    pub commands: Vec<CommandStats>,
    pub threads: Threads,
    /// Not reset with the counters, as what follows.
    pub command_logs: CommandLogs,
    pub hot_keys: HotKeys,
    /// Error replies by their code.
    pub errors: Mutex<BTreeMap<String, u64>>,
}

/// Counts of the last full second.
#[derive(Debug, Default)]
pub struct Rates {
    pub commands: AtomicU64,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    /// The counters when that second ended.
    before: Mutex<[u64; 3]>,
}

/// Counters of one command.
#[derive(Debug, Default)]
pub struct CommandStats {
    pub calls: AtomicU64,
    /// Microseconds from the call to its reply; a write's share of its proposal's way through the log.
    pub micros: AtomicU64,
    /// Refused before it ran: arity, authentication, inside MULTI.
    pub rejected: AtomicU64,
    /// Ran and answered an error.
    pub failed: AtomicU64,
}

/// Codes of errors that are counted one by one; scripts can make up any.
const ERROR_CODES_MAX: usize = 128;

impl Stats {
    /// Counters for this many commands.
    pub fn new(commands: usize) -> Self {
        Stats { commands: (0..commands).map(|_| CommandStats::default()).collect(), ..Stats::default() }
    }

    /// The counters of a command, if its number is one.
    pub fn command(&self, index: usize) -> Option<&CommandStats> {
        self.commands.get(index)
    }

    /// Counts an error reply.
    pub fn count_error(&self, code: &str) {
        Self::add(&self.error_replies, 1);
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(code) {
            *count = count.saturating_add(1);
        } else if errors.len() < ERROR_CODES_MAX {
            errors.insert(code.to_owned(), 1);
        }
    }

    /// To be called once a second.
    pub fn sample_rates(&self) {
        let counters = [&self.commands_processed, &self.net_input_bytes, &self.net_output_bytes];
        let rates = [&self.rates.commands, &self.rates.input_bytes, &self.rates.output_bytes];
        let mut before = self.rates.before.lock();
        for ((counter, rate), before) in counters.into_iter().zip(rates).zip(before.iter_mut()) {
            let now = Self::get(counter);
            rate.store(now.saturating_sub(*before), Ordering::Relaxed);
            *before = now;
        }
    }

    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    /// Reads a counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for counter in [
            &self.connections_received,
            &self.connections_rejected,
            &self.commands_processed,
            &self.net_input_bytes,
            &self.net_output_bytes,
            &self.keyspace_hits,
            &self.keyspace_misses,
            &self.expired_keys,
            &self.expired_subkeys,
            &self.evicted_keys,
            &self.error_replies,
            &self.protocol_errors,
            &self.output_limit_disconnections,
            &self.query_limit_disconnections,
            &self.evicted_clients,
            &self.blocking_reads,
            &self.proposals_refused,
            &self.auth_failures,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        for command in &self.commands {
            for counter in [&command.calls, &command.micros, &command.rejected, &command.failed] {
                counter.store(0, Ordering::Relaxed);
            }
        }
        *self.rates.before.lock() = [0; 3];
        self.threads.reset();
        self.errors.lock().clear();
    }
}
