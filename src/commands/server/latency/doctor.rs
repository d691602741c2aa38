//! LATENCY DOCTOR: what was recorded, in words, with what helps.

use crate::state::{LatencyEvent, LatencySeries};
use std::fmt::Write;

const OFF: &str = "Nothing is recorded: latency-monitor-threshold is 0. CONFIG SET latency-monitor-threshold 100 records \
                   everything that holds this node up for 100 milliseconds or more.\n";
const NOTHING: &str = "Nothing has taken longer than latency-monitor-threshold on this node.\n";

/// The report.
pub(super) fn advise(is_on: bool, recorded: &[(LatencyEvent, LatencySeries)]) -> String {
    if recorded.is_empty() {
        return if is_on { NOTHING } else { OFF }.to_owned();
    }
    let mut out = String::from("Events that took longer than latency-monitor-threshold on this node:\n\n");
    for (number, (event, series)) in recorded.iter().enumerate() {
        let count = series.samples.len() as u64;
        let sum = series.samples.iter().fold(0_u64, |sum, sample| sum.saturating_add(sample.ms));
        let average = sum / count.max(1);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{}. {}: in {count} seconds, {average} ms on average, {} ms at most. {}",
            number.saturating_add(1),
            event.name(),
            series.max_ms,
            remedy(*event)
        );
    }
    out
}

fn remedy(event: LatencyEvent) -> &'static str {
    match event {
        LatencyEvent::Command | LatencyEvent::FastCommand => {
            "Commands took long by themselves: SLOWLOG GET names them. Let each touch fewer elements."
        }
        LatencyEvent::LogSync => {
            "The disk took long to write and sync the log. Give the log a disk of its own, or a faster one."
        }
        LatencyEvent::ApplyBatch => {
            "Entries of the log took long to apply: large commands (SLOWLOG GET), or data that are not in memory."
        }
        LatencyEvent::Commit => {
            "Writes took long from here through the log: compare aof-fsync-always and apply-batch, and the network to the other nodes."
        }
        LatencyEvent::Leaderless => {
            "No node led: look for nodes that stopped or were cut off, and for disks and processors that stand still."
        }
        LatencyEvent::ExpireCycle => {
            "Deleting expired keys took long: spread their times with some randomness."
        }
        LatencyEvent::Snapshot => {
            "A checkpoint of the store took long. It holds up no command; the disk is busy meanwhile."
        }
        LatencyEvent::LongRead => {
            "Reads waited for the disk, or for their turn behind other long ones. Give the caches more memory, or read less at a time."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LatencySample;

    #[test]
    fn each_event_is_told_of_with_a_remedy() {
        let series = LatencySeries { samples: [LatencySample { at_seconds: 1, ms: 30 }].into(), max_ms: 70 };
        let all: Vec<_> = LatencyEvent::ALL.into_iter().map(|event| (event, series.clone())).collect();
        let report = advise(true, &all);
        assert!(
            report.contains("1. command: in 1 seconds, 30 ms on average, 70 ms at most. Commands took long")
        );
        assert_eq!(report.lines().count(), 2 + LatencyEvent::ALL.len());
        assert_eq!((advise(true, &[]).as_str(), advise(false, &[]).as_str()), (NOTHING, OFF));
    }
}
