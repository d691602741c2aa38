//! How long a client sees no write acknowledged when the leader is killed, and when it hands over.

use super::observer::{Observer, longest_gap};
use crate::{
    client::{Value, text},
    cluster::Cluster,
    numbers::{median, quantile},
    table::Table,
};
use std::{collections::BTreeMap, time::Duration};

/// Undisturbed before the event, and observed at least after it.
const BEFORE: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_secs(2);
/// The longest wait for an acknowledgement before the run fails.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What happens to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Kill,
    Transfer,
}

/// What was seen over all events.
#[derive(Debug, Default)]
struct Tally {
    /// Seconds.
    gaps: Vec<f64>,
    /// The longest gaps of the time before.
    quiet: Vec<f64>,
    acknowledged: u64,
    errors: BTreeMap<String, u64>,
}

/// Kills the leader `times` times, one after the other, while a client of a follower writes.
pub fn kills(cluster: &mut Cluster, times: usize, table: &mut Table) -> Result<(), String> {
    let tally = repeat(cluster, times, Event::Kill, "bench:gap:kill")?;
    report("gap", "SIGKILL of the leader, a client of a follower", &tally, table);
    Ok(())
}

/// Lets another node lead `times` times; the client's node is in turn the old leader, the next one and the third.
pub fn transfers(cluster: &mut Cluster, times: usize, table: &mut Table) -> Result<(), String> {
    let tally = repeat(cluster, times, Event::Transfer, "bench:gap:transfer")?;
    report("transfer", "`CORE TRANSFER`, a client of each node in turn", &tally, table);
    Ok(())
}

fn report(part: &str, what: &str, tally: &Tally, table: &mut Table) {
    let of = |q: f64| quantile(tally.gaps.clone(), q);
    let errors: Vec<String> = tally.errors.iter().map(|(code, count)| format!("{code} {count}")).collect();
    table.row(
        part,
        &format!(
            "{what}, {} times: longest time between acknowledged INCRs, median/p99/max s",
            tally.gaps.len()
        ),
        &format!("**{:.3}/{:.3}/{:.3}**", median(tally.gaps.clone()), of(0.99), of(1.0)),
        &format!(
            "undisturbed {:.3} (median), {:.3} (max)",
            median(tally.quiet.clone()),
            quantile(tally.quiet.clone(), 1.0)
        ),
        "",
        &format!(
            "{} writes acknowledged, none lost; errors: {}",
            tally.acknowledged,
            if errors.is_empty() { "none".to_owned() } else { errors.join(", ") }
        ),
    );
}

fn repeat(cluster: &mut Cluster, times: usize, event: Event, key: &'static str) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for time in 0..times {
        once(cluster, event, time, key, &mut tally)?;
        if let Some(gap) = tally.gaps.last() {
            eprintln!("{event:?} {}/{times}: {gap:.3} s", time + 1);
        }
    }
    check(cluster, key, &tally)?;
    Ok(tally)
}

fn once(
    cluster: &mut Cluster,
    event: Event,
    time: usize,
    key: &'static str,
    tally: &mut Tally,
) -> Result<(), String> {
    let leader = cluster.agreed()?;
    let others = cluster.others(leader);
    let next = others.get(time % others.len().max(1)).copied().ok_or("a core of one node")?;
    let first = match event {
        Event::Kill => next,
        Event::Transfer => time % cluster.nodes.len(),
    };
    let mut addresses = cluster.addresses();
    addresses.rotate_left(first);
    let observer = Observer::start(addresses, key);
    observer.wait_past(BEFORE, SILENCE_MAX)?;
    let began = observer.now();
    match event {
        Event::Kill => cluster.node(leader)?.kill(),
        Event::Transfer => transfer(cluster, leader, next)?,
    }
    observer.wait_past(observer.now() + AFTER, SILENCE_MAX)?;
    let seen = observer.finish()?;
    if let Some((before, after)) = seen.violation {
        return Err(format!("INCR answered {after} after {before}"));
    }
    tally.gaps.push(longest_gap(&seen.acknowledged, began, Duration::MAX).as_secs_f64());
    tally.quiet.push(longest_gap(&seen.acknowledged, Duration::ZERO, began).as_secs_f64());
    tally.acknowledged += seen.acknowledged.len() as u64;
    for (code, count) in seen.errors {
        *tally.errors.entry(code).or_default() += count;
    }
    match event {
        Event::Kill => cluster.node(leader)?.launch(),
        Event::Transfer if cluster.agreed()? == next => Ok(()),
        Event::Transfer => Err("another node leads than the one that was to".into()),
    }
}

fn transfer(cluster: &mut Cluster, leader: usize, next: usize) -> Result<(), String> {
    let name = cluster.node(next)?.name.clone();
    match cluster.node(leader)?.call(&["CORE", "TRANSFER", &name])? {
        Value::Simple(text) if text == b"OK" => Ok(()),
        other => Err(format!("CORE TRANSFER {name}: {other:?}")),
    }
}

/// Every acknowledged write must be in the counter; more may be, as many as had an unknown outcome.
fn check(cluster: &mut Cluster, key: &str, tally: &Tally) -> Result<(), String> {
    let leader = cluster.agreed()?;
    let counted = match cluster.node(leader)?.call(&["GET", key])? {
        value @ Value::Bulk(_) => text(&value).parse().unwrap_or(0),
        Value::NilBulk => 0,
        other => return Err(format!("GET {key}: {other:?}")),
    };
    match is_possible(counted, tally.acknowledged, &tally.errors) {
        true => Ok(()),
        false => Err(format!(
            "{} writes were acknowledged, {counted} counted, errors {:?}",
            tally.acknowledged, tally.errors
        )),
    }
}

fn is_possible(counted: u64, acknowledged: u64, errors: &BTreeMap<String, u64>) -> bool {
    let of = |code: &str| errors.get(code).copied().unwrap_or(0);
    (acknowledged..=acknowledged + of("UNKNOWN") + of("connection")).contains(&counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_lies_between_what_was_acknowledged_and_what_may_have_been_done() {
        let errors = BTreeMap::from([
            ("UNKNOWN".to_owned(), 1),
            ("connection".to_owned(), 1),
            ("TRYAGAIN".to_owned(), 9),
        ]);
        assert!(!is_possible(9, 10, &errors));
        assert!(is_possible(10, 10, &errors));
        assert!(is_possible(12, 10, &errors));
        assert!(!is_possible(13, 10, &errors));
    }
}
