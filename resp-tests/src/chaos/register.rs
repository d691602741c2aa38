//! Single keys: SET, GET, SET IFEQ and DELIFEQ of unique values must look as if each happened at one moment between its
//! call and its reply.

use std::collections::BTreeMap;
use std::time::Duration;

use porcupine_rs::{CheckResult, Model, Operation};

/// A history is given up after this time; that is counted, not passed over.
const CHECK_MAX: Duration = Duration::from_secs(60);

/// What a client did to a key. Replies are `None` where there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Set {
        value: u64,
    },
    /// SET key value IFEQ expected; the reply says whether it was set.
    Swap {
        expected: u64,
        value: u64,
        done: Option<bool>,
    },
    /// DELIFEQ.
    Delete {
        expected: u64,
        done: Option<bool>,
    },
    Get {
        seen: Option<u64>,
    },
}

/// One operation; times are nanoseconds since some beginning.
#[derive(Clone, Debug)]
pub struct Event {
    pub client: u32,
    pub key: String,
    pub op: Op,
    pub called_at: i64,
    /// `None`: it may have happened at any time since, or never.
    pub returned_at: Option<i64>,
}

impl Event {
    /// Whether it is more than a read.
    pub fn is_write(&self) -> bool {
        !matches!(self.op, Op::Get { .. })
    }
}

#[derive(Clone, Debug)]
struct Register;

impl Model for Register {
    type State = Option<u64>;
    type Op = Op;
    type Metadata = ();

    fn init() -> Option<u64> {
        None
    }

    fn step(state: &Option<u64>, op: &Op) -> (bool, Option<u64>) {
        let conditional = |expected: &u64, done: &Option<bool>, after: Option<u64>| {
            let holds = *state == Some(*expected);
            let fits = done.is_none_or(|done| done == holds);
            (fits, if holds { after } else { *state })
        };
        match op {
            Op::Set { value } => (true, Some(*value)),
            Op::Swap { expected, value, done } => conditional(expected, done, Some(*value)),
            Op::Delete { expected, done } => conditional(expected, done, None),
            Op::Get { seen } => (seen == state, *state),
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Keys whose history no order explains.
    pub violations: Vec<String>,
    /// Keys whose check took too long.
    pub undecided: usize,
}

/// Checks every key of a history by itself: linearizability is local (Herlihy and Wing 1990).
pub fn check(history: &[Event]) -> Findings {
    let mut keys: BTreeMap<&str, Vec<Operation<Register>>> = BTreeMap::new();
    for event in history {
        keys.entry(&event.key).or_default().push(Operation {
            client_id: Some(event.client),
            call_time: event.called_at,
            return_time: event.returned_at.unwrap_or(i64::MAX),
            op: event.op.clone(),
            metadata: None,
        });
    }
    let mut findings = Findings::default();
    for (key, operations) in keys {
        match porcupine_rs::check_operations_timeout(&operations, CHECK_MAX) {
            CheckResult::Ok => {}
            CheckResult::Illegal => findings.violations.push(format!("{key}: not linearizable")),
            CheckResult::Unknown => findings.undecided += 1,
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(client: u32, op: Op, from: i64, to: i64) -> Event {
        let returned_at = (to > 0).then_some(to);
        Event { client, key: "k".into(), op, called_at: from, returned_at }
    }

    fn is_good(events: &[Event]) -> bool {
        let findings = check(events);
        assert_eq!(findings.undecided, 0);
        findings.violations.is_empty()
    }

    #[test]
    fn good_histories_pass() {
        let set = |value| Op::Set { value };
        let get = |seen| Op::Get { seen };
        assert!(is_good(&[event(1, set(1), 0, 10), event(2, get(Some(1)), 20, 30)]));
        // Concurrent: either order.
        assert!(is_good(&[event(1, set(1), 0, 10), event(2, get(None), 5, 30)]));
        assert!(is_good(&[event(1, set(1), 0, 10), event(2, get(Some(1)), 5, 6)]));
        // Unknown: late, or never.
        assert!(is_good(&[
            event(1, set(1), 0, 0),
            event(2, get(None), 5, 6),
            event(2, get(Some(1)), 50, 60)
        ]));
        assert!(is_good(&[event(1, set(1), 0, 0), event(2, get(None), 5, 6)]));
        let swap = Op::Swap { expected: 1, value: 2, done: Some(true) };
        assert!(is_good(&[event(1, set(1), 0, 1), event(1, swap, 2, 3), event(2, get(Some(2)), 4, 5)]));
    }

    #[test]
    fn faults_are_found() {
        let set = |value| Op::Set { value };
        let get = |seen| Op::Get { seen };
        for (fault, history) in [
            (
                "a stale read",
                vec![event(1, set(1), 0, 1), event(1, set(2), 2, 3), event(2, get(Some(1)), 4, 5)],
            ),
            ("a lost write", vec![event(1, set(1), 0, 1), event(2, get(None), 4, 5)]),
            (
                "going back in time",
                vec![
                    event(1, set(1), 0, 1),
                    event(1, set(2), 2, 30),
                    event(2, get(Some(2)), 4, 5),
                    event(3, get(Some(1)), 6, 7),
                ],
            ),
            (
                "an unknown write that comes, goes and comes",
                vec![
                    event(1, set(1), 0, 1),
                    event(1, set(2), 2, 0),
                    event(2, get(Some(2)), 4, 5),
                    event(2, get(Some(1)), 6, 7),
                ],
            ),
            (
                "two winners of one swap",
                vec![
                    event(1, set(1), 0, 1),
                    event(2, Op::Swap { expected: 1, value: 2, done: Some(true) }, 2, 9),
                    event(3, Op::Swap { expected: 1, value: 3, done: Some(true) }, 2, 9),
                ],
            ),
            (
                "a deleted value that is back",
                vec![
                    event(1, set(1), 0, 1),
                    event(1, Op::Delete { expected: 1, done: Some(true) }, 2, 3),
                    event(2, get(Some(1)), 4, 5),
                ],
            ),
        ] {
            assert!(!is_good(&history), "not found: {fault}");
        }
    }
}
