//! Reads at a given rate while others write: how long they take.

use crate::{
    load::{self, Measured, Plan},
    numbers::median,
    workload::command,
};
use std::{net::SocketAddr, thread, time::Duration};

/// Writes begin before the reads and end after them.
pub const MARGIN: Duration = Duration::from_millis(300);
const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];

/// p50, p99 and p99.9 of one measurement, milliseconds.
pub type Sample = [f64; QUANTILES.len()];

/// What came of both loads.
#[derive(Debug, Clone, Copy)]
pub struct Mixed {
    pub reads: Sample,
    /// Acknowledged, which is less than was offered if they were slower than the rate.
    pub writes_per_second: f64,
}

/// Both loads at once; an error reply or a request without an answer is an error.
pub fn both(reader: SocketAddr, reads: &Plan, writer: SocketAddr, writes: &Plan) -> Result<Mixed, String> {
    let (read, written) = thread::scope(|scope| {
        let written = scope.spawn(|| load::run(writer, writes));
        thread::sleep(MARGIN);
        let read = load::run(reader, reads);
        (read, written.join().map_err(|_| "the writing thread panicked".to_owned()))
    });
    let (read, written) = (read?, written??);
    for (measured, plan) in [(&read, reads), (&written, writes)] {
        check(measured, plan)?;
    }
    Ok(Mixed {
        reads: QUANTILES.map(|q| read.latency.value_at_quantile(q) as f64 / 1e6),
        writes_per_second: written.requests as f64 / written.seconds,
    })
}

fn check(measured: &Measured, plan: &Plan) -> Result<(), String> {
    let name = plan.workload.name();
    if measured.errors > 0 {
        return Err(format!("{} error replies to {name}", measured.errors));
    }
    // An open loop records one sample for each request that was due.
    if measured.latency.len() > measured.requests {
        return Err(format!(
            "{} of {} {name} were not answered",
            measured.latency.len() - measured.requests,
            measured.latency.len()
        ));
    }
    Ok(())
}

/// What a connection is to have answered first, for a plan; nothing if there are no words.
pub fn setup(words: &[&str]) -> Vec<Vec<u8>> {
    if words.is_empty() {
        return Vec::new();
    }
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut bytes = Vec::new();
    command(&mut bytes, &words);
    vec![bytes]
}

/// One quantile of all rounds.
pub fn column(samples: &[Sample], at: usize) -> Vec<f64> {
    samples.iter().filter_map(|sample| sample.get(at).copied()).collect()
}

/// The medians over the rounds.
pub fn quantiles(samples: &[Sample]) -> String {
    let each: Vec<String> =
        (0..QUANTILES.len()).map(|at| format!("{:.2}", median(column(samples, at)))).collect();
    each.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_medians_over_rounds() {
        assert_eq!(quantiles(&[[1.0, 2.0, 3.0], [3.0, 4.0, 9.0], [2.0, 9.0, 4.0]]), "2.00/4.00/4.00");
    }

    #[test]
    fn a_set_up_is_one_command_or_none() {
        assert!(setup(&[]).is_empty());
        assert_eq!(setup(&["CLIENT", "ID"]), [b"*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n".to_vec()]);
    }
}
