//! The signals that ask the process to end, and how it ends when something in it would not.

use std::{io, time::Instant};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

/// SIGTERM and SIGINT. From the first listener on they do nothing else any more, so one listens from start to end.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen, on the current runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Ends the process at that moment whatever still runs, or when SIGINT comes once more, as Redis does. `runtime` is the
    /// one on which they are listened to.
    pub fn guard_the_end(mut self, runtime: Runtime, at: Instant) -> io::Result<()> {
        let guard = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => end_without("what would not end in time"),
                    _ = self.interrupt.recv() => {
                        tracing::warn!("SIGINT once more: ending at once; what was acknowledged is in the log");
                        std::process::exit(1)
                    }
                }
            })
        };
        std::thread::Builder::new().name("stop".into()).spawn(guard).map(drop)
    }
}

/// Ends the process without closing the store: as far as it was not flushed, the next start replays the log.
pub fn end_without(what: &str) -> ! {
    tracing::warn!("stopped without waiting for {what}; what was acknowledged is in the log");
    std::process::exit(0)
}
