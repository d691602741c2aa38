//! How long calls take where the log is applied, for SLOWLOG, LATENCY and HOTKEYS; which calls scripts make there, for MONITOR, and what
//! their callers are refused, for ACL LOG.
//!
//! Invariant: the clock is read for these alone. Nothing that it says reaches the data, a reply, or the order of anything.
//! One reading per call: the end of a call is the start of the next. None while nobody wants to know.

use super::{Replica, entry::CallRef};
use crate::{
    command::{Flags, Table, trimmed},
    commands::{
        connection::client_info,
        scripting::{Inner, InnerCall, InnerDenial, Wanted},
    },
    config::Config,
    environment::Environment,
    session::{CalledBy, Clients, DeniedIn, Monitors, Stats, Users},
    state::{LatencyEvent, LatencyMonitor},
    store::Store,
};
use std::sync::Arc;

/// Who wants to know of calls where the log is applied: of slow ones, of those that scripts make, and of refusals.
pub struct CallObserver {
    pub config: Arc<Config>,
    pub users: Arc<Users>,
    pub stats: Arc<Stats>,
    pub clients: Arc<Clients>,
    pub monitors: Arc<Monitors>,
    pub latency: Arc<LatencyMonitor>,
    pub environment: Environment,
}

/// What is to be told of a call, with its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedCall {
    /// The number of its proposal in the entry.
    pub proposal: usize,
    /// The client of this node who waits for it; 0 = none does.
    pub client: u64,
    what: Noted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Noted {
    /// It took long. Its words are cut, and without secrets.
    Slow {
        micros: u64,
        argv: Vec<Vec<u8>>,
    },
    Denied(InnerDenial),
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

    /// What of a call's script somebody wants to know. `is_asked`: its caller may not do everything.
    pub(super) fn wanted(&self, is_asked: bool, is_awaited: bool) -> Wanted {
        match self.observer.as_ref().filter(|_| is_awaited) {
            Some(observer) => Wanted { calls: observer.monitors.is_watched(), denied: is_asked },
            None => Wanted::default(),
        }
    }

    /// Shows the calls of a script to those who monitor, and notes what was refused in it.
    #[cold]
    pub(super) fn tell(&self, proposal: usize, inner: Inner) {
        let Some(observer) = &self.observer else { return };
        for InnerCall { db, words } in &inner.calls {
            observer.monitors.show(*db, CalledBy::Script, words);
        }
        let denied = inner.denied.into_iter();
        self.noted.lock().extend(denied.map(|denied| NotedCall {
            proposal,
            client: 0,
            what: Noted::Denied(denied),
        }));
    }

    /// `None`: nobody wants to know.
    pub(super) fn laps(&self) -> Option<Laps<'_>> {
        let observer = self.observer.as_ref()?;
        let stats = &observer.stats;
        let is_on = stats.command_logs.slow.is_on() || observer.latency.is_on() || stats.hot_keys.is_on();
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
        if observer.stats.hot_keys.is_on()
            && let Ok(resolved) = self.table().resolve(&call.argv)
        {
            observer.stats.hot_keys.note(resolved.command.key_names(&call.argv), micros, 0);
        }
    }

    #[cold]
    fn note_slow(&self, observer: &CallObserver, micros: u64, proposal: usize, call: &CallRef<'_>) {
        let Ok(resolved) = self.table().resolve(&call.argv) else { return };
        observer.latency.add_us(LatencyEvent::of_command(resolved.command.flags.has(Flags::FAST)), micros);
        if observer.stats.command_logs.slow.wants(micros) && !resolved.command.flags.has(Flags::SKIP_SLOWLOG)
        {
            let argv = trimmed(resolved, &call.argv);
            let what = Noted::Slow { micros, argv };
            self.noted.lock().push(NotedCall { proposal, client: 0, what });
        }
    }

    /// What is noted of the entry applied last.
    pub fn take_noted(&self) -> Vec<NotedCall> {
        std::mem::take(&mut *self.noted.lock())
    }

    /// Logs what is noted of calls, each with its client if that is known here.
    pub fn log_noted(&self, calls: Vec<NotedCall>) {
        let Some(observer) = &self.observer else { return };
        for call in calls {
            let client = observer.clients.get(call.client);
            match call.what {
                Noted::Slow { micros, argv } => {
                    observer.stats.command_logs.slow.add(micros, argv, client.as_deref());
                }
                Noted::Denied(InnerDenial { user, reason, object }) => {
                    let now_ms = observer.environment.monotonic_us() / 1000;
                    let client = client.map_or_else(String::new, |client| client_info(&client, now_ms));
                    let len_max = observer.config.settings().acllog_len_max;
                    let why = (reason, DeniedIn::Script);
                    observer.users.note_denied(why, &object, &user, client, len_max);
                }
            }
        }
    }
}
