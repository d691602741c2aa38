//! Notes calls that took long, were large, or had a large reply: SLOWLOG, COMMANDLOG, LATENCY.
//!
//! What the log carries is timed where it is applied (`replica/timing.rs`); here, what this thread and its pool have run. Waits
//! are no execution, so a call that waits for the log, a key or another node is not slow for that.

use super::connection::Connection;
use crate::{
    command::{Flags, Resolved, trimmed},
    replica::Proposal,
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

    /// The proposal, if its words may be needed once its replies are here.
    pub(super) fn kept_for_log(&self, proposal: &Bytes) -> Option<Bytes> {
        let is_kept =
            proposal.len() <= KEPT_BYTES_MAX && self.thread.node.stats.command_logs.large_reply.is_on();
        is_kept.then(|| proposal.clone())
    }

    /// Logs a call of a proposal, if its reply is large.
    #[inline]
    pub(super) fn log_reply(&self, index: usize, bytes: usize, proposal: Option<&Bytes>, number: usize) {
        let log = &self.thread.node.stats.command_logs.large_reply;
        if log.wants(bytes as u64) {
            self.log_logged(log, index, bytes, proposal, number);
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
