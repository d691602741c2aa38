//! The signals that ask the process to end, and how it ends when something in it would not.

use std::{io, time::Instant};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// SIGTERM and SIGINT. After the first listener exists, they have no other effect, so one listener lives from start to end.
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

    /// Ends the process at that moment, or on a second SIGINT, as Redis does, unless the returned guard is dropped first.
    /// `runtime` runs the listener.
    pub fn guard_the_end(mut self, runtime: Runtime, at: Instant) -> io::Result<EndGuard> {
        let (guard, ended) = oneshot::channel();
        let watch = move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    // All has ended in time.
                    _ = ended => {}
                    () = tokio::time::sleep_until(at.into()) => end_without("what would not end in time"),
                    _ = self.interrupt.recv() => {
                        tracing::warn!("second SIGINT: exiting at once; every acknowledged write is in the log");
                        std::process::exit(1)
                    }
                }
            })
        };
        std::thread::Builder::new().name("stop".into()).spawn(watch)?;
        Ok(EndGuard(guard))
    }
}

/// While it exists, the end is guarded. Dropping it spares a process that outlives its node, as in a test.
pub struct EndGuard(#[expect(dead_code, reason = "dropping it is what counts")] oneshot::Sender<()>);

/// Ends the process without closing the store: as far as it was not flushed, the next start replays the log.
pub fn end_without(what: &str) -> ! {
    tracing::warn!("stopped without waiting for {what}; every acknowledged write is in the log");
    std::process::exit(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, process::Command, thread, time::Duration};

    /// Runs itself once more: an ended process prints nothing and has code 0.
    #[test]
    fn a_process_that_goes_on_after_its_node_is_not_ended() {
        const IS_CHILD: &str = "FLOTILLA_TEST_OF_END_GUARD";
        if env::var_os(IS_CHILD).is_none() {
            let name = "signals::tests::a_process_that_goes_on_after_its_node_is_not_ended";
            let own = env::current_exe().unwrap();
            let child = Command::new(own).args(["--exact", name]).env(IS_CHILD, "yes").output().unwrap();
            let said = String::from_utf8_lossy(&child.stdout);
            assert!(said.contains("1 passed"), "the process was ended: {said}");
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let signals = runtime.block_on(async { Signals::new() }).unwrap();
        let at = Instant::now() + Duration::from_millis(100);
        drop(signals.guard_the_end(runtime, at).unwrap());
        thread::sleep(Duration::from_millis(500));
    }
}
