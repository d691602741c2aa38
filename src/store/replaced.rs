//! What becomes of a database that another one has replaced: closed and removed from disk when its last reader is done.
//!
//! Closing a database waits for its compactions and removing it for the disk, so neither happens on the thread of whoever
//! reads last: a thread of its own holds the database until nobody else does.

use super::{engine::Engine, snapshot::remove_directory};
use std::{sync::Arc, time::Duration};

/// Between two looks whether somebody still reads.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Removes a database that is not the store's any more, when nobody reads from it. Should the process end before, the next
/// start removes it.
pub(super) fn retire(engine: Arc<Engine>) {
    // A simulation has one thread, and a disk of its own.
    #[cfg(test)]
    if crate::tests::stage::is_set() {
        return;
    }
    let started = std::thread::Builder::new().name("replaced-store".into()).spawn(move || {
        // Nobody can find it any more, so the count only falls.
        while Arc::strong_count(&engine) > 1 {
            std::thread::sleep(LOOK_INTERVAL);
        }
        let directory = engine.directory.clone();
        drop(engine);
        match remove_directory(&directory) {
            Ok(()) => tracing::info!(directory = %directory.display(), "removed the replaced store"),
            Err(error) => tracing::warn!(
                directory = %directory.display(), %error,
                "cannot remove the replaced store; it takes disk space until the next start"
            ),
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "cannot start a thread; the replaced store takes disk space until the next start");
    }
}
