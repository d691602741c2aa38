//! Stopping the process, and the named points at which tests make it stop or fail.
//!
//! `stop_the_process` is the last resort when the disk or the store can no longer be trusted: the node must not acknowledge
//! anything more, so it exits. A full disk counts: an entry that could not be written may be half on disk.
//!
//! `damaged` reports a file of this node that differs from what was written: the node (`on_damage`) leaves a record for its
//! restarted self to repair the file. Until the process exits, no client gets an answer from damaged data.
//!
//! Fail points exist in the unit tests' program only; in the server every call here but `stop_the_process` is empty. The
//! environment arms them: `FLOTILLA_FAIL="name=abort-after:N,name=error-after:N"`. The N-th passage (from 1) aborts the
//! process as `kill -9` would, or fails the write with an I/O error.
//!
//! | name | where | actions |
//! |---|---|---|
//! | `log.append` | log writer, before the batch is written | abort, error |
//! | `log.torn` | log writer: writes half of the batch, then | abort |
//! | `log.sync` | log writer, after the write, before its fsync | abort, error |
//! | `log.synced` | log writer, after the fsync, before anyone hears of it | abort |
//! | `log.roll` | log writer, before it moves to the next segment | abort |
//! | `log.truncate` | log writer, before a truncation record is written | abort |
//! | `log.vote` | log writer, vote written to the temporary file, not yet renamed | abort, error |
//! | `log.purge` | log writer, purge marker durable, no segment deleted yet | abort |
//! | `log.delete` | log files thread, before each segment is deleted | abort |
//! | `log.prepare` | log files thread, next segment filled but not yet renamed | abort, error |
//! | `apply.before` | apply thread, before a batch is committed to the store | abort |
//! | `apply.after` | apply thread, batch committed, no reply sent yet | abort |
//! | `snapshot.build` | before the checkpoint is made | abort |
//! | `snapshot.built` | checkpoint in place, older ones not yet removed | abort |
//! | `snapshot.install` | apply thread, before a received snapshot replaces the store | abort |

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// The part of a node's files that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its data: another node's replace them. The promises of its log and its votes stand.
    Store,
    /// Its log, its votes or its identity: it must not vote under its old identity.
    Log,
}

/// A file that differs from what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub part: Part,
    /// As exactly as is known.
    pub file: String,
    pub detail: String,
}

impl Damage {
    /// In the store.
    pub fn of_store(file: impl Into<String>, detail: impl Into<String>) -> Self {
        Damage { part: Part::Store, file: file.into(), detail: detail.into() }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is damaged: {}", self.file, self.detail)
    }
}

type OnDamage = Box<dyn Fn(&Damage) + Send + Sync>;

static ON_DAMAGE: OnceLock<OnDamage> = OnceLock::new();
static IS_DAMAGED: AtomicBool = AtomicBool::new(false);

/// Sets, once, the action of this process when it finds damage, before it exits.
pub fn on_damage(act: OnDamage) {
    let _ = ON_DAMAGE.set(act);
}

/// What comes before the end of the process: for whoever runs nodes of which each may stop by itself, as a simulation does.
#[derive(Debug, Clone, Copy)]
pub struct StopPolicy {
    /// Told the reason. It may unwind instead of returning: then the process goes on without this node.
    pub stops: fn(&str),
    /// Whether a panic on this thread, of something that others wait for, ends the process.
    pub ends_on_panic: fn() -> bool,
}

static STOP_POLICY: OnceLock<StopPolicy> = OnceLock::new();

/// Set once; without one the process just ends.
pub fn set_stop_policy(policy: StopPolicy) {
    let _ = STOP_POLICY.set(policy);
}

/// Reports damage in this node's own files by a caller that cannot continue. The first caller handles it; others wait until
/// the process exits.
pub fn damaged(damage: &Damage) -> ! {
    if let Some(policy) = STOP_POLICY.get() {
        (policy.stops)(&damage.to_string());
    }
    if IS_DAMAGED.swap(true, Ordering::SeqCst) {
        loop {
            std::thread::park();
        }
    }
    if let Some(act) = ON_DAMAGE.get() {
        act(damage);
    }
    stop_the_process(&damage.to_string())
}

/// Restarts this program in the same process, with the same arguments; returns only on failure. All other threads end at
/// once; files and connections are closed.
pub fn restart() -> io::Error {
    use std::os::unix::process::CommandExt;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "flotilla".into());
    // Also when the program's file has been replaced meanwhile.
    std::process::Command::new("/proc/self/exe").arg0(name).args(arguments).exec()
}

/// Ends the process. The reason goes to the log and to standard error.
pub fn stop_the_process(reason: &str) -> ! {
    if let Some(policy) = STOP_POLICY.get() {
        (policy.stops)(reason);
    }
    tracing::error!(
        reason,
        remedy = "fix the cause (disk, memory, data directory), then start the node again",
        "stopping the process"
    );
    // The log may be buffered on its way; this line is not.
    eprintln!("flotilla: stopping the process: {reason}");
    std::process::abort()
}

/// Held by a thread whose death would block others for ever: a panic there stops the process.
pub struct StopOnPanic(pub &'static str);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() && STOP_POLICY.get().is_none_or(|policy| (policy.ends_on_panic)()) {
            stop_the_process(&format!("panic in {}", self.0));
        }
    }
}

/// Passes a fail point that can only abort.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(test)]
    armed::pass(name);
    #[cfg(not(test))]
    let _ = name;
}

/// Passes a fail point that can abort or make an I/O operation fail.
#[inline]
pub fn io_point(name: &'static str) -> io::Result<()> {
    #[cfg(test)]
    if armed::pass(name) {
        return Err(io::Error::other(format!("fail point {name}")));
    }
    #[cfg(not(test))]
    let _ = name;
    Ok(())
}

/// Whether a torn write is due: the caller writes half and aborts.
#[inline]
pub fn torn_write() -> bool {
    #[cfg(test)]
    return armed::due("log.torn").is_some();
    #[cfg(not(test))]
    false
}

#[cfg(test)]
mod armed {
    use std::{
        collections::BTreeMap,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
    };

    #[derive(Clone, Copy)]
    pub(super) enum Action {
        Abort,
        Error,
    }

    struct Point {
        action: Action,
        at: u64,
        passed: AtomicU64,
    }

    static POINTS: LazyLock<BTreeMap<String, Point>> = LazyLock::new(|| {
        let text = std::env::var("FLOTILLA_FAIL").unwrap_or_default();
        text.split(',').filter(|part| !part.is_empty()).map(parse).collect()
    });

    /// A test that misspells a fail point must not pass by never reaching it.
    fn parse(part: &str) -> (String, Point) {
        let known = |part: &str| {
            let (name, rule) = part.split_once('=')?;
            let (action, at) = rule.split_once(':')?;
            let action = match action {
                "abort-after" => Action::Abort,
                "error-after" => Action::Error,
                _ => return None,
            };
            Some((name.to_owned(), Point { action, at: at.parse().ok()?, passed: AtomicU64::new(0) }))
        };
        known(part).unwrap_or_else(|| {
            eprintln!("flotilla: FLOTILLA_FAIL: cannot read '{part}'");
            std::process::exit(2)
        })
    }

    /// The action of the point now, if any; counts the passage.
    pub(super) fn due(name: &str) -> Option<Action> {
        let point = POINTS.get(name)?;
        let passed = point.passed.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        (passed == point.at).then_some(point.action)
    }

    /// Aborts if that is due; true if an error is.
    pub(super) fn pass(name: &'static str) -> bool {
        match due(name) {
            None => false,
            Some(Action::Error) => true,
            Some(Action::Abort) => {
                eprintln!("flotilla: fail point {name}: abort");
                std::process::abort()
            }
        }
    }
}
