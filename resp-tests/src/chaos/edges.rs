//! Readers at edges. They read the lists that transactions append to (`append.rs`), those that are strings: nothing is ever
//! taken out of one, so what an edge shows must be the beginning of what the core has in the end, and go on from what it
//! showed before. A token that was never committed is in no core's list, and a read that goes back is shorter than the one
//! before. And they add up the accounts between which scripts move money (`types/accounts.rs`): the sum is always the same,
//! since an edge shows all of a script or nothing, and the number of transfers only grows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::append::{Step, Txn};
use super::clients::{LIST_TOKENS, LISTS, Round, is_list, list_key, tokens};
use super::failure::Failure;
use super::types::accounts::TOTAL;
use super::types::{audit_words, audited};
use crate::connection::{Connection, Received};
use crate::value::Value;
use std::sync::atomic::Ordering;

const PAUSE: Duration = Duration::from_millis(5);
/// Of so many sets of lists before the current one.
const SETS_MAX: u64 = 60;
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// One sum over the accounts for so many reads.
const AUDIT_EVERY: u64 = 4;
const CONNECT_AGAIN: Duration = Duration::from_millis(50);
/// When all is healed an edge has all that the core has.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);
/// What an edge may answer instead.
const REFUSALS: [&str; 4] = ["LOADING", "STALE", "CLUSTERDOWN", "TRYAGAIN"];

/// What one reader saw at one edge.
#[derive(Debug, Default)]
pub struct Seen {
    pub name: String,
    pub reads: u64,
    /// The last that it saw of each list.
    lists: BTreeMap<String, Vec<u64>>,
    /// The most transfers that it saw.
    transfers: u64,
    violations: Vec<String>,
}

impl Seen {
    fn take(&mut self, key: String, list: Vec<u64>) {
        let before = self.lists.entry(key).or_default();
        if !list.starts_with(before) {
            // What follows is measured by what was seen first: that is what somebody may have built upon.
            self.violations.push(format!("{}: a list went from {before:?} to {list:?}", self.name));
            return;
        }
        *before = list;
    }

    fn audit(&mut self, sum: u64, transfers: u64) {
        if sum != TOTAL || transfers < self.transfers {
            self.violations.push(format!(
                "{}: all accounts have {sum} together, not {TOTAL}, or transfers went from {} to {transfers}",
                self.name, self.transfers
            ));
        }
        self.transfers = self.transfers.max(transfers);
    }

    /// What is wrong with it, given the core's lists in the end.
    pub fn check(&self, core: &BTreeMap<String, Vec<u64>>) -> Vec<String> {
        let none = Vec::new();
        let uncommitted = self.lists.iter().filter_map(|(key, seen)| {
            let list = core.get(key).unwrap_or(&none);
            let never: Vec<&u64> = seen.iter().filter(|token| !list.contains(token)).collect();
            (!list.starts_with(seen)).then(|| {
                format!(
                    "{} showed {key} as {seen:?}, in the core it is {list:?}; never committed: {never:?}",
                    self.name
                )
            })
        });
        self.violations.iter().cloned().chain(uncommitted).collect()
    }
}

/// Those lists as a transaction that read them all found them.
pub fn lists(read: &Txn) -> BTreeMap<String, Vec<u64>> {
    let list = |step: &Step| match step {
        Step::Read { key, seen: Some(seen) } if !is_list(key) => Some((key.clone(), seen.clone())),
        Step::Read { .. } | Step::Append { .. } => None,
    };
    read.steps.iter().filter_map(list).collect()
}

/// Reads at one edge until told to stop.
pub fn read(round: &Round<'_>, edge: usize) -> Result<Seen, Failure> {
    round.view.enter()?;
    let (name, address) = round.view.edges[edge].clone();
    let mut seen = Seen { name, ..Seen::default() };
    let mut connection = None;
    while !round.stop.load(Ordering::Relaxed) {
        thread::sleep(PAUSE);
        let keys = keys(round);
        match get(&mut connection, address, &keys)? {
            Some(lists) => {
                seen.reads += 1;
                keys.into_iter().zip(lists).for_each(|(key, list)| seen.take(key, list));
            }
            None => thread::sleep(CONNECT_AGAIN),
        }
        if seen.reads.is_multiple_of(AUDIT_EVERY)
            && let Some(reply) = ask(&mut connection, address, &audit_words(round))?
        {
            let (sum, transfers) = audited(&reply)?;
            seen.audit(sum, transfers);
        }
    }
    Ok(seen)
}

/// All lists that clients have appended to lately: what was never committed may show long after it was written.
fn keys(round: &Round<'_>) -> Vec<String> {
    let set = round.appends.load(Ordering::Relaxed) / LIST_TOKENS;
    let sets = set.saturating_sub(SETS_MAX)..=set;
    let lists = sets.flat_map(|set| (0..LISTS).map(move |list| list_key(round, set, list)));
    lists.filter(|key| !is_list(key)).collect()
}

/// Lists as an edge has them; `None`: it does not say.
fn get(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    keys: &[String],
) -> Result<Option<Vec<Vec<u64>>>, Failure> {
    let words: Vec<String> = ["MGET".to_owned()].into_iter().chain(keys.iter().cloned()).collect();
    match ask(connection, address, &words)? {
        Some(Value::Array(lists)) => lists.iter().map(tokens).collect::<Result<_, _>>().map(Some),
        Some(other) => Err(Failure::server(format!("an edge answered a read with {other:?}"))),
        None => Ok(None),
    }
}

/// An edge's answer; `None`: it has none for now.
fn ask(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    words: &[String],
) -> Result<Option<Value>, Failure> {
    if connection.is_none() {
        *connection = Connection::open_at(address).ok();
    }
    let Some(open) = connection else { return Ok(None) };
    open.set_deadline(ANSWER_MAX);
    match open.call(words) {
        Ok(Received::Reply(Value::Error(text))) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            match REFUSALS.iter().any(|code| text.starts_with(code)) {
                true => Ok(None),
                false => Err(Failure::server(format!("an edge answered a read with {text}"))),
            }
        }
        Ok(Received::Reply(reply)) => Ok(Some(reply)),
        Ok(Received::Closed) | Err(_) => {
            *connection = None;
            Ok(None)
        }
    }
}

/// When all is quiet: waits until an edge shows the core's lists.
pub fn catch_up(round: &Round<'_>, edge: usize, core: &BTreeMap<String, Vec<u64>>) -> Result<(), Failure> {
    let (name, address) = &round.view.edges[edge];
    let deadline = Instant::now() + CATCH_UP_MAX;
    let mut connection = None;
    let keys: Vec<String> = core.keys().cloned().collect();
    loop {
        let got = get(&mut connection, *address, &keys)?.unwrap_or_default();
        if got.iter().eq(core.values()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let text =
                format!("{name} shows {got:?} {CATCH_UP_MAX:?} after all is healed, the core has {core:?}");
            return Err(Failure::server(text));
        }
        thread::sleep(CONNECT_AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(reads: &[&[u64]]) -> Seen {
        let mut seen = Seen::default();
        reads.iter().for_each(|list| seen.take("l".into(), list.to_vec()));
        seen
    }

    #[test]
    fn what_was_never_committed_and_what_goes_back_is_noticed() {
        let core = BTreeMap::from([("l".to_owned(), vec![1, 2, 3])]);
        assert!(seen(&[&[], &[1], &[1, 2], &[1, 2]]).check(&core).is_empty());
        assert_eq!(seen(&[&[1], &[1, 9]]).check(&core).len(), 1, "9 was never committed");
        assert_eq!(seen(&[&[1, 2], &[1]]).check(&core).len(), 1, "it went back");
        assert_eq!(seen(&[&[1, 9], &[1, 2]]).check(&core).len(), 2, "both");
        assert_eq!(seen(&[&[1]]).check(&BTreeMap::new()).len(), 1);
        for (audits, wrong) in
            [([(TOTAL, 1), (TOTAL, 1)], 0), ([(TOTAL, 1), (TOTAL - 1, 2)], 1), ([(TOTAL, 2), (TOTAL, 1)], 1)]
        {
            let mut seen = Seen::default();
            audits.into_iter().for_each(|(sum, transfers)| seen.audit(sum, transfers));
            assert_eq!(seen.check(&BTreeMap::new()).len(), wrong, "{audits:?}");
        }
    }
}
