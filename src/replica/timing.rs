//! How long calls take where the log is applied, for SLOWLOG and LATENCY; and which calls scripts make there, for MONITOR.
//!
//! Invariant: the clock is read for these alone. Nothing that it says reaches the data, a reply, or the order of anything.
//! One reading per call: the end of a call is the start of the next. None while nobody wants to know.

use super::{Replica, entry::CallRef};
use crate::{
    command::{Flags, Table, trimmed},
    commands::scripting::InnerCall,
    environment::Environment,
    session::{CalledBy, Clients, Monitors, Stats},
    state::{LatencyEvent, LatencyMonitor},
    store::Store,
};
use std::sync::Arc;

/// Who wants to know of calls where the log is applied: of slow ones, and of those that scripts make.
pub struct CallObserver {
    pub stats: Arc<Stats>,
    pub clients: Arc<Clients>,
    pub monitors: Arc<Monitors>,
    pub latency: Arc<LatencyMonitor>,
    pub environment: Environment,
}

/// A call that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowCall {
    /// The number of its proposal in the entry.
    pub proposal: usize,
    /// The client of this node who waits for it; 0 = none does.
    pub client: u64,
    micros: u64,
    /// Cut, and without secrets.
    argv: Vec<Vec<u8>>,
}

/// Times the calls of one proposal.
pub(super) struct Laps<'a> {
    observer: &'a CallObserver,
    began_us: u64,
}

impl Replica {
    /// For a log, of an edge site or of a core, which tells of slow calls if somebody wants to know.
    pub fn of_log(
        store: Arc<Store>,
        table: &'static Table,
        is_edge: bool,
        observer: Option<CallObserver>,
    ) -> Self {
        let mut replica = Replica::new(store, table);
        (replica.is_edge, replica.observer) = (is_edge, observer);
        replica
    }

    /// Whether somebody is shown the calls of scripts.
    pub(super) fn is_watched(&self) -> bool {
        self.observer.as_ref().is_some_and(|observer| observer.monitors.is_watched())
    }

    /// Shows calls of a script.
    pub(super) fn show(&self, calls: &[InnerCall]) {
        let Some(observer) = &self.observer else { return };
        for InnerCall { db, words } in calls {
            observer.monitors.show(*db, CalledBy::Script, words);
        }
    }

    /// `None`: nobody wants to know.
    pub(super) fn laps(&self) -> Option<Laps<'_>> {
        let observer = self.observer.as_ref()?;
        let is_on = observer.stats.command_logs.slow.is_on() || observer.latency.is_on();
        is_on.then(|| Laps { observer, began_us: observer.environment.monotonic_us() })
    }

    /// A call has ended.
    pub(super) fn lap(&self, laps: &mut Laps<'_>, proposal: usize, call: &CallRef<'_>) {
        let now_us = laps.observer.environment.monotonic_us();
        let micros = now_us.saturating_sub(std::mem::replace(&mut laps.began_us, now_us));
        let observer = laps.observer;
        if observer.stats.command_logs.slow.wants(micros) || observer.latency.wants_us(micros) {
            self.note_slow(observer, micros, proposal, call);
        }
    }

    #[cold]
    fn note_slow(&self, observer: &CallObserver, micros: u64, proposal: usize, call: &CallRef<'_>) {
        let Ok(resolved) = self.table().resolve(&call.argv) else { return };
        observer.latency.add_us(LatencyEvent::of_command(resolved.command.flags.has(Flags::FAST)), micros);
        if observer.stats.command_logs.slow.wants(micros) && !resolved.command.flags.has(Flags::SKIP_SLOWLOG)
        {
            let argv = trimmed(resolved, &call.argv);
            self.slow.lock().push(SlowCall { proposal, client: 0, micros, argv });
        }
    }

    /// The slow calls of the entry applied last.
    pub fn take_slow(&self) -> Vec<SlowCall> {
        std::mem::take(&mut *self.slow.lock())
    }

    /// Logs slow calls, each with its client if that is known here.
    pub fn log_slow(&self, calls: Vec<SlowCall>) {
        let Some(observer) = &self.observer else { return };
        for call in calls {
            let client = observer.clients.get(call.client);
            observer.stats.command_logs.slow.add(call.micros, call.argv, client.as_deref());
        }
    }
}
