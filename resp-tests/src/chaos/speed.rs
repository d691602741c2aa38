//! Whether the core went on working: the longest time without an acknowledged write, and how fast it was during the fault
//! compared with just before.

use std::time::Duration;

use super::fault::Promise;

/// Moments of a round, nanoseconds since it began.
#[derive(Clone, Copy, Debug)]
pub struct Phases {
    /// Clients are at work.
    pub calm_at: i64,
    /// The fault begins.
    pub fault_at: i64,
    /// Clients are told to stop.
    pub stopped_at: i64,
}

/// What a round has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub gap_max: Duration,
    /// Operations a second from the fault to the end, as a share of those before it.
    pub rate: f64,
}

fn seconds(nanos: i64) -> f64 {
    nanos.max(1) as f64 / 1e9
}

/// From the moments at which operations were answered, and those at which writes were acknowledged.
pub fn measure(answers: &[i64], mut acknowledged: Vec<i64>, phases: Phases) -> Measured {
    let Phases { calm_at, fault_at, stopped_at } = phases;
    let rate = |from: i64, to: i64| {
        answers.iter().filter(|at| (from..to).contains(*at)).count() as f64 / seconds(to - from)
    };
    let (calm, during) = (rate(calm_at, fault_at), rate(fault_at, stopped_at));
    acknowledged.retain(|at| (calm_at..stopped_at).contains(at));
    acknowledged.extend([calm_at, stopped_at]);
    acknowledged.sort_unstable();
    let gap = acknowledged.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    Measured {
        gap_max: Duration::from_nanos(u64::try_from(gap).unwrap_or(0)),
        rate: if calm > 0.0 { during / calm } else { 0.0 },
    }
}

impl Measured {
    /// What is less than promised.
    pub fn complaints(&self, promise: Promise) -> Vec<String> {
        let mut complaints = Vec::new();
        if let Some(gap_max) = promise.gap_max.filter(|gap_max| self.gap_max > *gap_max) {
            complaints.push(format!(
                "no write was acknowledged for {:?}, and {gap_max:?} is the most",
                self.gap_max
            ));
        }
        if self.rate < promise.rate_min {
            let (rate, least) = (self.rate * 100.0, promise.rate_min * 100.0);
            complaints.push(format!("{rate:.1} % of the usual operations, and {least} % is the least"));
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;
    const PHASES: Phases = Phases { calm_at: 0, fault_at: S, stopped_at: 6 * S };

    #[test]
    fn the_longest_gap_and_the_share_of_operations_are_found() {
        // Ten a second before, one a second from the fault on, none after second 5.
        let answers: Vec<i64> =
            (0..10).map(|at| at * S / 10).chain([S, 2 * S, 3 * S, 4 * S, 5 * S - 1]).collect();
        let measured = measure(&answers, answers.clone(), PHASES);
        assert_eq!(measured.gap_max, Duration::from_nanos(1_000_000_001));
        assert!((measured.rate - 0.1).abs() < 0.001, "{measured:?}");
        let promise =
            |gap_max: u64, rate_min| Promise { gap_max: Some(Duration::from_secs(gap_max)), rate_min };
        assert_eq!(measured.complaints(promise(2, 0.05)).len(), 0);
        assert_eq!(measured.complaints(promise(1, 0.05)).len(), 1);
        assert_eq!(measured.complaints(promise(1, 0.5)).len(), 2);
    }

    #[test]
    fn nothing_at_all_is_one_long_gap() {
        let measured = measure(&[], vec![], PHASES);
        assert_eq!((measured.gap_max, measured.rate), (Duration::from_secs(6), 0.0));
    }
}
