//! Stopping the process.

/// The last resort when the disk or the store cannot be trusted any more: nothing that follows may be acknowledged.
pub fn stop_the_process(reason: &str) -> ! {
    tracing::error!(reason, "stopping the process");
    std::process::abort()
}
