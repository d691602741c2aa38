//! The clocks of the machine, read in one place: the wall clock, which may be wrong and may be set, and the monotonic one.
//!
//! The monotonic clock is CLOCK_BOOTTIME: as CLOCK_MONOTONIC it is never set, and it also counts the time for which the
//! machine was suspended. It is read without libc, so that what fakes a process's wall clock in tests leaves it alone.
//!
//! A node's log, its state and its lease read them through `environment::Environment`, so that a simulation can give others.
//!
//! Invariants: nothing below `replication/` and `server/` calls `now_ms`; apply takes its time from the entry. Intervals, deadlines
//! and time-outs are of the monotonic clock; the wall clock is for people, for TIME, and for `replication/upkeep/timekeeper.rs`.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall time, milliseconds since the Unix epoch; 0 if the clock is before it.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Wall time, microseconds since the Unix epoch; 0 if the clock is before it.
pub fn now_micros() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}

/// A log or wall time, ms since the Unix epoch, for people and logs: RFC 3339, in UTC.
pub fn rfc3339(ms: u64) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_millis(ms)) {
        Some(time) if ms < 253_402_300_800_000 => humantime::format_rfc3339_millis(time).to_string(),
        _ => format!("{ms} ms"),
    }
}

/// Monotonic time, microseconds since the machine started.
pub fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(now.tv_nsec / 1000).unwrap_or(0))
}

/// Monotonic time, milliseconds.
pub fn monotonic_ms() -> u64 {
    monotonic_us() / 1000
}

/// The machine's total sleep since boot.
pub fn asleep() -> Duration {
    let read = |clock| {
        let now = clock_gettime(clock);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
        Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
    };
    let with_sleep = read(ClockId::Boottime);
    with_sleep.saturating_sub(read(ClockId::Monotonic))
}

/// The difference of two times.
pub fn difference(one: u64, other: u64) -> i64 {
    let ahead = i128::from(one) - i128::from(other);
    i64::try_from(ahead).unwrap_or(if ahead > 0 { i64::MAX } else { i64::MIN })
}

/// Identifies the boot that the monotonic clock counts from: readings under two names cannot be compared. `None`: the
/// system does not tell.
pub fn boot() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    // A container may have a monotonic clock of its own (time_namespaces(7)).
    let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_goes_on_and_belongs_to_a_boot() {
        let (before, began) = (monotonic_us(), std::time::Instant::now());
        while began.elapsed() < std::time::Duration::from_millis(5) {}
        assert!(monotonic_us() - before >= 5000);
        assert!(asleep().abs_diff(asleep()) < Duration::from_secs(60));
        assert!(boot().is_some_and(|name| name.len() > 36 && name == boot().unwrap()));
    }
}
