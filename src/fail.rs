//! Stopping the process, and the named points at which tests make it stop or fail.
//!
//! `stop_the_process` is the last resort when the disk or the store cannot be trusted any more: nothing that follows may
//! be acknowledged, so nothing follows. A full disk counts: an entry that could not be written may not be half there.
//!
//! `damaged` is for a file of this node that is not what was written: what the node does then (`on_damage`) is to tell its
//! restarted self to repair it. Until the process is gone nobody gets an answer from damaged data.
//!
//! Fail points exist only with the cargo feature `fail-points`; without it every call here but `stop_the_process` is
//! empty. They are armed by the environment: `FLOTILLA_FAIL="name=abort-after:N,name=error-after:N"`. The N-th passage
//! (from 1) aborts the process as `kill -9` would, or fails the write with an I/O error.
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

/// What a node cannot trust any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its data: another node's take their place. What it has promised with its log and its votes stands.
    Store,
    /// Its log, its votes or who it is: it must not vote as the node that it was.
    Log,
}

/// A file that is not what was written.
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

/// What this process does when it finds damage, before it ends. Set once.
pub fn on_damage(act: OnDamage) {
    let _ = ON_DAMAGE.set(act);
}

/// Damage in this node's own files was found by somebody who cannot go on with it. The first one sees to it; others wait
/// until the process is gone.
pub fn damaged(damage: &Damage) -> ! {
    #[cfg(test)]
    crate::tests::stage::stop(&damage.to_string());
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

/// Starts this program anew in the same process, with the same arguments; returns only if that cannot be done. All other
/// threads end at once, files and connections are closed.
pub fn restart() -> io::Error {
    use std::os::unix::process::CommandExt;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "flotilla".into());
    // Also when the program's file has been replaced meanwhile.
    std::process::Command::new("/proc/self/exe").arg0(name).args(arguments).exec()
}

/// See the module. The reason goes to the log and to standard error.
pub fn stop_the_process(reason: &str) -> ! {
    #[cfg(test)]
    crate::tests::stage::stop(reason);
    tracing::error!(
        reason,
        remedy = "mend what the reason names (disk, memory, data directory), then start the node again",
        "stopping the process"
    );
    // The log may be buffered by whoever collects it; this line is not.
    eprintln!("flotilla: stopping the process: {reason}");
    std::process::abort()
}

/// Held by a thread whose death would leave others waiting for ever: a panic there stops the process.
pub struct StopOnPanic(pub &'static str);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        // In a simulation the panic goes on to whoever runs the node.
        #[cfg(test)]
        if crate::tests::stage::is_set() {
            return;
        }
        if std::thread::panicking() {
            stop_the_process(&format!("panic in {}", self.0));
        }
    }
}

/// Passes a fail point that can only abort.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(feature = "fail-points")]
    armed::pass(name);
    #[cfg(not(feature = "fail-points"))]
    let _ = name;
}

/// Passes a fail point that can abort or make an I/O operation fail.
#[inline]
pub fn io_point(name: &'static str) -> io::Result<()> {
    #[cfg(feature = "fail-points")]
    if armed::pass(name) {
        return Err(io::Error::other(format!("fail point {name}")));
    }
    #[cfg(not(feature = "fail-points"))]
    let _ = name;
    Ok(())
}

/// Whether a torn write is due: the caller writes half and aborts.
#[inline]
pub fn torn_write() -> bool {
    #[cfg(feature = "fail-points")]
    return armed::due("log.torn").is_some();
    #[cfg(not(feature = "fail-points"))]
    false
}

#[cfg(feature = "fail-points")]
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

    /// What the point does now, if anything; counts the passage.
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
