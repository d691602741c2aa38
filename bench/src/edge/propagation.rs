//! How long after its acknowledgement at the core a write is visible at the edge.
//!
//! A writer writes ascending numbers to the core, each when the one before was seen; a reader asks the edge over and over.
//! Both clocks are this process's. A number counts as visible when the answer that has it has come, so a time is too long by
//! what lies between two answers at most, and by one answer's way. What is visible before the acknowledgement counts as 0.

use super::{Options, Pair, relay::Relay, site};
use crate::{
    client::{Client, Value, text},
    load::{self, Plan},
    numbers::{median, quantile},
    table::Table,
    workload::{Workload, value},
};
use resp_tests::dice::Dice;
use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Between an answer and the next question, so that asking takes no core for itself.
const POLL_PAUSE: Duration = Duration::from_micros(100);
/// Between a number that was seen and the next one, at most; drawn, so that it falls together with nothing.
const PAUSE_MAX_US: u64 = 10_000;
const WRITES_PER_SECOND: f64 = 5_000.0;
const WRITERS: usize = 50;
const KEY: &str = "bench:propagation";

/// Milliseconds.
#[derive(Debug, Default)]
struct Seen {
    delays: Vec<f64>,
    /// Numbers that were visible before they were acknowledged.
    early: usize,
    /// Between two answers.
    polls: Vec<f64>,
}

/// Alone, beside other writes, and over a line with a delay.
pub fn run(pair: &mut Pair<'_>, options: &Options, base: &Path, table: &mut Table) -> Result<(), String> {
    let leader = pair.cluster.agreed()?;
    let core = pair.cluster.node(leader)?.address;
    let count = options.stamps.max(1);
    let alone = watch(core, pair.edge.address, |done| done < count)?;
    report("lone SETs, loopback", &alone, None, table);
    let busy = busy(pair, core)?;
    report(&format!("beside {WRITES_PER_SECOND:.0} SET/s, loopback"), &busy, None, table);
    pair.caught_up()?;
    let upstream = pair.cluster.node(leader)?.peer_address();
    let delay = Duration::from_millis(options.delay_ms);
    let relay = Relay::start(upstream, delay).map_err(|e| format!("relay: {e}"))?;
    let mut far = site::node("far", &options.edge_base(base))?;
    site::start(&mut far, pair.choice, &[relay.address], &options.edge_args())?;
    let outcome = distant(pair, core, &mut far, count);
    let seen = site::explain(outcome, &[&far])?;
    report(&format!("lone SETs, {} ms to the core one way", options.delay_ms), &seen, Some(delay), table);
    Ok(())
}

fn distant(
    pair: &mut Pair<'_>,
    core: SocketAddr,
    far: &mut crate::node::Node,
    count: usize,
) -> Result<Seen, String> {
    let leader = pair.cluster.agreed()?;
    let revision = site::revision(pair.cluster.node(leader)?)?;
    site::wait_for(far, revision, site::CATCH_UP_MAX)?;
    pair.settle()?;
    watch(core, far.address, |done| done < count)
}

/// As long as another client writes at a given rate.
fn busy(pair: &Pair<'_>, core: SocketAddr) -> Result<Seen, String> {
    let plan = Plan {
        workload: Workload::Set,
        value: value(64),
        keys: pair.choice.keys,
        clients: WRITERS,
        pipeline: 1,
        time: Duration::from_secs_f64(pair.choice.seconds * pair.choice.rounds as f64),
        rate: Some(WRITES_PER_SECOND),
        setup: Vec::new(),
        seed: 1,
        prepared: load::PREPARED,
    };
    thread::scope(|scope| {
        let load = scope.spawn(|| load::run(core, &plan));
        let seen = watch(core, pair.edge.address, |_| !load.is_finished());
        let load = load.join().map_err(|_| "the writing thread panicked".to_owned())??;
        match load.errors {
            0 => seen,
            errors => Err(format!("{errors} error replies to SET")),
        }
    })
}

/// Writes at the core and looks at the edge, while `more` says so of the number that was seen.
fn watch(core: SocketAddr, edge: SocketAddr, more: impl Fn(usize) -> bool) -> Result<Seen, String> {
    let failed = |e: std::io::Error| format!("propagation: {e}");
    let mut writer = Client::connect(core, ANSWER_MAX).map_err(failed)?;
    let mut reader = Client::connect(edge, ANSWER_MAX).map_err(failed)?;
    let first = number(&writer.call(&["GET", KEY]).map_err(failed)?)?;
    let (stop, (sender, receiver)) = (AtomicBool::new(false), mpsc::channel());
    thread::scope(|scope| {
        let polling = scope.spawn(|| poll(&mut reader, first, &stop, sender));
        let written = write(&mut writer, first, &receiver, more);
        stop.store(true, Ordering::Relaxed);
        let polls = polling.join().map_err(|_| "the reading thread panicked".to_owned())??;
        let (delays, early) = written?;
        Ok(Seen { delays, early, polls })
    })
}

/// How long each number took, and how many were early.
fn write(
    writer: &mut Client,
    first: i64,
    seen: &Receiver<(i64, Instant)>,
    more: impl Fn(usize) -> bool,
) -> Result<(Vec<f64>, usize), String> {
    let (mut delays, mut early, mut dice) = (Vec::new(), 0, Dice::new(1));
    for number in first + 1.. {
        if !more(delays.len()) {
            break;
        }
        match writer.call(&["SET", KEY, &number.to_string()]).map_err(|e| format!("SET at the core: {e}"))? {
            Value::Simple(text) if text == b"OK" => {}
            other => return Err(format!("SET at the core: {other:?}")),
        }
        let acknowledged = Instant::now();
        let (came, at) = seen
            .recv_timeout(ANSWER_MAX)
            .map_err(|_| format!("the edge does not show {number} within {} s", ANSWER_MAX.as_secs()))?;
        if came != number {
            return Err(format!("the edge shows {came}, the core's last is {number}"));
        }
        early += usize::from(at < acknowledged);
        delays.push(at.saturating_duration_since(acknowledged).as_secs_f64() * 1e3);
        thread::sleep(Duration::from_micros(dice.below(PAUSE_MAX_US)));
    }
    Ok((delays, early))
}

/// Tells of every change, and how long it was between answers.
fn poll(
    reader: &mut Client,
    mut last: i64,
    stop: &AtomicBool,
    seen: Sender<(i64, Instant)>,
) -> Result<Vec<f64>, String> {
    let (mut polls, mut before) = (Vec::new(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let answer = reader.call(&["GET", KEY]).map_err(|e| format!("GET at the edge: {e}"))?;
        let now = Instant::now();
        polls.push(now.saturating_duration_since(before).as_secs_f64() * 1e3);
        before = now;
        let number = number(&answer)?;
        if number != last {
            last = number;
            if seen.send((number, now)).is_err() {
                break;
            }
        }
        thread::sleep(POLL_PAUSE);
    }
    Ok(polls)
}

fn number(value: &Value) -> Result<i64, String> {
    match value {
        Value::NilBulk => Ok(0),
        Value::Bulk(_) => text(value).parse().map_err(|e| format!("{KEY} is {value:?}: {e}")),
        other => Err(format!("GET {KEY}: {other:?}")),
    }
}

fn report(how: &str, seen: &Seen, delay: Option<Duration>, table: &mut Table) {
    let of = |q: f64| quantile(seen.delays.clone(), q);
    let one_way = delay.map(|delay| delay.as_secs_f64() * 1e3);
    table.row(
        "propagation",
        &format!("acknowledged at the core → visible, {how}, p50/p99/max ms"),
        &format!("**{:.2}/{:.2}/{:.2}**", median(seen.delays.clone()), of(0.99), of(1.0)),
        &one_way.map(|ms| format!("one way {ms:.0} ms")).unwrap_or_default(),
        &one_way.filter(|ms| *ms > 0.0).map(|ms| format!("p50 {:.2}", of(0.5) / ms)).unwrap_or_default(),
        &format!(
            "{} writes, {} visible before the acknowledgement (count as 0); the edge was asked every {:.2} ms (median, p99 {:.2}), by which times may be too long",
            seen.delays.len(),
            seen.early,
            median(seen.polls.clone()),
            quantile(seen.polls.clone(), 0.99)
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::{Arc, Mutex},
    };

    type Shown = Arc<Mutex<Vec<(Instant, String)>>>;

    /// Serves two clients: the one that writes, and one that sees each number `lag` after it was acknowledged.
    fn server(lag: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let written = Shown::default();
            for mut stream in listener.incoming().flatten() {
                let written = Arc::clone(&written);
                thread::spawn(move || {
                    let mut buffer = [0; 1000];
                    while let Ok(n @ 1..) = stream.read(&mut buffer) {
                        let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
                        let words: Vec<&str> = text.split("\r\n").collect();
                        let answer = if words[2] == "SET" {
                            let number = words[6].to_owned();
                            written.lock().unwrap().push((Instant::now() + lag, number));
                            "+OK\r\n".to_owned()
                        } else {
                            let written = written.lock().unwrap();
                            let visible = written.iter().rev().find(|(from, _)| *from <= Instant::now());
                            visible.map_or("$-1\r\n".to_owned(), |(_, number)| {
                                format!("${}\r\n{number}\r\n", number.len())
                            })
                        };
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        address
    }

    #[test]
    fn the_time_between_acknowledged_and_visible_is_seen() {
        let address = server(Duration::from_millis(100));
        let seen = watch(address, address, |done| done < 5).unwrap();
        assert_eq!((seen.delays.len(), seen.early), (5, 0));
        // From the acknowledgement on, which comes a moment after the lag begins, on a busy machine a longer one.
        let longest = quantile(seen.delays.clone(), 1.0);
        assert!((50.0..10_000.0).contains(&longest), "{:?}", seen.delays);
        assert!(seen.polls.len() > 5);
    }

    #[test]
    fn numbers_go_on_where_the_last_run_ended() {
        let address = server(Duration::ZERO);
        for _ in 0..2 {
            assert_eq!(watch(address, address, |done| done < 3).unwrap().delays.len(), 3);
        }
    }
}
