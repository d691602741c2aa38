//! Disposes of a replaced database: closes it and removes it from disk once its last reader is done.
//!
//! Closing a database waits for its compactions and removing it waits for the disk, so neither happens on the thread of the
//! last reader: a thread of its own holds the database until all readers are gone.

use super::{engine::Engine, snapshot::remove_directory};
use crate::environment::Environment;
use std::{sync::Arc, time::Duration};

/// Time between two checks for readers.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Removes a database that the store has replaced, once it has no readers. If the process ends first, the next start
/// removes it.
pub(super) fn retire(engine: Arc<Engine>, environment: Environment) {
    // Without threads it stays until the next start.
    if !environment.has_threads() {
        return;
    }
    let started = std::thread::Builder::new().name("replaced-store".into()).spawn(move || {
        // No new reader can find it, so the count only falls.
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
