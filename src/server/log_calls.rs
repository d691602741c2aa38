//! Notes calls that took long, were large, or had a large reply: SLOWLOG, COMMANDLOG, LATENCY; and the keys of all, while somebody wants
//! to know (HOTKEYS).
//!
//! What the log carries is timed where it is applied (`replica/timing.rs`); here, what this thread and its pool have run. Waits
//! are no execution, so a call that waits for the log, a key or another node is not slow for that.

use super::{connection::Connection, entry_size::encoded_len as encoded_len_of};
use crate::{
    command::{Flags, Resolved, trimmed},
    replica::Proposal,
    resp::{Reply, encoded_len},
    session::CommandLog,
    state::LatencyEvent,
};
use bytes::Bytes;

/// Longest proposal whose words are kept until its replies are here.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A call that was run and answered here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran {
    executed_us: u64,
    reply_bytes: usize,
}

/// A proposal whose words may be needed once its replies are here.
pub(super) struct Kept {
    proposal: Option<Bytes>,
    counts_keys: bool,
    /// Of its calls, if keys are counted.
    reply_bytes: Vec<usize>,
}

impl Connection {
    /// A call was answered; the lap of the clock was its.
    pub(super) fn note_ran(&mut self, reply_bytes: usize) {
        self.ran = Some(Ran { executed_us: self.clock.executed_us(), reply_bytes });
    }

    /// Logs a call that is about to be queued or run, if it is large.
    #[inline]
    pub(super) fn log_request(&self, call: Resolved, argv: &[&[u8]]) {
        let log = &self.thread.node.stats.command_logs.large_request;
        if log.wants(self.request_bytes as u64) {
            self.log_call(log, self.request_bytes as u64, call, argv);
        }
    }

    /// Logs a call that was answered here, if it took long or its reply is large.
    #[inline]
    pub(super) fn log_run(&self, call: Resolved, argv: &[&[u8]]) {
        let Some(Ran { executed_us, reply_bytes }) = self.ran else { return };
        let logs = &self.thread.node.stats.command_logs;
        self.log_execution(call, argv, executed_us);
        if logs.large_reply.wants(reply_bytes as u64) {
            self.log_call(&logs.large_reply, reply_bytes as u64, call, argv);
        }
        self.note_keys(call, argv, executed_us, self.request_bytes.saturating_add(reply_bytes));
    }

    /// The same of a call that EXEC ran. `executed_us`: `None` = where the log is applied, which tells of it itself.
    #[inline]
    pub(super) fn log_queued(&self, call: Resolved, argv: &[&[u8]], executed_us: Option<u64>, reply: &Reply) {
        if let Some(executed_us) = executed_us {
            self.log_execution(call, argv, executed_us);
        }
        let stats = &self.thread.node.stats;
        if stats.command_logs.large_reply.is_on() || stats.hot_keys.is_on() {
            let reply_bytes = encoded_len(reply, self.session.protocol);
            if stats.command_logs.large_reply.wants(reply_bytes as u64) {
                self.log_call(&stats.command_logs.large_reply, reply_bytes as u64, call, argv);
            }
            let bytes = encoded_len_of(argv).saturating_add(reply_bytes);
            self.note_keys(call, argv, executed_us.unwrap_or(0), bytes);
        }
    }

    /// Counts what a call took for its keys.
    #[inline]
    fn note_keys(&self, call: Resolved, argv: &[&[u8]], executed_us: u64, bytes: usize) {
        let hot = &self.thread.node.stats.hot_keys;
        if hot.is_on() {
            hot.note(call.command.key_names(argv), executed_us, bytes as u64);
        }
    }

    /// Counts the bytes of the calls of a proposal, and of their replies, for their keys.
    pub(super) fn note_logged_keys(&self, kept: &Kept) {
        let Some(proposal) = kept.proposal.as_ref().filter(|_| !kept.reply_bytes.is_empty()) else { return };
        let Ok(Proposal::Commands(mut calls)) = Proposal::decode(proposal) else { return };
        for bytes in &kept.reply_bytes {
            let Ok(Some(called)) = calls.next_call() else { return };
            if let Ok(call) = self.thread.table.resolve(&called.argv) {
                self.note_keys(call, &called.argv, 0, encoded_len_of(&called.argv).saturating_add(*bytes));
            }
        }
    }

    /// Logs a call if it took long.
    #[inline]
    pub(super) fn log_execution(&self, call: Resolved, argv: &[&[u8]], executed_us: u64) {
        let (slow, node) = (&self.thread.node.stats.command_logs.slow, &self.thread.node);
        if slow.wants(executed_us) {
            self.log_call(slow, executed_us, call, argv);
        }
        let event = LatencyEvent::of_command(call.command.flags.has(Flags::FAST));
        node.group.state.latency.add_us(event, executed_us);
    }

    /// See `Kept`.
    pub(super) fn kept_for_log(&self, proposal: &Bytes) -> Kept {
        let stats = &self.thread.node.stats;
        let is_kept = proposal.len() <= KEPT_BYTES_MAX && stats.command_logs.large_reply.is_on();
        let counts_keys = stats.hot_keys.is_on();
        let proposal = (is_kept || counts_keys).then(|| proposal.clone());
        Kept { proposal, counts_keys, reply_bytes: Vec::new() }
    }

    /// Logs a call of a proposal, if its reply is large.
    #[inline]
    pub(super) fn log_reply(&self, index: usize, bytes: usize, kept: &mut Kept, number: usize) {
        if kept.counts_keys {
            kept.reply_bytes.push(bytes);
        }
        let log = &self.thread.node.stats.command_logs.large_reply;
        if log.wants(bytes as u64) {
            self.log_logged(log, index, bytes, kept.proposal.as_ref(), number);
        }
    }

    #[cold]
    fn log_logged(
        &self,
        log: &CommandLog,
        index: usize,
        bytes: usize,
        proposal: Option<&Bytes>,
        number: usize,
    ) {
        let (Some(call), Some(proposal)) = (self.thread.table.at(index), proposal) else { return };
        let Ok(Proposal::Commands(mut calls)) = Proposal::decode(proposal) else { return };
        for _ in 0..number {
            let _ = calls.next_call();
        }
        if let Ok(Some(called)) = calls.next_call() {
            self.log_call(log, bytes as u64, call, &called.argv);
        }
    }

    #[cold]
    fn log_call(&self, log: &CommandLog, value: u64, call: Resolved, argv: &[&[u8]]) {
        if !call.command.flags.has(Flags::SKIP_SLOWLOG) {
            log.add(value, trimmed(call, argv), Some(&self.session.client));
        }
    }
}
